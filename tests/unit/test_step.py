"""How steps end: ok, excluded with a reason, passed on, absent; bugs are never swallowed."""

import subprocess
import sys

import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import read_json
from osteoflow.running.events import log_state
from osteoflow.step import Step, find_item, is_ok


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
