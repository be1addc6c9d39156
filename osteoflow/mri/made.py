"""What a method of MRI returns: maps by name, how they were made, and what must be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from osteoflow.io.volume import Volume

Images = Mapping[str, Volume]
Settings = Mapping[str, Any]

UNITS = {
    "pdff": "%",
    "sff": "%",
    "r2star": "1/s",
    "t2star": "ms",
    "t2star_in_phase": "ms",
    "field": "Hz",
    "water": "arbitrary",
    "fat": "arbitrary",
    "residual": "relative to the signal",
    "quality": "1 = reliable",
    "swap": "1 = suspected water-fat swap",
    "t2": "ms",
    "t2_error": "ms",
    "b1": "relative to the nominal transmit field",
    "t2_quality": "1 = reliable",
    "adc": "um2/s",
    "adc_quality": "1 = reliable",
}


@dataclass(frozen=True)
class Maps:
    """Maps of one acquisition by name (:data:`UNITS`), all on its grid.

    Attributes
    ----------
    images
        Arrays of shape (i, j, k).
    method
        How they were made, in a few words.
    warnings
        Sentences for the sidecars and the report.
    about
        Further facts for the sidecars: parameters, counts of voxels by reason.
    """

    images: dict[str, np.ndarray]
    method: str
    warnings: list[str]
    about: dict[str, Any] = field(default_factory=dict)
