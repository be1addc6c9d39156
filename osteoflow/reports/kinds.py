"""What the report shows of analyses whose outcome is not binary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from osteoflow.figures.model_tables import SET_NAMES
from osteoflow.model_names import model_name
from osteoflow.reports.html import HtmlTable, given, make_table
from osteoflow.wording import count, mean_sd, quantity_estimate

TABLES = ("assumptions", "confusion", "log_rank", "hazard_ratios")
_CAPTIONS = {
    "comparisons": "Differences between models",
    "nested": "Tests of nested models",
    "permutations": "Cross-validated performance with permuted outcomes",
}
_TESTS = {
    "brant": "Brant",
    "multinomial": "Against the multinomial model",
    "equal_variance": "Equal variance",
    "proportional_hazards": "Proportional hazards",
}


def caption_of(table: str, summary: Mapping[str, Any], binary: str) -> str:
    """Caption of a table; that of binary outcomes speaks of AUCs."""
    if summary.get("kind", "binary") == "binary":
        return binary
    return _CAPTIONS.get(table, binary)


def sizes(summary: Mapping[str, Any]) -> dict[str, str]:
    """Rows of facts on participants and hold-out; of events where there are events."""
    found = {"Participants": _size(summary, "n", "")}
    if summary.get("n_holdout"):
        found["Hold-out"] = _size(summary, "n_holdout", "_holdout")
    return found


def _size(summary: Mapping[str, Any], key: str, ending: str) -> str:
    parts = []
    if f"n_events{ending}" in summary:
        parts.append(f"{summary[f'n_events{ending}']} with the event")
    parts += [f"{n} {name}" for name, n in summary.get(f"classes{ending}", {}).items()]
    if summary.get(f"outcome_mean{ending}") is not None:
        mean, sd = summary[f"outcome_mean{ending}"], summary.get(f"outcome_sd{ending}")
        parts.append(f"mean {mean_sd(mean, sd)}")
    return f"{summary[key]} ({', '.join(parts)})" if parts else str(summary[key])


def kind_tables(tables: Mapping[str, pd.DataFrame]) -> list[HtmlTable]:
    """Checks of what the models presume, confusion of classes, groups and hazard ratios."""
    found = []
    if given(tables.get("assumptions")):
        checks = tables["assumptions"]
        shown = checks.assign(
            model=checks["model"].map(model_name),
            test=checks["test"].map(lambda name: _TESTS.get(name, name)),
            term=checks["term"].fillna("").replace("", "all together"),
        )
        found.append(
            make_table(
                shown,
                "Checks of what the models presume (training data)",
                headings={"test": "Check", "term": "Term", "statistic": "Statistic", "df": "df"},
                digits={"statistic": 2},
            )
        )
    if given(tables.get("confusion")):
        found.append(_confusion(tables["confusion"]))
    if given(tables.get("log_rank")):
        found.append(_groups(tables["log_rank"]))
    if given(tables.get("hazard_ratios")):
        found.append(_hazard_ratios(tables["hazard_ratios"]))
    return found


def _ratio(table: pd.DataFrame) -> pd.Series:
    """Hazard ratios with their intervals as texts."""
    columns = zip(table["hazard_ratio"], table["ci_low"], table["ci_high"], strict=True)
    texts = ["" if pd.isna(row[0]) else quantity_estimate("hazard_ratio", *row) for row in columns]
    return pd.Series(texts, table.index, dtype=object)


def _groups(log_rank: pd.DataFrame) -> HtmlTable:
    """Participants with lower and higher scores."""
    shown = pd.DataFrame(
        {
            "model": log_rank["model"].map(model_name),
            "set": log_rank["set"].map(SET_NAMES),
            "lower": _of_group(log_rank, "lower"),
            "higher": _of_group(log_rank, "higher"),
            "ratio": _ratio(log_rank),
            "p": log_rank["p"],
        }
    )
    return make_table(
        shown,
        "Time to the event by score, lower and higher than the median of the training rows",
        headings={
            "lower": "Lower score: events", "higher": "Higher score: events",
            "ratio": "Hazard ratio, higher score (95 % interval)", "p": "p, log-rank",
        },
        note="Groups of out-of-fold scores have no valid log-rank test.",
    )  # fmt: skip


def _of_group(log_rank: pd.DataFrame, name: str) -> list[str]:
    counts = zip(log_rank[f"events_{name}"], log_rank[f"n_{name}"], strict=True)
    return [f"{int(events)} of {int(n)}" for events, n in counts]


def _hazard_ratios(ratios: pd.DataFrame) -> HtmlTable:
    """What the scores are worth, per standard deviation and per point."""
    keys = ["model", "set", "adjusted_for"]
    table = ratios.assign(adjusted_for=ratios["adjusted_for"].fillna(""), text=_ratio(ratios))
    rows = []
    for (model, part, adjusted), own in table.groupby(keys, sort=False):
        by_scale = own.set_index("scale")
        rows.append(
            {
                "model": model_name(model),
                "set": "Training (cross-fitted)" if part == "training" else SET_NAMES[part],
                "adjusted": adjusted.replace("_", " ") or "nothing",
                "sd": by_scale.loc["per_sd", "text"],
                "point": by_scale.loc["per_point", "text"],
                "p": by_scale.loc["per_sd", "p"],
            }
        )
    return make_table(
        pd.DataFrame(rows),
        "Hazard ratios of the models' scores",
        headings={
            "adjusted": "Adjusted for", "sd": "Per SD (95 % interval)",
            "point": "Per point (95 % interval)",
        },
        note="SD: of the score in the training data. Scores are log hazards: per point, a well "
        "calibrated model has 2.72 on the hold-out.",
    )  # fmt: skip


def _confusion(confusion: pd.DataFrame) -> HtmlTable:
    """Observed against predicted classes of the last model, on the hold-out if there is one."""
    model = str(confusion["model"].iloc[-1])
    part = "holdout" if (confusion["set"] == "holdout").any() else "cv"
    rows = confusion[(confusion["model"] == model) & (confusion["set"] == part)]
    order = list(dict.fromkeys(rows["observed"]))
    table = rows.pivot_table(index="observed", columns="predicted", values="n", aggfunc="mean")
    table = table.reindex(index=order, columns=order).reset_index()
    n_repeats = rows["repeat"].nunique()
    where = "hold-out"
    if part == "cv":
        where = f"cross-validation, mean over {count(n_repeats, 'repeat')}"
    return make_table(
        table,
        f"Observed (rows) and predicted classes, {model_name(model)} model ({where})",
        headings={"observed": "Observed", **{name: str(name) for name in order}},
        digits={} if part == "holdout" else dict.fromkeys(order, 1),
    )
