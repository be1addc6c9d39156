"""What each radiomics feature is: family, unit and its tag in the IBSI reference data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.resources import read_resource

# Suffix of the IBSI tags by feature class: how matrices are aggregated.
_AGGREGATION = {
    "3D": {
        "glcm": "_3D_avg",
        "glrlm": "_3D_avg",
        "glszm": "_3D",
        "ngtdm": "_3D",
        "gldm": "_3D",
        "gldzm": "_3D",
    },
    "2D": {
        "glcm": "_2_5D_avg",
        "glrlm": "_2_5D_avg",
        "glszm": "_2_5D",
        "ngtdm": "_2_5D",
        "gldm": "_2_5D",
        "gldzm": "_2_5D",
    },
}


@dataclass(frozen=True)
class Feature:
    """One row of the feature dictionary.

    Parameters
    ----------
    name
        ``class_Name`` without the filter prefix, e.g. ``glcm_Contrast``.
    feature_class
        Class of the recipe (:data:`osteoflow.radiomics.settings.FeatureClass`).
    family
        Its family in words.
    ibsi_tag
        Tag in the IBSI reference data without aggregation suffix, None where IBSI has no such
        feature.
    unit
        ``image`` stands for the unit of the map, ``ivh`` for that of the intensity-volume
        histogram (the map's, or ``bin`` where the recipe gives it bins without a unit).
    note
        How the value departs from pyradiomics' own, or what to beware of.
    """

    name: str
    feature_class: str
    family: str
    ibsi_tag: str | None
    unit: str
    note: str


@cache
def features() -> dict[str, Feature]:
    """All features by name, in the order of the dictionary table."""
    return {
        row["feature"]: Feature(
            row["feature"],
            row["class"],
            row["family"],
            None if row["ibsi_tag"] == "n/a" else row["ibsi_tag"],
            row["unit"],
            row["note"] or "",
        )
        for row in read_resource("radiomics_features.tsv")
    }


def ibsi_tag(name: str, texture: str) -> str | None:
    """Full IBSI tag of a feature, e.g. ``cm_contrast_3D_avg``; None without IBSI counterpart.

    Parameters
    ----------
    name
        ``class_Name``, e.g. ``glcm_Contrast``.
    texture
        ``3D`` or ``2D`` (matrices merged over slices: IBSI's 2.5D).
    """
    feature = features()[name]
    if feature.ibsi_tag is None:
        return None
    return feature.ibsi_tag + _AGGREGATION[texture].get(feature.feature_class, "")


def describe(columns: Iterable[str], settings: RadiomicsSettings) -> list[dict[str, str]]:
    """Dictionary rows of feature columns such as ``original_glcm_Contrast``.

    Returns
    -------
    list of dict
        Keys feature, image, family, ibsi_tag, unit, note (``n/a`` where there is no IBSI tag; a
        filtered image has none, because IBSI-1 covers unfiltered images only).
    """
    rows = []
    for column in columns:
        prefix, name = column.split("_", 1)
        feature = features()[name]
        unfiltered = prefix == "original"
        tag = ibsi_tag(name, settings.texture) if unfiltered else None
        unit = feature.unit.replace("image", settings.unit)
        if unit == "ivh":
            unit = settings.unit if unfiltered and settings.ivh_has_unit else "bin"
        if not unfiltered and "image" in feature.unit:
            unit = "arbitrary"
        rows.append(
            {
                "feature": column,
                "image": settings.image,
                "family": feature.family,
                "ibsi_tag": tag or "n/a",
                "unit": unit,
                "note": feature.note,
            }
        )
    return rows
