"""Single measurements as tests of an outcome: ROC curves, cut-offs, differences of areas.

Nothing is fitted but the cut-off that Youden's index finds, whose optimism is stated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from osteoflow.models.outcome import (
    IDENTIFIERS,
    defining_predictors,
    incorporation_bias,
)
from osteoflow.models.published import class_scheme, published_cutoffs, unmet_conditions
from osteoflow.models.quantity import DXA, HU, MUSCLE_HU, VBMD, quantities
from osteoflow.statistics.rules import columns_in_rule, unknown_column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from osteoflow.settings.cohort import Summary
    from osteoflow.settings.statistics import MeasurementRoc

# Quantities of which lower values speak for weak bone. R2* falls with the trabeculae, T2* rises.
_LOWER = frozenset({VBMD, HU, MUSCLE_HU, DXA})
MIN_CLASS = 2
ROC_COLUMNS = (
    *("name", "outcome", "measurement", "direction", "n", "n_events", "n_left_out"),
    *("auc", "auc_low", "auc_high", "p", "p_fdr", "note"),
)
CUTOFF_COLUMNS = (
    *("name", "outcome", "measurement", "event_if", "cutoff", "unit", "source", "n"),
    *("sensitivity", "sensitivity_low", "sensitivity_high"),
    *("specificity", "specificity_low", "specificity_high"),
    *("ppv", "ppv_low", "ppv_high", "npv", "npv_low", "npv_high", "prevalence"),
    *("cutoff_low", "cutoff_high", "sensitivity_corrected", "specificity_corrected", "note"),
)
PAIR_COLUMNS = (
    *("name", "outcome", "measurement_a", "measurement_b", "n", "n_events", "auc_a", "auc_b"),
    *("difference", "ci_low", "ci_high", "z", "p", "p_holm", "note"),
)
POINT_COLUMNS = ("name", "measurement", "fpr", "tpr", "threshold")
YOUDEN = "Youden's index in the same data (optimistic)"


def roc_problems(items: Iterable[MeasurementRoc], columns: Iterable[str]) -> list[str]:
    """Mistakes of declared ROC analyses, each in a sentence: unknown columns, measurements that
    define the outcome.

    Parameters
    ----------
    items
        What the study declares.
    columns
        Known columns of the participants table.
    """
    known, problems = list(columns), []
    for item in items:
        place = f"statistics.measurement_roc.{item.name}"
        try:
            used = columns_in_rule(item.outcome)
        except ValueError as error:
            problems.append(f"{place}.outcome: {error}")
            continue
        for key, names in (("outcome", used), ("measurements", item.measurements)):
            problems += [
                f"{place}.{key}: {unknown_column(name, known)}"
                for name in names
                if name not in known
            ]
        problems += [
            f"{place}.measurements: '{name}' defines the outcome '{item.outcome}' and cannot be "
            "tested against it"
            for name in defining_predictors(item.outcome, item.measurements)
        ]
        problems += [
            f"{place}.measurements: '{name}' identifies participants"
            for name in item.measurements
            if name in IDENTIFIERS
        ]
    return problems


def direction_of(item: MeasurementRoc, column: str) -> str:
    """``higher`` or ``lower``: which values of a measurement speak for the event."""
    if column in item.direction:
        return item.direction[column]
    words = column.lower().replace("-", "_").split("_")
    return "lower" if quantities(column) & _LOWER or "r2star" in words else "higher"


def measurement_roc_tables(
    people: pd.DataFrame,
    items: Sequence[MeasurementRoc],
    summaries: Sequence[Summary],
    units: Mapping[str, str],
    seed: int,
    methods: Mapping[str, str] | None = None,
) -> dict[str, pd.DataFrame]:
    """All declared ROC analyses.

    Parameters
    ----------
    people
        One row per participant.
    items
        What the study declares.
    summaries
        Measured columns: they tell which published cut-offs hold.
    units
        Unit of each column.
    seed
        Of the bootstrap behind cut-offs.
    methods
        How each measured column was made (:func:`osteoflow.models.published.methods_of`).

    Returns
    -------
    dict
        ``roc`` (:data:`ROC_COLUMNS`: area with DeLong's limits, p of the Mann-Whitney test that it
        is 0.5, adjusted over the measurements of one outcome), ``cutoffs``
        (:data:`CUTOFF_COLUMNS`), ``pairs`` (:data:`PAIR_COLUMNS`: DeLong's paired test among those
        with both measurements, Holm-adjusted) and ``points`` (:data:`POINT_COLUMNS`). What cannot
        be computed has its reason in ``note``.

    Raises
    ------
    ValueError
        For unknown columns, text, or a measurement that defines the outcome.
    """
    import pandas as pd

    from osteoflow.statistics.intervals import benjamini_hochberg, holm
    from osteoflow.statistics.rules import evaluate_rule

    problems = roc_problems(items, people.columns)
    if problems:
        raise ValueError("; ".join(problems))
    kinds = ("roc", "cutoffs", "pairs", "points")
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for item in items:
        outcome = evaluate_rule(item.outcome, people)
        scores = {name: _score(people, item, name) for name in item.measurements}
        found = [_roc_row(item, name, outcome, scores[name]) for name in item.measurements]
        for row, adjusted in zip(found, benjamini_hochberg([r["p"] for r in found]), strict=True):
            row["p_fdr"] = adjusted
        rows["roc"] += found
        for name in item.measurements:
            known = outcome.notna() & scores[name].notna()
            event, score = outcome[known].to_numpy() == 1, scores[name][known].to_numpy()
            if min(event.sum(), (~event).sum()) < MIN_CLASS:
                continue
            rows["points"] += _points(item, name, event, score)
            scheme, unit = class_scheme(name, summaries), units.get(name, "")
            note = unmet_conditions(scheme, people[known], (methods or {}).get(name, ""))
            published = [(*each, note) for each in published_cutoffs(scheme, unit)]
            rows["cutoffs"] += _cutoff_rows(item, name, event, score, published, unit, seed)
        pairs = [_pair_row(item, a, b, outcome, scores) for a, b in combinations(scores, 2)]
        for row, adjusted in zip(pairs, holm([r["p"] for r in pairs]), strict=True):
            row["p_holm"] = adjusted
        rows["pairs"] += pairs
    columns = {
        "roc": ROC_COLUMNS,
        "cutoffs": CUTOFF_COLUMNS,
        "pairs": PAIR_COLUMNS,
        "points": POINT_COLUMNS,
    }
    return {key: pd.DataFrame(rows[key], columns=list(columns[key])) for key in rows}


def _score(people: pd.DataFrame, item: MeasurementRoc, name: str) -> pd.Series:
    """A measurement turned so that higher values mean the event."""
    from osteoflow.statistics.comparison import numeric_column

    values = numeric_column(people, name)
    # An infinite value is none: its rank would count, but no cut-off lies beside it.
    values = values.where(values.abs() < math.inf)
    return -values if direction_of(item, name) == "lower" else values


def _roc_row(
    item: MeasurementRoc, name: str, outcome: pd.Series, score: pd.Series
) -> dict[str, Any]:
    from scipy.stats import mannwhitneyu

    from osteoflow.statistics.roc import auc_interval

    known = outcome.notna() & score.notna()
    event, values = outcome[known].to_numpy() == 1, score[known].to_numpy()
    notes = incorporation_bias(item.outcome, [name], [])
    row: dict[str, Any] = {
        "name": item.name,
        "outcome": item.outcome,
        "measurement": name,
        "direction": direction_of(item, name),
        "n": len(event),
        "n_events": int(event.sum()),
        "n_left_out": int((~known).sum()),
        **dict.fromkeys(("auc", "auc_low", "auc_high", "p"), float("nan")),
    }
    if min(event.sum(), (~event).sum()) < MIN_CLASS:
        return row | {"note": f"fewer than {MIN_CLASS} with or without the event"}
    found = auc_interval(event.astype(float), values)
    row |= {"auc": found.auc, "auc_low": found.low, "auc_high": found.high}
    if values.max() > values.min():
        row["p"] = float(mannwhitneyu(values[event], values[~event]).pvalue)
    else:
        notes.append("the measurement does not vary")
    if not found.variance > 0 and values.max() > values.min():
        notes.append("no overlap: DeLong's variance is 0 and gives no limits")
    if found.auc < 0.5:
        notes.append("area below 0.5: the data speak against the declared direction")
    return row | {"note": "; ".join(notes)}


def _points(
    item: MeasurementRoc, name: str, event: np.ndarray, score: np.ndarray
) -> list[dict[str, Any]]:
    from osteoflow.statistics.roc import roc_points

    points = roc_points(event.astype(float), score)
    turn = -1.0 if direction_of(item, name) == "lower" else 1.0
    return [
        {"name": item.name, "measurement": name, "fpr": x, "tpr": y, "threshold": turn * cut}
        for x, y, cut in zip(points.fpr, points.tpr, points.threshold, strict=True)
    ]


def _cutoff_rows(
    item: MeasurementRoc,
    name: str,
    event: np.ndarray,
    score: np.ndarray,
    published: Sequence[tuple[float, bool, str, str]],
    unit: str,
    seed: int,
) -> list[dict[str, Any]]:
    """Youden's cut-off with its correction, then published and declared ones."""
    import numpy as np

    from osteoflow.statistics.cutoffs import at_cutoff, corrected_youden

    lower = direction_of(item, name) == "lower"
    values = -score if lower else score

    def row(cutoff: float, inclusive: bool, source: str, **more: Any) -> dict[str, Any]:
        if lower:
            called = values <= cutoff if inclusive else values < cutoff
        else:
            called = values >= cutoff if inclusive else values > cutoff
        found = at_cutoff(called, event, item.prevalence)
        cells: dict[str, Any] = {
            "name": item.name,
            "outcome": item.outcome,
            "measurement": name,
            "event_if": ("<" if lower else ">") + ("=" if inclusive else ""),
            "cutoff": cutoff,
            "unit": unit,
            "source": source,
            "n": len(event),
            "prevalence": event.mean() if item.prevalence is None else item.prevalence,
            "note": "",
        }
        for key in ("sensitivity", "specificity", "ppv", "npv"):
            share = getattr(found, key)
            cells |= {key: share.value, f"{key}_low": share.low, f"{key}_high": share.high}
        return cells | more

    rows = []
    cut, corrected = corrected_youden(event, score, item.bootstraps, seed)
    if np.isfinite(cut):
        limits = corrected.low, corrected.high
        low, high = sorted(-limit for limit in limits) if lower else limits
        more = {"cutoff_low": low, "cutoff_high": high}
        more |= {"sensitivity_corrected": corrected.sensitivity}
        more |= {"specificity_corrected": corrected.specificity}
        rows.append(row(-cut if lower else cut, True, YOUDEN, **more))
    else:
        empty = {"name": item.name, "outcome": item.outcome, "measurement": name, "unit": unit}
        note = "no cut-off tells more than chance"
        rows.append({**empty, "source": YOUDEN, "n": len(event), "note": note})
    if lower:
        rows += [row(*each, note=note) for *each, note in published]
    rows += [row(cutoff, True, "declared by the study") for cutoff in item.cutoffs.get(name, [])]
    return rows


def _pair_row(
    item: MeasurementRoc, a: str, b: str, outcome: pd.Series, scores: Mapping[str, pd.Series]
) -> dict[str, Any]:
    from osteoflow.statistics.roc import auc, compare_paired

    known = outcome.notna() & scores[a].notna() & scores[b].notna()
    event = outcome[known].to_numpy() == 1
    row: dict[str, Any] = {
        "name": item.name,
        "outcome": item.outcome,
        "measurement_a": a,
        "measurement_b": b,
        "n": len(event),
        "n_events": int(event.sum()),
        "p": float("nan"),
        "note": "",
    }
    if min(event.sum(), (~event).sum()) < MIN_CLASS:
        return row | {"note": f"fewer than {MIN_CLASS} with or without the event have both"}
    first, second = (scores[name][known].to_numpy() for name in (a, b))
    found = compare_paired(event.astype(float), first, second)
    return row | {
        "auc_a": auc(event.astype(float), first),
        "auc_b": auc(event.astype(float), second),
        "difference": found.difference,
        "ci_low": found.low,
        "ci_high": found.high,
        "z": found.statistic,
        "p": found.p,
        "note": "" if math.isfinite(found.p) else "the difference has no variance",
    }
