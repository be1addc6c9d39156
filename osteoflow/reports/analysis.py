"""The part of the study's report on one modelling analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from osteoflow.figures.model_tables import SET_NAMES, models_present, sets_present
from osteoflow.model_names import model_name
from osteoflow.reports.by_site import within_sites
from osteoflow.reports.html import HtmlTable, given, make_table
from osteoflow.reports.kinds import TABLES as KIND_TABLES
from osteoflow.reports.kinds import caption_of, kind_tables, sizes
from osteoflow.reports.model_checks import CHECK_TABLES, model_checks
from osteoflow.reports.picture import ReportFigure
from osteoflow.wording import feature_name, measure_name, quantity, quantity_estimate, sentence

TOP_FEATURES = 20


# Tables whose rows are models or pairs of them: caption, decimals.
_PAIRS = {
    "comparisons": (
        "Differences in AUC between models",
        {"difference": 3, "ci_low": 3, "ci_high": 3},
    ),
    "reclassification": (
        "Reclassification on the hold-out (category-free NRI, IDI)",
        {"value": 3, "standard_error": 3, "ci_low": 3, "ci_high": 3},
    ),
    "nested": ("Likelihood-ratio tests of nested models", {}),
    "optimism": (
        "Performance corrected for optimism",
        dict.fromkeys(("apparent", "optimism", "corrected", "ci_low", "ci_high"), 3),
    ),
}
ANALYSIS_TABLES = (
    "performance", "performance_by_site", *_PAIRS, *KIND_TABLES, *CHECK_TABLES, "filters",
    "selection",
)  # fmt: skip
# What the report leaves to the tables.
_LEFT_OUT = [
    "training", "test", "no_information", "overfitting", "weight", "n_defined", "n_resamples"
]  # fmt: skip
_PAIR_HEADINGS = {
    "model_new": "New model", "model_old": "Old model", "index": "Index",
    "standard_error": "SE", "smaller": "Smaller model", "larger": "Larger model",
    "added": "Terms added", "df": "df", "auc": "AUC", "apparent": "Apparent",
    "optimism": "Optimism", "corrected": "Corrected", "observed": "Observed",
}  # fmt: skip


@dataclass(frozen=True)
class AnalysisReport:
    """One modelling analysis; ``problem`` says why it was not possible, then all else is empty.

    ``volume`` holds the correlation of its image's features with their region's volume.
    """

    name: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Sequence[ReportFigure] = ()
    problem: str | None = None
    volume: pd.DataFrame | None = None


def describe_analysis(item: AnalysisReport, label: Callable[[str], str]) -> dict[str, Any]:
    """What the template shows of an analysis."""
    summary = item.summary
    warnings = [sentence(str(text)) for text in summary.get("warnings", [])]
    told = any("incorporation" in text.lower() for text in warnings)
    if summary.get("incorporation_bias") and not told:
        warnings.insert(
            0,
            "Incorporation bias: predictors come from the scan that defines the outcome. "
            "Performance here does not show how an independent test would do.",
        )
    tables = []
    performance = item.tables.get("performance")
    if given(performance):
        tables.append(_performance(performance, dict(summary)))
    if given(item.tables.get("performance_by_site")):
        tables.append(within_sites(item.tables["performance_by_site"]))
    tables += [
        _pairs(item.tables[name], caption_of(name, summary, caption), digits)
        for name, (caption, digits) in _PAIRS.items()
        if given(item.tables.get(name))
    ]
    tables += kind_tables(item.tables) + model_checks(item.tables)
    if given(item.tables.get("filters")):
        filters = item.tables["filters"]
        shown = filters.assign(step=filters["step"].astype(str).str.replace("_", " "))
        tables.append(make_table(shown, "Features through the steps (all training participants)"))
    if given(item.tables.get("selection")):
        selection = item.tables["selection"]
        names = list(dict.fromkeys(selection.get("model", [])))
        for name in names or [None]:
            tables.append(_selection(selection, name if len(names) > 1 else None))
        warnings += volume_notes(selection, item.volume)
    excluded = pd.DataFrame(summary.get("excluded", []))
    if len(excluded):
        excluded = excluded.rename(columns={"reason": "message"})
        tables.append(make_table(excluded, "Participants left out of this analysis"))
    return {
        "name": item.name.replace("_", " "),
        "id": item.name,
        "problem": sentence(item.problem) if item.problem else None,
        "facts": _facts(summary, label) if summary else {},
        "warnings": warnings,
        "figures": [figure.embed() for figure in item.figures],
        "tables": tables,
        "methods": {
            name.replace("_", " "): sentence(str(text))
            for name, text in dict(summary.get("methods", {})).items()
        },
    }


def volume_notes(selection: pd.DataFrame, volume: pd.DataFrame | None) -> list[str]:
    """Which features of the final model are confounded with the region's volume, in a sentence.

    Parameters
    ----------
    selection
        ``selection.tsv`` of the analysis; the first model in it counts.
    volume
        ``feature_volume.tsv``, rows of the analysis' images and regions (:func:`volume_rows`).
    """
    first = selection
    if "model" in selection.columns and len(selection):
        first = selection[selection["model"] == selection["model"].iloc[0]]
    selected = set(first.loc[first["coefficient"].fillna(0.0) != 0, "feature"])
    if not given(volume) or not selected:
        return []
    own = selected & set(volume["volume"])
    confounded = volume[volume["feature"].isin(selected) & (volume["volume_confounded"] == "yes")]
    names = [f"{feature_name(name)} (the volume itself)" for name in sorted(own)]
    names += [
        f"{feature_name(row.feature)} (rho {quantity('correlation', row.rho)})"
        for row in confounded.sort_values("feature").itertuples()
    ]
    if not names:
        return []
    return [
        f"{len(names)} of {len(selected)} selected features mostly tell the region's volume: "
        f"{', '.join(names)}. Compare the model with one of the volume alone."
    ]


def volume_rows(volume: pd.DataFrame, summary: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of ``feature_volume.tsv`` on an analysis' features, under the names they have there."""
    about = summary.get("radiomics") or {}
    regions = about.get("regions") or {}
    if not len(volume):
        return volume
    parts = []
    for image, roi in regions.items():
        mine = volume[(volume["image"] == image) & (volume["roi"] == roi)]
        if len(regions) > 1:
            named = {column: f"{image}:" + mine[column] for column in ("feature", "volume")}
            mine = mine.assign(**named)
        parts.append(mine)
    return pd.concat(parts, ignore_index=True) if parts else volume.iloc[:0]


