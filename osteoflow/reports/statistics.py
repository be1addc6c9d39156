"""The report's tables of descriptive statistics and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.measurements import dictionary
from osteoflow.models.outcome import outcome_quantities
from osteoflow.models.quantity import DXA
from osteoflow.reports.html import HtmlTable, given, make_table
from osteoflow.statistics.reference_test import interval_warnings
from osteoflow.statistics.sessions import one_row_per_participant
from osteoflow.wording import (
    DASH,
    NOT_ESTIMABLE,
    count,
    p_number,
    quantity,
    quantity_estimate,
    sentence,
    unit_name,
)

FILES = (
    *("table1", "comparisons", "comparison_pairs", "correlations", "mixed_effects"),
    *("mixed_models", "measurement_roc", "measurement_cutoffs", "measurement_pairs"),
)
FDR = "p (FDR): adjusted by Benjamini and Hochberg's method within "
DIRECTIONS = {"higher": "higher values", "lower": "lower values"}


def read_statistics(folder: Path, label: Callable[[str], str]) -> list[HtmlTable]:
    """Tables of a study's statistics, from the folder they were written to.

    Parameters
    ----------
    folder
        ``results/statistics``.
    label
        Name of a column with its unit.
    """
    tables = {name: read_table(folder / f"{name}.tsv") for name in FILES}
    return statistics_tables(tables, read_json(folder / "table1.json"), label)


def outcome_warnings(outcomes: Iterable[str], participants: pd.DataFrame) -> list[str]:
    """What the report says of outcomes by DXA whose interval to the scan is not known.

    Parameters
    ----------
    outcomes
        Outcomes and groups that the study declares.
    participants
        The cohort's participants.
    """
    people, _ = one_row_per_participant(participants)
    resting = {outcome: DXA in outcome_quantities(outcome) for outcome in outcomes}
    return [sentence(text) for text in interval_warnings(resting, people)]


def statistics_tables(
    tables: Mapping[str, pd.DataFrame],
    about: Mapping[str, Any],
    label: Callable[[str], str] = str,
) -> list[HtmlTable]:
    """Tables for the report; those that a study has no rows of are left out.

    Parameters
    ----------
    tables
        Name (:data:`FILES`) -> table; others than these may be missing.
    about
        ``table1.json``.
    label
        Name of a column with its unit.
    """

    def of(name: str) -> pd.DataFrame | None:
        table = tables.get(name)
        return table if given(table) else None

    made: list[HtmlTable] = []
    if (table := of("table1")) is not None:
        made.append(_table1(table, about, label))
    if (table := of("comparisons")) is not None:
        made.append(_comparisons(table, label))
    if (table := of("comparison_pairs")) is not None:
        made.append(_pairs(table, label))
    if (table := of("correlations")) is not None:
        note = f"{FDR}this table."
        made.append(make_table(table, "Correlations", label=label, note=note))
    if (table := of("mixed_models")) is not None:
        effects = tables["mixed_effects"]
        made += [
            _mixed(row, effects[effects["name"] == row["name"]], label)
            for row in table.to_dict("records")
        ]
    if (table := of("measurement_roc")) is not None:
        for name in dict.fromkeys(table["name"]):
            parts = {
                key: tables[key][tables[key]["name"] == name]
                for key in ("measurement_roc", "measurement_cutoffs", "measurement_pairs")
            }
            made += _roc(name, parts, label)
    return made


def _table1(
    table: pd.DataFrame, about: Mapping[str, Any], label: Callable[[str], str]
) -> HtmlTable:
    """The first column of Table 1 is its row's name: without a heading of its own."""
    groups = [f"Groups: {about['group']}"] * bool(about.get("group"))
    note = " ".join(sentence(text) for text in [*groups, *about.get("notes", [])])
    return make_table(
        table,
        "Table 1: characteristics of the participants",
        label=label,
        digits={"smd": 2},
        note=note,
    )


def _estimates(table: pd.DataFrame, kind: str, value: str, low: str, high: str) -> list[str]:
    """Numbers with their limits by what they are; a dash where there is none."""
    rows = zip(table[value], table[low], table[high], strict=True)
    texts = [quantity_estimate(kind, *row) for row in rows]
    return [DASH if text == NOT_ESTIMABLE else text for text in texts]


