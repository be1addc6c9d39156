"""Which series of a study is the CT volume, decided by header content alone."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.series import (
    Header,
    count_images,
    image_kind,
    multi_frame,
    quoted,
    series_key,
)

MIN_CT_SLICES = 3


def choose_ct(headers: dict[str, Header]) -> list[str] | None:
    """Names of the images of the one axial CT volume, or None where there is no CT volume.

    Parameters
    ----------
    headers
        Name -> header, as in :class:`osteoflow.inventory.folder.Folder`: of a file, or of frames.

    Raises
    ------
    SubjectDataError
        ``ct_ambiguous`` where several volumes fit; ``ct_localizer_only`` where CT images exist
        but none is part of a volume; ``multiframe_unsupported``.
    """
    series: dict[str, list[str]] = defaultdict(list)
    seen = frames = False
    for name, header in headers.items():
        if header.get("Modality") != "CT":
            continue
        seen = True
        if header.get("MultiFrame"):
            frames = True
            continue
        kind = image_kind(header)
        # ORIGINAL\SECONDARY is a later reconstruction of the measured data; DERIVED\SECONDARY is
        # made from images (a reformat, a slab).
        if "LOCALIZER" in kind or "SCREEN SAVE" in kind or {"DERIVED", "SECONDARY"} <= set(kind):
            continue
        if header.get("SamplesPerPixel", 1) != 1 or not _is_axial(header):
            continue
        series[series_key(header)].append(name)
    volumes = [n for n in series.values() if count_images(headers, n) >= MIN_CT_SLICES]
    if not volumes:
        if frames:
            raise multi_frame("CT")
        if seen:
            raise SubjectDataError(
                "ct_localizer_only",
                "CT images were found, but no axial volume of at least "
                f"{MIN_CT_SLICES} slices (localizers and reformats do not count)",
                "Export the axial reconstruction of the lumbar spine.",
            )
        return None
    if len(volumes) > 1:
        volumes.sort(key=lambda names: count_images(headers, names), reverse=True)
        found = "; ".join(
            f"{count_images(headers, names)} slices, "
            f"kernel {quoted(headers[names[0]].get('ConvolutionKernel'))}, "
            f"thickness {headers[names[0]].get('SliceThickness', '?')} mm"
            for names in volumes
        )
        raise SubjectDataError(
            "ct_ambiguous",
            f"{len(volumes)} CT volumes fit the role of the quantitative CT: {found}",
            "Leave only the reconstruction to be measured in the folder.",
        )
    return sorted(volumes[0])


def _is_axial(header: Header) -> bool:
    """Whether the slice normal lies within 45 degrees of the body's long axis."""
    orientation = header.get("ImageOrientationPatient")
    if orientation is None or len(orientation) != 6 or "ImagePositionPatient" not in header:
        return False
    normal = np.cross(orientation[:3], orientation[3:])
    return bool(abs(normal[2]) > np.sqrt(0.5))
