"""Masks as users have them: NIfTI label maps."""

from __future__ import annotations

from pathlib import Path

from osteoflow.io.outside import read_nifti
from osteoflow.io.volume import Volume


def read_mask(path: str | Path) -> Volume:
    """A label map, shape (i, j, k).

    Raises
    ------
    SubjectDataError
        ``mask_unreadable`` where it is no whole NIfTI file or has more than one volume;
        ``mask_no_position``; ``permission_denied``.
    """
    return read_nifti(path, "mask")
