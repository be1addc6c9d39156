"""Settings of tables for a manuscript."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from osteoflow.settings.section import Section


class Manuscript(Section):
    """Tables as a paper prints them."""

    formats: list[Literal["tsv", "html", "docx", "tex"]] = Field(
        ["tsv", "html", "docx", "tex"], min_length=1, description="File formats of every table."
    )
    top_features: int = Field(
        20, ge=1, description="Rows of a table of radiomic features; a note counts the others."
    )
