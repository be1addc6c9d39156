"""Whether seeds can belong to an image: inside it, in order, at distances that bodies have."""

from __future__ import annotations

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.seeds import Seeds
from osteoflow.io.volume import Volume
from osteoflow.segmentation.schemes import anatomical_order, level_name, verse_id
from osteoflow.segmentation.spine_frame import pitch

# Distances between neighbours beyond these shares of the typical one mean another level.
PITCH_LIMITS = (0.45, 1.7)


def check_seeds(seeds: Seeds, image: Volume) -> tuple[list[int], np.ndarray, list[str]]:
    """Levels and points from head to foot, and warnings.

    Parameters
    ----------
    seeds
        As read; one point will do.
    image
        Whose vertebrae they mark.

    Returns
    -------
    tuple
        VerSe ids, RAS points (n, 3) in the same order, warnings (points outside the image).

    Raises
    ------
    SubjectDataError
        ``seeds_coordinates`` (all lie inside the image once LPS and RAS, or millimetres and
        centimetres or metres, are exchanged), ``seeds_outside_image``, ``seeds_out_of_order``,
        ``seeds_spacing`` (a vertebra was passed over, or one body has two points).
    """
    order = sorted(
        range(len(seeds.levels)), key=lambda i: anatomical_order(verse_id(seeds.levels[i]))
    )
    levels = [verse_id(seeds.levels[i]) for i in order]
    points = seeds.points[order]
    inside = _inside(points, image)
    if not inside.any():
        _explain(points, image)
        raise SubjectDataError(
            "seeds_outside_image",
            f"none of the {len(points)} seed points lies inside the image",
            "Check that the points were placed on this very series, and that no transform was "
            "applied to the volume in the viewer.",
        )
    warnings = [
        f"seed of {level_name(level)} lies outside the image: level left out"
        for level, within in zip(levels, inside, strict=True)
        if not within
    ]
    levels = [level for level, within in zip(levels, inside, strict=True) if within]
    points = points[inside]
    _check_row(levels, points)
    return levels, points, warnings


def _inside(points: np.ndarray, image: Volume) -> np.ndarray:
    index = (np.linalg.inv(image.affine) @ np.vstack([points.T, np.ones(len(points))]))[:3].T
    return ((index >= -0.5) & (index <= np.array(image.shape) - 0.5)).all(axis=1)


def _explain(points: np.ndarray, image: Volume) -> None:
    """Raise what the mistake must have been where another reading puts all points inside."""
    flipped = np.array([-1.0, -1.0, 1.0])
    readings = (
        (flipped, "LPS and RAS are exchanged"),
        (10.0, "the lengths are in centimetres"),
        (1000.0, "the lengths are in metres"),
        (10 * flipped, "the lengths are in centimetres, and LPS and RAS are exchanged"),
    )
    for factor, words in readings:
        if _inside(points * factor, image).all():
            raise SubjectDataError(
                "seeds_coordinates",
                f"all seed points lie outside the image, but inside if {words}",
                "State the right coordinate system in the seeds file, or save it in 3D Slicer as "
                "Markups JSON; a .tsv holds RAS in mm.",
            )


def _check_row(levels: list[int], points: np.ndarray) -> None:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    drops = -np.diff(points[:, 2])
    for upper, lower, step, drop in zip(levels[:-1], levels[1:], steps, drops, strict=True):
        names = f"{level_name(upper)} and {level_name(lower)}"
        typical = pitch(upper, lower)
        if drop <= 0:
            raise SubjectDataError(
                "seeds_out_of_order",
                f"the seed of {level_name(lower)} lies above that of {level_name(upper)}",
                "Check the points' names from head to foot.",
            )
        if not PITCH_LIMITS[0] * typical <= step <= PITCH_LIMITS[1] * typical:
            raise SubjectDataError(
                "seeds_spacing",
                f"the seeds of {names} are {step:.0f} mm apart where about {typical:.0f} mm are "
                "expected",
                "Check that each point lies in the body that its name says, and that no vertebra "
                "was passed over; a vertebra may be left out, but not its number.",
            )
