"""When a run counts as one that came to its end, and what makes its results stale."""

import json
import shutil

import pytest

from osteoflow.errors import StudyError
from osteoflow.resources import ROOT
from osteoflow.running import run as run_module
from osteoflow.running.batches import join_batches, plan_batches
from osteoflow.running.events import EVENTS
from osteoflow.running.finished import FINISHED, begin, changed_since, finish, read_finish
from osteoflow.running.run import run_study
from osteoflow.segmentation.backends.spine_segment import MODELS
from osteoflow.study import CONFIG_YAML, check_folder

PLANNED = {"time": 1.0, "event": "planned", "counts": {"measure": 1, "total": 1}}
STOPPED = {"time": 1.0, "event": "stopped"}
OF_SUBJECT = {"rule": "measure", "wildcards": {"subject": "sub-01"}, "log": "results/logs/x.log"}


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(ROOT / "tests" / "fixtures" / "study", folder)
    return folder


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def ended(study, monkeypatch, code, *events, options=("participants",)):
    """Whether a run counts as one that came to its end, where Snakemake tells events and a code."""

    def snakemake(study, *others):
        if events:
            write(study / EVENTS, "".join(json.dumps(event) + "\n" for event in events))
        return code

    monkeypatch.setattr(run_module, "snakemake", snakemake)
    assert run_study(study, lambda: None, options=options, say=lambda text: None) == code
    return (study / FINISHED).exists()


@pytest.mark.parametrize("code", [1, -9, 130])
def test_a_run_that_never_planned_did_not_come_to_its_end(study, monkeypatch, code):
    """Ctrl-C, a kill or a crash while Snakemake starts leaves the results as they were."""
    assert ended(study, monkeypatch, 0)
    assert not ended(study, monkeypatch, code)
    assert not ended(study, monkeypatch, code, STOPPED)


def test_a_run_that_planned_ends_with_its_last_subject(study, monkeypatch):
    begun, failed = ({**OF_SUBJECT, "time": 2.0, "event": e} for e in ("started", "failed"))
    assert not ended(study, monkeypatch, 1, PLANNED, begun)
    assert ended(study, monkeypatch, 1, PLANNED, begun, failed)
    assert read_finish(study).failed == {"sub-01"}
    assert not ended(study, monkeypatch, 130, PLANNED, begun, STOPPED)


def test_code_zero_of_a_part_is_no_end(study, monkeypatch):
    part = ("participants", "--until", "convert")
    assert not ended(study, monkeypatch, 0, {**PLANNED, "counts": {"convert": 1}}, options=part)


def test_a_statement_of_another_version_is_none(study):
    finish(study, begin(study), set())
    assert read_finish(study) is not None
    (study / FINISHED).write_text(json.dumps({"code": {}, "config": "", "table": "", "failed": []}))
    assert read_finish(study) is None


def test_a_join_notices_that_a_recipe_changed(study):
    """Shards name the study's own recipe by its path: their settings' text stays the same."""
    recipe = study / "config" / "mine.yaml"
    shutil.copy(ROOT / "config" / "radiomics" / "pdff.yaml", recipe)
    images = "radiomics: {images: {pdff: {settings: config/mine.yaml, levels: [L1]}}}\n"
    (study / CONFIG_YAML).write_text(images)
    shards = plan_batches(study, *check_folder(study), 1)
    for shard in shards:
        finish(shard, begin(shard), set())
        assert changed_since(shard, read_finish(shard)) == []
    recipe.write_text(recipe.read_text() + "# the same numbers, but who knows\n")
    with pytest.raises(StudyError, match="shard-001: the settings, or files that they name"):
        join_batches(study, *check_folder(study), False, lambda text: None)


def test_a_table_of_phantom_scans_counts_when_it_changes_or_goes(study):
    (study / CONFIG_YAML).write_text("ct: {asynchronous: {table: scans/mine.tsv}}\n")
    write(study / "scans" / "mine.tsv", "one")
    finish(study, begin(study), set())
    assert changed_since(study, read_finish(study)) == []
    for change in (lambda p: p.write_text("two"), lambda p: p.unlink()):
        change(study / "scans" / "mine.tsv")
        assert len(changed_since(study, read_finish(study))) == 1


def test_other_weights_are_another_program_and_weights_cleared_away_are_not(study):
    program = "{name: spine_segment, weights: weights, executable: bin/spine-segment}"
    (study / CONFIG_YAML).write_text(f"segmentation: {{backends: {{ct: {program}}}}}\n")
    for model in MODELS:
        write(study / "weights" / model, "weights")
    finish(study, begin(study), set())
    assert read_finish(study).programs.keys() == {"ct weights"}
    assert changed_since(study, read_finish(study)) == []
    write(study / "weights" / MODELS[0], "other weights")
    assert changed_since(study, read_finish(study)) == ["the segmentation programs changed"]
    shutil.rmtree(study / "weights")
    assert changed_since(study, read_finish(study)) == []
