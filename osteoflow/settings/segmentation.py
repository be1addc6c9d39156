"""Settings of the volumes of interest."""

from __future__ import annotations

from pydantic import Field

from osteoflow.settings.section import Section


class Segmentation(Section):
    """Volumes of interest derived from the vertebra masks."""

    erosion_mm: float = Field(
        4.0,
        gt=0,
        le=15,
        description="Distance in mm by which the mask's surface is moved inwards, equally in all "
        "directions, to leave the trabecular compartment.",
    )
