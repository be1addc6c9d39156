"""Radiomics: regions, pre-processing, filters, discretisation, features and their robustness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osteoflow.images import RADIOMICS
from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import paragraph, plain
from osteoflow.reports.methods import perturbation_text
from osteoflow.wording import count, listing, number

_CLASSES = {
    "shape": "shape",
    "firstorder": "first-order statistics",
    "glcm": "grey-level co-occurrence (GLCM)",
    "glrlm": "run lengths (GLRLM)",
    "glszm": "size zones (GLSZM)",
    "ngtdm": "neighbouring tone differences (NGTDM)",
    "gldm": "grey-level dependence (GLDM)",
    "morphology": "morphology beyond pyradiomics' shape",
    "local": "local intensity peaks",
    "spatial": "spatial autocorrelation",
    "intensity": "intensity statistics beyond pyradiomics'",
    "histogram": "intensity histogram",
    "ivh": "intensity-volume histogram",
    "gldzm": "distance zones (GLDZM)",
    "fractal": "fractal dimension and lacunarity",
}


def radiomics(facts: Facts) -> list[str]:
    """Paragraphs of the section; none without any region's features."""
    if not facts.images:
        return []
    texts = [
        paragraph(
            [
                "Radiomic features were computed after pre-processing as the Image Biomarker "
                f"Standardisation Initiative (IBSI) defines it{cite('zwanenburg2020')}; names and "
                f"definitions are pyradiomics' own{cite('vangriethuysen2017')} where it has them",
                _compliance(facts),
            ]
        ),
        *(paragraph(_image(facts, name)) for name in facts.images),
        paragraph([_robustness(facts), _volume(facts)]),
    ]
    return [text for text in texts if text]


def _compliance(facts: Facts) -> str:
    """How many features agree with the standard where this study ran."""
    if not facts.ibsi:
        return ""
    text = f"agreement with the standard's reference values: {plain(facts.ibsi)}"
    n = len(facts.ibsi_deviations)
    return text + (f"; {count(n, 'feature')} deviated (see ibsi_compliance.json)" if n else "")


def _image(facts: Facts, name: str) -> list[str]:
    """What was done to one image."""
    recipe, chosen = facts.recipes[name], facts.settings["radiomics"]["images"][name]
    levels = listing(chosen["levels"])
    pooled = "" if len(chosen["levels"]) == 1 else ", pooled into one region"
    each = ", and each vertebra by itself" if chosen["per_level"] else ""
    classes = listing([_CLASSES[item] for item in recipe["classes"]])
    return [
        f"for {RADIOMICS[name].label} (recipe {plain(recipe['name'])}), features were taken from "
        f"the trabecular volumes of {levels}{pooled}{each}",
        *normalisation(recipe),
        resampling(recipe),
        *resegmentation(recipe),
        discretisation(recipe),
        filters(recipe),
        f"the {count(facts.n_features[name], 'feature')} of a region describe {classes}, with "
        + ("matrices in 3D" if recipe["texture"] == "3D" else "matrices merged over slices (2.5D)"),
        f"regions of fewer than {recipe['minimum_voxels']} voxels got no features",
    ]


def normalisation(recipe: Mapping[str, Any]) -> list[str]:
    """What brought arbitrary intensities to one scale; nothing for maps with a unit."""
    how = recipe["normalise"]
    found = []
    if how["bias_field"] == "n4":
        found.append(f"shading of the coil was divided out by N4{cite('tustison2010')}")
    if how["method"] == "zscore":
        over = {"body": "the body", "vertebrae": "the outlined vertebrae"}[how["over"]]
        found.append(
            f"intensities were brought to zero mean and unit standard deviation over {over}"
            f"{cite('collewet2004')}"
        )
    elif how["method"] == "reference":
        structure = plain(str(how["reference"]).replace("_", " "))
        found.append(
            f"intensities were scaled so that the median of {structure} is {how['value']:g}"
        )
    if how["clip_sd"]:
        found.append(
            f"values beyond the mean plus or minus {how['clip_sd']:g} SD were set to that limit"
        )
    return found


def resampling(recipe: Mapping[str, Any]) -> str:
    """Voxel size and interpolation."""
    size = recipe["resample_mm"]
    if size is None:
        return "images were not resampled"
    edges = size if isinstance(size, list | tuple) else [size]
    voxel = " x ".join(f"{edge:g}" for edge in edges) + " mm"
    if len(edges) == 1:
        voxel = f"{edges[0]:g} mm" + (" in plane" if recipe["texture"] == "2D" else " cubes")
    rounded = f", intensities rounded to {recipe['round_to']:g}" if recipe["round_to"] else ""
    return (
        f"images were resampled to {voxel} by {recipe['interpolator']} interpolation{rounded}, "
        "masks by linear interpolation with a threshold of 0.5"
    )


def resegmentation(recipe: Mapping[str, Any]) -> list[str]:
    """Which voxels stayed in the intensity mask."""
    found, unit = [], plain(recipe["unit"])
    if recipe["range"] is not None:
        low, high = (number(float(limit), _digits(limit)) for limit in recipe["range"])
        found.append(f"between {low} and {high} {unit}")
    if recipe["outlier_sd"] is not None:
        found.append(f"within {recipe['outlier_sd']:g} SD of the region's mean")
    return [f"intensities {listing(found)} were kept, except for shape"] if found else []


def discretisation(recipe: Mapping[str, Any]) -> str:
    """Bin width with its first edge, or number of bins."""
    if recipe["bin_width"] is not None:
        edge = number(float(recipe["range"][0]), _digits(recipe["range"][0]))
        return (
            f"intensities were discretised with a fixed bin width of {recipe['bin_width']:g} "
            f"{plain(recipe['unit'])}, the first edge at {edge}"
        )
    return f"intensities were discretised into {recipe['bin_count']} bins from minimum to maximum"


def filters(recipe: Mapping[str, Any]) -> str:
    """Image types that features were computed of."""
    from osteoflow.radiomics.filters import ORIGINAL, filter_words
    from osteoflow.radiomics.settings import RadiomicsSettings

    words = filter_words(RadiomicsSettings.model_validate(dict(recipe)))
    told = [plain(text) for name, text in words.items() if name != ORIGINAL]
    original = recipe["filters"]["original"]
    if not told:
        return "features are those of the unfiltered image"
    source = cite("whybra2024") if recipe["filters"]["ibsi"] else ""
    first = "besides the unfiltered image, " if original else ""
    return (
        f"{first}features were computed of images filtered by {'; '.join(told)}{source}, "
        f"discretised into {recipe['filters']['bin_count']} bins"
    )


def _digits(value: float) -> int:
    """Decimals that show a setting as it was given."""
    text = f"{float(value):g}"
    return len(text.partition(".")[2]) if "e" not in text else 6


def _robustness(facts: Facts) -> str:
    if "perturbation" not in facts.compared("reproducibility_features"):
        return ""
    settings = facts.settings["radiomics"]
    if not settings.get("perturbation"):
        return ""
    source = cite("zwanenburg2019", *(["achanta2012"] * settings["perturbation"]["randomise"]))
    return perturbation_text(settings, source.strip())


def _volume(facts: Facts) -> str:
    """Confounding by the region's volume."""
    table = facts.table("feature_volume")
    if table is None:
        return ""
    limit = facts.settings["statistics"]["volume_confounding"]
    return (
        "features were correlated with their region's volume (Spearman) and called confounded "
        f"with it where the lower 95 % limit of the absolute rho exceeded {limit:g}"
        f"{cite('welch2019')}"
    )