def _facts(summary: Mapping[str, Any], label: Callable[[str], str]) -> dict[str, str]:
    radiomics = summary.get("radiomics") or {}
    facts = {
        "Outcome": f"{summary.get('outcome_label', '')} ({summary.get('outcome', '')})",
        **sizes(summary),
    }
    if summary.get("clinical"):
        facts["Clinical predictors"] = ", ".join(label(name) for name in summary["clinical"])
    if summary.get("measurements"):
        facts["Measurements"] = ", ".join(label(name) for name in summary["measurements"])
    if summary.get("baselines"):
        facts["Compared with"] = ", ".join(label(name) for name in summary["baselines"])
    if radiomics:
        facts["Radiomic predictors"] = (
            f"{radiomics.get('n_features', '')} features of {radiomics.get('image', '')} in "
            f"{str(radiomics.get('roi', '')).replace('_', ' ')}"
        )
    facts["Seed"] = str(summary.get("seed", ""))
    return facts


def _performance(performance: pd.DataFrame, summary: dict[str, Any]) -> HtmlTable:
    """Rows: set and measure; columns: models."""
    models = models_present(performance, summary)
    rows: list[dict[str, Any]] = []
    methods: dict[str, dict[str, None]] = {}
    for name in sets_present(performance):
        part = performance[performance["set"] == name]
        for metric in dict.fromkeys(part["metric"]):
            line = {"set": SET_NAMES[name], "metric": measure_name(metric)}
            for model in models:
                found = part[(part["metric"] == metric) & (part["model"] == model)]
                if found.empty:
                    line[model] = None
                    continue
                row = found.iloc[0]
                line[model] = quantity_estimate(metric, row["value"], row["ci_low"], row["ci_high"])
                if isinstance(row["method"], str) and row["method"]:
                    place = f"{line['metric']} ({SET_NAMES[name].lower()})"
                    methods.setdefault(row["method"], {})[place] = None
            rows.append(line)
    return make_table(
        pd.DataFrame(rows),
        "Performance (95 % interval)",
        headings={model: model_name(model) for model in models},
        note=" ".join(
            sentence(f"{method}: {', '.join(places)}") for method, places in methods.items()
        ),
    )


def _pairs(table: pd.DataFrame, caption: str, digits: Mapping[str, int]) -> HtmlTable:
    """A table whose rows are models or pairs of them."""
    if "optimism" in table.columns:
        table = table.drop(columns=_LEFT_OUT, errors="ignore")
    if "metric" in table.columns:
        said = table["metric"].map(measure_name)
        table = table.assign(metric=said)
    names = {
        column: table[column].map(model_name)
        for column in ("model", "model_a", "model_b", "model_new", "model_old", "smaller", "larger")
        if column in table.columns
    }
    shown = table.assign(**names)
    if "index" in shown.columns:
        shown["index"] = shown["index"].str.replace("_", ", ").str.replace("nri", "NRI")
        shown["index"] = shown["index"].str.replace("idi", "IDI")
    headings = dict(_PAIR_HEADINGS)
    if "metric" in shown.columns:
        headings["difference"] = "Difference"
    if "z" in shown.columns and shown["z"].isna().all():
        shown = shown.drop(columns="z")
    return make_table(shown, caption, headings=headings, digits=digits)


def _selection(selection: pd.DataFrame, model: str | None = None) -> HtmlTable:
    """The features most often used by one model; None: all rows are one model's."""
    if model is not None:
        selection = selection[selection["model"] == model]
    selection = selection.drop(columns="model", errors="ignore")
    chosen = selection["coefficient"].fillna(0.0) != 0
    used = selection[(selection["frequency"] > 0) | chosen]
    order = used.assign(size=used["coefficient"].abs()).sort_values(
        ["frequency", "size", "feature"], ascending=[False, False, True]
    )
    top = order.drop(columns="size").head(TOP_FEATURES)
    if top["coefficient"].isna().all():
        top = top.drop(columns="coefficient")
    rest = len(used) - len(top)
    note = "Share of the outer folds that select a feature; coefficient in the final model."
    if "coefficient" not in top.columns:
        note = "Share of the outer folds in which the filters leave a feature to the model."
    if rest:
        note += f" Selected at least once besides: {rest} (see selection.tsv)."
    never = len(selection) - len(used)
    if never:
        note += f" Never selected: {never}."
    return make_table(
        top.assign(
            feature=top["feature"].map(feature_name),
            frequency=[f"{quantity('share', share)} %" for share in top["frequency"]],
        ),
        "Selected radiomic features" + (f": {model_name(model)}" if model else ""),
        note=note,
    )
