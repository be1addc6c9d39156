"""Which images of a study are the multi-echo gradient echo, decided by header content alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.series import (
    Header,
    as_list,
    count_images,
    image_kind,
    multi_frame,
    series_key,
)
from osteoflow.io.vendor import COMPONENTS, OTHER

MIN_ECHOES = 3
UNKNOWN = "unknown"
# What GE writes instead of the sequence where it was installed for research.
RESEARCH_SEQUENCE = "RM"
PAIRS = (("mag", "phase"), ("real", "imag"))

Echoes = dict[float, list[str]]


def choose_multi_echo(headers: dict[str, Header]) -> dict[str, Echoes] | None:
    """Names of the images of the one multi-echo gradient-echo acquisition by part and echo time.

    Parts are told apart image by image, so that magnitude and phase may share a series or a file.

    Parameters
    ----------
    headers
        Name -> header, as in :class:`osteoflow.inventory.folder.Folder`: of a file, or of frames.

    Returns
    -------
    ``{"mag": {echo time in s: [names]}, "phase": {...}}`` (also ``real``, ``imag``), or None
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
    groups: dict[tuple[Any, ...], dict[str, Echoes]] = {}
    unnamed: set[tuple[Any, ...]] = set()
    frames = False
    timeless = 0
    for name, header in headers.items():
        if not _is_gradient_echo(header):
            frames |= header.get("Modality") == "MR" and bool(header.get("MultiFrame"))
            continue
        # Combined echoes state 0, as some susceptibility-weighted images do.
        if not header.get("EchoTime", 0) > 0:
            timeless += header.get("FrameCount", 1)
            continue
        echo = round(header["EchoTime"] / 1000.0, 8)
        key = _acquisition_key(header)
        if _is_research(header):
            unnamed.add(key)
        part = header.get("Component", UNKNOWN)
        groups.setdefault(key, {}).setdefault(part, {}).setdefault(echo, []).append(name)
    for key in unnamed:
        # Complex images alone make it likely to be the one that is looked for.
        if not any(part in groups[key] for part in ("phase", "real", "imag")):
            del groups[key]
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
    for pair in PAIRS:
        if all(part in chosen for part in pair):
            found = {part: _in_order(chosen[part]) for part in pair}
            _check_echoes(found, headers)
            return found
    raise SubjectDataError(
        "mri_phase_missing",
        f"a multi-echo acquisition was found with {', '.join(sorted(chosen))} images only",
        "Export the phase (or real and imaginary) images as well: the fit needs complex data.",
    )


def _in_order(echoes: Echoes) -> Echoes:
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
        raise multi_frame("MR")
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


def _check_echoes(parts: dict[str, Echoes], headers: dict[str, Header]) -> None:
    """Both parts have the same echoes, each echo as many images, from one acquisition."""
    (first, echoes), (second, others) = parts.items()
    if list(echoes) != list(others):
        raise SubjectDataError(
            "echoes_unequal",
            f"{first} has {len(echoes)} echoes and {second} {len(others)}, not all at equal times",
            "Export every echo of both the magnitude and the phase images.",
        )
    # Only numbers that tell the echoes apart can tell that one is missing.
    numbers = {headers[names[0]].get("EchoNumbers") for names in echoes.values()}
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
        for names in found.values():
            series = {series_key(headers[name]) for name in names}
            if len(series) > 1:
                raise SubjectDataError(
                    "mri_ambiguous",
                    f"{len(series)} series hold {part} images of the same echo",
                    "Leave only the acquisition to be measured in the folder.",
                )
    counts = {
        (part, echo): count_images(headers, names)
        for part, found in parts.items()
        for echo, names in found.items()
    }
    least = min(counts, key=counts.get)
    if counts[least] < max(counts.values()):
        raise SubjectDataError(
            "echoes_unequal",
            f"{least[0]} at {1000 * least[1]:.2f} ms has {counts[least]} images, another echo "
            f"{max(counts.values())}",
            "Export every slice of every echo, of both the magnitude and the phase images.",
        )


def _is_gradient_echo(header: Header) -> bool:
    """A gradient-echo MR image as measured, in grey values."""
    if header.get("Modality") != "MR" or header.get("MultiFrame"):
        return False
    sequence = as_list(header.get("ScanningSequence"))
    # Echo-planar images have several echoes for other reasons than the fat fraction.
    if "EP" in sequence or not {"GR", RESEARCH_SEQUENCE}.intersection(sequence):
        return False
    if header.get("Component") == OTHER or header.get("SamplesPerPixel", 1) != 1:
        return False
    named = str(header.get("ComplexImageComponent", "")).upper() in COMPONENTS
    return named or "DERIVED" not in image_kind(header)[:1]


def _is_research(header: Header) -> bool:
    """Whether the sequence has no name but GE's for research: it may be any."""
    return "GR" not in as_list(header.get("ScanningSequence"))
