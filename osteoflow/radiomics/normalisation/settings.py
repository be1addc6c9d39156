"""How images in arbitrary units are made comparable before features: section of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

WEIGHTED = ("T1w", "T2w")
"""Values of a recipe's ``image`` without a unit; every other image is calibrated."""

GAIN_FREE = frozenset(
    {"shape", "histogram", "spatial", "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "gldm"}
)
"""Families that a factor in front of the intensities leaves alone, on a fixed number of bins."""

Reference = Literal["paraspinal_muscle", "iliopsoas", "csf", "subcutaneous_fat"]


class N4(BaseModel):
    """Estimate of the bias field by N4 (Tustison et al., IEEE TMI 2010;29:1310)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shrink_mm: Annotated[float, Field(ge=1, le=20)] = Field(
        5.0,
        description="Voxel size in mm to which the image is shrunk for the estimate, by a whole "
        "factor along each axis; thick slices stay as they are.",
    )
    iterations: tuple[Annotated[int, Field(ge=1, le=500)], ...] = Field(
        (400, 100, 50),
        min_length=1,
        max_length=6,
        description="Most iterations of each fitting level. The first fits one cubic over the "
        "whole image and needs many for a strong surface coil; every further level halves the "
        "distance of the control points. A fourth level follows anatomy instead of shading.",
    )
    convergence: Annotated[float, Field(gt=0, lt=0.1)] = Field(
        3e-4,
        description="Change of the field at which a fitting level ends. 1e-3, common elsewhere, "
        "ends the first level of a strongly shaded image too early.",
    )


class Normalise(BaseModel):
    """What is done to the whole image before regions are cut out and resampled.

    Sources: Collewet et al., Magn Reson Imaging 2004;22:81 (texture classifies by acquisition
    unless the image is normalised); Tustison et al., IEEE TMI 2010;29:1310 (N4).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["none", "zscore", "reference"] = Field(
        "none",
        description="`zscore`: minus the mean, over the SD, of `over`. `reference`: times the "
        "factor that brings the median of a reference structure to `value`. Only images in "
        "arbitrary units (T1w, T2w) may be normalised.",
    )
    over: Literal["body", "vertebrae"] = Field(
        "body",
        description="Voxels behind the z-score: everything but air, or the outlined vertebrae. "
        "The latter takes away how bright marrow is.",
    )
    reference: Reference | None = Field(
        None,
        description="Structure of the mask for `reference`. An image whose mask lacks it is "
        "excluded.",
    )
    value: Annotated[float, Field(gt=0)] = Field(
        100.0, description="Median of the reference structure after normalisation."
    )
    bias_field: Literal["none", "n4"] = Field(
        "none", description="`n4`: divide by the coil's smooth shading first."
    )
    n4: N4 = Field(N4(), description="Settings of the bias field.")
    clip_sd: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Set values beyond the mean +- this many SD (of `over`; of the body with "
        "`reference`) to that limit, with a warning that counts them. Empty: nothing is clipped; "
        "the recipe's `range` leaves such voxels out instead.",
    )

    @property
    def active(self) -> bool:
        """Whether any value of the image changes."""
        return self.method != "none" or self.bias_field != "none"

    @model_validator(mode="after")
    def _check(self) -> Normalise:
        if (self.method == "reference") != (self.reference is not None):
            raise ValueError("name a reference structure with method 'reference', and only there")
        if self.method != "zscore" and self.over != "body":
            raise ValueError("over belongs to method 'zscore'")
        if self.method == "none" and self.clip_sd is not None:
            raise ValueError("clip_sd needs method 'zscore' or 'reference'")
        return self


def is_weighted(image: str) -> bool:
    """Whether a recipe's image has arbitrary units, however its name is written."""
    return image.lower() in {name.lower() for name in WEIGHTED}


def normalise_problem(
    image: str,
    normalise: Normalise,
    bin_width: float | None,
    range_: tuple[float, float] | None,
    classes: tuple[str, ...],
) -> str | None:
    """Why a recipe must not treat an image like this; None: it may.

    Parameters
    ----------
    image
        ``image`` of the recipe.
    normalise
        Its section.
    bin_width, range_, classes
        Of the recipe.
    """
    if not is_weighted(image):
        if normalise.active:
            return (
                f"normalise: {image} is a calibrated map and would lose its unit; normalise only "
                f"{' and '.join(WEIGHTED)} (image: T1w or T2w)"
            )
        return None
    if normalise.method != "none":
        return None
    # The gain of the receiver changes between patients: what depends on it says nothing of them.
    if bin_width is not None or range_ is not None:
        return (
            f"normalise: {image} has arbitrary units, so bin_width and range mean something else "
            "in every patient; choose method zscore or reference, or bin_count without range"
        )
    if bad := [name for name in classes if name not in GAIN_FREE]:
        return (
            f"normalise: {image} has arbitrary units, and {', '.join(bad)} follow the scanner's "
            "gain; choose method zscore or reference, or leave these classes out"
        )
    return None
