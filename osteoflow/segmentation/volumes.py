"""All volumes of interest that a study wants of one label map, and the heights of the bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from osteoflow.io.volume import Volume
from osteoflow.segmentation.body import Body, find_bodies
from osteoflow.segmentation.heights import height_rows
from osteoflow.segmentation.qct_voi import Ellipse, cortical_shell, elliptical_voi
from osteoflow.segmentation.voi import trabecular_voi

DESCRIPTIONS = {
    "voi": "Trabecular volume: the body's surface moved inwards equally in all directions",
    "ellipse": "Elliptical cylinder in the middle of the body, clear of cortex and endplates",
    "cortical": "Shell of the body, partial volume included",
}


@dataclass(frozen=True)
class Volumes:
    """Volumes of interest by kind (``voi``, ``ellipse``, ``cortical``), each with its warnings.

    Attributes
    ----------
    volumes
        Kind -> label map and warnings; ``voi`` are the trabecular volumes.
    bodies
        What was found of each vertebra.
    """

    volumes: dict[str, tuple[Volume, list[str]]]
    bodies: dict[int, Body] = field(repr=False)

    def heights(self) -> list[dict[str, Any]]:
        """Heights and deformities of the bodies."""
        return height_rows(self.bodies)


def volumes_of_interest(
    labels: Volume, erosion_mm: float, further: Mapping[str, Any] | None = None
) -> Volumes:
    """Trabecular volumes and the further ones that are wanted.

    Parameters
    ----------
    labels
        VerSe ids of vertebrae, with or without posterior elements; further structures are left
        aside.
    erosion_mm
        Erosion of the trabecular volumes.
    further
        Settings of each further kind: ``ellipse`` (fields of
        :class:`~osteoflow.segmentation.qct_voi.Ellipse`), ``cortical`` (``thickness_mm``).

    Raises
    ------
    ValueError
        An unknown kind, or a setting out of range.
    """
    bodies, reasons = find_bodies(labels)
    voi, warnings = trabecular_voi(labels, erosion_mm, bodies=bodies)
    notes = [f"body_not_found: {text}; the whole outline is eroded" for text in reasons.values()]
    made = {"voi": (voi, [*notes, *warnings])}
    for kind, settings in (further or {}).items():
        if kind == "ellipse":
            made[kind] = elliptical_voi(labels, bodies, Ellipse(**settings))
        elif kind == "cortical":
            made[kind] = cortical_shell(labels, bodies, **settings)
        else:
            raise ValueError(f"unknown volume of interest {kind!r}; known: ellipse, cortical")
    return Volumes(made, bodies)