def _own(table: pd.DataFrame, kind: str) -> list[str]:
    """Those of a column named as what it is, with its limits."""
    return _estimates(table, kind, kind, f"{kind}_low", f"{kind}_high")


def _words(table: pd.DataFrame, name: str) -> list[str]:
    return [value if isinstance(value, str) else "" for value in table[name]]


def _comparisons(table: pd.DataFrame, label: Callable[[str], str]) -> HtmlTable:
    """One cell for all groups of a row, so that three of them fit a page as well as two."""
    shown = pd.DataFrame(
        {
            "name": [
                name if name == group else f"{name}: {group}"
                for name, group in zip(table["name"], table["group"], strict=True)
            ],
            "variable": table["variable"],
            "groups": [_groups(row) for row in table.to_dict("records")],
            "test": table["test"],
            "statistic": table["statistic"],
            "p": table["p"],
            "p_fdr": table["p_fdr"],
            "effect": _own(table, "effect"),
            "effect_name": table["effect_name"],
            "note": _words(table, "note"),
        }
    )
    return make_table(
        shown if any(shown["note"]) else shown.drop(columns="note"),
        "Group comparisons",
        headings={"groups": "Groups", "effect": "Effect (95 %)"},
        label=label,
        note=f"{FDR}each comparison. Effects are of the first group less the second.",
    )


def _groups(row: Mapping[str, Any]) -> str:
    """Each group of a row with its size and summary."""
    found = []
    for key, level in row.items():
        place = key.removeprefix("group_")
        if key == place or level != level:  # no group of this row, which is NaN
            continue
        name = f"{level:g}" if isinstance(level, float) else str(level)
        found.append(f"{name} (n = {row[f'n_{place}']:.0f}) {row[f'summary_{place}']}")
    return "; ".join(found)


def _pairs(table: pd.DataFrame, label: Callable[[str], str]) -> HtmlTable:
    groups = zip(table["group_1"].astype(str), table["group_2"].astype(str), strict=True)
    shown = pd.DataFrame(
        {
            "name": table["name"],
            "variable": table["variable"],
            "pair": [f"{first} − {second}" for first, second in groups],
            "difference": _estimates(table, "", "difference", "ci_low", "ci_high"),
            "effect": _own(table, "effect"),
            "effect_name": table["effect_name"],
            "p": table["p"],
            "test": table["test"],
        }
    )
    return make_table(
        shown,
        "Pairs of groups, with 95 % intervals",
        headings={"pair": "Groups", "difference": "Difference", "p": "p (adjusted)"},
        label=label,
        note="Differences of means with simultaneous intervals, after Dunn's test of mean ranks; "
        "p adjusted over the pairs of each variable by the test named. Effect sizes have intervals "
        "of their own.",
    )


def _mixed(row: Mapping[str, Any], effects: pd.DataFrame, label: Callable[[str], str]) -> HtmlTable:
    """One mixed model: its effects, and what it rests on as a note."""
    unit, metric = unit_name(row["unit"]), dictionary()[row["metric"]]["label"]
    shown = pd.DataFrame(
        {
            "term": ["Intercept" if t == "intercept" else _term(t, label) for t in effects["term"]],
            "contrast": [text.replace("all", "all levels") for text in _words(effects, "contrast")],
            "estimate": _estimates(effects, "", "estimate", "ci_low", "ci_high"),
            "test": effects["test"],
            "statistic": effects["statistic"],
            "df_error": effects["df_error"],
            "p": effects["p"],
        }
    )
    facts = [
        f"{row['n_observations']:.0f} vertebrae of {row['n_participants']:.0f} participants",
        *_counted(row, "n_without_measurement", "participant", " without the measurement"),
        *_counted(row, "n_without_fixed", "participant", " without a fixed effect's value"),
        *_counted(row, "n_levels_left_out", "level", " left out as not intact"),
    ]
    note = f"{row['method']}; {', '.join(facts)}."
    if pd.notna(row["icc"]):
        note += (
            f" Variance between participants {quantity('', row['variance_participant'])}, "
            f"residual {quantity('', row['variance_residual'])}; ICC "
            f"{quantity_estimate('icc', row['icc'], row['icc_low'], row['icc_high'])}."
        )
    if isinstance(row["note"], str) and row["note"]:
        note += f" {sentence(row['note'])}"
    return make_table(
        shown,
        f"Mixed model “{row['name']}”: {metric}{f' ({unit})' if unit else ''}",
        headings={"term": "Effect", "contrast": "", "estimate": "Estimate (95 %)",
                  "df_error": "df"},
        note=note,
    )  # fmt: skip


