"""What every exclusion owes its reader, checked wherever one is expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.entry import subject_entry
from osteoflow.subjects import Subject

# Identity that the test series carry (dicom_series, and what tests add to it).
IDENTITY = ("doe", "jane", "mrn1", "mrn2", "19480229", "4711", "tmp", "raw/a", "raw/b")
# Words of programs, not of people at a scanner's console.
JARGON = ("traceback", "exception", "errno", "affine", "array", "nonetype", "dtype")


def excluded(call: Callable[[], Any], code: str) -> SubjectDataError:
    """The exclusion that a call ends with, sound in every respect."""
    with pytest.raises(SubjectDataError) as caught:
        call()
    check_reason(caught.value.code, caught.value.message, caught.value.hint)
    assert caught.value.code == code, caught.value.message
    return caught.value


def check_reason(code: str, message: str, hint: str) -> None:
    """A code for programs, a finding, and a sentence that says what to do; no identity."""
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code)
    assert len(message) > 15
    assert len(hint) > 20
    assert hint[0].isupper()
    assert hint.endswith((".", "?"))
    text = f"{message} {hint}".lower()
    assert not re.search(rf"\b({'|'.join(IDENTITY + JARGON)})\b", text), text


def look(study: Path, dicom: str = "raw", **paths: str) -> dict[str, Any]:
    """Inventory entry of a subject ``sub-1`` whose images lie in ``study / dicom``."""
    folder = study / "inventory"
    folder.mkdir(exist_ok=True)
    paths = paths or {"dicom": dicom}
    entry = subject_entry(study, folder, "salt", False, Subject("sub-1", "sub-1", "", paths))
    for problem in entry["problems"]:
        check_reason(problem["code"], problem["message"], problem["hint"])
    return entry


def codes(entry: dict[str, Any]) -> dict[str, str]:
    """Modality -> reason code of an entry's exclusions."""
    return {problem["modality"]: problem["code"] for problem in entry["problems"]}


def warned(warnings: list[str]) -> list[str]:
    """Codes of warnings."""
    return [warning.split(":")[0] for warning in warnings]
