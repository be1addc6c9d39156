"""Images as features see them: usable voxels, and weighted images on a scale of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.images import QUALITY, RADIOMICS, WEIGHTED
from osteoflow.io.volume import read_volume
from osteoflow.layout import SubjectFiles
from osteoflow.radiomics.normalisation.image import VERTEBRAE, Normalised, normalise_image
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.segmentation.structures import is_vertebra, structure_mask
from osteoflow.step import find_item, has_item, is_ok

WEIGHTINGS = {"t1w": "T1-weighted", "t2w": "T2-weighted"}
# Codes with which the inventory passes over an image that it cannot read.
NOT_READ = ("bids_sidecar", "unreadable_files")


def image_for_features(name: str, files: SubjectFiles, recipe: RadiomicsSettings) -> Normalised:
    """One image of a subject, without voxels that its quality mask rejects, normalised.

    Reference structures and vertebrae are those of the first reading: all readings of an image see
    the same intensities, and differ by their outlines of bone alone.

    Parameters
    ----------
    name
        Of :data:`osteoflow.images.RADIOMICS`.
    files
        The subject; the first reading of the image's grid is usable.
    recipe
        Of this image.

    Raises
    ------
    SubjectDataError
        ``map_not_made``, and those of
        :func:`osteoflow.radiomics.normalisation.image.normalise_image`.
    """
    place = RADIOMICS[name]
    if not files.image(name).exists():
        raise SubjectDataError(
            "map_not_made",
            f"the {place.label} map cannot be made of what was acquired",
            "Two-point Dixon and the scanner's water and fat images give no PDFF and no R2*.",
        )
    image = read_volume(files.image(name), float)
    if quality := QUALITY.get(place.space):
        image = image.like(np.where(read_volume(files.image(quality)).data > 0, image.data, np.nan))
    labels = read_volume(files.regions(place.space, "mask")).data
    return normalise_image(image, recipe.image, recipe.normalise, _masks(labels, recipe))


def _masks(labels: np.ndarray, recipe: RadiomicsSettings) -> dict[str, Any]:
    """Regions that the recipe normalises by."""
    masks = {VERTEBRAE: is_vertebra(labels)} if recipe.normalise.over == VERTEBRAE else {}
    if (name := recipe.normalise.reference) is not None:
        masks[name] = structure_mask(labels, name)
    return masks


def why_none(
    name: str, converted: dict[str, Any], segmented: dict[str, Any]
) -> SubjectDataError | None:
    """Why an image that was acquired has no features, where no earlier step excludes it.

    Weighted images are an extra of the inventory and of the segmentation: that several fit is a
    warning there, that none is outlined no news. A study that asks for their features loses the
    participant, and has to be told why.

    Parameters
    ----------
    name
        Of :data:`osteoflow.images.RADIOMICS`.
    converted, segmented
        Status of the steps ``convert`` and ``segment``.

    Returns
    -------
    SubjectDataError or None
        ``t2w_ambiguous``, ``bids_sidecar`` and others of the inventory; ``mask_not_given``.
    """
    if name not in WEIGHTED:
        return None
    if not has_item(converted, name):
        return _told_by_inventory(name, converted)
    if not is_ok(converted, name) or find_item(segmented, name)["status"] != "absent":
        return None
    return SubjectDataError(
        "mask_not_given",
        f"neither {name}_mask nor mri_mask outlines the vertebrae of the {WEIGHTED[name].label} "
        "image",
        f"Name {name}_mask in the subjects table, or mri_mask, which is carried by position.",
    )


def _told_by_inventory(name: str, converted: dict[str, Any]) -> SubjectDataError | None:
    """What the inventory's warnings say of a weighted image that it did not choose."""
    words = f"{WEIGHTINGS[name]} "
    for item in converted["items"]:
        for warning in item["warnings"]:
            code, _, message = warning.partition(": ")
            if code == f"{name}_ambiguous" or (code in NOT_READ and words in message):
                return SubjectDataError(
                    code, message, "Leave the one readable image to be used in the folder."
                )
    return None
