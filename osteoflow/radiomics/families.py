"""The families of features: which function computes each, and on which images.

A new family is one module with one function, one entry here, its name in
:data:`osteoflow.radiomics.settings.FeatureClass` and its rows in
``resources/radiomics_features.tsv``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from osteoflow.radiomics.autocorrelation import spatial_features
from osteoflow.radiomics.distance_zones import gldzm_features
from osteoflow.radiomics.fractal import fractal_features
from osteoflow.radiomics.histogram import histogram_features, intensity_features
from osteoflow.radiomics.local_peaks import RADIUS_MM, local_features
from osteoflow.radiomics.morphology import morphology_features
from osteoflow.radiomics.pyradiomics_classes import class_features, shape_features
from osteoflow.radiomics.roi import Roi
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.radiomics.volume_histogram import ivh_features


@dataclass(frozen=True)
class Family:
    """One family of features.

    Parameters
    ----------
    compute
        Region -> value by feature name without the class, e.g. ``Contrast``.
    filtered
        Whether it is computed of filtered images as well.
    texture
        Whether it needs at least two grey levels.
    reach_mm
        How far around the region it looks, in mm.
    """

    compute: Callable[[Roi], dict[str, float]]
    filtered: bool = True
    texture: bool = True
    reach_mm: float = 0.0


FAMILIES: dict[str, Family] = {
    "shape": Family(shape_features, filtered=False, texture=False),
    "firstorder": Family(partial(class_features, name="firstorder"), texture=False),
    "glcm": Family(partial(class_features, name="glcm")),
    "glrlm": Family(partial(class_features, name="glrlm")),
    "glszm": Family(partial(class_features, name="glszm")),
    "ngtdm": Family(partial(class_features, name="ngtdm")),
    "gldm": Family(partial(class_features, name="gldm")),
    "morphology": Family(morphology_features, filtered=False, texture=False),
    "local": Family(local_features, filtered=False, texture=False, reach_mm=RADIUS_MM),
    "spatial": Family(spatial_features, filtered=False, texture=False),
    "intensity": Family(intensity_features, texture=False),
    "histogram": Family(histogram_features),
    "ivh": Family(ivh_features, texture=False),
    "gldzm": Family(gldzm_features),
    "fractal": Family(fractal_features, filtered=False, texture=False),
}


def reach_mm(settings: RadiomicsSettings) -> float:
    """How far around a region the families of a recipe look, in mm."""
    return max(FAMILIES[name].reach_mm for name in settings.classes)
