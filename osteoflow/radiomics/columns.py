"""Which columns of features a recipe has, known before anything is computed.

The names stand in a table of their own: units and definitions (the dictionary) may be reworded
without an image being measured again.
"""

from __future__ import annotations

from functools import cache

from osteoflow.radiomics.filters import ORIGINAL, prefixes
from osteoflow.radiomics.settings import UNFILTERED, RadiomicsSettings
from osteoflow.resources import read_resource


@cache
def names_by_class() -> dict[str, tuple[str, ...]]:
    """Features of each class, ``glcm_Contrast``, in the order of their columns."""
    found: dict[str, tuple[str, ...]] = {}
    for row in read_resource("radiomics_columns.tsv"):
        found[row["class"]] = (*found.get(row["class"], ()), row["feature"])
    return found


def feature_names(settings: RadiomicsSettings) -> list[str]:
    """Columns of a recipe's features, ``original_glcm_Contrast``, in their order."""
    names = names_by_class()
    alone = [name for name in settings.classes if name in UNFILTERED]
    others = [name for name in settings.classes if name not in UNFILTERED]
    images = [(ORIGINAL, alone), *((prefix, others) for prefix in prefixes(settings))]
    return [f"{image}_{each}" for image, found in images for name in found for each in names[name]]
