"""Which spin echoes of a study serve T2 and the scores of marrow, by header content alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.echoes import (
    Echoes,
    acquisition_key,
    check_counts,
    check_numbers,
    check_series,
    echo_seconds,
    images_of_a_slice,
    in_order,
)
from osteoflow.inventory.series import (
    Header,
    as_list,
    count_images,
    image_kind,
    series_key,
)

MIN_T2_ECHOES = 3
"""Two echoes (proton density and T2 weighting) are no T2 measurement: noise cannot be seen."""

T1W_REPETITION_TIME = (300.0, 1000.0)
T1W_ECHO_TIME = 30.0
"""ms. Wider than any score's own conditions, which are checked when it is measured."""

MIN_T1W_SLICES = 3
FAT_SATURATION = {"FS", "SFS"}
"""Words of Scan Options: without fat's signal, marrow tells nothing."""

ONLY_ONE = "Leave only the acquisition to be measured in the folder."
EVERY = "Export every slice of every echo."


def choose_multi_spin_echo(headers: dict[str, Header]) -> Echoes | None:
    """Names of the images of the one multi-echo spin echo by echo time in s.

    Echoes that lie in several series belong together only if they are numbered: separate spin
    echoes of other weighting may share everything else.

    Parameters
    ----------
    headers
        Name -> header, as in :class:`osteoflow.inventory.folder.Folder`: of a file, or of frames.

    Returns
    -------
    None where no acquisition has three echo times.

    Raises
    ------
    SubjectDataError
        ``t2_ambiguous`` where several acquisitions fit, ``echo_missing``, ``echoes_unequal``.
    """
    groups: dict[tuple[Any, ...], Echoes] = defaultdict(lambda: defaultdict(list))
    for name, header in headers.items():
        if _is_spin_echo(header) and header.get("EchoTime", 0) > 0:
            groups[acquisition_key(header)][echo_seconds(header)].append(name)
    usable = [one for group in groups.values() for one in _trains(group, headers)]
    if not usable:
        return None
    if len(usable) > 1:
        counts = "; ".join(f"{len(echoes)} echoes" for echoes in usable)
        raise SubjectDataError(
            "t2_ambiguous",
            f"{len(usable)} multi-echo spin-echo acquisitions fit: {counts}",
            ONLY_ONE,
        )
    echoes = in_order(usable[0])
    check_numbers(echoes, headers, "Export every echo of the train.")
    check_series({"spin-echo": echoes}, headers, "t2_ambiguous", ONLY_ONE)
    check_counts({"spin-echo": echoes}, headers, EVERY)
    most = max(images_of_a_slice(headers, names) for names in echoes.values())
    if most > 1:
        raise SubjectDataError(
            "t2_ambiguous",
            f"an echo has {most} images of the same slice",
            "Leave one magnitude image of each slice and echo in the folder.",
        )
    return echoes


def choose_t1_weighted(headers: dict[str, Header], warnings: list[str]) -> list[str] | None:
    """Names of the images of the one T1-weighted spin echo, or of the one sagittal among several.

    Parameters
    ----------
    headers
        As for :func:`choose_multi_spin_echo`.
    warnings
        A sentence is added where several fit: scores are an extra and exclude nobody.
    """
    series: dict[str, list[str]] = defaultdict(list)
    for name, header in headers.items():
        if _is_spin_echo(header):
            series[series_key(header)].append(name)
    fitting = [names for names in series.values() if _is_t1_weighted(names, headers)]
    sagittal = [names for names in fitting if _is_sagittal(headers[names[0]])]
    for candidates in (fitting, sagittal):
        if len(candidates) == 1:
            return sorted(candidates[0])
    if fitting:
        warnings.append(
            f"t1w_ambiguous: {len(fitting)} T1-weighted spin echoes fit, {len(sagittal)} of them "
            "sagittal: none is used for scores; leave only the one to be measured in the folder"
        )
    return None


def _is_spin_echo(header: Header) -> bool:
    """A spin-echo magnitude image as measured, in grey values."""
    if header.get("Modality") != "MR" or header.get("MultiFrame"):
        return False
    sequence = as_list(header.get("ScanningSequence"))
    if "SE" not in sequence or {"EP", "GR"}.intersection(sequence):
        return False
    # Spin echoes are stored as magnitude unless they say otherwise.
    if header.get("Component", "mag") != "mag" or header.get("SamplesPerPixel", 1) != 1:
        return False
    return "DERIVED" not in image_kind(header)[:1]


def _trains(group: Echoes, headers: dict[str, Header]) -> list[Echoes]:
    """Echo trains in images that share their acquisition: the numbered whole, or each series."""
    if len(group) < MIN_T2_ECHOES:
        return []
    by_series: dict[str, Echoes] = defaultdict(lambda: defaultdict(list))
    for echo, names in group.items():
        for name in names:
            by_series[series_key(headers[name])][echo].append(name)
    if len(by_series) == 1:
        return [group]
    numbers = [{headers[name].get("EchoNumbers") for name in names} for names in group.values()]
    told = len(set.union(*numbers)) == len(group) and all(len(found) == 1 for found in numbers)
    if told and max(map(len, by_series.values())) < len(group):
        return [group]
    return [echoes for echoes in by_series.values() if len(echoes) >= MIN_T2_ECHOES]


def _is_t1_weighted(names: list[str], headers: dict[str, Header]) -> bool:
    first = headers[names[0]]
    if len({headers[name].get("EchoTime") for name in names}) > 1:
        return False
    if len({acquisition_key(headers[name])[2] for name in names}) > 1:
        return False
    if not 0 < first.get("EchoTime", 0) <= T1W_ECHO_TIME:
        return False
    low, high = T1W_REPETITION_TIME
    if not low <= first.get("RepetitionTime", 0) <= high:
        return False
    if any("IR" in as_list(headers[name].get("ScanningSequence")) for name in names):
        return False
    if any(FAT_SATURATION.intersection(as_list(headers[n].get("ScanOptions"))) for n in names):
        return False
    # A contrast agent may be named in some of the images only.
    if any(headers[name].get("ContrastBolusAgent") for name in names):
        return False
    return count_images(headers, names) >= MIN_T1W_SLICES


def _is_sagittal(header: Header) -> bool:
    """Whether the slice normal lies within 45 degrees of the line from right to left."""
    orientation = header.get("ImageOrientationPatient")
    if orientation is None or len(orientation) != 6:
        return False
    return bool(abs(np.cross(orientation[:3], orientation[3:])[0]) > np.sqrt(0.5))
