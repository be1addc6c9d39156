"""The dictionary of radiomics features: complete, checked, and written for every cohort column."""

from __future__ import annotations

import re
from typing import get_args

import pandas as pd
import pytest

from osteoflow.code_version import code_parts
from osteoflow.cohort.feature_dictionary import feature_dictionary
from osteoflow.io.tables import FEATURE_KEYS, feature_columns, read_table, write_table
from osteoflow.radiomics.columns import feature_names, names_by_class
from osteoflow.radiomics.dictionary import (
    COLUMNS,
    DESCRIBED,
    describe,
    feature_table,
    features,
    symbols,
)
from osteoflow.radiomics.filters import FILTERS, derived_images
from osteoflow.radiomics.settings import FeatureClass, RadiomicsSettings, read_settings
from osteoflow.resources import ROOT, read_resource
from osteoflow.wording import feature_name

BASE = {"name": "test", "image": "vBMD", "unit": "mg/cm3", "range": (-200, 600), "bin_width": 10}
FILTERED = {"log_sigma_mm": [1.5], "wavelet": "coif1"}


def recipe(**changes) -> RadiomicsSettings:
    return RadiomicsSettings(**{**BASE, **changes})


def measured(image: str, *units: str) -> pd.DataFrame:
    return pd.DataFrame(
        [{"image": image, "metric": f"{image}_mean", "unit": unit} for unit in units]
        + [{"image": image, "metric": f"{image}_share", "unit": "%"}],
        columns=["image", "metric", "unit"],
    )


def features_of(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=[*FEATURE_KEYS, *columns])


# From the headings of the IBSI reference manual (arXiv:1612.07003), one or two of each family.
CODES = {
    "shape_MeshVolume": "RNU0",
    "shape_VoxelVolume": "YEKZ",
    "firstorder_Mean": "Q4LE",
    "firstorder_Variance": "ECT3",
    "firstorder_Kurtosis": "IPH6",
    "firstorder_Entropy": "TLU2",
    "firstorder_Uniformity": "BJ5W",
    "glcm_Contrast": "ACUI",
    "glcm_SumSquares": "UR99",
    "glrlm_GrayLevelVariance": "8CE5",
    "glszm_GrayLevelVariance": "BYLV",
    "gldm_GrayLevelVariance": "1PFV",
    "ngtdm_Contrast": "65HE",
    "gldm_LargeDependenceEmphasis": "IMOQ",
}


def test_codes_are_those_of_the_manual_and_belong_to_one_feature_each() -> None:
    table = features()
    assert {name: table[name].ibsi_code for name in CODES} == CODES
    # A code comes with a tag; what the standard does not know has neither.
    for feature in table.values():
        if feature.ibsi_tag is not None:
            assert feature.ibsi_code is not None, feature.name
    classes = ("shape", "firstorder", "glcm", "glrlm", "glszm", "ngtdm", "gldm")
    codes = [f.ibsi_code for f in table.values() if f.feature_class in classes and f.ibsi_code]
    assert len(codes) >= 102 and len(set(codes)) == len(codes)
    for name in ("firstorder_TotalEnergy", "glcm_MCC", "shape_Maximum2DDiameterRow"):
        assert table[name].ibsi_code is None


def test_every_feature_is_defined_in_a_sentence_of_its_own() -> None:
    table = features()
    for feature in table.values():
        # A cell that begins with a sign is a formula to a spreadsheet.
        assert re.match(r"[A-Z0-9]", feature.definition), feature.name
        assert feature.definition.endswith("."), feature.name
        assert len(feature.definition) > 15
    by_class = [(f.feature_class, f.definition) for f in table.values()]
    assert len(set(by_class)) == len(by_class)


def test_letters_of_definitions_are_explained() -> None:
    """Every name before a bracket, such as ``p(i,j)`` or ``pd(k)``, is explained."""
    for feature in features().values():
        text = feature.definition
        explained = symbols().get(feature.feature_class, "")
        for letter in set(re.findall(r"\b([a-z]{1,2})\((?:i|j|k|i,j)\)", text)):
            here = re.search(rf"\b{letter}\([ijk,]+\) (=|being)", text)
            assert here or f"{letter}(i" in explained, (feature.name, letter)


def rows() -> list[dict]:
    return [dict(row) for row in read_resource("radiomics_features.tsv")][:4]


