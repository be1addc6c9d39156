"""The tables of a run do not depend on how often it was killed, nor on shards."""

import random
import re
import shutil
import subprocess

import pytest

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json

from .conftest import osteoflow
from .three import Run, finished_study_of_three, new_study, raw_of_three, tables

KILLS = 20


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return raw_of_three(tmp_path_factory)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Tables of an undisturbed run."""
    found = tables(finished_study_of_three(tmp_path_factory))
    assert len(found) > 20
    return found


def different(expected, found):
    """Paths of the tables that differ."""
    paths = expected.keys() | found.keys()
    return sorted(path for path in paths if expected.get(path) != found.get(path))


def test_killed_twenty_times_and_resumed(raw, expected, tmp_path):
    rough = new_study(tmp_path / "rough", raw)
    moments = random.Random(5)
    kills = 0
    while kills < KILLS:
        process = Run(rough)
        try:
            process.wait(moments.uniform(0.5, 12.0))
        except subprocess.TimeoutExpired:
            process.kill_all()
            kills += 1
        else:
            assert process.returncode == 0, process.log.read_text()
            # Done before all kills were: make work for the next one.
            victim = moments.choice(sorted((rough / "results" / "subjects").iterdir()))
            shutil.rmtree(victim / moments.choice(["anat", "seg", "mri"]))
    last = Run(rough)
    assert last.finish() == 0, last.log.read_text()

    assert "ended without finishing" in (rough / "run.log").read_text()
    assert different(expected, tables(rough)) == []
    assert not list((rough / "results").rglob("*.part"))
    assert not (rough / ".snakemake" / "osteoflow-owner.json").exists()
    for kind in ("locks", "incomplete"):
        assert not any(p.is_file() for p in (rough / ".snakemake" / kind).rglob("*"))
    done = osteoflow("run", rough, "--", "-n")
    assert "Nothing to be done" in done.stdout + done.stderr


def script(study, name, *arguments):
    """Run one of the scripts of a study in batches, as a cluster's job does."""
    command = ["bash", study / "batches" / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_shards_and_their_join_give_the_same_tables(raw, expected, tmp_path):
    study = new_study(tmp_path / "study", raw)
    osteoflow("plan", study, "--batches", 2, "--cores", 2)
    assert script(study, "array.sh", "1").returncode == 0
    early = script(study, "reduce.sh")
    assert early.returncode == 2
    assert "shard-002 has not run to its end" in early.stderr
    assert script(study, "array.sh", "2").returncode == 0
    joined = script(study, "reduce.sh")
    assert joined.returncode == 0, joined.stdout + joined.stderr
    assert different(expected, tables(study)) == []
    assert "Nothing to do" in osteoflow("why", study).stdout
    # A study is run as a whole or in batches.
    assert "in batches" in osteoflow("run", study, check=False).stderr
    assert "holds 2 shards" in osteoflow("plan", study, "--batches", 3, check=False).stderr

    # Settings of today are not those that the shards were made with.
    config = study / "config" / "config.yaml"
    settings = config.read_text()
    config.write_text(settings + "segmentation: {erosion_mm: 3.5}\n")
    refused = script(study, "reduce.sh")
    assert refused.returncode == 2
    assert "shard-001: the study's settings are not those of the plan" in refused.stderr
    config.write_text(settings)
    # A run of a shard that did not come to its end may have left results of an earlier one.
    finished = study / "batches" / "shard-001" / "results" / "inventory" / "finished.json"
    content = finished.read_text()
    finished.unlink()
    assert "shard-001 has not run to its end" in script(study, "reduce.sh").stderr
    code = next(iter(read_json(finished.with_name("code_history.json"))))
    finished.write_text(re.sub(r'("convert_images.py": ")\w+', rf"\g<1>{'0' * len(code)}", content))
    assert "shard-001: the code changed" in script(study, "reduce.sh").stderr
    finished.write_text(content)
    assert script(study, "reduce.sh").returncode == 0

    # A shard that lost a result is work for that shard, never for the join.
    assigned = {
        path.name: shard.name
        for shard in sorted((study / "batches").glob("shard-*"))
        for path in (shard / "results" / "subjects").iterdir()
    }
    assert set(assigned.values()) == {"shard-001", "shard-002"}
    home = study / "batches" / assigned["sub-02"] / "results" / "subjects" / "sub-02"
    (home / "status.json").unlink()
    refused = script(study, "reduce.sh")
    assert refused.returncode == 2
    assert "1 subjects are not finished" in refused.stderr
    assert script(study, "reduce.sh", "--without-failed").returncode == 0
    cohort = study / "results" / "cohort"
    excluded = read_table(cohort / "exclusions.tsv")
    assert excluded.loc[excluded["participant_id"] == "sub-02", "code"].tolist() == [
        "step_failed",
        "step_failed",
    ]

    # A new row goes to the smaller shard and leaves the others where they are, also beside the
    # logs of a job array.
    table = study / "config" / "subjects.tsv"
    first = table.read_text().splitlines()[1]
    table.write_text(table.read_text() + first.replace("sub-01", "sub-09", 1) + "\n")
    (study / "batches" / "logs" / "shard-001.log").write_text("as Slurm writes it")
    osteoflow("plan", study, "--batches", 2, "--cores", 2)
    assert "the rows changed" in script(study, "reduce.sh").stderr
    listed = {
        shard.name: read_table(shard / "config" / "subjects.tsv")["participant_id"].tolist()
        for shard in sorted((study / "batches").glob("shard-*"))
    }
    assert sorted(len(rows) for rows in listed.values()) == [2, 2]
    assert all(name in listed[shard] for name, shard in assigned.items())
