"""What a radiomics extraction does, as a validated file (``config/radiomics/*.yaml``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from osteoflow.radiomics.filter_settings import IbsiFilter
from osteoflow.radiomics.normalisation.settings import Normalise, normalise_problem

FeatureClass = Literal[
    "shape",
    "firstorder",
    "glcm",
    "glrlm",
    "glszm",
    "ngtdm",
    "gldm",
    "morphology",
    "local",
    "spatial",
    "intensity",
    "histogram",
    "ivh",
    "gldzm",
    "fractal",
]
CLASSES: tuple[FeatureClass, ...] = (
    "shape",
    "firstorder",
    "glcm",
    "glrlm",
    "glszm",
    "ngtdm",
    "gldm",
)
"""What a recipe computes unless it lists ``classes`` itself."""
UNFILTERED = frozenset({"shape", "morphology", "local", "spatial", "fractal"})
"""Classes of the image itself alone: no filter changes them, or they mean nothing after one."""
Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    # YAML has .inf and .nan: no step of the scheme can do anything with them.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Filters(_Strict):
    """Images derived from the original before features are computed."""

    original: bool = Field(True, description="Features of the image itself.")
    log_sigma_mm: tuple[Positive, ...] = Field(
        (), description="Laplacian of Gaussian (3D, scale-normalised), one image per sigma in mm."
    )
    wavelet: str | None = Field(
        None, description="Undecimated wavelet, one level, by PyWavelets name, e.g. coif1."
    )
    ibsi: tuple[IbsiFilter, ...] = Field(
        (),
        description="Filters as IBSI-2 standardises them, one image each: mean, "
        "laplacian_of_gaussian, laws, gabor, separable_wavelet or simoncelli.",
    )
    bin_count: Annotated[int, Field(ge=2, le=256)] = Field(
        32,
        description="Grey levels of a filtered image. Its values have no fixed range, so a fixed "
        "bin width would have no fixed first edge.",
    )

    @model_validator(mode="after")
    def _check(self) -> Filters:
        if not (self.original or self.log_sigma_mm or self.wavelet or self.ibsi):
            raise ValueError("no image is left: set original, log_sigma_mm, wavelet or ibsi")
        names = [each.prefix for each in self.ibsi]
        if len(set(names)) != len(names):
            raise ValueError(f"ibsi names one image twice: {', '.join(names)}")
        if len(set(self.log_sigma_mm)) != len(self.log_sigma_mm):
            raise ValueError("log_sigma_mm has one sigma twice")
        if self.wavelet is not None:
            import pywt

            if self.wavelet not in pywt.wavelist(kind="discrete"):
                raise ValueError(f"unknown wavelet {self.wavelet!r}")
        return self


class Fractal(_Strict):
    """Scales and threshold of the fractal family."""

    threshold: float | None = Field(
        None,
        description="Voxels at or above it make the set whose box-counting dimension and binary "
        "lacunarity are reported, in the unit of the map. They then follow the density as well.",
    )
    percentile: Annotated[float, Field(gt=0, lt=100)] | None = Field(
        None,
        description="In place of threshold: this percentile of each region's own intensities, so "
        "that the set has the same size in all regions and only its arrangement counts.",
    )
    boxes: tuple[Annotated[int, Field(ge=1, le=256)], ...] = Field(
        (1, 2, 3, 4, 5, 6, 8),
        min_length=4,
        description="Sides of the boxes in voxels, ascending. The same for all regions, so that "
        "values are comparable; a size that does not fit a region is left out with a warning.",
    )
    lacunarity_box: Annotated[int, Field(ge=1)] = Field(
        4, description="Size of the box, one of boxes, whose lacunarity is reported."
    )

    @model_validator(mode="after")
    def _check(self) -> Fractal:
        if list(self.boxes) != sorted(set(self.boxes)):
            raise ValueError("boxes must ascend")
        if self.lacunarity_box not in self.boxes:
            raise ValueError("lacunarity_box must be one of boxes")
        return self


class RadiomicsSettings(_Strict):
    """Recipe of one radiomics extraction, in the order of the IBSI image-processing scheme.

    Source of the scheme: Zwanenburg et al., Radiology 2020;295:328.
    """

    name: str = Field(description="Name of the recipe, part of the output tables.")
    image: str = Field(
        description="Image the recipe is for: vBMD, HU, PDFF, R2star, T2star, T2, T1w or T2w."
    )
    unit: str = Field(
        description="Unit of its intensities (after normalisation), e.g. mg/cm3, HU or %."
    )
    normalise: Normalise = Field(
        Normalise(), description="Of images in arbitrary units, before all that follows."
    )
    texture: Literal["3D", "2D"] = Field(
        "3D",
        description="2D: textures and resampling stay within the slices (the axis with the largest "
        "voxel is the slice axis); matrices are merged over slices (IBSI 2.5D).",
    )
    resample_mm: Positive | tuple[Positive, Positive, Positive] | None = Field(
        None,
        description="Voxel size after resampling in mm: one number or left-right, "
        "posterior-anterior, inferior-superior. With 2D texture the slice axis stays as it is. "
        "Null: no resampling.",
    )
    interpolator: Literal["linear", "cubic"] = Field(
        "linear", description="Of the image; the mask is always linear with threshold 0.5."
    )
    round_to: Positive | None = Field(
        None, description="Step to which resampled intensities are rounded (1 for HU)."
    )
    range: tuple[float, float] | None = Field(
        None, description="Intensities kept (inclusive); others leave the intensity mask."
    )
    outlier_sd: Positive | None = Field(
        None, description="Keep mean +- this many standard deviations of the whole region."
    )
    bin_width: Positive | None = Field(
        None, description="Fixed bin size, first edge at the lower end of range."
    )
    bin_count: Annotated[int, Field(ge=2, le=256)] | None = Field(
        None, description="Fixed number of bins between the region's minimum and maximum."
    )
    ivh_bin_width: Positive | None = Field(
        None,
        description="Bin width of the intensity-volume histogram, in the unit of the map. Without "
        "it and ivh_bin_count: rounded intensities as they are, others in 1000 bins.",
    )
    ivh_bin_count: Annotated[int, Field(ge=2, le=100_000)] | None = Field(
        None,
        description="Number of bins of the intensity-volume histogram between the region's "
        "minimum and maximum, for maps without a unit; intensities are then bin numbers.",
    )
    fractal: Fractal = Fractal()
    classes: tuple[FeatureClass, ...] = Field(CLASSES, min_length=1)
    engine: Literal["compiled", "pyradiomics"] = Field(
        "compiled",
        description="compiled: this project's code, equal to pyradiomics' to nine digits and "
        "several times faster; pyradiomics: its own classes, to check a number.",
    )
    filters: Filters = Filters()
    minimum_voxels: Annotated[int, Field(ge=8)] = Field(
        64, description="Fewer voxels after preparation: no features, only a flag."
    )

    @model_validator(mode="after")
    def _check(self) -> RadiomicsSettings:
        if (self.bin_width is None) == (self.bin_count is None):
            raise ValueError("set exactly one of bin_width and bin_count")
        if self.bin_width is not None and self.range is None:
            raise ValueError("bin_width needs range: its lower end is the first bin edge")
        if self.range is not None:
            low, high = self.range
            if low >= high:
                raise ValueError("range must be [low, high] with low < high")
            if self.bin_width is not None and (high - low) / self.bin_width > 256:
                raise ValueError("range / bin_width gives more than 256 grey levels")
        if self.ivh_bin_width is not None and self.ivh_bin_count is not None:
            raise ValueError("set ivh_bin_width or ivh_bin_count, not both")
        unset = (self.fractal.threshold is None) == (self.fractal.percentile is None)
        if "fractal" in self.classes and unset:
            raise ValueError(
                "fractal needs one of fractal.threshold, in the unit of the map, and "
                "fractal.percentile"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes are repeated")
        filtered = self.filters.log_sigma_mm or self.filters.wavelet or self.filters.ibsi
        if filtered and UNFILTERED.issuperset(self.classes):
            raise ValueError(
                f"filters: none of {', '.join(self.classes)} is computed of a filtered image"
            )
        if self.texture == "2D" and self.filters.log_sigma_mm:
            raise ValueError("log_sigma_mm is a 3D filter: not with texture 2D")
        for each in self.filters.ibsi:
            each.check_axes(self.texture)
        if self.texture == "2D" and isinstance(self.resample_mm, tuple):
            raise ValueError("with texture 2D give resample_mm as one in-plane number")
        problem = normalise_problem(
            self.image, self.normalise, self.bin_width, self.range, self.classes
        )
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def ivh_has_unit(self) -> bool:
        """Whether intensities of the intensity-volume histogram are in the map's unit."""
        rounded = self.ivh_bin_count is None and self.round_to is not None
        return self.ivh_bin_width is not None or rounded


def read_settings(path: str | Path) -> RadiomicsSettings:
    """Read a recipe.

    Raises
    ------
    pydantic.ValidationError
        Unknown keys, wrong types or contradictory settings, all listed.
    ValueError
        The file is not a YAML mapping.
    """
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{Path(path).name}: a mapping of settings is expected")
    return RadiomicsSettings.model_validate(content)
