"""Codes of DICOM objects: what a thing is, in the terms of a coding scheme."""

from __future__ import annotations

from pydicom.dataset import Dataset


def code_of(item: Dataset, sequence: str) -> tuple[str, str] | None:
    """Coding scheme and value of the first code of a sequence; None where there is none.

    Parameters
    ----------
    item
        What holds the sequence.
    sequence
        Keyword of a code sequence (``SegmentedPropertyTypeCodeSequence``).
    """
    codes = item.get(sequence)
    if not codes:
        return None
    value = next(
        (codes[0].get(name) for name in ("CodeValue", "LongCodeValue") if codes[0].get(name)), None
    )
    scheme = codes[0].get("CodingSchemeDesignator")
    return (str(scheme), str(value)) if value and scheme else None
