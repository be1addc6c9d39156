"""How steps end: ok, excluded with a reason, passed on, absent; bugs are never swallowed."""

import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import read_json
from osteoflow.step import Step, find_item, is_ok


def refuse():
    raise SubjectDataError("missing_slice", "1 slice is missing", "Export again.")


def test_exclusion_leaves_empty_outputs_and_is_passed_on(tmp_path):
    first = Step("convert", tmp_path / "convert.json", tmp_path / "a.log")
    assert first.run("mri", lambda: ["noisy"], [])
    assert not first.run("ct", refuse, [tmp_path / "ct.nii.gz"])
    first.finish()
    assert (tmp_path / "ct.nii.gz").read_bytes() == b""
    status = read_json(tmp_path / "convert.json")
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

    second = Step("calibrate_ct", tmp_path / "calibrate.json", tmp_path / "b.log")
    never = pytest.fail
    source = (tmp_path / "convert.json", "ct")
    assert not second.run("vbmd", never, [tmp_path / "v.nii.gz"], after=[source])
    second.absent("other", [tmp_path / "o.nii.gz"])
    second.finish()
    later = read_json(tmp_path / "calibrate.json")
    assert find_item(later, "vbmd")["origin"] == "convert"
    assert "code" not in find_item(later, "vbmd")
    assert find_item(later, "other")["status"] == "absent"
    assert not is_ok(later, "vbmd")
    assert (tmp_path / "o.nii.gz").exists()


def test_a_bug_is_not_an_exclusion(tmp_path):
    step = Step("convert", tmp_path / "s.json", tmp_path / "a.log")
    with pytest.raises(ZeroDivisionError):
        step.run("ct", lambda: 1 / 0, [tmp_path / "x"])
    assert not (tmp_path / "x").exists()


def test_an_unknown_item_is_a_bug(tmp_path):
    with pytest.raises(KeyError):
        find_item({"step": "convert", "items": []}, "ct")
