"""Which spin echoes of a study are T1- and T2-weighted images, by header content alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from osteoflow.inventory.echoes import acquisition_key
from osteoflow.inventory.recognise_spin_echo import in_trains, is_spin_echo
from osteoflow.inventory.series import Header, as_list, count_images, series_key
from osteoflow.io.diffusion import WEIGHTED_FROM

T1W_REPETITION_TIME = (300.0, 1000.0)
T1W_ECHO_TIME = 30.0
"""ms. Wider than any score's own conditions, which are checked when it is measured."""

T2W_REPETITION_TIME = 1500.0
T2W_ECHO_TIME = (60.0, 200.0)
"""ms. Shorter repetition mixes T1 into the contrast, a shorter echo is proton density, a longer one
is myelography, which shows no marrow. Routine spine protocols have TR 2500 to 5000 and effective TE
80 to 130."""

MIN_WEIGHTED_SLICES = 3
FAT_SATURATION = {"FS", "SFS"}
"""Words of Scan Options: without fat's signal, marrow of a T1-weighted image tells nothing."""


def choose_t1_weighted(headers: dict[str, Header], warnings: list[str]) -> list[str] | None:
    """Names of the images of the one T1-weighted spin echo, or of the one sagittal among several.

    Parameters
    ----------
    headers
        As for :func:`osteoflow.inventory.recognise_spin_echo.choose_multi_spin_echo`.
    warnings
        A sentence is added where several fit: weighted images are an extra and exclude nobody.
    """
    return _choose(headers, "T1", _is_t1_weighted, warnings)


def choose_t2_weighted(headers: dict[str, Header], warnings: list[str]) -> list[str] | None:
    """Names of the images of the one T2-weighted spin echo, or of the one sagittal among several.

    With or without saturation of fat: where a study has both, none is chosen, since features of
    the two do not compare. An inversion recovery (STIR) is neither; nor are the echoes of a T2
    measurement, nor diffusion images, which some scanners do not call echo planar.

    Parameters
    ----------
    headers, warnings
        As for :func:`choose_t1_weighted`.
    """
    trains = in_trains(headers)
    diffusion = {_settings(h) for h in headers.values() if (h.get("BValue") or 0) >= WEIGHTED_FROM}
    others = {
        name: header
        for name, header in headers.items()
        if name not in trains and _settings(header) not in diffusion
    }
    return _choose(others, "T2", _is_t2_weighted, warnings)


def _settings(header: Header) -> tuple[Any, ...]:
    """What the images with and without diffusion weighting of one acquisition share."""
    rows, columns, orientation, frame, _, repetition, _ = acquisition_key(header)
    return rows, columns, orientation, frame, repetition, header.get("EchoTime")


def _choose(
    headers: dict[str, Header],
    weighting: str,
    fits: Callable[[list[str], dict[str, Header]], bool],
    warnings: list[str],
) -> list[str] | None:
    series: dict[str, list[str]] = defaultdict(list)
    for name, header in headers.items():
        if is_spin_echo(header):
            series[series_key(header)].append(name)
    fitting = [names for names in series.values() if fits(names, headers)]
    sagittal = [names for names in fitting if _is_sagittal(headers[names[0]])]
    for candidates in (fitting, sagittal):
        if len(candidates) == 1:
            return sorted(candidates[0])
    if fitting:
        warnings.append(
            f"{weighting.lower()}w_ambiguous: {len(fitting)} {weighting}-weighted spin echoes fit, "
            f"{len(sagittal)} of them sagittal: none is used; leave only the one to be measured in "
            "the folder"
        )
    return None


def _is_t1_weighted(names: list[str], headers: dict[str, Header]) -> bool:
    if not _is_one_plain_image(names, headers):
        return False
    first = headers[names[0]]
    if not 0 < first.get("EchoTime", 0) <= T1W_ECHO_TIME:
        return False
    low, high = T1W_REPETITION_TIME
    if not low <= first.get("RepetitionTime", 0) <= high:
        return False
    return not any(
        FAT_SATURATION.intersection(as_list(headers[name].get("ScanOptions"))) for name in names
    )


def _is_t2_weighted(names: list[str], headers: dict[str, Header]) -> bool:
    first = headers[names[0]]
    low, high = T2W_ECHO_TIME
    return (
        _is_one_plain_image(names, headers)
        and low <= first.get("EchoTime", 0) <= high
        and first.get("RepetitionTime", 0) >= T2W_REPETITION_TIME
    )


def _is_one_plain_image(names: list[str], headers: dict[str, Header]) -> bool:
    """One echo and orientation, enough slices, no inversion pulse, no contrast agent."""
    if len({headers[name].get("EchoTime") for name in names}) > 1:
        return False
    if len({acquisition_key(headers[name])[2] for name in names}) > 1:
        return False
    if any("IR" in as_list(headers[name].get("ScanningSequence")) for name in names):
        return False
    # A contrast agent may be named in some of the images only.
    if any(headers[name].get("ContrastBolusAgent") for name in names):
        return False
    return count_images(headers, names) >= MIN_WEIGHTED_SLICES


def _is_sagittal(header: Header) -> bool:
    """Whether the slice normal lies within 45 degrees of the line from right to left."""
    orientation = header.get("ImageOrientationPatient")
    if orientation is None or len(orientation) != 6:
        return False
    return bool(abs(np.cross(orientation[:3], orientation[3:])[0]) > np.sqrt(0.5))
