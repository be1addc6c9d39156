"""Which spin echoes of a study serve T2, by header content alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

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
from osteoflow.inventory.series import Header, as_list, image_kind, series_key

MIN_T2_ECHOES = 3
"""Two echoes (proton density and T2 weighting) are no T2 measurement: noise cannot be seen."""

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
    usable = [one for group in _groups(headers).values() for one in _trains(group, headers)]
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


def in_trains(headers: dict[str, Header]) -> set[str]:
    """Names of the images that belong to any multi-echo spin echo.

    Parameters
    ----------
    headers
        As for :func:`choose_multi_spin_echo`.
    """
    trains = [one for group in _groups(headers).values() for one in _trains(group, headers)]
    return {name for echoes in trains for names in echoes.values() for name in names}


def _groups(headers: dict[str, Header]) -> dict[tuple[Any, ...], Echoes]:
    """Images of spin echoes that share their acquisition, by echo time."""
    groups: dict[tuple[Any, ...], Echoes] = defaultdict(lambda: defaultdict(list))
    for name, header in headers.items():
        if is_spin_echo(header) and header.get("EchoTime", 0) > 0:
            groups[acquisition_key(header)][echo_seconds(header)].append(name)
    return groups


def is_spin_echo(header: Header) -> bool:
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
