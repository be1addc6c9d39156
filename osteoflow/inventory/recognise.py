"""Which series of a study serves which role, decided by header content alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.header import plain_text

Header = dict[str, Any]
MIN_CT_SLICES = 3
MIN_ECHOES = 3
COMPONENTS = {"MAGNITUDE": "mag", "PHASE": "phase", "REAL": "real", "IMAGINARY": "imag"}
UNKNOWN = "unknown"


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
        # ORIGINAL\SECONDARY is a later reconstruction of the measured data; DERIVED\SECONDARY is
        # made from images (a reformat, a slab).
        if "LOCALIZER" in kind or "SCREEN SAVE" in kind or {"DERIVED", "SECONDARY"} <= set(kind):
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

    Parts are told apart image by image, so that magnitude and phase may share a series.

    Returns
    -------
    ``{"mag": {echo time in s: [paths]}, "phase": {...}}`` (also ``real``, ``imag``), or None
    where no gradient-echo acquisition has at least three echoes.

    Raises
    ------
    SubjectDataError
        ``mri_ambiguous`` where several acquisitions fit, ``mri_phase_missing`` where one has
        no phase (or real and imaginary) images, ``mri_parts_unknown`` where the headers do not
        tell the parts apart, ``echoes_unequal`` where the echoes of its parts or their images
        differ, ``echo_missing``, ``echo_time_missing``, ``too_few_echoes``,
        ``multiframe_unsupported``.
    """
    groups: dict[tuple[Any, ...], dict[str, dict[float, list[str]]]] = {}
    frames = False
    timeless = 0
    for path, header in headers.items():
        if not _is_gradient_echo(header):
            frames |= header.get("Modality") == "MR" and bool(header.get("MultiFrame"))
            continue
        # Combined echoes state 0, as some susceptibility-weighted images do.
        if not header.get("EchoTime", 0) > 0:
            timeless += 1
            continue
        echo = round(header["EchoTime"] / 1000.0, 8)
        parts = groups.setdefault(_acquisition_key(header), {})
        parts.setdefault(_part(header), {}).setdefault(echo, []).append(path)
    unknown = max((len(g.pop(UNKNOWN, {})) for g in groups.values()), default=0)
    most = max((len(e) for g in groups.values() for e in g.values()), default=0)
    usable = [g for g in groups.values() if max(map(len, g.values()), default=0) >= MIN_ECHOES]
    if not usable:
        _explain_none(frames, unknown, timeless, most)
        return None
    if len(usable) > 1:
        counts = "; ".join(f"{max(len(e) for e in g.values())} echoes" for g in usable)
        raise SubjectDataError(
            "mri_ambiguous",
            f"{len(usable)} multi-echo gradient-echo acquisitions fit: {counts}",
            "Leave only the acquisition to be measured in the folder.",
        )
    chosen = usable[0]
    for pair in (("mag", "phase"), ("real", "imag")):
        if all(part in chosen for part in pair):
            found = {part: _in_order(chosen[part]) for part in pair}
            _check_echoes(found, headers)
            return found
    raise SubjectDataError(
        "mri_phase_missing",
        f"a multi-echo acquisition was found with {', '.join(sorted(chosen))} images only",
        "Export the phase (or real and imaginary) images as well: the fit needs complex data.",
    )


def _in_order(echoes: dict[float, list[str]]) -> dict[float, list[str]]:
    return {echo: sorted(echoes[echo]) for echo in sorted(echoes)}


def _acquisition_key(header: Header) -> tuple[Any, ...]:
    """What all images of one acquisition share, whatever their echo and part."""
    return (
        header.get("Rows"),
        header.get("Columns"),
        tuple(np.round(header.get("ImageOrientationPatient", []), 3)),
        header.get("FrameOfReferenceUID"),
        header.get("AcquisitionNumber"),
        round(float(header.get("RepetitionTime", 0)), 2),
        round(float(header.get("FlipAngle", 0)), 1),
    )


