"""What seeded bodies are told from their surroundings by: CT numbers, or the best MRI contrast.

In MRI a body is found where marrow is bright and cortex, disc, canal and muscle are not. Marrow is
the one tissue around with much water and much fat: where echoes near in and near opposed phase
were acquired, the in-phase less the opposed-phase magnitude (Dixon, Radiology 1984;153:189) shows
little else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.segmentation.seed_grid import seed_grid
from osteoflow.segmentation.spine_frame import Frame, frames

CT_LIMITS = (-200.0, 500.0)
# Marrow of an MRI is scaled to this many units above its surroundings: what bone of medium density
# has in HU above soft tissue, so that one scale of slopes serves both.
MARROW = 250.0
# Cortex is dark: the body's surface lies this far outside the marrow's edge. A nominal thickness,
# so that the margin of the trabecular volume means the same as with a drawn mask.
SHELL_MM = 1.5
LEAST_SEPARATION, GOOD_SEPARATION = 1.0, 1.5
FAT_PPM = 3.4
GAMMA_MHZ_PER_T = 42.577
# Phase of fat against water in turns off 0 or 1/2 that still counts as in or opposed phase.
PHASE_TOLERANCE = 0.15


@dataclass(frozen=True)
class Contrast:
    """The image that bodies grow in.

    Parameters
    ----------
    name
        ``CT``, or what the MRI contrast is made of.
    image
        3-D volume in HU or scaled to match.
    limits
        Values beyond are set to them.
    gate
        Volume whose values in the trabecular volumes are judged.
    bright_shell
        Whether cortex is brighter than the marrow.
    shell_mm
        Cortex that the image does not show as part of the body.
    separation
        How far marrow stands out, in SDs; None for CT.
    warnings
        What speaks against the contrast.
    """

    name: str
    image: Volume
    limits: tuple[float, float]
    gate: Volume
    bright_shell: bool = False
    shell_mm: float = 0.0
    separation: float | None = None
    warnings: tuple[str, ...] = field(default=())


def ct_contrast(image: Volume) -> Contrast:
    """CT numbers as they are."""
    return Contrast("CT", image, CT_LIMITS, image, bright_shell=True)


def mri_contrast(
    images: Mapping[str, Volume], about: Mapping[str, Any], levels: list[int], points: np.ndarray
) -> Contrast:
    """The image or difference of images in which the seeds' marrow stands out most.

    Parameters
    ----------
    images
        Of ``mag`` (i, j, k, echo), ``scanner_fat``, ``scanner_water``, ``scanner_pdff``: what there
        is, on one grid.
    about
        Sidecar of the first one: ``EchoTime`` in s (list), ``MagneticFieldStrength`` or
        ``ImagingFrequency``.
    levels, points
        VerSe ids and RAS points of the seeds, from head to foot.

    Raises
    ------
    SubjectDataError
        ``seeds_no_contrast``: marrow stands out enough in no image.
    """
    found = []
    for name, volume in _candidates(images, about):
        separation, low, high = _separation(volume, levels, points)
        if separation > 0:
            found.append((separation, name, volume, low, high))
    best = max((item[0] for item in found), default=0.0)
    if best < LEAST_SEPARATION:
        raise SubjectDataError(
            "seeds_no_contrast",
            "in no image of the MRI does the marrow at the seeds stand out by "
            f"{LEAST_SEPARATION:g} SD from its surroundings (the best one: {best:.1f})",
            "Check that the points lie in the vertebral bodies of this series. Marrow with little "
            "fat, as in the young, needs a mask.",
        )
    separation, name, volume, low, high = max(found, key=lambda item: item[0])
    scaled = volume.like((np.asarray(volume.data, np.float32) - low) * (MARROW / (high - low)))
    notes = (
        ()
        if separation >= GOOD_SEPARATION
        else (f"seeded on {name}: marrow stands out by {separation:.1f} SD only",)
    )
    limits = (-0.6 * MARROW, 2.0 * MARROW)
    return Contrast(name, scaled, limits, scaled, False, SHELL_MM, separation, notes)


def _candidates(images: Mapping[str, Volume], about: Mapping[str, Any]) -> list[tuple[str, Volume]]:
    found = []
    if "mag" in images:
        stack = images["mag"]
        echoes = np.asarray(stack.data)
        echoes = echoes[..., None] if echoes.ndim == 3 else echoes
        found.append(("first echo", stack.like(echoes[..., 0].astype(np.float32))))
        for in_phase, opposed in _phase_echoes(about, echoes.shape[3]):
            first = echoes[..., in_phase].astype(np.float32)
            less = np.mean([echoes[..., n] for n in opposed], axis=0, dtype=np.float32)
            names = " and ".join(str(n + 1) for n in opposed)
            words = f"echo {in_phase + 1} (in phase) less echo {names} (opposed phase)"
            found.append((words, stack.like(first - less)))
    for key, words in (
        ("scanner_fat", "scanner's fat image"),
        ("scanner_water", "scanner's water image"),
        ("scanner_pdff", "scanner's fat-fraction map"),
    ):
        if key in images and images[key].data.ndim == 3:
            found.append((words, images[key].like(np.asarray(images[key].data, np.float32))))
    if {"scanner_fat", "scanner_water"} <= set(images):
        both = np.minimum(
            *(np.asarray(images[f"scanner_{k}"].data, np.float32) for k in ("fat", "water"))
        )
        found.append(("smaller of the scanner's water and fat", images["scanner_fat"].like(both)))
    return found


def _phase_echoes(about: Mapping[str, Any], count: int) -> list[tuple[int, list[int]]]:
    """In-phase echoes, each with the opposed-phase echoes next to it.

    Between two opposed-phase echoes their mean is used: the decay by T2* is then about the same on
    both sides of the difference. In-phase echoes beyond the third echo time of that kind have lost
    too much to it.
    """
    times = about.get("EchoTime")
    tesla = about.get("MagneticFieldStrength")
    if not isinstance(times, list) or len(times) != count or not isinstance(tesla, int | float):
        return []
    turns = np.array(times, float) * GAMMA_MHZ_PER_T * tesla * FAT_PPM
    off = np.abs(turns - np.round(turns))
    opposed = np.flatnonzero(np.abs(off - 0.5) <= PHASE_TOLERANCE)
    found = []
    for number in np.flatnonzero(off <= PHASE_TOLERANCE)[:3]:
        sides = opposed[np.abs(turns[opposed] - turns[number]) < 0.5 + 2 * PHASE_TOLERANCE]
        before, after = sides[sides < number], sides[sides > number]
        if len(before) and len(after):
            found.append((int(number), [int(before[-1]), int(after[0])]))
        if len(sides):
            found.append((int(number), [int(sides[0])]))
    return found


def _separation(
    volume: Volume, levels: list[int], points: np.ndarray
) -> tuple[float, float, float]:
    """Marrow over surroundings in SDs, and the medians of both.

    Marrow is what lies within 0.4 of a typical body around the seeds; surroundings are the shell
    from 1.25 to 1.7, where discs, canal, psoas and vessels are.
    """
    grid = seed_grid(volume, points, (-np.inf, np.inf))
    inside, around = [], []
    for body in frames(levels, points):
        reach = _reach(body, grid.points)
        inside.append(grid.values[reach < 0.4])
        around.append(grid.values[(reach > 1.25) & (reach < 1.7)])
    marrow, rest = np.concatenate(inside), np.concatenate(around)
    if marrow.size < 10 or rest.size < 10:
        return 0.0, 0.0, 1.0
    spread = np.sqrt((_spread(marrow) ** 2 + _spread(rest) ** 2) / 2)
    low, high = float(np.median(rest)), float(np.median(marrow))
    return float((high - low) / spread) if spread > 0 and high > low else 0.0, low, high


def _reach(body: Frame, points: list[np.ndarray]) -> np.ndarray:
    return body.reach(body.local(points))


def _spread(values: np.ndarray) -> float:
    """SD from the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
