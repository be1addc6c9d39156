"""How each map is shown on a subject's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from osteoflow.images import IMAGES
from osteoflow.io.volume import Volume
from osteoflow.reports.overlay import ImageView, RodMark


@dataclass(frozen=True)
class Look:
    """Window in the map's unit, planes and colours."""

    window: tuple[float, float]
    planes: tuple[str, ...] = ("sagittal",)
    colours: str = "viridis"


LOOKS = {
    "ct": Look((-200.0, 500.0), ("sagittal", "axial"), "gray"),
    "vbmd": Look((0.0, 250.0)),
    "pdff": Look((0.0, 100.0)),
    "sff": Look((0.0, 100.0)),
    "r2star": Look((0.0, 250.0), colours="magma"),
    "t2": Look((0.0, 200.0), colours="magma"),
    "adc": Look((0.0, 1500.0), colours="magma"),
}


def image_view(
    name: str,
    image: Volume,
    unit: str,
    labels: np.ndarray | None,
    trabecular: np.ndarray | None,
    rods: Iterable[Mapping[str, Any]] = (),
) -> ImageView:
    """One map with its outlines.

    Parameters
    ----------
    name
        One of :data:`LOOKS`.
    image, unit
        The map and the unit of its values.
    labels, trabecular
        Label arrays of the map's shape, or None.
    rods
        Rods as in the calibration's file: ``rod``, ``centre_mm``, ``diameter_mm`` (or None).
    """
    look = LOOKS[name]
    marks = tuple(
        RodMark(rod["rod"], tuple(rod["centre_mm"]), rod["diameter_mm"] or float("nan"))
        for rod in rods
    )
    return ImageView(
        IMAGES[name].label,
        image,
        unit,
        look.window,
        labels,
        trabecular,
        marks,
        look.planes,
        look.colours,
    )
