"""Checks of the echoes of one acquisition: none is missing, all have the same images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.series import Header, count_images, series_key

Echoes = dict[float, list[str]]
"""Echo time in s -> names of its images."""


def acquisition_key(header: Header) -> tuple[Any, ...]:
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


def echo_seconds(header: Header) -> float:
    """Echo time in s, rounded so that equal ones are equal."""
    return round(header["EchoTime"] / 1000.0, 8)


def in_order(echoes: Echoes) -> Echoes:
    """Echoes by time, images by name."""
    return {echo: sorted(echoes[echo]) for echo in sorted(echoes)}


def check_numbers(echoes: Echoes, headers: dict[str, Header], hint: str) -> None:
    """No number is missing among those of the echoes.

    Raises
    ------
    SubjectDataError
        ``echo_missing``.
    """
    # Only numbers that tell the echoes apart can tell that one is missing.
    numbers = {headers[names[0]].get("EchoNumbers") for names in echoes.values()}
    if len(numbers) == len(echoes) and all(isinstance(number, int) for number in numbers):
        absent = sorted(set(range(min(1, *numbers), max(numbers) + 1)) - numbers)
        if absent:
            raise SubjectDataError(
                "echo_missing",
                f"of {max(numbers)} echoes {len(numbers)} were found; without images: echo "
                f"{', '.join(map(str, absent))}",
                hint,
            )


def check_series(
    parts: dict[str, Echoes], headers: dict[str, Header], code: str, hint: str
) -> None:
    """The images of one part and echo are of one series.

    Raises
    ------
    SubjectDataError
        With `code`.
    """
    for part, echoes in parts.items():
        for names in echoes.values():
            series = {series_key(headers[name]) for name in names}
            if len(series) > 1:
                raise SubjectDataError(
                    code, f"{len(series)} series hold {part} images of the same echo", hint
                )


def check_counts(parts: dict[str, Echoes], headers: dict[str, Header], hint: str) -> None:
    """Each echo of each part has as many images.

    Raises
    ------
    SubjectDataError
        ``echoes_unequal``.
    """
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
            hint,
        )


def images_of_a_slice(headers: dict[str, Header], names: Iterable[str]) -> int:
    """The largest number of images at one position; 1 where positions are not stated."""
    counts = Counter(position for name in names for position in positions(headers[name]))
    return max(counts.values(), default=1)


def positions(header: Header) -> list[tuple[float, ...]]:
    """Where the images behind a header lie: one, or those of its frames; empty if not stated."""
    if "Positions" in header:
        return [tuple(position) for position in header["Positions"]]
    position = header.get("ImagePositionPatient")
    return [] if position is None else [tuple(float(v) + 0.0 for v in np.round(position, 1))]
