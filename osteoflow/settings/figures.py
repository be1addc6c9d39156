"""Settings of figures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from osteoflow.settings.section import Section


class Figures(Section):
    """How figures look."""

    formats: list[Literal["pdf", "png", "svg"]] = Field(
        ["pdf", "png", "svg"], min_length=1, description="File formats of every figure."
    )
    single_column_mm: float = Field(85.0, gt=0, description="Width of a one-column figure in mm.")
    double_column_mm: float = Field(174.0, gt=0, description="Width of a two-column figure in mm.")
    dpi: int = Field(300, ge=72, description="Resolution of PNG files.")
