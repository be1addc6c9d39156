"""Files that others made: whether they may be read, and NIfTI images with a place in space."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.nifti import ImageFileError, load
from osteoflow.io.volume import Volume, check_gzip, read_volume


def disk_problem(error: OSError) -> Exception:
    """What to raise where the system, not the content, kept a raw file from being read.

    A file that may not be read excludes: it stays so until somebody grants the permission. A file
    that is gone or a disk that fails says nothing about the subject; the job has to fail. Neither
    message carries the raw path that the system's own has.
    """
    if isinstance(error, PermissionError):
        return permission_denied("a raw file may not be read")
    return OSError(
        error.errno,
        "a raw file that the inventory lists cannot be read now; is the data drive mounted? "
        "`osteoflow inventory` looks at the files again",
    )


def permission_denied(message: str) -> SubjectDataError:
    """Files that the user running the study has no right to read."""
    return SubjectDataError(
        "permission_denied",
        message,
        "Ask for read permission on the folder of the raw data and everything in it.",
    )


def read_nifti(path: str | Path, kind: str, number: int | None = None) -> Volume:
    """One volume, shape (i, j, k), of real numbers with a position.

    Parameters
    ----------
    path
        The file.
    kind
        ``mask`` or ``nifti`` (an image): first part of the codes.
    number
        Which volume of a file that holds several along its fourth axis, from 0.

    Raises
    ------
    SubjectDataError
        ``<kind>_unreadable`` where the file is no whole NIfTI volume of real numbers;
        ``<kind>_no_position`` where it does not say where its voxels lie;
        ``permission_denied``.
    OSError
        The file is gone or the disk fails.
    """
    what = "image" if kind == "nifti" else kind
    again = f"Save the {what} as NIfTI (.nii or .nii.gz) again, one volume in one file."
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise disk_problem(error) from None
    try:
        check_gzip(path)
        header = load(path).header
        volume = read_volume(path)
    except (ImageFileError, OSError, EOFError, ValueError, ArithmeticError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise disk_problem(error) from None
        raise SubjectDataError(
            f"{kind}_unreadable", f"the {what} cannot be read as NIfTI to its end", again
        ) from None
    data = _one_volume(np.asarray(volume.data), kind, what, again, number)
    codes = [int(header.get(name, 1)) for name in ("sform_code", "qform_code")]
    linear = volume.affine[:3, :3]
    if not any(codes) or not np.isfinite(volume.affine).all() or not abs(np.linalg.det(linear)) > 0:
        raise SubjectDataError(
            f"{kind}_no_position",
            f"the {what}'s file does not say where its voxels lie in space",
            f"Export the {what} with its position and orientation, as most tools do by default.",
        )
    return Volume(data, volume.affine)


def _one_volume(
    data: np.ndarray, kind: str, what: str, again: str, number: int | None
) -> np.ndarray:
    """The volume asked for, shape (i, j, k), of real numbers; errors as of :func:`read_nifti`."""
    if number is not None and data.ndim > 3:
        if number >= data.shape[3]:
            raise SubjectDataError(
                f"{kind}_unreadable",
                f"the {what} holds {data.shape[3]} volumes where number {number + 1} is asked for",
                again,
            )
        data = data[:, :, :, number]
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3 or data.size == 0:
        raise SubjectDataError(
            f"{kind}_unreadable",
            f"the {what} has the shape {data.shape} where one volume is expected",
            again,
        )
    if data.dtype.kind not in "biuf":
        raise SubjectDataError(
            f"{kind}_unreadable", f"the {what} holds colours or complex values", again
        )
    return data


def count_volumes(path: str | Path) -> int:
    """Volumes of a NIfTI file by its header; 1 where it cannot be read, which reading it tells."""
    try:
        shape = load(path).shape
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error):
        return 1
    return int(shape[3]) if len(shape) > 3 else 1
