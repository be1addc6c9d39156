"""Families of features by pyradiomics' own classes, on grey levels that IBSI defines.

The engine ``pyradiomics`` of a recipe, and what the compiled families are tested against.

Feature definitions: van Griethuysen et al., Cancer Res 2017;77:e104. Two are brought to IBSI's
definition (Zwanenburg et al., Radiology 2020;295:328): kurtosis is excess kurtosis, and axis
lengths use the sample covariance.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from radiomics import firstorder, glcm, gldm, glrlm, glszm, ngtdm, shape

from osteoflow.radiomics.arrays import as_itk, itk_slice_axis
from osteoflow.radiomics.boxes import bounding_box
from osteoflow.radiomics.roi import Roi

# Every symmetric co-occurrence matrix makes pyradiomics remark that the sum average is twice the
# joint average; both are reported because IBSI defines both. A class logs by its module: here.
logging.getLogger(__name__).addFilter(lambda record: "symmetrical" not in str(record.msg))


class _GivenLevels:
    """Grey levels come from our own discretisation, through pyradiomics' own hook for it.

    pyradiomics anchors fixed bins at zero and starts counting at the region's minimum; IBSI
    anchors and counts at the lower end of the re-segmentation range.
    """

    def _applyBinning(self, matrix: np.ndarray) -> np.ndarray:  # noqa: N802 (overrides pyradiomics)
        levels = np.zeros(matrix.shape, int)
        levels[self.maskArray] = self.settings["levels"]
        self.coefficients["grayLevels"] = np.unique(levels[self.maskArray])
        self.coefficients["Ng"] = int(self.coefficients["grayLevels"].max())
        return levels


class _FirstOrder(_GivenLevels, firstorder.RadiomicsFirstOrder):
    pass


class _Glcm(_GivenLevels, glcm.RadiomicsGLCM):
    pass


class _Glrlm(_GivenLevels, glrlm.RadiomicsGLRLM):
    pass


class _Glszm(_GivenLevels, glszm.RadiomicsGLSZM):
    pass


class _Ngtdm(_GivenLevels, ngtdm.RadiomicsNGTDM):
    pass


class _Gldm(_GivenLevels, gldm.RadiomicsGLDM):
    pass


_CALCULATORS = {
    "firstorder": _FirstOrder,
    "glcm": _Glcm,
    "glrlm": _Glrlm,
    "glszm": _Glszm,
    "ngtdm": _Ngtdm,
    "gldm": _Gldm,
}


def shape_features(roi: Roi) -> dict[str, float]:
    """Shape of the region before re-segmentation."""
    mask = roi.morphology
    node = as_itk(mask.astype(np.uint8), roi.spacing)
    values = _execute(shape.RadiomicsShape(node, node))
    n = int(mask.sum())
    for axis in ("Major", "Minor", "Least"):
        values[f"{axis}AxisLength"] *= np.sqrt(n / (n - 1))
    return values


def class_features(roi: Roi, name: str) -> dict[str, float]:
    """First-order or texture features by pyradiomics' class of that name.

    Parameters
    ----------
    roi
        The region.
    name
        firstorder, glcm, glrlm, glszm, ngtdm or gldm.
    """
    box = bounding_box(roi.intensity)  # the calculators visit every voxel
    image, mask, levels = roi.image[box], roi.intensity[box], roi.levels[box]
    # SimpleITK's axis order is z, y, x: the levels follow the order in which pyradiomics sees them.
    inside = levels.transpose(2, 1, 0)[mask.transpose(2, 1, 0)]
    node, region = as_itk(image, roi.spacing), as_itk(mask.astype(np.uint8), roi.spacing)
    try:
        values = _execute(
            _CALCULATORS[name](node, region, levels=inside, **itk_slice_axis(roi.slice_axis))
        )
    except RuntimeError as error:
        # Lines of single voxels in a 2D recipe have no neighbours to look at.
        if "angle count" not in str(error):
            raise
        roi.notes.append(f"{name}: no voxel has neighbours within its slice")
        return {}
    if name == "firstorder":
        values["Kurtosis"] -= 3.0
    return values


def _execute(calculator: Any) -> dict[str, float]:
    calculator.enableAllFeatures()
    return {key: float(value) for key, value in calculator.execute().items()}
