"""The page of all radiomics features for the documentation, from the dictionary's table."""

from __future__ import annotations

from osteoflow.radiomics.dictionary import NONE, features, symbols

INTRODUCTION = """\
# Radiomics features

Made from `resources/radiomics_features.tsv` by `make reference`. Every run writes the same for the
columns of its own features table, with filters and units, to
`results/cohort/features_dictionary.tsv`.

A column is named `image_class_Feature`: `original_glcm_Contrast` is the contrast of the image
itself, `wavelet-LLH_glcm_Contrast` that of a filtered one. The IBSI code is the permanent
identifier of the Image Biomarker Standardisation Initiative's reference manual (Zwanenburg et al.,
arXiv:1612.07003), the tag its name in the reference values (Zwanenburg et al., Radiology
2020;295:328), without the ending that says how matrices are aggregated. Units: "image" stands for
the unit of the map; a filtered image has arbitrary units.
"""
HEADINGS = ("feature", "IBSI code", "IBSI tag", "unit", "definition", "note")


def feature_page() -> str:
    """`docs/reference/radiomics-features.md`: every feature with codes, unit and definition."""
    parts = [INTRODUCTION]
    for name in dict.fromkeys(feature.feature_class for feature in features().values()):
        rows = [feature for feature in features().values() if feature.feature_class == name]
        parts.append(f"## {rows[0].family} (`{name}`)\n")
        if name in symbols():
            parts.append(symbols()[name] + "\n")
        parts.append(_row(HEADINGS))
        parts.append("|---" * len(HEADINGS) + "|")
        for feature in rows:
            cells = (
                f"`{feature.name}`",
                feature.ibsi_code or NONE,
                f"`{feature.ibsi_tag}`" if feature.ibsi_tag else NONE,
                feature.unit,
                feature.definition,
                feature.note,
            )
            parts.append(_row(cells))
        parts.append("")
    return "\n".join(parts)


def _row(cells: tuple[str, ...]) -> str:
    # A bar would end the cell.
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
