"""nibabel's reader and writer of NIfTI-1 images, imported without its other formats.

nibabel imports readers of a dozen formats, and pydicom where it is installed, for header extensions
that are not used here. That takes several times as long as NIfTI-1 alone, and each step of each
subject is a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from osteoflow.lazily import bare_package, lazily

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

# For images at addresses of the web, of which there are none.
lazily("urllib.request")
bare_package("nibabel")

import nibabel as nib  # noqa: E402

if "pydicom" in sys.modules:
    from nibabel import filebasedimages, nifti1, orientations
else:
    sys.modules["pydicom"] = None
    try:
        from nibabel import filebasedimages, nifti1, orientations
    finally:
        del sys.modules["pydicom"]

Nifti1Image = nifti1.Nifti1Image
ImageFileError = filebasedimages.ImageFileError

__all__ = ["ImageFileError", "Nifti1Image", "load", "nib", "orientations"]


def load(path: str | Path) -> SpatialImage:
    """As ``nibabel.load``, which a NIfTI-1 image in one file does without.

    Raises
    ------
    OSError
        The file cannot be read.
    ImageFileError
        It is empty or no image.
    """
    path = Path(path)
    whole = path.is_file() and path.stat().st_size > 0
    if whole and Nifti1Image.path_maybe_image(str(path))[0]:
        return Nifti1Image.from_filename(str(path))
    return nib.load(str(path))