def _term(term: str, label: Callable[[str], str]) -> str:
    return "Level" if term == "level" else label(term)


def _counted(row: Mapping[str, Any], key: str, noun: str, words: str) -> list[str]:
    return [count(int(row[key]), noun) + words] * bool(row[key] > 0)


def _roc(
    name: str, parts: Mapping[str, pd.DataFrame], label: Callable[[str], str]
) -> list[HtmlTable]:
    """Areas, cut-offs and differences of one ROC analysis."""
    roc, cutoffs, pairs = parts.values()
    outcome = roc["outcome"].iloc[0]
    areas = pd.DataFrame(
        {
            "variable": roc["measurement"],
            "direction": [DIRECTIONS[word] for word in roc["direction"]],
            "n": roc["n"],
            "n_events": roc["n_events"],
            "auc": _own(roc, "auc"),
            "p": roc["p"],
            "p_fdr": roc["p_fdr"],
            "note": _words(roc, "note"),
        }
    )
    made = [
        make_table(
            areas,
            f"ROC analysis “{name}”: {outcome}",
            headings={
                "direction": "Speak for the event",
                "n_events": "Events",
                "auc": "AUC (95 %)",
                "note": "Note",
            },
            label=label,
            note="Intervals by DeLong's method; p of the Mann-Whitney test that the area is 0.5. "
            f"{FDR}this table.",
        )
    ]
    if len(cutoffs):
        made.append(_cutoffs(name, cutoffs, label))
    if len(pairs):
        shown = pd.DataFrame(
            {
                "x": pairs["measurement_a"],
                "y": pairs["measurement_b"],
                "n": pairs["n"],
                "difference": _estimates(pairs, "auc", "difference", "ci_low", "ci_high"),
                "p": pairs["p"],
                "p_holm": [p_number(p) for p in pairs["p_holm"]],
            }
        )  # fmt: skip
        made.append(
            make_table(
                shown,
                f"Differences of areas, “{name}”",
                headings={"x": "Measurement", "y": "less", "difference": "Difference (95 %)",
                          "p_holm": "p (Holm)"},
                label=label,
                note="DeLong's paired test among participants who have both.",
            )
        )  # fmt: skip
    return made


def _cutoffs(name: str, table: pd.DataFrame, label: Callable[[str], str]) -> HtmlTable:
    def called(row: Mapping[str, Any]) -> str:
        if pd.isna(row["cutoff"]):
            return DASH
        sign = {"<=": "≤", ">=": "≥"}.get(row["event_if"], row["event_if"])
        return f"{sign} {quantity('', row['cutoff'])}"

    corrected = [
        f"{quantity('sensitivity', a)} and {quantity('specificity', b)}" if pd.notna(a) else ""
        for a, b in zip(table["sensitivity_corrected"], table["specificity_corrected"], strict=True)
    ]
    shown = pd.DataFrame(
        {
            "variable": table["measurement"],
            "cutoff": [called(row) for row in table.to_dict("records")],
            "sensitivity": _own(table, "sensitivity"),
            "specificity": _own(table, "specificity"),
            "corrected": corrected,
            "ppv": _own(table, "ppv"),
            "npv": _own(table, "npv"),
            "source": [
                f"{source} ({note})" if note else source
                for source, note in zip(table["source"], _words(table, "note"), strict=True)
            ],
        }
    )
    prevalence = table["prevalence"].dropna()
    same = len(prevalence) > 0 and (prevalence == prevalence.iloc[0]).all()
    at = (
        f"a prevalence of {quantity('share', prevalence.iloc[0])} %"
        if same
        else "the data's prevalence"
    )
    return make_table(
        shown,
        f"Cut-offs, “{name}”",
        headings={
            "cutoff": "Event if",
            "sensitivity": "Sensitivity, % (95 %)",
            "specificity": "Specificity, % (95 %)",
            "corrected": "Both, %, less optimism",
            "ppv": "PPV, % (95 %)",
            "npv": "NPV, % (95 %)",
            "source": "Cut-off from",
        },
        label=label,
        note=f"Predictive values at {at}. A cut-off found in the same data "
        "flatters itself: “less optimism” takes off what resampled participants show of it.",
    )