def test_a_row_without_its_last_columns_is_an_error_that_names_it() -> None:
    old = rows()
    old[1] |= {"ibsi_code": None, "definition": None}
    old[3]["definition"] = ""
    with pytest.raises(ValueError) as caught:
        feature_table(old)
    text = str(caught.value)
    assert f"{old[1]['feature']}: no ibsi_code, definition" in text
    assert f"{old[3]['feature']}: no definition" in text
    assert old[0]["feature"] not in text
    assert len(feature_table(rows())) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ibsi_code": "Q4L"}, "no IBSI code"),
        ({"ibsi_code": "q4le"}, "no IBSI code"),
        ({None: ["more"]}, f"more than {len(COLUMNS)} columns"),
        ({"feature": "shape_Elongation"}, "shape_Elongation: twice"),
    ],
)
def test_wrong_rows_are_errors(change: dict, message: str) -> None:
    table = rows()
    table[2] |= change
    with pytest.raises(ValueError, match=message):
        feature_table(table)


def test_columns_are_described_with_filter_unit_and_codes() -> None:
    settings = recipe(filters=FILTERED)
    found = describe(feature_names(settings), settings)
    assert [row["name"] for row in found] == feature_names(settings)
    assert all(tuple(row) == DESCRIBED for row in found)
    by_name = {row["name"]: row for row in found}
    plain = by_name["original_firstorder_Variance"]
    assert plain["filter"] == "none" and plain["recipe"] == "test" and plain["image"] == "vBMD"
    assert plain["unit"] == "(mg/cm3)^2" and plain["ibsi_tag"] == "stat_var"
    laplacian = by_name["log-sigma-1-5-mm-3D_firstorder_Variance"]
    assert "Laplacian of Gaussian" in laplacian["filter"] and "1.5 mm" in laplacian["filter"]
    assert laplacian["unit"] == "arbitrary"
    assert (laplacian["ibsi_code"], laplacian["ibsi_tag"]) == ("ECT3", "n/a")
    assert "coif1" in by_name["wavelet-LLH_glcm_Contrast"]["filter"]
    assert by_name["wavelet-LLH_glcm_Contrast"]["unit"] == "1"
    flat = recipe(texture="2D", filters={"wavelet": "haar"})
    assert describe(["original_glszm_ZoneEntropy"], flat)[0]["ibsi_tag"] == "szm_zs_entr_2_5D"
    assert "2D" in describe(["wavelet-LH_glcm_Contrast"], flat)[0]["filter"]
    hounsfield = recipe(unit="HU")
    assert describe(["original_firstorder_Energy"], hounsfield)[0]["unit"] == "HU^2"


IBSI_FILTERS = [
    {"kind": "mean", "support": 5},
    {"kind": "laplacian_of_gaussian", "sigma_mm": 1.5, "boundary": "zero"},
    {"kind": "laws", "kernels": "L5E5E5"},
    {
        "kind": "gabor",
        "sigma_mm": 5,
        "wavelength_mm": 2,
        "theta_step_degrees": 45,
        "planes": "orthogonal",
    },
    {"kind": "separable_wavelet", "wavelet": "db3", "subband": "LLH"},
    {"kind": "simoncelli", "level": 2},
    {"kind": "simoncelli", "level": 2, "riesz": [1, 0, 0]},
]


def test_every_filter_says_what_it_is() -> None:
    presets = [read_settings(path) for path in (ROOT / "config" / "radiomics").glob("*.yaml")]
    recipes = [
        *presets,
        recipe(filters=FILTERED),
        recipe(texture="2D", filters={"wavelet": "db2"}),
        recipe(filters={"ibsi": IBSI_FILTERS}),
    ]
    images = [image for settings in recipes for image in derived_images(settings)]
    assert len(images) >= 9 and len(FILTERS) >= 2
    for image in images:
        assert len(image.words) > 10 and image.words != image.prefix, image.prefix
    said = [image.words for image in derived_images(recipes[-1])]
    assert len(set(said)) == len(IBSI_FILTERS)
    assert said[1] == (
        "Laplacian of Gaussian, sigma 1.5 mm, kernel cut at 4 sigma, zero boundary (IBSI-2)"
    )
    assert said[3] == (
        "Gabor filter, sigma 5 mm, wavelength 2 mm, aspect ratio 1.5, from 0 degrees, in steps of "
        "45 degrees, mean over directions and planes, in three orthogonal planes (IBSI-2)"
    )


@pytest.mark.parametrize(
    "column", ["original_glcm_Contras", "wavelet-LLH_glcm_Contrast", "n_voxels", "original_glcm_Id"]
)
def test_a_column_of_another_recipe_is_refused(column: str) -> None:
    with pytest.raises(ValueError, match=column):
        describe([column], recipe(classes=("firstorder",)))