def _explain_none(frames: bool, unknown: int, timeless: int, most: int) -> None:
    """Why gradient-echo images that are there cannot be used; nothing where there are none."""
    if frames:
        raise _multi_frame("MR")
    if unknown >= MIN_ECHOES:
        raise SubjectDataError(
            "mri_parts_unknown",
            f"a gradient-echo acquisition with {unknown} echoes was found, but its headers do not "
            "say which images are magnitude and which phase",
            "Convert it to BIDS with part-mag and part-phase in the file names.",
        )
    if most > 1:
        raise SubjectDataError(
            "too_few_echoes",
            f"a gradient-echo acquisition with {most} echoes was found; the complex fit needs "
            f"at least {MIN_ECHOES}",
            "Acquire more echoes; two-point Dixon data are not treated yet.",
        )
    if timeless:
        raise SubjectDataError(
            "echo_time_missing",
            f"{timeless} gradient-echo images state no echo time, or 0 ms, as combined echoes do",
            "Export the images of the single echoes, not those made from all of them.",
        )


def _check_echoes(parts: dict[str, dict[float, list[str]]], headers: dict[str, Header]) -> None:
    """Both parts have the same echoes, each echo as many images, from one acquisition."""
    (first, echoes), (second, others) = parts.items()
    if list(echoes) != list(others):
        raise SubjectDataError(
            "echoes_unequal",
            f"{first} has {len(echoes)} echoes and {second} {len(others)}, not all at equal times",
            "Export every echo of both the magnitude and the phase images.",
        )
    # Only numbers that tell the echoes apart can tell that one is missing.
    numbers = {headers[paths[0]].get("EchoNumbers") for paths in echoes.values()}
    if len(numbers) == len(echoes) and all(isinstance(number, int) for number in numbers):
        absent = sorted(set(range(min(1, *numbers), max(numbers) + 1)) - numbers)
        if absent:
            raise SubjectDataError(
                "echo_missing",
                f"of {max(numbers)} echoes {len(numbers)} were found; without images: echo "
                f"{', '.join(map(str, absent))}",
                "Export every echo of both the magnitude and the phase images.",
            )
    for part, found in parts.items():
        for paths in found.values():
            series = {series_key(headers[path]) for path in paths}
            if len(series) > 1:
                raise SubjectDataError(
                    "mri_ambiguous",
                    f"{len(series)} series hold {part} images of the same echo",
                    "Leave only the acquisition to be measured in the folder.",
                )
    counts = {(p, echo): len(f) for p, e in parts.items() for echo, f in e.items()}
    least = min(counts, key=counts.get)
    if counts[least] < max(counts.values()):
        raise SubjectDataError(
            "echoes_unequal",
            f"{least[0]} at {1000 * least[1]:.2f} ms has {counts[least]} images, another echo "
            f"{max(counts.values())}",
            "Export every slice of every echo, of both the magnitude and the phase images.",
        )


def _multi_frame(modality: str) -> SubjectDataError:
    return SubjectDataError(
        "multiframe_unsupported",
        f"the {modality} images are stored as enhanced multi-frame DICOM, which is not read yet",
        "Export them as classic single-frame DICOM, or convert them to BIDS first.",
    )


def _is_gradient_echo(header: Header) -> bool:
    """A single-frame gradient-echo MR image as measured, in grey values."""
    if header.get("Modality") != "MR" or header.get("MultiFrame"):
        return False
    if "GR" not in _list(header.get("ScanningSequence")):
        return False
    derived = "DERIVED" in [part.upper() for part in _list(header.get("ImageType"))[:1]]
    named = str(header.get("ComplexImageComponent", "")).upper() in COMPONENTS
    return (named or not derived) and header.get("SamplesPerPixel", 1) == 1


def _part(header: Header) -> str:
    """``mag``, ``phase``, ``real`` or ``imag`` of a gradient-echo image, else ``UNKNOWN``."""
    component = str(header.get("ComplexImageComponent", "")).upper()
    if component in COMPONENTS:
        return COMPONENTS[component]
    kind = [part.upper() for part in _list(header.get("ImageType"))]
    for part, words in (
        ("phase", {"P", "PHASE"}),
        ("real", {"R", "REAL"}),
        ("imag", {"I", "IMAGINARY"}),
        ("mag", {"M", "MAGNITUDE", "M_FFE"}),
    ):
        if words.intersection(kind[2:]):
            return part
    return UNKNOWN


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
    return plain_text("/".join(_list(value))) or "?"
