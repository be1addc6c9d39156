"""Diffusion-weighted series of a study: what each holds, which lie at one place, and their runs."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.echoes import positions
from osteoflow.io.diffusion import WEIGHTED_FROM, same_b

Header = dict[str, Any]

SAME_TR = 0.01
"""Largest relative difference of the repetition times of series of one acquisition."""

SHARED_SLICES = 0.5
"""Two series lie at one place if they share this part of the slices of the smaller one."""

# Words of ImageType. Maps are made from all b-values; calculated images show a b-value that was
# never acquired; a trace image is the mean over directions of one b-value.
ADC_WORDS = {"ADC"}
MAP_WORDS = {"EADC", "EXP", "FA", "RA", "VR", "MD", "COLFA", "TENSOR", "TENSOR_B0", "TTEST"}
CALCULATED_WORDS = {"CALC_BVALUE", "CALCULATED", "COMPUTED", "SYNTHETIC", "CDWI"}
TRACE_WORDS = {"TRACEW", "TRACE", "ISODWI", "ISOTROPIC"}
PHASE_WORDS = {"P", "PHASE", "R", "REAL", "I", "IMAGINARY"}
# Siemens may store all slices of a volume as the tiles of one image; so does UIH, whose tiles are
# read as frames where it says where they lie.
MOSAIC_WORDS = {"MOSAIC", "VFRAME"}
# Vendors that state a b-value for weighted images only.
B0_UNSTATED = ("GE ", "GEMS", "CANON", "TOSHIBA")


@dataclass(frozen=True)
class Image:
    """A measured image: its name, b-value (s/mm2), whether it is a trace image (None where the
    header does not tell), and where it lies."""

    path: str
    b: float
    trace: bool | None
    position: tuple[float, ...] | None


@dataclass(frozen=True)
class Series:
    """Images of one series with one geometry and echo time.

    Attributes
    ----------
    key
        What all images of one acquisition share.
    images
        Of one kind: trace images or single directions, not both.
    repetition_time
        ms, median.
    stamp
        What series that left one reconstruction share, or None.
    order
        Grows with the time of acquisition; infinite parts where the header does not tell.
    trace
        Whether the series holds trace images.
    """

    key: tuple[Any, ...]
    images: tuple[Image, ...]
    repetition_time: float
    stamp: Any
    order: tuple[float, float]
    trace: bool

    @property
    def b(self) -> list[float]:
        """Distinct b-values, ascending."""
        return distinct_b([image.b for image in self.images])

    @property
    def positions(self) -> set[tuple[float, ...]]:
        return {image.position for image in self.images if image.position is not None}


Run = list[Series]


def is_measured(header: Header) -> bool:
    """Whether this is an MR magnitude image as acquired, or a trace image of such.

    Frames count like single images as long as they say where they lie.
    """
    if header.get("Modality") != "MR" or header.get("MultiFrame"):
        return False
    if header.get("SamplesPerPixel", 1) != 1:
        return False
    words = image_words(header)
    component = str(header.get("ComplexImageComponent", "MAGNITUDE")).upper()
    if words & (ADC_WORDS | MAP_WORDS | CALCULATED_WORDS) or component in PHASE_WORDS:
        return False
    if PHASE_WORDS & {word.upper() for word in _list(header.get("ImageType"))[2:]}:
        return False
    return "DERIVED" not in words or bool(words & TRACE_WORDS) or "DIFFUSION" in words


def diffusion_word(sequence_name: str) -> str | None:
    """The part of a sequence's name that says diffusion (``ep_b800``), or None."""
    found = re.search(r"(ep|re)_b\d+|dwi|dti|diff", sequence_name, re.IGNORECASE)
    return found[0] if found else None


def is_mosaic(header: Header) -> bool:
    """Whether an image shows all slices of a volume as tiles that are not told apart."""
    return bool(image_words(header) & MOSAIC_WORDS) and "Frames" not in header


def is_adc_map(header: Header) -> bool:
    """Whether an image is an ADC map as the scanner made it."""
    return bool(image_words(header) & ADC_WORDS)


def image_words(header: Header) -> set[str]:
    """Words of ImageType in capitals; that of an ADC map also where the vendor adds to it."""
    words = {word.upper().strip() for word in _list(header.get("ImageType"))}
    adc = any(word.startswith("ADC_") or word.endswith("_ADC") for word in words)
    return words | ADC_WORDS if adc else words


def series_id(header: Header) -> Any:
    """The series of an image, also where the UIDs were blanked."""
    names = ("SeriesNumber", "SeriesDate", "SeriesTime", "ImageType")
    return header.get("SeriesInstanceUID") or repr([header.get(name) for name in names])


def distinct_b(values: list[float]) -> list[float]:
    """b-values that differ, ascending, each the least of those that count as the same."""
    starts: list[float] = []
    last = -math.inf
    for b in sorted(values):
        if not same_b(last, b):
            starts.append(b)
        last = b
    return starts


def images_by_b(run: Run) -> dict[float, list[Image]]:
    """Images of a run by b-value, ascending: the mean of what the images of one b-value state."""
    images = [image for series in run for image in series.images]
    starts = distinct_b([image.b for image in images])
    groups: dict[int, list[Image]] = defaultdict(list)
    for image in images:
        groups[int(np.searchsorted(starts, image.b, side="right"))].append(image)
    # the mean, because the geometric mean of signals exp(-b D) belongs to the mean of their b
    means = {round(float(np.mean([i.b for i in group])), 3): group for group in groups.values()}
    return {b: means[b] for b in sorted(means)}


