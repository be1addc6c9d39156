"""The report's tables of reproducibility: agreement, limits, precision and overlap."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pandas as pd

from osteoflow.cohort.assemble import summary_regions
from osteoflow.io.tables import read_table
from osteoflow.manuscript.words.reproducibility import LEAST
from osteoflow.measurements import TRABECULAR, dictionary, level_range
from osteoflow.radiomics.dictionary import family_of
from osteoflow.reports.html import HtmlTable, given, make_table
from osteoflow.settings.cohort import Summary
from osteoflow.statistics.agreement import form_of
from osteoflow.statistics.pooled import of_pooled_regions
from osteoflow.wording import (
    COMPARISON_WORDS,
    DASH,
    NOT_ESTIMABLE,
    agreement_words,
    feature_name,
    quantity_estimate,
    unit_name,
)

FORMS_NOTE = "ICC(1,1) of perturbed images, whose repetitions have no order; ICC(2,1) otherwise."
HEADINGS = {
    "family": "Family",
    "comparison": "Compared",
    "measure": "Measurement",
    "icc21": "ICC(2,1)",
    "icc31": "ICC(3,1)",
    "bias": "Bias",
    "limits": "Limits of agreement",
    "rms_sd": "RMS-SD",
    "rms_cv": "RMS-CV (%)",
    "lsc": "Least significant change",
    "note": "Note",
}
BANDS = (("< 0.50", -2.0, 0.5), ("0.50 to 0.75", 0.5, 0.75), ("0.75 to 0.90", 0.75, 0.9),
         ("≥ 0.90", 0.9, 2.0))  # fmt: skip


def read_reproducibility(
    folder: Path, summaries: Sequence[Summary], levels: Sequence[str], confounding: float
) -> list[HtmlTable]:
    """Tables of what the study summarises, and of the same measurements of each level pooled.

    Parameters
    ----------
    folder
        ``results/statistics``.
    summaries
        Declared means over levels.
    levels
        Levels that are pooled.
    confounding
        Limit from which a feature counts as confounded with volume.
    """
    names = ("reproducibility", "reproducibility_features", "overlap")
    tables = [read_table(folder / f"{name}.tsv") for name in names]
    each = f"{level_range(levels)}_each{TRABECULAR}"
    wanted = summary_regions(summaries) | {(item.metric, each) for item in summaries}
    made = reproducibility_tables(*tables, wanted, lambda name: dictionary()[name]["label"])
    volume = volume_table(read_table(folder / "feature_volume.tsv"), confounding)
    return [*made, *filter(None, [volume])]


def reproducibility_tables(
    measured: pd.DataFrame | None,
    features: pd.DataFrame | None,
    overlap: pd.DataFrame | None,
    wanted: Collection[tuple[str, str]],
    label: Callable[[str], str] = str,
) -> list[HtmlTable]:
    """Tables for the report; none where nothing was read or scanned again.

    Parameters
    ----------
    measured, features, overlap
        ``reproducibility.tsv``, ``reproducibility_features.tsv`` and ``overlap.tsv``.
    wanted
        Pairs of metric and region that are shown: those that the study summarises.
    label
        Name of a metric without its unit.
    """
    tables = []
    if given(measured):
        pairs = zip(measured["metric"], measured["roi"], strict=True)
        shown = measured[[pair in wanted for pair in pairs]]
        if len(shown):
            tables += [_agreement(shown, label), _precision(shown, label)]
    if given(features):
        tables += [_features(features), _families(features)]
    if given(overlap):
        tables.append(
            make_table(
                overlap.assign(comparison=overlap["comparison"].map(COMPARISON_WORDS)),
                "Overlap of outlines: Dice coefficient of whole vertebrae",
                headings={
                    **HEADINGS,
                    **{"mean": "Mean", "sd": "SD", "min": "Least", "max": "Greatest"},
                    **{"n_one_sided": "No overlap", "n_identical": "Identical"},
                },
                digits=dict.fromkeys(["mean", "sd", "min", "max"], 3),
                note="No overlap: a level that only one reading outlined, or at different places.",
            )
        )
    return tables


def volume_table(table: pd.DataFrame | None, threshold: float) -> HtmlTable | None:
    """How many features of each family are confounded with their region's volume; None without any.

    Parameters
    ----------
    table
        ``feature_volume.tsv``.
    threshold
        Above which the lower limit of the correlation's absolute value marks a feature.
    """
    if not given(table):
        return None
    rows = []
    table = of_pooled_regions(table)
    keys = [table["image"], table["roi"], table["feature"].map(family_of).rename("family")]
    for (image, roi, family), group in table.groupby(keys, sort=True):
        marks = group["volume_confounded"]
        least = pd.concat([group["rho_low"], -group["rho_high"]], axis=1).max(axis=1)
        strongest = group.loc[least.idxmax(), "feature"] if least.notna().any() else None
        rows.append(
            {"image": image, "roi": roi, "family": family, "n": int(group["n"].max()),
             "Features": len(group), "Confounded": int((marks == "yes").sum()),
             "Not estimable": int(marks.isna().sum()),
             "Closest": feature_name(strongest) if strongest else DASH}
        )  # fmt: skip
    return make_table(
        pd.DataFrame(rows),
        "Radiomic features that tell their region's volume",
        headings=HEADINGS,
        note="Confounded: the lower 95 % limit of |Spearman's rho| between feature and volume over "
        f"the participants exceeds {threshold:g} (Welch et al., Radiother Oncol 2019). Closest: "
        "the feature with the greatest lower limit. Each feature stands in feature_volume.tsv.",
    )


def _column(table: pd.DataFrame, name: str) -> list[str]:
    rows = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
    kind = "icc" if name.startswith("icc") else name
    return [_or_dash(quantity_estimate(kind, *row)) for row in rows]


def _or_dash(text: str) -> str:
    return DASH if text == NOT_ESTIMABLE else text


def _keys(table: pd.DataFrame, label: Callable[[str], str]) -> pd.DataFrame:
    units = [unit_name(unit) for unit in table["unit"]]
    names = [
        label(metric) + (f" ({unit})" if unit else "")
        for metric, unit in zip(table["metric"], units, strict=True)
    ]
    keys = {"comparison": table["comparison"].map(COMPARISON_WORDS), "measure": names}
    return pd.DataFrame({**keys, "roi": table["roi"], "n": table["n"]})


def _agreement(table: pd.DataFrame, label: Callable[[str], str]) -> HtmlTable:
    names = ("bias", "bias_low", "bias_high", "loa_low", "loa_high")
    words = [
        [_or_dash(text) for text in agreement_words(*row)]
        for row in table[list(names)].itertuples(index=False)
    ]
    shown = _keys(table, label).assign(
        icc21=_column(table, "icc21"),
        icc31=_column(table, "icc31"),
        bias=[bias for bias, _ in words],
        limits=[limits for _, limits in words],
    )
    return make_table(
        shown,
        "Agreement of readings, with 95 % intervals",
        headings=HEADINGS,
        note="ICC(2,1) counts a bias between readings as error, ICC(3,1) does not. Bias: later "
        "less earlier reading, percentage points of values in %; limits of agreement: bias ± 1.96 "
        "SD. Each participant counts once; where each level is a row of its own (“each”), "
        "intervals come from resampled people.",
    )


def _precision(table: pd.DataFrame, label: Callable[[str], str]) -> HtmlTable:
    shown = _keys(table, label).assign(
        rms_sd=_column(table, "rms_sd"),
        rms_cv=_column(table, "rms_cv"),
        lsc=_column(table, "lsc"),
        note=table["note"].astype(object).where(table["note"].notna(), ""),
    )
    return make_table(
        shown,
        "Precision of readings, with 95 % intervals",
        headings=HEADINGS,
        note="RMS-SD in the measurement's unit (Glüer et al., Osteoporos Int 1995); least "
        "significant change: 2.77 RMS-SD. Only repeated scans include positioning and scanner.",
    )


def _features(table: pd.DataFrame) -> HtmlTable:
    """How many features reach which agreement."""
    rows = []
    for (comparison, image, roi), group in table.groupby(["comparison", "image", "roi"]):
        low = _lower_limit(group, str(comparison))
        counts = {name: int(((low >= least) & (low < most)).sum()) for name, least, most in BANDS}
        about = {"comparison": COMPARISON_WORDS[comparison], "image": image, "roi": roi}
        rows.append(
            {**about, "n": int(group["n"].max()), "Features": len(group), **counts,
             "Not estimable": int(low.isna().sum())}
        )  # fmt: skip
    return make_table(
        pd.DataFrame(rows),
        "Radiomic features by the lower 95 % limit of the intraclass correlation",
        headings=HEADINGS,
        note=f"{FORMS_NOTE} Limits after Koo and Li (J Chiropr Med 2016).",
    )


def _lower_limit(table: pd.DataFrame, comparison: str) -> pd.Series:
    """Lower limit of the form that judges a comparison."""
    return table[f"{form_of(comparison)}_low"]


def _families(table: pd.DataFrame) -> HtmlTable:
    """How many features of each family are robust."""
    rows = []
    table = of_pooled_regions(table)
    family = table["feature"].map(family_of)
    keys = [table["comparison"], table["image"], table["roi"], family]
    for (comparison, image, roi, name), group in table.groupby(keys, sort=False):
        low = _lower_limit(group, str(comparison))
        about = {"comparison": COMPARISON_WORDS[comparison], "image": image, "roi": roi}
        counts = {f"≥ {least:.2f}": int((low >= least).sum()) for least in LEAST}
        rows.append({**about, "family": name, "Features": len(group), **counts})
    order = ["comparison", "image", "roi", "family"]
    return make_table(
        pd.DataFrame(rows).sort_values(order, kind="stable"),
        "Robust features of each family",
        headings=HEADINGS,
        note="Features whose lower 95 % limit reaches each value: a feature may count in several "
        f"columns. {FORMS_NOTE}",
    )
