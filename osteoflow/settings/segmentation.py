"""Settings of the volumes of interest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from osteoflow.settings.section import Section


def _none_is_empty(value: Any) -> Any:
    return None if value == "none" else value


class BackEnd(Section):
    """A segmentation program and how it is called."""

    name: Literal["totalsegmentator", "totalspineseg", "spineps", "spine_segment"] = Field(
        description="Which program."
    )
    weights: str = Field(
        description="Folder with its weights, staged beforehand; relative ones start at the study "
        "folder."
    )
    task: str | None = Field(
        None,
        description="What it is asked for; empty: its default. All are listed in "
        "docs/how-to/segmentation-back-ends.md.",
    )
    executable: str | None = Field(
        None,
        description="Path of the program, or its name on the `PATH`; empty: its usual name. "
        "`conda`: the environment that `--sdm conda` makes from `envs/`.",
    )
    device: Literal["cpu", "gpu"] = Field("cpu", description="What it computes on.")


class MriBackEnd(BackEnd):
    """A segmentation program for MRI."""

    image: Literal["mri", "t1w", "t2w", "t2"] = Field(
        "mri",
        description="Image that it outlines: the multi-echo gradient echo (`mri`, its echo nearest "
        "to in phase), T1w, T2w, or the first of several spin echoes (`t2`).",
    )


class BackEnds(Section):
    """Segmentation programs that outline vertebrae where the subjects table names no mask."""

    ct: Annotated[BackEnd | None, BeforeValidator(_none_is_empty)] = Field(
        None, description="Program for CT; `none` or empty: no mask, no regions."
    )
    mri: Annotated[MriBackEnd | None, BeforeValidator(_none_is_empty)] = Field(
        None, description="Program for MRI; `none` or empty: no mask, no regions."
    )
    threads: int = Field(4, ge=1, le=256, description="Processor cores of one such job.")


class Ellipse(Section):
    """The elliptical cylinder of clinical quantitative CT, in shares of the vertebral body."""

    height: float = Field(1 / 3, gt=0, le=1, description="Share of the height, around its middle.")
    depth: float = Field(2 / 3, gt=0, le=1, description="Share of the depth, from the front.")
    width: float = Field(0.7, gt=0, le=1, description="Share of the width, around its middle.")
    margin_mm: float = Field(
        4.0, gt=0, le=15, description="Least distance to cortex and endplates in mm."
    )
    basivertebral_mm: float = Field(
        4.0,
        ge=0,
        le=15,
        description="Half width and half height in mm of the channel of the basivertebral vein, "
        "from the middle of the posterior wall to the body's centre, that is left out; 0: none.",
    )


class Segmentation(Section):
    """Volumes of interest derived from the vertebra masks."""

    erosion_mm: float = Field(
        4.0,
        gt=0,
        le=15,
        description="Distance in mm by which the mask's surface is moved inwards, equally in all "
        "directions, to leave the trabecular compartment.",
    )
    backends: BackEnds = Field(
        default_factory=BackEnds,
        description="Segmentation programs for subjects without a mask; a mask in the subjects "
        "table comes first.",
    )
    further_voi: list[Literal["ellipse", "cortical"]] = Field(
        [],
        description="Volumes measured besides the trabecular one: `ellipse` (elliptical cylinder "
        "in the middle of the body) and `cortical` (its shell, partial volume included).",
    )
    ellipse: Ellipse = Field(default_factory=Ellipse)
    cortical_mm: float = Field(
        2.0, gt=0, le=10, description="Thickness in mm of the shell of the body."
    )

    def further(self) -> dict[str, dict[str, Any]]:
        """Settings of each further volume that is wanted, by its kind."""
        known = {
            "ellipse": self.ellipse.model_dump(),
            "cortical": {"thickness_mm": self.cortical_mm},
        }
        return {kind: known[kind] for kind in dict.fromkeys(self.further_voi)}
