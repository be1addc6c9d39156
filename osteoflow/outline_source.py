"""Where the outlines of each image come from: a mask, seeds, another MRI's outlines, a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.images import FURTHER_MRI, GRIDS, RATERS
from osteoflow.io.volume import Volume, read_json, read_volume, sidecar_path
from osteoflow.layout import SubjectFiles
from osteoflow.outlined import Outlined
from osteoflow.segmentation.prepare import PreparedMask, prepare_mask
from osteoflow.segmentation.readings import given_mask
from osteoflow.segmentation.seed_contrast import mri_contrast
from osteoflow.segmentation.seeded import SeededMask, carry_seeded, prepare_seeds
from osteoflow.step import Source as StepSource

# What a contrast for seeds may be made of, beside the images whose grid counts.
FOR_CONTRAST = (*GRIDS["mri"], "scanner_fat")


@dataclass(frozen=True)
class Source:
    """What outlines a reading.

    Attributes
    ----------
    kind
        ``mask``, ``seeds`` or ``carried`` (from seeds of the fat-water MRI).
    given
        The file's inventory entry, or what stands for it of a program's outline.
    warnings
        What else was given and is not used.
    after
        Status of a program's step on which the outline rests.
    """

    kind: str
    given: Mapping[str, Any] | None
    warnings: list[str] = field(default_factory=list)
    after: list[StepSource] = field(default_factory=list)

    def about(self, prepared: PreparedMask) -> dict[str, Any]:
        """For the sidecars: how the outlines came about."""
        about = {"SourceScheme": self.given["scheme"] if self.kind == "mask" else "verse"}
        if self.kind == "mask" and "program" in self.given:
            about["OutlinedBy"] = self.given["program"]
        return about | (prepared.about if isinstance(prepared, SeededMask) else {})


def source_of(
    masks: Mapping[str, Any], item: str, outlined: Mapping[str, Outlined] | None = None
) -> Source | None:
    """What outlines one item of :data:`osteoflow.images.RATERS`; None: nothing was given.

    In this order: a mask that the subjects table names
    (:func:`osteoflow.segmentation.readings.given_mask`; it wins over seeds, with a warning); seeds;
    for the first reading of further MRI what ``mri_seeds`` gave; for every first reading what a
    segmentation program outlined in the modality, which is carried to the grid by position.

    Parameters
    ----------
    masks
        Inventory entries by column of the subjects table.
    item
        ``ct``, ``mri_rater2``, ``t2`` ...
    outlined
        From :func:`osteoflow.outlined.read_outlines`.
    """
    space = RATERS[item].space
    suffix = item.removeprefix(space)
    mask, seeds = given_mask(masks, item), masks.get(f"{space}_seeds{suffix}")
    if mask is not None:
        both = f"{space}_mask{suffix} and {space}_seeds{suffix} are both given: the mask is used"
        return Source("mask", mask, [both] if seeds is not None else [])
    if seeds is not None:
        return Source("seeds", seeds)
    if item != space:
        return None
    if space in FURTHER_MRI and "mri_seeds" in masks:
        return Source("carried", None)
    modality = "ct" if space == "ct" else "mri"
    if outlined and modality in outlined:
        found = outlined[modality]
        return Source("mask", found.given, after=[(found.status, modality)])
    return None


def prepare_source(
    source: Source | None,
    item: str,
    image: Volume,
    files: SubjectFiles,
    study: Path,
    erosion_mm: float,
    earlier: Mapping[str, PreparedMask],
    further: Mapping[str, Any] | None = None,
) -> PreparedMask:
    """Regions and volumes of interest of one item on its image's grid.

    Parameters
    ----------
    source
        As :func:`source_of` gives it.
    item
        Of :data:`osteoflow.images.RATERS`.
    image
        Whose grid counts.
    files
        The subject, whose other converted images may give contrast for seeds.
    study
        Folder where relative paths start.
    erosion_mm
        Margin of the trabecular volumes.
    earlier
        What was prepared before, by item.
    further
        Volumes of interest besides the trabecular one, with their settings; seeded outlines give
        none.

    Raises
    ------
    SubjectDataError
        ``mask_not_given``, ``seeds_not_usable`` (nothing to carry), and those of the parts.
    """
    if source is None or source.kind == "mask":
        given = source and source.given
        found = prepare_mask(given, study, image, erosion_mm, further=further)
        notes = source.warnings if source else []
        return replace(found, label_warnings=[*notes, *found.label_warnings])
    space = RATERS[item].space
    if source.kind == "seeds":
        return prepare_seeds(source.given, study, image, erosion_mm, _choice(space, files))
    found = earlier.get("mri")
    if not isinstance(found, SeededMask):
        raise SubjectDataError(
            "seeds_not_usable",
            "the seeds of the fat-water MRI gave no outlines that could be carried here",
            "See why the seeds were refused, or give a mask of this image.",
        )
    return carry_seeded(found, image, erosion_mm)


def _choice(space: str, files: SubjectFiles) -> Callable[..., Any] | None:
    """How the contrast is chosen: CT numbers speak for themselves."""
    if space == "ct":
        return None
    paths = {name: path for name in FOR_CONTRAST if (path := files.image(name)).exists()}
    images = {name: read_volume(path) for name, path in paths.items()}
    first = next(iter(images.values()))
    usable = {name: volume for name, volume in images.items() if volume.same_grid(first)}
    about = read_json(sidecar_path(next(iter(paths.values()))))
    return lambda levels, points: mri_contrast(usable, about, levels, points)
