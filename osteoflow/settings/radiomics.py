"""Settings of radiomics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from osteoflow.settings.section import Levels, Section


class RadiomicsImage(Section):
    """Radiomics of one image."""

    settings: str = Field(
        description="Settings file: a path in the study folder, or a preset's name."
    )
    levels: Levels = Field(
        ["L1", "L2", "L3", "L4"],
        description="Vertebrae whose trabecular compartments are pooled into one region.",
    )
    per_level: bool = Field(False, description="Extract from each vertebra as well.")


class Radiomics(Section):
    """Radiomic features."""

    images: dict[Literal["ct", "vbmd", "pdff", "r2star"], RadiomicsImage] = Field(
        {
            "vbmd": RadiomicsImage(settings="vbmd"),
            "pdff": RadiomicsImage(settings="pdff"),
        },
        description="Images to extract features from.",
    )
