"""How steps end: ok, excluded with a reason, passed on, absent; bugs are never swallowed."""

import subprocess
import sys

import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import read_json
from osteoflow.running.events import log_state
from osteoflow.step import Step, find_item, is_ok
from osteoflow.step_log import raw_paths, without_paths


def refuse():
    raise SubjectDataError("missing_slice", "1 slice is missing", "Export again.")


def test_an_exclusion_is_stated_and_passed_on(tmp_path):
    first = Step("convert", tmp_path / "anat", tmp_path / "a.log")
    assert first.run("mri", lambda: ["noisy"])
    assert not first.run("ct", refuse)
    assert not (tmp_path / "anat" / "status.json").exists()
    first.finish()
    status = read_json(tmp_path / "anat" / "status.json")
    assert find_item(status, "mri") == {"item": "mri", "status": "ok", "warnings": ["noisy"]}
    assert find_item(status, "ct") == {
        "item": "ct",
        "status": "excluded",
        "origin": "convert",
        "code": "missing_slice",
        "message": "1 slice is missing",
        "hint": "Export again.",
        "warnings": [],
    }

    second = Step("calibrate_ct", tmp_path / "ct", tmp_path / "b.log")
    never = pytest.fail
    source = (tmp_path / "anat" / "status.json", "ct")
    assert not second.run("vbmd", never, after=[source])
    second.absent("other")
    second.finish()
    later = read_json(tmp_path / "ct" / "status.json")
    assert find_item(later, "vbmd")["origin"] == "convert"
    assert "code" not in find_item(later, "vbmd")
    assert find_item(later, "other")["status"] == "absent"
    assert not is_ok(later, "vbmd")


def test_a_bug_is_not_an_exclusion(tmp_path):
    step = Step("convert", tmp_path / "anat", tmp_path / "a.log")
    with pytest.raises(ZeroDivisionError):
        step.run("ct", lambda: 1 / 0)
    assert step.items == []


def test_an_unknown_item_is_a_bug(tmp_path):
    with pytest.raises(KeyError):
        find_item({"step": "convert", "items": []}, "ct")


def test_tracebacks_name_no_raw_file(tmp_path):
    log = tmp_path / "convert.log"
    code = (
        "from osteoflow.step_log import log_to\n"
        f"log_to({str(log)!r})\n"
        "raise RuntimeError('raw/Doe_Jane/IM1 and results/subjects/sub-01/a.json: '\n"
        "                   + repr('/data/Doe Jane/IM 2'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for text in (done.stderr, log.read_text()):
        assert "RuntimeError: <path> and results/subjects/sub-01/a.json: <path>" in text
        assert "Doe" not in text.replace(code, "")
    assert log_state(log, 0) == "failed"


RAW = [
    "/data/Anna Maria Doe/x.nii",
    "raw/Doe, Jane (MRN 4711)/ct/IM 1",
    "raw/sub-01/Doe_Jane_mask.nii.gz",
    "C:\\raw\\Roe Richard\\x.dcm",
]


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ("File /data/Anna Maria Doe/x.nii is not a gzip file", "File <path> is not a gzip file"),
        ("/data/Anna Maria Doe/ct holds nothing", "<path> holds nothing"),
        ("no scan of Anna Maria Doe, 12 of 40", "no scan of <path>, 12 of 40"),
        (
            "No such file or directory: 'Doe_Jane_mask.nii.gz'",
            "No such file or directory: '<path>'",
        ),
        ("Doe_Jane_mask_1.nii: no ct mask", "<path>_1.nii: no ct mask"),
        ("cannot read /mnt/raw/Doe, Jane (MRN 4711)/ct/IM 1", "cannot read <path>"),
        ("cannot read {cwd}/raw/Doe, Jane (MRN 4711)/ct/IM 1", "cannot read <path>"),
        ("folder doe, jane (mrn 4711) is empty", "folder <path> is empty"),
        ("C:\\raw\\Roe Richard\\x.dcm broken", "<path> broken"),
        ("not a file: C:\\raw\\Roe Richard", "not a file: <path>\\raw\\<path>"),
        ('  File "/data/Anna Maria Doe/x.nii", line 3', '  File "<path>", line 3'),
        # Words and folders that are nobody's name, and the study's own results, stay.
        ("the work of a reader", "the work of a reader"),
        ("{cwd} is full", "<path> is full"),
        ("{cwd}/results/subjects/sub-01/anat/a.json", "results/subjects/sub-01/anat/a.json"),
        (
            "results/subjects/sub-01/a.json of raw data",
            "results/subjects/sub-01/a.json of raw data",
        ),
    ],
)
def test_what_raw_paths_are_made_of_is_hidden_with_its_spaces(tmp_path, monkeypatch, told, left):
    study = tmp_path / "work" / "of Jane Doe"
    study.mkdir(parents=True)
    monkeypatch.chdir(study)
    assert without_paths(told.format(cwd=study) + "\n", RAW, "sub-01") == left + "\n"
    code = f'  File "{study}/scripts/convert_images.py", line 3, in main\n'
    assert without_paths(code, RAW, "sub-01") == code


def test_where_a_link_leads_is_hidden_too(tmp_path, monkeypatch):
    (tmp_path / "archive" / "Doe Jane").mkdir(parents=True)
    (tmp_path / "study" / "raw").mkdir(parents=True)
    (tmp_path / "study" / "raw" / "1").symlink_to(tmp_path / "archive" / "Doe Jane")
    monkeypatch.chdir(tmp_path / "study")
    assert without_paths("Doe Jane holds 1 file", ["raw/1/IM0001"]) == "<path> holds 1 file"


def test_a_step_that_fails_hides_the_raw_paths_that_it_was_given(tmp_path):
    entry = {"ct": {"files": [{"path": RAW[0], "size": 1}]}, "mri": None, "masks": {}}
    assert list(raw_paths([entry, {"masks": {"ct_mask": {"path": RAW[2]}}}])) == [RAW[0], RAW[2]]
    log = tmp_path / "sub-01.log"
    code = (
        "from osteoflow.step import Step\n"
        "from osteoflow.step_log import raw_paths\n"
        f"Step('convert', {str(tmp_path / 'anat')!r}, {str(log)!r}, raw_paths({entry!r}))\n"
        "raise RuntimeError('File ' + '/data/Anna Maria Doe/x.nii' + ' is not a gzip file')\n"
    )
    script = tmp_path / "convert.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    for text in (done.stderr, log.read_text()):
        assert "RuntimeError: File <path> is not a gzip file" in text
        assert "Anna" not in text and "Doe" not in text
