"""A study planned in batches again and again: subjects stay, shards are added or rest."""

import shutil
import subprocess

import pytest

from osteoflow.cli import main
from osteoflow.errors import StudyError
from osteoflow.resources import ROOT
from osteoflow.running.batches import plan_batches
from osteoflow.running.shards import in_ranges
from osteoflow.study import SUBJECTS_TSV, check_folder


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(ROOT / "tests" / "fixtures" / "study" / "config", folder / "config")
    return folder


def plan(study, batches, people):
    """Shard -> its subjects, after planning for the people of these numbers."""
    header = (study / SUBJECTS_TSV).read_text().splitlines()[0]
    tail = ["n/a"] * (header.count("\t") - 3)
    lines = ["\t".join([f"sub-{n:02d}", "n/a", f"raw/{n}", f"ct{n}.nii.gz", *tail]) for n in people]
    lines = [line.replace("\tn/a" * 5, "\tn/a\tverse\t61\tF\t0") for line in lines]
    (study / SUBJECTS_TSV).write_text("\n".join([header, *lines]) + "\n")
    shards = plan_batches(study, *check_folder(study), batches)
    assert (study / "batches/shards.txt").read_text().split() == [s.name for s in shards]
    return {shard.name: people_of(shard) for shard in shards}


def people_of(shard):
    rows = (shard / SUBJECTS_TSV).read_text().splitlines()[1:]
    return [int(row.split("\t")[0].removeprefix("sub-")) for row in rows]


def test_a_small_study_grows_to_the_number_of_shards_asked_for(study):
    assert plan(study, 5, [1, 2, 3]) == {"shard-001": [1], "shard-002": [2], "shard-003": [3]}
    assert plan(study, 5, [4, 1, 2, 3])["shard-004"] == [4]
    grown = plan(study, 5, range(1, 8))
    assert list(grown) == [f"shard-00{number}" for number in range(1, 6)]
    assert [people[0] for people in grown.values()] == [1, 2, 3, 4, 5]
    assert sorted(sum(grown.values(), [])) == list(range(1, 8))
    assert "--array=1-5\n" in (study / "batches/array.sh").read_text()


def test_dropped_rows_leave_the_others_where_they_are(study):
    plan(study, 3, range(1, 7))
    # All of the second shard: what it made stays for the day that they come back.
    made = study / "batches/shard-002/results/made"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.touch()
    assert plan(study, 3, [1, 3, 4, 6]) == {"shard-001": [1, 4], "shard-003": [3, 6]}
    assert "--array=1,3\n" in (study / "batches/array.sh").read_text()
    assert plan(study, 3, [1, 3]) == {"shard-001": [1], "shard-003": [3]}
    # 2 returns to where her results are; 7 to the smallest, whose rows before are forgotten.
    assert plan(study, 3, [1, 2, 3])["shard-002"] == [2]
    assert plan(study, 3, [1, 2, 3, 7])["shard-001"] == [1, 7]
    assert made.exists()


def test_another_number_is_refused_with_the_one_of_the_plan(study):
    plan(study, 5, [1, 2, 3])
    for other in (2, 4, 6):
        with pytest.raises(StudyError, match="holds 3 shards .* planned with --batches 5: plan"):
            plan(study, other, [1, 2, 3])
    # As many as there are scatters nothing, and is the number from now on.
    assert len(plan(study, 3, range(1, 9))) == 3
    with pytest.raises(StudyError, match="--batches 3"):
        plan(study, 5, range(1, 9))


def test_a_plan_that_did_not_keep_its_number_is_taken_by_its_shards(study):
    plan(study, 2, [1, 2, 3])
    (study / "batches" / "asked.txt").unlink()
    assert len(plan(study, 2, [1, 2, 3, 4])) == 2


def test_no_shards_are_a_mistake_in_words(study, capsys):
    assert main(["plan", str(study), "--batches", "0"]) == 2
    assert "at least one shard" in capsys.readouterr().err


def test_the_job_arrays_script_finds_its_shard(study):
    plan(study, 3, range(1, 7))
    plan(study, 3, [1, 3])
    script = study / "batches" / "array.sh"
    # Says what it would run.
    script.write_text(script.read_text().replace("exec ", "echo "))
    said = {}
    for number in ("1", "2", "3"):
        done = subprocess.run(["bash", script, number], capture_output=True, text=True, check=False)
        said[number] = (done.returncode, done.stdout.split(" --cores")[0], done.stderr)
    assert said["3"][0] == 0 and said["3"][1].endswith("batches/shard-003")
    assert said["2"] == (2, "", "shard-002 is not planned\n")
    assert said["1"][1].endswith("batches/shard-001")


def test_numbers_in_ranges():
    assert in_ranges([1, 2, 3, 5, 7, 8]) == "1-3,5,7-8"
    assert in_ranges([4]) == "4"
