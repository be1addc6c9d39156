"""Masks as users have them: NIfTI label maps."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from nibabel.filebasedimages import ImageFileError

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume, check_gzip, read_volume


def read_mask(path: str | Path) -> Volume:
    """A label map, shape (i, j, k).

    Raises
    ------
    SubjectDataError
        ``mask_unreadable`` where it is no whole NIfTI file or has more than one volume.
    """
    try:
        check_gzip(path)
        volume = read_volume(path)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error):
        raise SubjectDataError(
            "mask_unreadable",
            "the mask cannot be read as NIfTI to its end",
            "Save the label map as NIfTI (.nii or .nii.gz) again.",
        ) from None
    data = np.asarray(volume.data)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise SubjectDataError(
            "mask_unreadable",
            f"the mask has {data.ndim} dimensions where one volume is expected",
            "Save one three-dimensional label map.",
        )
    return Volume(data, volume.affine)
