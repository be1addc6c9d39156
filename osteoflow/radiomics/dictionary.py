"""What each radiomics feature is: family, unit, definition, and its names in the IBSI standard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.resources import read_resource

COLUMNS = ("feature", "class", "family", "ibsi_tag", "unit", "note", "ibsi_code", "definition")
# What `describe` gives for each column of a features table.
DESCRIBED = (
    *("name", "image", "filter", "family", "ibsi_code", "ibsi_tag", "unit", "definition"),
    *("symbols", "note", "recipe"),
)
IBSI_CODE = re.compile(r"[0-9A-Z]{4}")
NONE = "n/a"

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
    ibsi_code
        Permanent identifier in the IBSI reference manual, e.g. ``Q4LE``; None where it has none.
    definition
        One sentence, with the formula where it is short; its letters are in :func:`symbols`.
    """

    name: str
    feature_class: str
    family: str
    ibsi_tag: str | None
    unit: str
    note: str
    ibsi_code: str | None
    definition: str


@cache
def features() -> dict[str, Feature]:
    """All features by name, in the order of the dictionary table."""
    return feature_table(read_resource("radiomics_features.tsv"))


@cache
def symbols() -> dict[str, str]:
    """What the letters of the definitions stand for, by feature class."""
    return {row["class"]: row["symbols"] for row in read_resource("radiomics_symbols.tsv")}


def feature_table(rows: Sequence[Mapping[str | None, str | None]]) -> dict[str, Feature]:
    """Features by name from the rows of the dictionary table.

    Raises
    ------
    ValueError
        Rows lack columns or have too many, repeat a feature, or have an IBSI code that is none;
        all of them named.
    """
    problems: list[str] = []
    table: dict[str, Feature] = {}
    for row in rows:
        name = row["feature"]
        # A row that is too short lacks its last columns; only a note may be left empty.
        missing = [c for c in COLUMNS if row.get(c) is None or not (row[c] or c == "note")]
        if missing:
            problems.append(f"{name}: no {', '.join(missing)}")
            continue
        if row.get(None):
            problems.append(f"{name}: more than {len(COLUMNS)} columns")
        if name in table:
            problems.append(f"{name}: twice")
        code = _given(row["ibsi_code"])
        if code is not None and not IBSI_CODE.fullmatch(code):
            problems.append(f"{name}: {code!r} is no IBSI code (four letters and digits, or n/a)")
        table[name] = Feature(
            name=name,
            feature_class=row["class"],
            family=row["family"],
            ibsi_tag=_given(row["ibsi_tag"]),
            unit=row["unit"],
            note=row["note"],
            ibsi_code=code,
            definition=row["definition"],
        )
    if problems:
        raise ValueError("radiomics_features.tsv: " + "; ".join(problems))
    return table


def _given(cell: str) -> str | None:
    return None if cell == NONE else cell


def family_of(column: str) -> str:
    """Family of a feature's column in words; features of filtered images are families of their own.

    ``wavelet-HHL_glcm_Contrast`` -> ``Grey-level co-occurrence, filtered``. A column that the
    dictionary does not know is in the family ``other``.
    """
    prefix, _, name = column.partition("_")
    if name not in features():
        return "other"
    return features()[name].family + ("" if prefix == "original" else ", filtered")


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


def describe(
    columns: Iterable[str],
    settings: RadiomicsSettings,
    *,
    image: str | None = None,
    units: Sequence[str] = (),
) -> list[dict[str, str]]:
    """Dictionary rows of feature columns such as ``original_glcm_Contrast``.

    Parameters
    ----------
    columns
        Columns of a features table, without those of identity.
    settings
        The recipe that they were made by.
    image
        Name of the map; None: as the recipe calls it.
    units
        Units of the map where more is known of it than the recipe says, e.g. a bone density's
        mineral; empty: the recipe's.

    Returns
    -------
    list of dict
        Keys of :data:`DESCRIBED`, one row per column: its name, image, filter in words, family,
        IBSI code and tag (``n/a`` where there is none; the tag of a filtered image is ``n/a``,
        because the reference values are of unfiltered ones), unit, definition with what its
        letters stand for, note and recipe.

    Raises
    ------
    ValueError
        A column is no feature of this recipe.
    """
    from osteoflow.radiomics.columns import feature_names
    from osteoflow.radiomics.filters import ORIGINAL, filter_words

    words, known = filter_words(settings), set(feature_names(settings))
    rows = []
    for column in columns:
        if column not in known:
            raise ValueError(f"'{column}' is no feature of the recipe '{settings.name}'")
        prefix, _, name = column.partition("_")
        feature = features()[name]
        unfiltered = prefix == ORIGINAL
        tag = ibsi_tag(name, settings.texture) if unfiltered else None
        binned = not (unfiltered and settings.ivh_has_unit)
        units_of = [
            unit_of(feature, unit, filtered=not unfiltered, binned=binned)
            for unit in units or (settings.unit,)
        ]
        rows.append(
            {
                "name": column,
                "image": image or settings.image,
                "filter": words[prefix],
                "family": feature.family,
                "ibsi_code": feature.ibsi_code or NONE,
                "ibsi_tag": tag or NONE,
                "unit": "; ".join(dict.fromkeys(units_of)),
                "definition": feature.definition,
                "symbols": symbols().get(feature.feature_class, ""),
                "note": feature.note,
                "recipe": settings.name,
            }
        )
    return rows


def unit_of(feature: Feature, image_unit: str, *, filtered: bool, binned: bool = False) -> str:
    """Unit of a feature of a map: ``(mg/cm3)^2`` of a variance in mg/cm3.

    Intensities of a filtered image are in ``arbitrary`` units, those of an intensity-volume
    histogram in bins where it is ``binned``.
    """
    if feature.unit == "ivh":
        return "bin" if binned else image_unit
    if "image" not in feature.unit:
        return feature.unit
    if filtered:
        return "arbitrary"
    power = "image^" in feature.unit and not image_unit.isalnum()
    return feature.unit.replace("image", f"({image_unit})" if power else image_unit)
