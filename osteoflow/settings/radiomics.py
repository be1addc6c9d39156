"""Settings of radiomics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from osteoflow.settings.section import Levels, Section

PositiveNumber = Annotated[float, Field(gt=0)]
RadiomicsName = Literal["ct", "vbmd", "pdff", "r2star", "t2star", "t2", "t1w", "t2w"]


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


class Perturbation(Section):
    """Features of perturbed images, whose agreement tells how robust each feature is."""

    images: list[RadiomicsName] | None = Field(
        None, min_length=1, description="Images perturbed; empty: all with features."
    )
    repetitions: int = Field(10, ge=2, le=100, description="Perturbations of each image.")
    participants: Literal["all"] | Annotated[float, Field(gt=0, le=1)] = Field(
        "all",
        description="`all`, or the share of participants whose images are perturbed, such as 0.3. "
        "A hash of the seed and the participant decides, so that nobody's choice depends on who "
        "else is in the table; a fixed number of participants could not be chosen so.",
    )
    noise: Literal["estimated", "none"] | dict[RadiomicsName, PositiveNumber] = Field(
        "estimated",
        description="Standard deviation of the added noise: `estimated` from each image around its "
        "regions, `none`, or a number for each image in its unit, such as `{vbmd: 12}`.",
    )
    rotation_degrees: list[Annotated[float, Field(ge=-45, le=45)]] = Field(
        [-6, -3, 0, 3, 6],
        description="Angles about the axis across the slices, one of which is drawn; "
        "empty: no rotation.",
    )
    translation_voxels: list[Annotated[float, Field(ge=-2, le=2)]] = Field(
        [0, 0.25, 0.5, 0.75],
        description="Shifts in voxels of the recipe, one of which is drawn for each axis; "
        "empty: no translation.",
    )
    growth: list[Annotated[float, Field(ge=-0.5, le=0.5)]] = Field(
        [-0.1, 0, 0.1],
        description="Changes of the region's volume as fractions, one of which is drawn; "
        "empty: none.",
    )
    randomise: bool = Field(True, description="Draw the region's contour anew of supervoxels.")
    supervoxel_mm: float = Field(
        3.0,
        ge=1,
        le=20,
        description="Edge of the supervoxels; the contour moves by about a third of it on average.",
    )

    @field_validator("participants", mode="before")
    @classmethod
    def _a_share(cls, participants: Any) -> Any:
        number = isinstance(participants, int | float) and not isinstance(participants, bool)
        if number and not 0 < participants <= 1:
            raise ValueError(
                "give a share such as 0.3, or `all`: a fixed number of participants would be "
                "others whenever somebody joins the study"
            )
        return participants

    @model_validator(mode="after")
    def _something_is_perturbed(self) -> Perturbation:
        parts = (self.rotation_degrees, self.translation_voxels, self.growth)
        if self.noise == "none" and not self.randomise and not any(map(any, parts)):
            raise ValueError("nothing is perturbed: all parts are switched off")
        return self


class Radiomics(Section):
    """Radiomic features."""

    images: dict[RadiomicsName, RadiomicsImage] = Field(
        {
            "vbmd": RadiomicsImage(settings="vbmd"),
            "pdff": RadiomicsImage(settings="pdff"),
        },
        description="Images to extract features from. Weighted images (`t1w`, `t2w`) need a recipe "
        "that normalises them.",
    )
    perturbation: Perturbation | None = Field(
        None,
        description="Robustness of features by perturbed images; empty: not assessed.",
    )

    @model_validator(mode="after")
    def _perturbed_images_exist(self) -> Radiomics:
        if self.perturbation is None:
            return self
        wanted = self.perturbed_images
        absent = [name for name in wanted if name not in self.images]
        if absent:
            raise ValueError(
                f"perturbation.images: no features are extracted from '{absent[0]}' "
                f"(images has {', '.join(self.images)})"
            )
        noise = self.perturbation.noise
        if isinstance(noise, dict):
            differs = sorted(set(wanted) ^ set(noise))
            if differs:
                raise ValueError(
                    "perturbation.noise must name the images that are perturbed, no others: "
                    f"{', '.join(differs)}"
                )
        return self

    @property
    def perturbed_images(self) -> list[str]:
        """Images whose features are perturbed."""
        if self.perturbation is None:
            return []
        return list(self.perturbation.images or self.images)

    def perturbation_of(self, images: list[str]) -> dict[str, dict[str, Any]]:
        """How each of some images is perturbed, for those that are.

        Keys of each: ``repetitions``, ``noise`` (``estimated``, or an SD in the map's unit, 0 for
        none) and those of :class:`osteoflow.radiomics.perturbation.chain.Chain` but ``noise_sd``.
        """
        if self.perturbation is None:
            return {}
        shared = self.perturbation.model_dump(exclude={"images", "participants", "noise"})
        noise = self.perturbation.noise
        levels = noise if isinstance(noise, dict) else {}
        other = 0.0 if noise == "none" else "estimated"
        return {
            name: {**shared, "noise": levels.get(name, other)}
            for name in self.perturbed_images
            if name in images
        }
