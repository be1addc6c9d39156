"""What the report shows of analyses whose outcome is not binary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from osteoflow.figures.model_names import model_name
from osteoflow.reports.html import HtmlTable, given, make_table
from osteoflow.wording import count, mean_sd

TABLES = ("assumptions", "confusion")
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
    """Checks of what the models presume, and the confusion of ordered classes on the hold-out."""
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
    return found


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
