"""Which images of a study make up its diffusion-weighted acquisition, by header content alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.diffusion_series import (
    ADC_WORDS,
    CALCULATED_WORDS,
    MAP_WORDS,
    Header,
    Image,
    Run,
    Series,
    diffusion_word,
    distinct_b,
    find_series,
    group_places,
    image_words,
    images_by_b,
    is_adc_map,
    is_measured,
    is_mosaic,
    series_id,
    split_runs,
)
from osteoflow.inventory.series import count_images, multi_frame
from osteoflow.io.diffusion import WEIGHTED_FROM


@dataclass(frozen=True)
class DiffusionAcquisition:
    """The images of one acquisition.

    Attributes
    ----------
    images
        b-value in s/mm2 (mean of what its images state), ascending -> names of files or of frames
        of one kind (:class:`osteoflow.inventory.folder.Folder`). Several images of a slice are
        directions or repetitions, to be averaged geometrically.
    trace
        Whether the weighted images are trace images made by the scanner.
    notes
        Sentences on what was left out.
    """

    images: dict[float, list[str]]
    trace: bool
    notes: tuple[str, ...]


def choose_diffusion(headers: dict[str, Header]) -> dict[float, list[str]] | None:
    """Images of the one diffusion-weighted acquisition by b-value.

    Parameters
    ----------
    headers
        Name -> header, as in :class:`osteoflow.inventory.folder.Folder`, with ``BValue``
        (:func:`osteoflow.io.diffusion.b_value`) where it is known. Used where present:
        ``DiffusionDirectionality`` (:func:`osteoflow.io.diffusion.directionality`),
        ``SequenceName``, ``SeriesNumber``, ``SeriesTime``, ``SeriesDate``, ``AcquisitionTime``,
        ``AcquisitionDate``, ``ContentTime``.

    Returns
    -------
    dict or None
        As ``images`` of :func:`find_diffusion`.

    Raises
    ------
    SubjectDataError
        As :func:`find_diffusion`.
    """
    found = find_diffusion(headers)
    return None if found is None else found.images


def find_diffusion(headers: dict[str, Header]) -> DiffusionAcquisition | None:
    """The one diffusion-weighted acquisition, and what was left out beside it.

    Series at one place with one echo and repetition time are one acquisition, also where each
    b-value is a series of its own. A b-value that comes again begins another run: series that
    left one reconstruction (equal series times) stay together, others follow in the order of
    their acquisition. Scanner-made trace images are preferred to the single directions beside
    them. Maps and calculated images are no measurements and are not taken.

    Parameters
    ----------
    headers
        As for :func:`choose_diffusion`.

    Returns
    -------
    DiffusionAcquisition or None
        None where no image is diffusion-weighted.

    Raises
    ------
    SubjectDataError
        ``dwi_ambiguous`` where several acquisitions fit, ``too_few_b_values``,
        ``b_value_missing``, ``dwi_unequal`` where b-values have different slices,
        ``dwi_mosaic``, ``multiframe_unsupported``.
    """
    measured = {
        path: header
        for path, header in headers.items()
        if is_measured(header) and not is_mosaic(header)
    }
    # GE and Philips state b = 0 in every MR image: where nothing is weighted, nothing is diffusion.
    places = [place for place in group_places(find_series(measured)) if _has_weighted(place)]
    usable = [run for place in places for run in _acquisitions(place)]
    if not usable:
        _explain_none(headers, measured)
        return None
    if len(usable) > 1:
        found = "; ".join(_describe(run) for run in usable)
        raise SubjectDataError(
            "dwi_ambiguous",
            f"{len(usable)} diffusion-weighted acquisitions fit: {found}",
            "Leave only the acquisition to be measured in the folder.",
        )
    images = images_by_b(usable[0])
    _check_slices(images)
    paths = {b: sorted({image.path for image in found}) for b, found in images.items()}
    trace = any(series.trace for series in usable[0])
    taken = {path for found in paths.values() for path in found}
    return DiffusionAcquisition(paths, trace, tuple(_left_out(headers, measured, taken)))


def choose_scanner_adc(headers: dict[str, Header]) -> list[str] | None:
    """Images of the one ADC map that the scanner made, for studies without its source images.

    The factor to um2/s is ``AdcScale`` of its headers, as
    :func:`osteoflow.io.diffusion.adc_map_scale` finds it.

    Parameters
    ----------
    headers
        As for :func:`choose_diffusion`.

    Raises
    ------
    SubjectDataError
        ``adc_map_ambiguous`` where there are several.
    """
    series: dict[Any, list[str]] = defaultdict(list)
    for path, header in headers.items():
        placed = header.get("Modality") == "MR" and not header.get("MultiFrame")
        if placed and header.get("SamplesPerPixel", 1) == 1 and is_adc_map(header):
            series[series_id(header)].append(path)
    if len(series) > 1:
        raise SubjectDataError(
            "adc_map_ambiguous",
            f"{len(series)} ADC maps made by the scanner were found",
            "Leave only the map to be measured in the folder, or give its source images.",
        )
    return sorted(next(iter(series.values()))) if series else None


def _has_weighted(place: list[Series]) -> bool:
    return any(b >= WEIGHTED_FROM for series in place for b in series.b)


def _acquisitions(place: list[Series]) -> list[Run]:
    """Runs at one place that give an ADC."""
    trace = split_runs([series for series in place if series.trace])
    plain = split_runs([series for series in place if not series.trace])
    if len(trace) == len(plain):
        # Some scanners keep the images without weighting out of the trace series.
        trace = [_with_zero(run, other) for run, other in zip(trace, plain, strict=True)]
    trace, plain = ([run for run in runs if _is_usable(run)] for runs in (trace, plain))
    # As many trace runs as others are the same runs; more others are runs of their own.
    return trace if len(trace) >= len(plain) else plain


def _with_zero(run: Run, other: Run) -> Run:
    """A run of trace images with the unweighted images of the directions it was made from."""
    if any(b < WEIGHTED_FROM for series in run for b in series.b):
        return run
    zeros = []
    for series in other:
        images = tuple(image for image in series.images if image.b < WEIGHTED_FROM)
        if images:
            zeros.append(replace(series, images=images))
    return [*zeros, *run]


def _is_usable(run: Run) -> bool:
    levels = distinct_b([b for series in run for b in series.b])
    return len(levels) > 1 and levels[-1] >= WEIGHTED_FROM


def _check_slices(images: dict[float, list[Image]]) -> None:
    """Every b-value has the same slices, and as many images of one slice as of another."""
    counts = {b: Counter(image.position for image in found) for b, found in images.items()}
    if any(None in count for count in counts.values()):
        return  # without positions there is no volume: the conversion says so
    every = set().union(*counts.values())
    for b, count in counts.items():
        least, most = min(count.values()), max(count.values())
        if len(count) < len(every):
            what = f"has {len(count)} slices, all b-values together have {len(every)}"
        elif least < most:
            what = f"has {least} images of one slice and {most} of another"
        else:
            continue
        raise SubjectDataError(
            "dwi_unequal",
            f"b = {b:g} s/mm2 {what}",
            "Export every slice of every b-value and direction again.",
        )


def _left_out(
    headers: dict[str, Header], measured: dict[str, Header], taken: set[str]
) -> list[str]:
    """Sentences on diffusion images that are not part of the acquisition."""
    notes = []
    rest = {path: header for path, header in measured.items() if path not in taken}
    weighted = {
        path: b for path, h in rest.items() if (b := h.get("BValue") or 0.0) >= WEIGHTED_FROM
    }
    if weighted:
        levels = ", ".join(f"{b:g}" for b in distinct_b(list(weighted.values())))
        notes.append(
            f"{count_images(headers, weighted)} other diffusion-weighted images (b = {levels} "
            "s/mm2) were left out: single directions of the trace images, or acquisitions without "
            "a second b-value"
        )
    series = {series_id(measured[path]) for path in taken}
    unknown = count_images(
        headers, (p for p, h in rest.items() if h.get("BValue") is None and series_id(h) in series)
    )
    if unknown:
        notes.append(f"{unknown} images of the diffusion series state no b-value: left out")
    made = count_images(
        headers,
        (
            path
            for path, h in headers.items()
            if h.get("Modality") == "MR" and image_words(h) & (ADC_WORDS | CALCULATED_WORDS)
        ),
    )
    if made:
        notes.append(f"{made} images of scanner-made ADC maps or calculated b-values: not used")
    return notes


def _explain_none(headers: dict[str, Header], measured: dict[str, Header]) -> None:
    """Why diffusion images that are there cannot be used; nothing where there are none."""
    if any(_is_multi_frame_diffusion(header) for header in headers.values()):
        raise multi_frame("MR")
    tiled = sum(is_measured(h) and is_mosaic(h) and bool(h.get("BValue")) for h in headers.values())
    if tiled:
        raise SubjectDataError(
            "dwi_mosaic",
            f"{tiled} diffusion images hold all slices as tiles of one picture (mosaic)",
            "Export the trace-weighted series, or convert the images to BIDS first.",
        )
    weighted = [b for h in measured.values() if (b := h.get("BValue") or 0.0) >= WEIGHTED_FROM]
    named = {path: h for path, h in measured.items() if _is_named_diffusion(h)}
    if named and all(h.get("BValue") is None for h in named.values()) and not weighted:
        raise SubjectDataError(
            "b_value_missing",
            f"{count_images(headers, named)} diffusion-weighted images were found, but their "
            "headers state no b-value",
            "Export the original images with their private elements, or convert them to BIDS with "
            "a .bval file.",
        )
    if named or any(map(_is_evident, measured.values())):
        levels = ", ".join(f"{b:g}" for b in distinct_b(weighted) or [0.0])
        raise SubjectDataError(
            "too_few_b_values",
            "diffusion-weighted images were found, but no acquisition with two b-values (found: "
            f"b = {levels} s/mm2)",
            "Export the images of every b-value, with those at b = 0 or the lowest one.",
        )


def _is_multi_frame_diffusion(header: Header) -> bool:
    words = image_words(header)
    frames = header.get("Modality") == "MR" and bool(header.get("MultiFrame"))
    return frames and "DIFFUSION" in words and not words & (ADC_WORDS | MAP_WORDS)


def _is_named_diffusion(header: Header) -> bool:
    named = diffusion_word(str(header.get("SequenceName", ""))) is not None
    return named or "DIFFUSION" in image_words(header)


def _is_evident(header: Header) -> bool:
    """A stated b-value that something else in the header supports: stray numbers occur."""
    if (header.get("BValue") or 0.0) < WEIGHTED_FROM:
        return False
    sequence = header.get("ScanningSequence") or []
    known = header.get("DiffusionDirectionality") in ("trace", "directional")
    return known or "EP" in (sequence if isinstance(sequence, list) else [sequence])


def _describe(run: Run) -> str:
    images = images_by_b(run)
    levels = ", ".join(f"{b:g}" for b in images)
    return f"{sum(map(len, images.values()))} images at b = {levels} s/mm2"
