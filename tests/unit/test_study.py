"""A study folder as a run sees it: fixed when the run begins."""

import errno
import shutil

import pytest
import yaml

from osteoflow import cli
from osteoflow.errors import StudyError
from osteoflow.resources import ROOT
from osteoflow.study import (
    CONFIG_YAML,
    SNAPSHOT,
    SUBJECTS_TSV,
    frozen_study,
    load_study,
    take_snapshot,
)


def test_a_cluster_job_sees_the_study_as_it_was_when_the_run_began(tmp_path):
    """Rows added and settings changed during a run of hours are the next run's."""
    study = tmp_path / "study"
    shutil.copytree(ROOT / "tests" / "fixtures" / "study", study)
    config, table = study / CONFIG_YAML, study / SUBJECTS_TSV
    took = load_study(study, yaml.safe_load(config.read_text()))
    take_snapshot(study)
    content = yaml.safe_load(config.read_text())
    content["segmentation"] = {"erosion_mm": took.config.segmentation.erosion_mm + 1}
    config.write_text(yaml.safe_dump(content))
    header, first = table.read_text().splitlines()[:2]
    table.write_text(table.read_text() + first.replace("01", "99", 1) + "\n")
    with pytest.raises(StudyError, match="changed since the last inventory"):
        load_study(study, content)
    frozen = frozen_study(study, {})
    assert frozen.config == took.config
    assert frozen.table == took.table
    assert frozen.radiomics_settings() == took.radiomics_settings()
    # Settings given on the command line count in every job.
    given = frozen_study(study, {"segmentation": {"erosion_mm": 2.5}})
    assert given.config.segmentation.erosion_mm == 2.5
    assert given.config.mri == took.config.mri


def test_a_disk_that_is_full_as_a_run_begins_is_named_and_leaves_no_half_copy(
    tmp_path, monkeypatch, capsys
):
    study = tmp_path / "study"
    shutil.copytree(ROOT / "tests" / "fixtures" / "study", study)
    take_snapshot(study)
    kept = {path.name: path.read_text() for path in (study / SNAPSHOT / "config").iterdir()}
    (study / CONFIG_YAML).write_text((study / CONFIG_YAML).read_text() + "# longer\n")

    def full(source, copy, **_):
        copy.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device", str(copy))

    monkeypatch.setattr(shutil, "copyfile", full)
    monkeypatch.setattr(cli, "_take_inventory", lambda *_, **__: None)
    assert cli.main(["run", str(study)]) == 3
    said = capsys.readouterr().err
    assert said.startswith("The study folder cannot be written: [Errno 28] No space left on device")
    assert kept == {p.name: p.read_text() for p in (study / SNAPSHOT / "config").iterdir()}
    assert list((study / SNAPSHOT).parent.glob(".*.part")) == []


def test_a_copy_of_the_settings_holds_folders_and_no_links_of_editors(tmp_path):
    (tmp_path / "config" / "recipes").mkdir(parents=True)
    (tmp_path / CONFIG_YAML).write_text("{}\n")
    (tmp_path / "config" / "recipes" / "mine.yaml").write_text("a: 1\n")
    (tmp_path / "config" / ".#config.yaml").symlink_to("somebody@host.1234")
    gone = tmp_path / "config" / "old.yaml"
    gone.write_text("b: 1\n")
    take_snapshot(tmp_path)
    gone.unlink()
    take_snapshot(tmp_path)
    copied = tmp_path / SNAPSHOT
    found = {p.relative_to(copied).as_posix() for p in copied.rglob("*") if p.is_file()}
    assert found == {"config/config.yaml", "config/recipes/mine.yaml"}
    with pytest.raises(FileNotFoundError):
        take_snapshot(tmp_path / "nowhere")


def test_a_run_reads_a_recipe_wherever_it_lies_in_the_study(tmp_path):
    """One inside ``config/`` is fixed when the run begins."""
    study = tmp_path / "study"
    shutil.copytree(ROOT / "tests" / "fixtures" / "study", study)
    (study / "recipes").mkdir()
    for place in ("recipes", "config"):
        recipe = study / place / "mine.yaml"
        shutil.copy(ROOT / "config" / "radiomics" / "pdff.yaml", recipe)
        images = f"{{pdff: {{settings: {place}/mine.yaml, levels: [L1]}}}}"
        (study / CONFIG_YAML).write_text(f"radiomics: {{images: {images}}}\n")
        take_snapshot(study)
        content = yaml.safe_load(recipe.read_text())
        assert frozen_study(study, {}).radiomics_settings() == {"pdff": content}
    recipe.unlink()
    assert frozen_study(study, {}).radiomics_settings() == {"pdff": content}
    with pytest.raises(StudyError, match="neither a preset nor a file"):
        load_study(study, yaml.safe_load((study / CONFIG_YAML).read_text()))
