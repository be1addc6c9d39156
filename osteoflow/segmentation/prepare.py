"""From a mask as it was given to labelled regions and trabecular volumes on the image grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.io.masks import read_mask
from osteoflow.io.outside import permission_denied
from osteoflow.io.volume import Volume, write_volume
from osteoflow.segmentation.grid import check_levels, check_sides, drop_slips, to_image_grid
from osteoflow.segmentation.regions import to_regions
from osteoflow.segmentation.structures import add_structures
from osteoflow.segmentation.volumes import DESCRIPTIONS, Volumes, volumes_of_interest


@dataclass(frozen=True)
class PreparedMask:
    """Regions and trabecular volumes on the image's grid, each with its warnings.

    Attributes
    ----------
    labels
        Whole vertebrae in VerSe ids, and the further structures that were outlined.
    voi
        Trabecular volumes: vertebrae only.
    volumes
        All volumes of interest, the trabecular ones included, and the bodies' heights.
    """

    labels: Volume
    voi: Volume
    label_warnings: list[str]
    voi_warnings: list[str]
    volumes: Volumes


def prepare_mask(
    given: Mapping[str, Any] | None,
    study: Path,
    image: Volume,
    erosion_mm: float,
    *,
    structures: Mapping[str, Any] | None = None,
    require_vertebra: bool = True,
    further: Mapping[str, Any] | None = None,
) -> PreparedMask:
    """Read one mask, bring it to the image grid and derive the trabecular volumes.

    Parameters
    ----------
    given
        Inventory entry of the mask (``path``, ``scheme``, perhaps ``missing``, ``denied`` or a
        ``problem`` that the inventory found); None where the subjects table names none.
    study
        Folder where relative paths start.
    image
        Image whose grid counts; echoes of a stack share it.
    erosion_mm
        Distance by which the surface of the vertebral bodies is moved inwards.
    structures
        Inventory entry of a second mask with a scheme of its own, from which the further
        structures (muscles, fluid) are taken; one that cannot be used costs only these, and a
        warning.
    require_vertebra
        False: a mask that outlines further structures alone will do.
    further
        Volumes of interest besides the trabecular one, with their settings.

    Raises
    ------
    SubjectDataError
        ``mask_not_given``, ``mask_missing``, ``permission_denied``, and those of the parts.
    """
    if image.data.ndim == 4:
        image = image.like(image.data[..., 0])
    placed, warnings = _placed(given, study, image, require_vertebra)
    placed, slips = drop_slips(placed)
    warnings += slips
    if structures is not None:
        try:
            others, notes = _placed(structures, study, image, require_vertebra=False)
            placed, more = add_structures(placed, others)
            warnings += [f"mask of further structures: {text}" for text in [*notes, *more]]
        except SubjectDataError as error:
            warnings.append(f"{error.code}: mask of further structures not used: {error.message}")
    warnings += check_levels(placed)
    volumes = volumes_of_interest(placed, erosion_mm, further)
    voi, voi_warnings = volumes.volumes["voi"]
    return PreparedMask(placed, voi, warnings, voi_warnings, volumes)


def _placed(
    given: Mapping[str, Any] | None, study: Path, image: Volume, require_vertebra: bool
) -> tuple[Volume, list[str]]:
    """A mask as it was given, in internal labels on the image's grid, and warnings."""
    if given is None:
        raise SubjectDataError(
            "mask_not_given",
            "the subjects table names no mask of this image",
            "Outline the vertebrae and name the mask in the subjects table.",
        )
    if given.get("denied"):
        raise permission_denied("the mask file named in the subjects table may not be read")
    if given.get("missing"):
        raise SubjectDataError(
            "mask_missing",
            "the mask file named in the subjects table does not exist or cannot be opened",
            "Check the path in the subjects table, and that it names the file with its ending.",
        )
    if problem := given.get("problem"):
        raise SubjectDataError(problem["code"], problem["message"], problem["hint"])
    mask = read_mask(study / given["path"], image)
    labels, notes = to_regions(mask, given["scheme"], require_vertebra=require_vertebra)
    placed, more = to_image_grid(labels, image)
    check_sides(placed)
    return placed, [*notes, *more]


def write_prepared(
    prepared: PreparedMask,
    paths: Mapping[str, Path],
    about: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Write all label maps with sidecars that state how they came about.

    Parameters
    ----------
    paths
        Of the whole outlines (``mask``) and of each volume of interest by its kind.
    about
        How the outlines came about.
    settings
        What each kind's sidecar says of its settings.

    Returns
    -------
    list of str
        The warnings of all.
    """
    about = {"Units": "VerSe label", **about}
    write_volume(paths["mask"], prepared.labels, {**about, "Warnings": prepared.label_warnings})
    warnings = list(prepared.label_warnings)
    for kind, (volume, notes) in prepared.volumes.volumes.items():
        more = {"Description": DESCRIPTIONS[kind], **settings[kind], "Warnings": notes}
        write_volume(paths[kind], volume, {**about, **more})
        warnings += notes
    return warnings
