"""The families of features: which function computes each.

A new family is one module with one function, one entry here, its name in
:data:`osteoflow.radiomics.settings.FeatureClass` (in ``UNFILTERED`` as well if no filtered image
has it), its columns in ``resources/radiomics_columns.tsv`` and what they are in
``resources/radiomics_features.tsv``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from osteoflow.radiomics.families.autocorrelation import spatial_features
from osteoflow.radiomics.families.distance_zones import gldzm_features
from osteoflow.radiomics.families.fractal import fractal_features
from osteoflow.radiomics.families.histogram import histogram_features, intensity_features
from osteoflow.radiomics.families.local_peaks import RADIUS_MM, local_features
from osteoflow.radiomics.families.morphology import morphology_features
from osteoflow.radiomics.families.volume_histogram import ivh_features
from osteoflow.radiomics.kernels.cooccurrence import cooccurrence_features
from osteoflow.radiomics.kernels.dependence import dependence_features
from osteoflow.radiomics.kernels.first_order import first_order_features
from osteoflow.radiomics.kernels.run_length import run_length_features
from osteoflow.radiomics.kernels.shape import shape_features
from osteoflow.radiomics.kernels.size_zone import size_zone_features
from osteoflow.radiomics.kernels.tone_difference import tone_difference_features
from osteoflow.radiomics.roi import Roi
from osteoflow.radiomics.settings import RadiomicsSettings


@dataclass(frozen=True)
class Family:
    """One family of features.

    Parameters
    ----------
    compute
        Region -> value by feature name without the class, e.g. ``Contrast``.
    texture
        Whether it needs at least two grey levels.
    reach_mm
        How far around the region it looks, in mm.
    """

    compute: Callable[[Roi], dict[str, float]]
    texture: bool = True
    reach_mm: float = 0.0


def _first_order(roi: Roi) -> dict[str, float]:
    inside = roi.intensity
    voxel = float(np.prod(roi.spacing))
    return first_order_features(roi.image[inside], roi.levels[inside], voxel)


# The families that pyradiomics knows as well, and computes in their place if the recipe says so.
_COMPILED: dict[str, Callable[[Roi], dict[str, float]]] = {
    "shape": lambda roi: shape_features(roi.morphology, roi.spacing),
    "firstorder": _first_order,
    "glcm": lambda roi: cooccurrence_features(roi.grid),
    "glrlm": lambda roi: run_length_features(roi.grid),
    "glszm": lambda roi: size_zone_features(roi.grid),
    "ngtdm": lambda roi: tone_difference_features(roi.grid),
    "gldm": lambda roi: dependence_features(roi.grid),
}


def _by_engine(roi: Roi, name: str) -> dict[str, float]:
    if roi.settings.engine == "compiled":
        return _COMPILED[name](roi)
    from osteoflow.radiomics.families import pyradiomics_classes

    if name == "shape":
        return pyradiomics_classes.shape_features(roi)
    return pyradiomics_classes.class_features(roi, name)


FAMILIES: dict[str, Family] = {
    "shape": Family(partial(_by_engine, name="shape"), texture=False),
    "firstorder": Family(partial(_by_engine, name="firstorder"), texture=False),
    "glcm": Family(partial(_by_engine, name="glcm")),
    "glrlm": Family(partial(_by_engine, name="glrlm")),
    "glszm": Family(partial(_by_engine, name="glszm")),
    "ngtdm": Family(partial(_by_engine, name="ngtdm")),
    "gldm": Family(partial(_by_engine, name="gldm")),
    "morphology": Family(morphology_features, texture=False),
    "local": Family(local_features, texture=False, reach_mm=RADIUS_MM),
    "spatial": Family(spatial_features, texture=False),
    "intensity": Family(intensity_features, texture=False),
    "histogram": Family(histogram_features),
    "ivh": Family(ivh_features, texture=False),
    "gldzm": Family(gldzm_features),
    "fractal": Family(fractal_features, texture=False),
}


def reach_mm(settings: RadiomicsSettings) -> float:
    """How far around a region the families of a recipe look, in mm."""
    return max(FAMILIES[name].reach_mm for name in settings.classes)
