"""What the choice of series by header content shares, whatever the role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.io.header import plain_text

Header = dict[str, Any]


def series_key(header: Header) -> str:
    """What the images of one series share: its UID, or its acquisition where that was blanked."""
    if header.get("SeriesInstanceUID"):
        return str(header["SeriesInstanceUID"])
    shared = (
        "Modality",
        "ImageType",
        "Rows",
        "Columns",
        "PixelSpacing",
        "ImageOrientationPatient",
        "SliceThickness",
        "ConvolutionKernel",
        "AcquisitionNumber",
    )
    return repr([header.get(name) for name in shared])


def image_kind(header: Header) -> list[str]:
    """The values of Image Type, in capitals."""
    return [part.upper() for part in as_list(header.get("ImageType"))]


def count_images(headers: dict[str, Header], names: Iterable[str]) -> int:
    """Images behind names: a name stands for a file or for several frames of one."""
    return sum(headers[name].get("FrameCount", 1) for name in names)


def multi_frame(modality: str) -> SubjectDataError:
    """Multi-frame objects whose frames do not say where they lie."""
    return SubjectDataError(
        "multiframe_unsupported",
        f"the {modality} images are stored as frames of a file that does not say where each lies",
        "Export the original images, as enhanced or as single-frame DICOM, or convert them to "
        "BIDS.",
    )


def as_list(value: Any) -> list[str]:
    """The texts of an element that may hold one, several or none."""
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def quoted(value: Any) -> str:
    """An element as text for a reason."""
    return plain_text("/".join(as_list(value))) or "?"
