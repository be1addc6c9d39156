"""Further MRI as every later step reads it: spin echoes, diffusion, T1w, T2w, scanner maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.diffusion import same_b
from osteoflow.io.header import header_number
from osteoflow.io.intake import (
    MRI_NUMBERS,
    MRI_TEXTS,
    SLICE_AXIS,
    count_files,
    fields_of,
    load_image,
    load_stack,
    signal_scaling,
)
from osteoflow.io.outside import count_volumes
from osteoflow.io.repetitions import geometric_mean
from osteoflow.io.volume import Volume

# What scores and radiomics need to know of a weighted image.
WEIGHTED_NUMBERS = ("EchoTime", "InversionTime", "ParallelReductionFactorInPlane")
WEIGHTED_TEXTS = ("ContrastBolusAgent", "ScanOptions", "ScanningSequence")

Loaded = tuple[Volume, dict[str, Any], list[str]]


def load_spin_echo(entry: dict[str, Any], study: Path) -> Loaded:
    """Multi-echo spin echo: magnitudes of shape (i, j, k, echo), sidecar and warnings.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.intake.load_stack`.
    """
    echoes = entry["echoes"]
    stack, headers, warnings = load_stack(entry["source"], echoes, study, "spin echo", {})
    sidecar, notes = _about(entry, headers, stack, echoes)
    sidecar["EchoTime"] = [float(echo["echo_time"]) for echo in echoes]
    return stack, sidecar, warnings + notes


def load_diffusion(entry: dict[str, Any], study: Path) -> Loaded:
    """Diffusion-weighted images, one per b-value: shape (i, j, k, b), sidecar and warnings.

    Images of one b-value (directions, repetitions) are combined by their geometric mean, which
    makes the trace-weighted image of three directions at right angles.

    Raises
    ------
    SubjectDataError
        ``b_values_unequal`` and as :func:`osteoflow.io.intake.load_stack`.
    """
    if entry["source"] == "bids":
        _check_volumes(entry["images"], study)
    groups = _by_b_value(entry["images"])
    b_values = sorted(groups)
    kept: dict[Path, Any] = {}
    averaged: list[np.ndarray] = []
    headers: list[Mapping[str, Any]] = []
    counts, warnings = [], [*entry.get("notes", [])]
    affine = None
    for b in b_values:
        stack, found, notes = load_stack(
            entry["source"], groups[b], study, f"b = {b:g}", kept, "image"
        )
        if affine is not None and not stack.same_grid(Volume(averaged[0], affine), tolerance=1e-2):
            raise SubjectDataError(
                "echoes_on_other_grids",
                "images of different b-values lie on different grids",
                "Export one diffusion acquisition.",
            )
        affine = stack.affine
        averaged.append(geometric_mean(np.moveaxis(stack.data, -1, 0)))
        counts.append(stack.data.shape[-1])
        headers += found
        warnings += [note for note in notes if note not in warnings]
    data = Volume(np.stack(averaged, axis=-1).astype(np.float32), affine)
    sidecar, notes = _about(entry, headers, data, entry["images"])
    sidecar |= {"BValues": b_values, "Averages": counts}
    if (level := _saturation(headers)) is not None:
        sidecar["Saturation"] = level
    return data, sidecar, warnings + notes


def _by_b_value(images: list[dict[str, Any]]) -> dict[float, list[dict[str, Any]]]:
    """Images of one nominal b-value, by their mean b: scanners state 995 and 1005 for 1000."""
    groups: list[list[dict[str, Any]]] = []
    for image in sorted(images, key=lambda image: float(image["b_value"])):
        b = float(image["b_value"])
        if groups and same_b(float(groups[-1][-1]["b_value"]), b):
            groups[-1].append(image)
        else:
            groups.append([image])
    return {
        round(float(np.mean([float(image["b_value"]) for image in group])), 2): group
        for group in groups
    }


def _check_volumes(images: list[dict[str, Any]], study: Path) -> None:
    """A BIDS image has as many volumes as its ``.bval`` has numbers.

    Raises
    ------
    SubjectDataError
        ``b_values_unequal``.
    """
    volumes = count_volumes(study / images[0]["files"][0]["path"])
    if volumes != len(images):
        raise SubjectDataError(
            "b_values_unequal",
            f"the diffusion-weighted image holds {volumes} volumes, its .bval file {len(images)} "
            "numbers",
            "Give the .bval file that belongs to the image.",
        )


def load_weighted(entry: dict[str, Any], study: Path, weighting: str) -> Loaded:
    """T1- or T2-weighted spin echo, sidecar and warnings.

    Parameters
    ----------
    entry
        Inventory entry of the role.
    study
        Folder where relative paths start.
    weighting
        ``T1-weighted`` or ``T2-weighted``, for messages.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.intake.load_stack`.
    """
    stack, headers, warnings = load_stack(entry["source"], [entry], study, weighting, {}, "image")
    volume = Volume(stack.data[..., 0], stack.affine)
    sidecar, notes = _about(entry, headers, volume, [entry])
    sidecar |= fields_of(headers[0], WEIGHTED_NUMBERS, WEIGHTED_TEXTS)
    return volume, sidecar, warnings + notes


def load_scanner_maps(entry: dict[str, Any], study: Path) -> tuple[dict[str, Volume], dict, list]:
    """Maps that the scanner made of fat and water, by name (``pdff``, ``water``, ``fat``).

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.dicom.convert_series`; ``echoes_on_other_grids``.
    """
    maps: dict[str, Volume] = {}
    headers: list[Mapping[str, Any]] = []
    warnings: list[str] = []
    for name, item in entry["maps"].items():
        maps[name], found, notes = load_image(entry["source"], item, study, {})
        headers += found
        warnings += [note for note in notes if note not in warnings]
    first = next(iter(maps.values()))
    if any(not volume.same_grid(first, tolerance=1e-2) for volume in maps.values()):
        raise SubjectDataError(
            "echoes_on_other_grids",
            "the scanner's water and fat images lie on different grids",
            "Export both from one acquisition.",
        )
    sidecar, _ = _about(entry, headers, first, entry["maps"].values())
    return maps, {**sidecar, "Kind": entry["kind"]}, warnings


def load_scanner_adc(entry: dict[str, Any], study: Path) -> Loaded:
    """The scanner's ADC map in um2/s.

    Raises
    ------
    SubjectDataError
        As :func:`osteoflow.io.dicom.convert_series`.
    """
    volume, headers, warnings = load_image(entry["source"], entry["map"], study, {})
    factor = float(entry["map"]["factor_to_um2_per_s"])
    sidecar, _ = _about(entry, headers, volume, [entry["map"]])
    return volume.like((volume.data * factor).astype(np.float32)), sidecar, warnings


def _about(
    entry: dict[str, Any],
    headers: list[Mapping[str, Any]],
    volume: Volume,
    images: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, Any], list[str]]:
    """What all sidecars state, and a warning where scales of Philips' images are not known."""
    sidecar: dict[str, Any] = fields_of(headers[0], MRI_NUMBERS, MRI_TEXTS)
    notes: list[str] = []
    if entry["source"] == "dicom":
        sidecar["SignalScaling"], notes = signal_scaling(headers)
    sidecar |= {
        "SliceStep": round(volume.spacing[SLICE_AXIS], 4),
        "Source": entry["source"],
        "SourceSeries": entry["series"],
        "SourceFiles": count_files(file for image in images for file in image["files"]),
    }
    return sidecar, notes


def _saturation(headers: list[Mapping[str, Any]]) -> float | None:
    """Value at which the images are clipped; None where slices are scaled in different ways."""
    found = set()
    for header in headers:
        bits = header_number(header, "BitsStored")
        if bits is None or "PhilipsScaleSlope" in header:
            return None
        slope = header_number(header, "RescaleSlope")
        intercept = header_number(header, "RescaleIntercept")
        signed = header_number(header, "PixelRepresentation") == 1
        top = 2 ** (int(bits) - signed) - 1
        found.add((1.0 if slope is None else slope) * top + (intercept or 0.0))
    return found.pop() if len(found) == 1 else None
