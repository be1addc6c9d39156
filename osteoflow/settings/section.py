"""What every section of the configuration is made of."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "L6")
Level = Literal["T11", "T12", "L1", "L2", "L3", "L4", "L5", "L6"]
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Section(BaseModel):
    """A part of the configuration; typing mistakes in keys are errors."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


def _each_once(levels: list[str]) -> list[str]:
    if len(set(levels)) < len(levels):
        raise ValueError("a level is named twice")
    return levels


Levels = Annotated[list[Level], Field(min_length=1), AfterValidator(_each_once)]


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section inside ``list[Section]``, ``dict[str, Section]`` or ``Section | None``."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for argument in reversed(typing.get_args(annotation)):
        found = section_in(argument)
        if found is not None:
            return found
    return None
