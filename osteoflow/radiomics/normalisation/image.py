"""Weighted MRI, whose units are the scanner's own, on a scale that patients share.

The factor between two patients' images is the receiver's gain, and where they lie in the coil
changes it smoothly across the image. Texture follows both (Collewet et al., Magn Reson Imaging
2004;22:81), so the whole image is normalised before a region is cut out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.radiomics.normalisation.bias_field import BiasField, estimate_bias_field
from osteoflow.radiomics.normalisation.body import body_mask
from osteoflow.radiomics.normalisation.settings import Normalise, is_weighted

SMALLEST_REFERENCE = 50
"""Voxels of a reference structure below which its median is a matter of chance."""

UNEVEN = 0.5
"""Interquartile range over median above which a reference is told to be no uniform tissue."""

STRONG_FIELD = 4.0
"""Ratio of bright to dark of a bias field that is worth a look."""

OFFSET = 0.3
"""Darkest percentile over upper quartile above which air, fluid or compact bone cannot be in the
image as they were measured (this project's choice)."""

SHADED = "shading by the coil is not corrected (normalise.bias_field)"
BODY, VERTEBRAE = "body", "vertebrae"


@dataclass(frozen=True)
class Normalised:
    """A normalised image.

    Parameters
    ----------
    image
        On the grid it had.
    about
        What was done and found, for a sidecar.
    warnings
        What a reader of the numbers must know.
    """

    image: Volume
    about: dict[str, Any]
    warnings: list[str]


def normalise_image(
    image: Volume, name: str, settings: Normalise, masks: Mapping[str, np.ndarray]
) -> Normalised:
    """Take out the bias field and bring an image to a common scale.

    Parameters
    ----------
    image
        Whole image in arbitrary units, shape (i, j, k).
    name
        ``image`` of the recipe (``T1w``).
    settings
        Section ``normalise`` of the recipe.
    masks
        Boolean arrays of the image's shape: ``vertebrae`` for a z-score over them, the reference
        structure by its name.

    Returns
    -------
    Normalised
        An image of any other name, and one with method none and no bias field, as it was.

    Raises
    ------
    SubjectDataError
        ``reference_missing``, ``reference_too_small``, ``reference_no_signal``: the structure is
        not outlined, hardly so, or dark; ``vertebrae_missing``; ``no_contrast``: the voxels of the
        z-score are all equal; ``body_not_found``, ``body_too_small``.
    """
    if not is_weighted(name):
        return Normalised(image, {}, [])
    about: dict[str, Any] = {"Method": settings.method, "BiasField": settings.bias_field}
    body = None
    warnings = _offset_note(image)
    if settings.bias_field == "n4" or settings.method == "reference" and settings.clip_sd:
        body = body_mask(image)
    if settings.bias_field == "n4":
        found = estimate_bias_field(image, body, settings.n4)
        image = image.like(image.data / found.field)
        more, notes = _told_of_field(found, settings)
        about |= more
        warnings += notes
    else:
        warnings.append(f"{name}: {SHADED}")
    if settings.method == "zscore":
        where = _zscore_mask(image, settings, masks, body)
        mean, spread = _mean_and_sd(image.data[where], settings.over)
        about |= {"Over": settings.over, "Mean": mean, "StandardDeviation": spread}
        about["Voxels"] = int(where.sum())
        image = image.like((image.data - mean) / spread)
    elif settings.method == "reference":
        factor, more, notes = _reference_factor(image, settings, masks)
        about |= more
        warnings += notes
        image, where = image.like(image.data * factor), body
    else:
        warnings.append(
            f"{name}: intensities keep the scanner's arbitrary units: only features that a change "
            "of gain leaves alone are computed"
        )
    if settings.clip_sd is not None:
        image, note = _clipped(image, where, settings.clip_sd)
        warnings += note
    return Normalised(image, about, warnings)


def _offset_note(image: Volume) -> list[str]:
    """A warning where nothing in the image is dark."""
    dark, middle = (float(v) for v in np.nanpercentile(image.data, (1, 75)))
    if not dark > OFFSET * middle > 0:
        return []
    return [
        f"signal_offset: the darkest voxels have {100 * dark / middle:.0f} % of the signal that "
        "three quarters of the image stay below: the image was windowed or rescaled before export, "
        "and its tissues' ratios are not those measured"
    ]


def _told_of_field(found: BiasField, settings: Normalise) -> tuple[dict[str, Any], list[str]]:
    about = {
        "BiasFieldSpread": found.spread,
        "ShrinkFactors": list(found.factors),
        "N4": settings.n4.model_dump(mode="json"),
    }
    if found.spread <= STRONG_FIELD:
        return about, []
    return about, [
        f"strong_bias_field: the brightest parts of the body were {found.spread:.1f} times as "
        "bright as the darkest by shading alone"
    ]


def _zscore_mask(
    image: Volume, settings: Normalise, masks: Mapping[str, np.ndarray], body: np.ndarray | None
) -> np.ndarray:
    if settings.over == BODY:
        return body_mask(image) if body is None else body
    where = masks.get(VERTEBRAE)
    if where is None or not where.any():
        raise SubjectDataError(
            "vertebrae_missing",
            "the mask outlines no vertebra to normalise by",
            "Outline the vertebrae, or normalise over the body.",
        )
    return where & np.isfinite(image.data)


def _mean_and_sd(values: np.ndarray, over: str) -> tuple[float, float]:
    mean, spread = (float(values.mean()), float(values.std())) if values.size else (0.0, 0.0)
    # Equal values have an SD of rounding errors.
    if not spread > 1e-9 * abs(mean):
        raise SubjectDataError(
            "no_contrast",
            f"all voxels of the {over} have one value: there is no scale",
            "Check that the series is an image of the body.",
        )
    return mean, spread


def _reference_factor(
    image: Volume, settings: Normalise, masks: Mapping[str, np.ndarray]
) -> tuple[float, dict[str, Any], list[str]]:
    """What brings the reference's median to its value, what was found, and warnings."""
    name = str(settings.reference)
    words = name.replace("_", " ")
    where = masks.get(name)
    if where is None or not where.any():
        raise SubjectDataError(
            "reference_missing",
            f"the mask does not outline {words}, by which the image is to be normalised",
            f"Outline {words} in the mask of this image (label scheme osteoflow), or choose "
            "another normalisation for the whole study.",
        )
    values = image.data[where & np.isfinite(image.data)]
    if values.size < SMALLEST_REFERENCE:
        raise SubjectDataError(
            "reference_too_small",
            f"{words} has {values.size} voxels, fewer than {SMALLEST_REFERENCE}",
            f"Outline more of {words}.",
        )
    low, median, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
    if not median > 0:
        raise SubjectDataError(
            "reference_no_signal",
            f"the median signal of {words} is {median:g}: nothing can be scaled by it",
            f"Check the outline of {words}, and that the image is a magnitude image.",
        )
    about = {
        "Reference": name,
        "ReferenceMedian": median,
        "ReferenceValue": settings.value,
        "Voxels": int(values.size),
    }
    warnings = []
    if (uneven := (high - low) / median) > UNEVEN:
        warnings.append(
            f"reference_uneven: the middle half of {words} spans {100 * uneven:.0f} % of its "
            "median: check its outline and the shading"
        )
    return settings.value / median, about, warnings


def _clipped(image: Volume, where: np.ndarray, clip_sd: float) -> tuple[Volume, list[str]]:
    """Values beyond so many SD set to the limit, and how many there were."""
    values = image.data[where]
    mean, spread = float(values.mean()), clip_sd * float(values.std())
    outside = int((np.abs(values - mean) > spread).sum())
    clipped = image.like(np.clip(image.data, mean - spread, mean + spread))
    if not outside:
        return clipped, []
    return clipped, [
        f"{outside} of {values.size} voxels beyond {clip_sd:g} SD were set to the limit"
    ]
