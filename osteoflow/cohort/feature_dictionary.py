"""What every column of the cohort's features table is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from osteoflow.io.tables import FEATURE_KEYS
from osteoflow.radiomics.columns import feature_names
from osteoflow.radiomics.dictionary import DESCRIBED, describe
from osteoflow.radiomics.settings import RadiomicsSettings


def feature_dictionary(
    features: pd.DataFrame, measurements: pd.DataFrame, recipes: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """One row per image and column of features.

    Parameters
    ----------
    features
        The cohort's features, one column each beside those of identity.
    measurements
        The cohort's measurements: the unit of a map is that of its mean, so that a bone density
        names its mineral.
    recipes
        Content of the recipe of each image.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`osteoflow.radiomics.dictionary.DESCRIBED`; ``image`` as in the features.

    Raises
    ------
    ValueError
        A column belongs to no recipe.
    """
    columns = [str(name) for name in features.columns if name not in FEATURE_KEYS]
    rows: list[dict[str, str]] = []
    for image, content in recipes.items():
        settings = RadiomicsSettings.model_validate(content)
        computed = set(feature_names(settings))
        own = [name for name in columns if name in computed]
        units = _units(image, measurements)
        if other := [unit for unit in units if not unit.startswith(settings.unit)]:
            logging.warning(
                "recipe %s is for %s, %s is in %s", settings.name, settings.unit, image, other
            )
        rows += describe(own, settings, image=image, units=units)
    if unknown := sorted(set(columns) - {row["name"] for row in rows}):
        raise ValueError(f"features of no recipe: {', '.join(unknown)}")
    return pd.DataFrame(rows, columns=list(DESCRIBED)).replace("", None)


def _units(image: str, measurements: pd.DataFrame) -> list[str]:
    """Units in which the cohort's means over a map are; none where it was not measured."""
    means = measurements["metric"].astype(str).str.endswith("_mean")
    mine = measurements[(measurements["image"] == image) & means]
    return sorted(set(mine["unit"].dropna().astype(str)))