def test_the_cohort_dictionary_covers_every_column(tmp_path) -> None:
    bone, fat = recipe(filters={"wavelet": "haar"}), recipe(name="fat", image="PDFF", unit="%")
    table = features_of(*dict.fromkeys([*feature_names(bone), *feature_names(fat)]))
    measurements = pd.concat(
        [measured("vbmd", "mg/cm3 K2HPO4", "mg/cm3 HA"), measured("pdff", "%")], ignore_index=True
    )
    recipes = {"vbmd": bone.model_dump(mode="json"), "pdff": fat.model_dump(mode="json")}
    found = feature_dictionary(table, measurements, recipes)
    assert set(found["name"]) == set(table.columns) - set(FEATURE_KEYS)
    assert not found.duplicated(["name", "image"]).any()
    units = found.set_index(["image", "name"])["unit"]
    # A bone density names its mineral, and every one that the cohort has.
    assert units["vbmd", "original_firstorder_Mean"] == "mg/cm3 HA; mg/cm3 K2HPO4"
    assert units["vbmd", "original_firstorder_Variance"] == "(mg/cm3 HA)^2; (mg/cm3 K2HPO4)^2"
    assert units["vbmd", "original_shape_MeshVolume"] == "mm3"
    assert units["pdff", "original_firstorder_Mean"] == "%"
    assert ("pdff", "wavelet-HHH_glcm_Contrast") not in units.index
    path = tmp_path / "features_dictionary.tsv"
    write_table(path, found)
    back = read_table(path)
    assert tuple(back.columns) == DESCRIBED and len(back) == len(found)
    assert back["definition"].notna().all() and back["unit"].notna().all()


def test_a_column_of_no_recipe_stops_the_cohort() -> None:
    table = features_of("original_glcm_Contrast", "original_glcm_Novel")
    with pytest.raises(ValueError, match="original_glcm_Novel"):
        feature_dictionary(table, measured("vbmd"), {"vbmd": recipe().model_dump(mode="json")})


def test_a_cohort_without_features_has_an_empty_dictionary(caplog) -> None:
    found = feature_dictionary(features_of(), measured("vbmd"), {"vbmd": BASE})
    assert found.empty and tuple(found.columns) == DESCRIBED
    assert not caplog.records


def test_a_cohort_without_measurements_takes_the_unit_of_the_recipe() -> None:
    nothing = pd.DataFrame(columns=["image", "metric", "unit"])
    table = features_of("original_firstorder_Mean")
    assert feature_dictionary(table, nothing, {"vbmd": BASE})["unit"].tolist() == ["mg/cm3"]


def test_a_recipe_for_another_unit_is_told(caplog) -> None:
    table = features_of("original_firstorder_Mean")
    found = feature_dictionary(table, measured("vbmd", "HU"), {"vbmd": BASE})
    assert found["unit"].tolist() == ["HU"]
    assert "mg/cm3" in caplog.text


def test_columns_of_every_family_are_recognised_and_named() -> None:
    table = features()
    columns = [f"wavelet-LLH_{name}" for name in table]
    assert feature_columns([*columns, "n_voxels", "flag", "age_years"]) == columns
    assert feature_name("original_glcm_Contrast") == "GLCM Contrast"
    assert feature_name("wavelet-LLH_firstorder_10Percentile") == (
        "First-order 10Percentile (wavelet-LLH)"
    )
    assert feature_name("original_spatial_MoranI") == "Spatial MoranI"
    assert feature_name("age_years") == "age_years"


def test_columns_and_dictionary_name_the_same_features_in_one_order() -> None:
    named = names_by_class()
    assert set(named) == set(get_args(FeatureClass))
    assert [name for names in named.values() for name in names] == list(features())
    assert all(features()[name].feature_class == kind for kind in named for name in named[kind])


def test_what_a_feature_is_reaches_no_image() -> None:
    described = {"radiomics_features.tsv", "radiomics_symbols.tsv"}
    parts = code_parts("extract_features.py")
    assert "radiomics_columns.tsv" in parts and not described & set(parts)
    assert described <= set(code_parts("assemble_cohort.py"))


def test_an_image_without_its_own_features_has_no_rows_for_those_of_another() -> None:
    filtered = {"original": False, "wavelet": "haar"}
    bone = recipe(filters=filtered, classes=("shape", "firstorder", "glcm"))
    fat = recipe(name="fat", image="PDFF", unit="%", classes=("firstorder",))
    table = features_of(*dict.fromkeys([*feature_names(bone), *feature_names(fat)]))
    recipes = {"vbmd": bone.model_dump(mode="json"), "pdff": fat.model_dump(mode="json")}
    found = feature_dictionary(table, measured("vbmd"), recipes)
    for image, settings in (("vbmd", bone), ("pdff", fat)):
        assert set(found.loc[found["image"] == image, "name"]) == set(feature_names(settings))
    assert "original_firstorder_Mean" not in feature_names(bone)
    assert "original_shape_MeshVolume" in feature_names(bone)
