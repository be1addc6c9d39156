"""The part of the study's report on one modelling analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from osteoflow.figures.model_tables import SET_NAMES, models_present, sets_present
from osteoflow.reports.html import HtmlTable, given, make_table
from osteoflow.reports.picture import ReportFigure
from osteoflow.wording import MEASURES, feature_name, quantity, quantity_estimate, sentence

TOP_FEATURES = 20


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
    if given(item.tables.get("comparisons")):
        tables.append(
            make_table(
                item.tables["comparisons"],
                "Differences in AUC between models",
                digits={"difference": 3, "ci_low": 3, "ci_high": 3},
            )
        )
    if given(item.tables.get("filters")):
        filters = item.tables["filters"]
        shown = filters.assign(step=filters["step"].astype(str).str.replace("_", " "))
        tables.append(make_table(shown, "Features through the steps (all training participants)"))
    if given(item.tables.get("selection")):
        tables.append(_selection(item.tables["selection"]))
        warnings += volume_notes(item.tables["selection"], item.volume)
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
        ``selection.tsv`` of the analysis.
    volume
        ``feature_volume.tsv``, rows of the analysis' image and region.
    """
    selected = set(selection.loc[selection["coefficient"] != 0, "feature"])
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


def _facts(summary: Mapping[str, Any], label: Callable[[str], str]) -> dict[str, str]:
    radiomics = summary.get("radiomics") or {}
    facts = {
        "Outcome": f"{summary.get('outcome_label', '')} ({summary.get('outcome', '')})",
        "Participants": f"{summary['n']} ({summary['n_events']} with the event)",
    }
    if summary.get("n_holdout"):
        facts["Hold-out"] = (
            f"{summary['n_holdout']} ({summary.get('n_events_holdout', 0)} with the event)"
        )
    if summary.get("clinical"):
        facts["Clinical predictors"] = ", ".join(label(name) for name in summary["clinical"])
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
            line = {"set": SET_NAMES[name], "metric": MEASURES.get(metric, metric)}
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
        headings={model: model.capitalize() for model in models},
        note=" ".join(
            sentence(f"{method}: {', '.join(places)}") for method, places in methods.items()
        ),
    )


def _selection(selection: pd.DataFrame) -> HtmlTable:
    used = selection[(selection["frequency"] > 0) | (selection["coefficient"] != 0)]
    order = used.assign(size=used["coefficient"].abs()).sort_values(
        ["frequency", "size", "feature"], ascending=[False, False, True]
    )
    top = order.drop(columns="size").head(TOP_FEATURES)
    rest = len(used) - len(top)
    note = "Share of the outer folds that select a feature; coefficient in the final model."
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
        "Selected radiomic features",
        note=note,
    )
