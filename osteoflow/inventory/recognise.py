"""Which series of a study serves which role, decided by header content alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError

Header = dict[str, Any]
MIN_CT_SLICES = 3
MIN_ECHOES = 3


def choose_ct(headers: dict[str, Header]) -> list[str] | None:
    """Files of the one axial CT volume, or None where there is no CT volume.

    Parameters
    ----------
    headers
        Path -> header, as from :func:`osteoflow.inventory.headers.read_header`.

    Raises
    ------
    SubjectDataError
        ``ct_ambiguous`` where several volumes fit; ``ct_localizer_only`` where CT images exist
        but none is part of a volume; ``multiframe_unsupported``.
    """
    series: dict[str, list[str]] = defaultdict(list)
    seen = frames = False
    for path, header in headers.items():
        if header.get("Modality") != "CT":
            continue
        seen = True
        if header.get("MultiFrame"):
            frames = True
            continue
        kind = [part.upper() for part in _list(header.get("ImageType"))]
        if "LOCALIZER" in kind or "SECONDARY" in kind or "SCREEN SAVE" in kind:
            continue
        if header.get("SamplesPerPixel", 1) != 1 or not _is_axial(header):
            continue
        series[series_key(header)].append(path)
    volumes = {uid: paths for uid, paths in series.items() if len(paths) >= MIN_CT_SLICES}
    if not volumes:
        if frames:
            raise _multi_frame("CT")
        if seen:
            raise SubjectDataError(
                "ct_localizer_only",
                "CT images were found, but no axial volume of at least "
                f"{MIN_CT_SLICES} slices (localizers and reformats do not count)",
                "Export the axial reconstruction of the lumbar spine.",
            )
        return None
    if len(volumes) > 1:
        found = "; ".join(
            f"{len(paths)} slices, kernel {_text(headers[paths[0]].get('ConvolutionKernel'))}, "
            f"thickness {headers[paths[0]].get('SliceThickness', '?')} mm"
            for paths in sorted(volumes.values(), key=len, reverse=True)
        )
        raise SubjectDataError(
            "ct_ambiguous",
            f"{len(volumes)} CT volumes fit the role of the quantitative CT: {found}",
            "Leave only the reconstruction to be measured in the folder.",
        )
    return sorted(next(iter(volumes.values())))


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


def choose_multi_echo(headers: dict[str, Header]) -> dict[str, dict[float, list[str]]] | None:
    """Files of the one multi-echo gradient-echo acquisition by part and echo time.

    Returns
    -------
    ``{"mag": {echo time in s: [paths]}, "phase": {...}}`` (also ``real``, ``imag``), or None
    where no gradient-echo acquisition has at least three echoes.

    Raises
    ------
    SubjectDataError
        ``mri_ambiguous`` where several acquisitions fit, ``mri_phase_missing`` where one has
        no phase (or real and imaginary) images, ``echoes_unequal`` where the echoes of its
        parts differ, ``too_few_echoes``, ``multiframe_unsupported``.
    """
    groups: dict[tuple[Any, ...], dict[str, dict[float, list[str]]]] = {}
    frames = False
    for path, header in headers.items():
        if header.get("Modality") == "MR" and header.get("MultiFrame"):
            frames = True
            continue
        part = _part(header)
        if part is None:
            continue
        key = (
            header.get("Rows"),
            header.get("Columns"),
            tuple(np.round(header.get("ImageOrientationPatient", []), 3)),
            header.get("FrameOfReferenceUID"),
            header.get("AcquisitionNumber"),
            round(float(header.get("RepetitionTime", 0)), 2),
            round(float(header.get("FlipAngle", 0)), 1),
        )
        echo = round(float(header["EchoTime"]) / 1000.0, 8)
        parts = groups.setdefault(key, {})
        parts.setdefault(part, {}).setdefault(echo, []).append(path)
    usable = [g for g in groups.values() if max(len(e) for e in g.values()) >= MIN_ECHOES]
    if not usable:
        if frames:
            raise _multi_frame("MR")
        most = max((len(e) for g in groups.values() for e in g.values()), default=0)
        if most > 1:
            raise SubjectDataError(
                "too_few_echoes",
                f"a gradient-echo acquisition with {most} echoes was found; the complex fit needs "
                f"at least {MIN_ECHOES}",
                "Acquire more echoes; two-point Dixon data are not treated yet.",
            )
        return None
    if len(usable) > 1:
        counts = "; ".join(f"{max(len(e) for e in g.values())} echoes" for g in usable)
        raise SubjectDataError(
            "mri_ambiguous",
            f"{len(usable)} multi-echo gradient-echo acquisitions fit: {counts}",
            "Leave only the acquisition to be measured in the folder.",
        )
    chosen = usable[0]
    pairs = [("mag", "phase"), ("real", "imag")]
    for pair in pairs:
        if all(part in chosen for part in pair):
            echoes = [sorted(chosen[part]) for part in pair]
            if echoes[0] != echoes[1]:
                raise SubjectDataError(
                    "echoes_unequal",
                    f"{pair[0]} has {len(echoes[0])} echoes and {pair[1]} {len(echoes[1])}",
                    "Export every echo of both the magnitude and the phase images.",
                )
            return {part: {echo: sorted(chosen[part][echo]) for echo in echoes[0]} for part in pair}
    raise SubjectDataError(
        "mri_phase_missing",
        f"a multi-echo acquisition was found with {', '.join(sorted(chosen))} images only",
        "Export the phase (or real and imaginary) images as well: the fit needs complex data.",
    )


def _multi_frame(modality: str) -> SubjectDataError:
    return SubjectDataError(
        "multiframe_unsupported",
        f"the {modality} images are stored as enhanced multi-frame DICOM, which is not read yet",
        "Export them as classic single-frame DICOM, or convert them to BIDS first.",
    )


def _part(header: Header) -> str | None:
    """``mag``, ``phase``, ``real`` or ``imag`` of a gradient-echo MR image, else None."""
    if header.get("Modality") != "MR" or "EchoTime" not in header:
        return None
    if "GR" not in _list(header.get("ScanningSequence")):
        return None
    component = str(header.get("ComplexImageComponent", "")).upper()
    named = {"MAGNITUDE": "mag", "PHASE": "phase", "REAL": "real", "IMAGINARY": "imag"}
    if component in named:
        return named[component]
    kind = [part.upper() for part in _list(header.get("ImageType"))]
    if "DERIVED" in kind[:1]:
        return None
    for part, words in (
        ("phase", {"P", "PHASE"}),
        ("real", {"R", "REAL"}),
        ("imag", {"I", "IMAGINARY"}),
        ("mag", {"M", "MAGNITUDE", "M_FFE"}),
    ):
        if words.intersection(kind[2:]):
            return part
    return None


def _is_axial(header: Header) -> bool:
    """Whether the slice normal lies within 45 degrees of the body's long axis."""
    orientation = header.get("ImageOrientationPatient")
    if orientation is None or len(orientation) != 6 or "ImagePositionPatient" not in header:
        return False
    normal = np.cross(orientation[:3], orientation[3:])
    return bool(abs(normal[2]) > np.sqrt(0.5))


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _text(value: Any) -> str:
    return "/".join(_list(value)) or "?"
