"""The demo's table replaces no table of a person."""

import pytest

from osteoflow import cli
from osteoflow.running import demo
from osteoflow.simulate import cohort
from osteoflow.study import SUBJECTS_TSV

HEADER = "participant_id\tdicom\tage\n"
TABLE = HEADER + "sub-01\tdemo/dicom/MRN1\t61\n"


@pytest.fixture
def made(monkeypatch):
    """Folders in which a cohort was simulated, which here is its table alone."""
    folders = []

    def simulate(out, **options):
        assert options["path_prefix"] == "demo/"
        folders.append(out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "truth.tsv").write_text("participant_id\n")
        (out / "subjects.tsv").write_text(TABLE)

    monkeypatch.setattr(cohort, "simulate_cohort", simulate)
    return folders


def listed(study, text):
    path = study / SUBJECTS_TSV
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "sub-01\traw/jane\t61\n",
        TABLE + "sub-02\traw/jane\t70\n",
        HEADER + "sub-01\tn/a\t61\n",
        "participant_id\tbids\nsub-01\tbids\n",
    ],
)
def test_a_table_of_other_people_is_left_before_anything_is_simulated(
    tmp_path, made, monkeypatch, capsys, text
):
    path = listed(tmp_path, text)
    monkeypatch.setattr(cli, "_run", lambda options: pytest.fail("a run of the study"))
    assert cli.main(["demo", str(tmp_path)]) == 2
    assert "is left as it is" in capsys.readouterr().err
    assert path.read_text() == text
    assert made == []


def test_a_demos_table_that_was_edited_is_left(tmp_path, made, monkeypatch, capsys):
    edited = TABLE.replace("61", "62")
    path = listed(tmp_path, edited)
    monkeypatch.setattr(cli, "_run", lambda options: pytest.fail("a run of the study"))
    assert cli.main(["demo", str(tmp_path)]) == 2
    assert "as they were made" in capsys.readouterr().err
    assert path.read_text() == edited


def test_the_demo_of_a_new_study_and_of_one_that_was_made(tmp_path, made, monkeypatch):
    ran = []
    monkeypatch.setattr(cli, "_run", lambda options: ran.append(options.study) or 0)
    assert cli.main(["init", str(tmp_path)]) == 0
    for _ in range(2):
        assert cli.main(["demo", str(tmp_path)]) == 0
        assert (tmp_path / SUBJECTS_TSV).read_text() == TABLE
    assert made == [tmp_path / "demo"]
    assert ran == [tmp_path] * 2


def test_a_simulation_that_was_cut_off_is_made_again(tmp_path, made):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "truth.tsv").touch()
    demo.prepare_demo(tmp_path, 1)
    assert made == [tmp_path / "demo"]
    assert (tmp_path / SUBJECTS_TSV).read_text() == TABLE


def test_the_table_is_written_whole_or_not_at_all(tmp_path, made, monkeypatch):
    path = listed(tmp_path, HEADER)

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        demo.prepare_demo(tmp_path, 1)
    assert path.read_text() == HEADER
