"""nibabel, imported without pydicom.

nibabel imports pydicom where it is installed, for header extensions that are not used here. That
takes about as long as the rest of nibabel, and each step of each subject is a process of its own.
"""

import sys

if "pydicom" in sys.modules:
    import nibabel as nib
else:
    sys.modules["pydicom"] = None
    try:
        import nibabel as nib
    finally:
        del sys.modules["pydicom"]

ImageFileError = nib.filebasedimages.ImageFileError

__all__ = ["ImageFileError", "nib"]
