"""The families of features: which function computes each, and on which images.

A new family is one module with one function, one entry here, its name in
:data:`osteoflow.radiomics.settings.FeatureClass` and its rows in
``resources/radiomics_features.tsv``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from osteoflow.radiomics.pyradiomics_classes import class_features, shape_features
from osteoflow.radiomics.roi import Roi


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
    """

    compute: Callable[[Roi], dict[str, float]]
    filtered: bool = True
    texture: bool = True


FAMILIES: dict[str, Family] = {
    "shape": Family(shape_features, filtered=False, texture=False),
    "firstorder": Family(partial(class_features, name="firstorder"), texture=False),
    "glcm": Family(partial(class_features, name="glcm")),
    "glrlm": Family(partial(class_features, name="glrlm")),
    "glszm": Family(partial(class_features, name="glszm")),
    "ngtdm": Family(partial(class_features, name="ngtdm")),
    "gldm": Family(partial(class_features, name="gldm")),
}
