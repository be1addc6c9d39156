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
    seeded: bool = False,
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
    seeded
        Whether the outlines grew from seeds.
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
        seeded,
    )


def plain_view(name: str, image: Volume, labels: np.ndarray, trabecular: np.ndarray) -> ImageView:
    """An image without a look of its own, so that seeded outlines are shown on something.

    Parameters
    ----------
    name
        For the heading.
    image
        3-D, or a stack whose first image is shown.
    labels, trabecular
        Label arrays of the image's shape.
    """
    if image.data.ndim == 4:
        image = image.like(image.data[..., 0])
    low, high = (float(v) for v in np.percentile(image.data, (1, 99.5)))
    window = (low, high if high > low else low + 1)
    planes = ("sagittal", "axial")
    return ImageView(name, image, "as stored", window, labels, trabecular, (), planes, seeded=True)