def find_series(measured: dict[str, Header]) -> list[Series]:
    """Series of measured images that state b-values, in the order of their acquisition.

    Parameters
    ----------
    measured
        Path -> header of images for which :func:`is_measured` holds.
    """
    members: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for path, header in measured.items():
        members[series_id(header), _key(header)].append(path)
    found = []
    for (_, key), paths in members.items():
        headers = [measured[path] for path in paths]
        stated = [header.get("BValue") for header in headers]
        if _omits_zero(headers[0], stated):
            stated = [0.0 if b is None else b for b in stated]
        images = [
            Image(path, float(b), _is_trace(header), position)
            for path, header, b in zip(paths, headers, stated, strict=True)
            if b is not None
            for position in _positions(header)
        ]
        if not images:
            continue
        images = _one_kind(images)
        stamp = (headers[0].get("SeriesDate"), headers[0].get("SeriesTime"))
        found.append(
            Series(
                key=key,
                images=tuple(images),
                repetition_time=float(np.median([h.get("RepetitionTime", 0) for h in headers])),
                stamp=stamp if stamp[1] else None,
                order=min((_time(h), _number(h.get("SeriesNumber"), math.inf)) for h in headers),
                trace=any(image.trace for image in images),
            )
        )
    return sorted(found, key=lambda series: (series.order, series.images[0].path))


def group_places(series: list[Series]) -> list[list[Series]]:
    """Series at one place with one echo and repetition time."""
    places: list[list[Series]] = []
    for one in series:
        place = next((place for place in places if _same_place(one, place[0])), None)
        if place is None:
            places.append([one])
        else:
            place.append(one)
    return places


def split_runs(series: list[Series]) -> list[Run]:
    """Series at one place in runs, none of which has a b-value in two series.

    Series that left one reconstruction stay together; a b-value that comes again begins a run.

    Raises
    ------
    SubjectDataError
        ``dwi_ambiguous`` where b-values come again and nothing tells the order of the series.
    """
    bundles: dict[Any, Run] = defaultdict(list)
    for one in series:
        bundles[id(one) if one.stamp is None else one.stamp].append(one)
    parts: list[Run] = []
    for bundle in bundles.values():
        parts += [[one] for one in bundle] if _repeats(bundle) else [bundle]
    parts.sort(key=lambda part: min(one.order for one in part))
    runs: list[Run] = []
    for part in parts:
        if not runs or _repeats([*runs[-1], *part]):
            runs.append(list(part))
        else:
            runs[-1] += part
    orders = {min(one.order for one in part) for part in parts}
    if len(runs) > 1 and len(orders) < len(parts):
        raise SubjectDataError(
            "dwi_ambiguous",
            f"{len(series)} diffusion series repeat their b-values, and the headers do not tell "
            "which of them were acquired together",
            "Leave only the acquisition to be measured in the folder.",
        )
    return runs


def _repeats(series: Run) -> bool:
    """Whether a b-value occurs in two of the series."""
    return len(distinct_b([b for one in series for b in one.b])) < sum(len(s.b) for s in series)


def _omits_zero(header: Header, stated: list[float | None]) -> bool:
    """Whether images without a b-value, beside weighted ones in their series, have b = 0."""
    weighted = any(b is not None and b >= WEIGHTED_FROM for b in stated)
    return weighted and str(header.get("Manufacturer", "")).upper().startswith(B0_UNSTATED)


def _one_kind(images: list[Image]) -> list[Image]:
    """Trace images or directions of a series that holds both (Philips appends the former)."""
    weighted = [image for image in images if image.b >= WEIGHTED_FROM]
    traces = distinct_b([image.b for image in weighted if image.trace is True])
    directions = distinct_b([image.b for image in weighted if image.trace is False])
    if not (traces and directions):
        return images
    dropped = len(traces) < len(directions)
    return [i for i in images if i.b < WEIGHTED_FROM or i.trace is not dropped]


def _same_place(one: Series, other: Series) -> bool:
    if one.key != other.key:
        return False
    if not math.isclose(one.repetition_time, other.repetition_time, rel_tol=SAME_TR):
        return False
    fewer = min(len(one.positions), len(other.positions))
    return len(one.positions & other.positions) >= SHARED_SLICES * fewer


def _is_trace(header: Header) -> bool | None:
    if image_words(header) & TRACE_WORDS:
        return True
    return {"trace": True, "directional": False}.get(str(header.get("DiffusionDirectionality")))


def _key(header: Header) -> tuple[Any, ...]:
    """What all images of one acquisition share, whatever their b-value and direction.

    Not the acquisition number: Siemens counts the directions with it.
    """
    return (
        header.get("Rows"),
        header.get("Columns"),
        tuple(np.round(header.get("PixelSpacing", []), 3)),
        tuple(np.round(header.get("ImageOrientationPatient", []), 3) + 0.0),
        header.get("FrameOfReferenceUID"),
        round(float(header.get("EchoTime", 0)), 2),
        round(float(header.get("FlipAngle", 0)), 1),
    )


def _positions(header: Header) -> list[Any]:
    """Positions of the images behind a header, None for each that is not stated."""
    return positions(header) or [None] * header.get("FrameCount", 1)


def _time(header: Header) -> float:
    """When an image was acquired, growing with time; infinite where the header does not tell."""
    for kind in ("Acquisition", "Content", "Series"):
        time = _number(header.get(f"{kind}Time"), math.inf)
        if time < math.inf:
            date = header.get(f"{kind}Date") or header.get("SeriesDate")
            return _number(date, 0.0) * 1e6 + time
    return math.inf


def _number(value: Any, otherwise: float) -> float:
    """Digits of a date, a time or a number."""
    found = re.fullmatch(r"\d+(\.\d*)?", str(value).strip())
    return float(found[0]) if found else otherwise


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
