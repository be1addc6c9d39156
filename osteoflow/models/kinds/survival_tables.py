"""Tables of an analysis of a time to event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.cox import fit_cox
from osteoflow.models.fitting import FittedModels
from osteoflow.models.kinds.assumptions import ASSUMPTION_COLUMNS
from osteoflow.models.kinds.performance import Held
from osteoflow.models.kinds.survival_measures import EVENT, MEDIAN, SCORE, TIME
from osteoflow.models.out_of_fold import Array, CrossValidated
from osteoflow.models.proportional_hazards import check_proportional_hazards
from osteoflow.statistics.intervals import Z95
from osteoflow.statistics.kaplan_meier import kaplan_meier, log_rank

CURVE_COLUMNS = (
    "model", "set", "group", "time", "at_risk", "events", "censored", "survival", "ci_low",
    "ci_high",
)  # fmt: skip
LOG_RANK_COLUMNS = (
    "model", "set", "n_lower", "events_lower", "n_higher", "events_higher", "median_lower",
    "median_higher", "hazard_ratio", "ci_low", "ci_high", "statistic", "df", "p", "method",
)  # fmt: skip
BASELINE_COLUMNS = ("model", "time", "cumulative_hazard")
_TREND = "score test of a trend over time (Grambsch and Therneau, Biometrika 1994;81:515)"
_MEDIAN_SPLIT = "score above the median of the training rows"


def groups_by_score(
    validated: CrossValidated, held: Held | None
) -> dict[tuple[str, str], tuple[Array, Array]]:
    """(Model, set) -> outcome and whether the score is above the training median (1) or not (0).

    In cross-validation a participant belongs where the mean over repeats of the score less the
    median of its own training part puts them, so that each counts once.
    """
    found = {}
    for model, prediction in validated.prediction.items():
        above = (prediction[:, :, SCORE] - prediction[:, :, MEDIAN]).mean(axis=0)
        found[model, "cv"] = (validated.outcome, (np.round(above, 12) > 0).astype(float))
        if held is not None:
            above = held[1][model][:, SCORE] - held[1][model][:, MEDIAN]
            found[model, "holdout"] = (held[0], (np.round(above, 12) > 0).astype(float))
    return found


def curves(groups: Mapping[tuple[str, str], tuple[Array, Array]]) -> pd.DataFrame:
    """Kaplan-Meier curves of lower and higher scores, a row for each distinct time."""
    parts = []
    for (model, part), (outcome, high) in groups.items():
        for name, member in (("lower", high == 0), ("higher", high == 1)):
            if not member.any():
                continue
            curve = kaplan_meier(outcome[member, TIME], outcome[member, EVENT])
            own = {
                "model": model, "set": part, "group": name, "time": curve.time,
                "at_risk": curve.at_risk, "events": curve.events, "censored": curve.censored,
                "survival": curve.survival, "ci_low": curve.low, "ci_high": curve.high,
            }  # fmt: skip
            parts.append(pd.DataFrame(own))
    return pd.concat(parts, ignore_index=True)[list(CURVE_COLUMNS)]


def log_ranks(groups: Mapping[tuple[str, str], tuple[Array, Array]]) -> pd.DataFrame:
    """Difference between lower and higher scores: log-rank test and hazard ratio.

    Groups of out-of-fold scores are not independent of the outcomes they are compared in (Simon et
    al., Brief Bioinform 2011;12:203), so that cross-validation has no test.
    """
    rows = []
    for (model, part), (outcome, high) in groups.items():
        time, event = outcome[:, TIME], outcome[:, EVENT]
        row: dict[str, Any] = {"model": model, "set": part, "method": _MEDIAN_SPLIT}
        for name, member in (("lower", high == 0), ("higher", high == 1)):
            row |= {f"n_{name}": int(member.sum()), f"events_{name}": int(event[member].sum())}
            if member.any():
                row[f"median_{name}"] = kaplan_meier(time[member], event[member]).median
        if len(np.unique(high)) < 2:
            row["method"] += "; not defined: all are in one group"
        elif part == "cv":
            row["method"] += "; none: out-of-fold scores of cross-validation have no such test"
        else:
            found = log_rank(time, event, high)
            row |= {"statistic": found.statistic, "df": found.df, "p": found.p}
            ratio = ratio_of(high[:, None], time, event, 1.0)
            row["method"] += f"; log-rank test; hazard ratio: {ratio.pop('method')}"
            row |= {name: ratio[name] for name in ("hazard_ratio", "ci_low", "ci_high")}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(LOG_RANK_COLUMNS))


def ratio_of(columns: Array, time: Array, event: Array, unit: float) -> dict[str, Any]:
    """Hazard ratio per ``unit`` of the first column in the Cox model of all, with Wald limits."""
    nan = float("nan")
    empty = {"hazard_ratio": nan, "ci_low": nan, "ci_high": nan, "p": nan}
    try:
        fit = fit_cox(columns, time, event)
    except (ArithmeticError, ValueError) as error:
        return empty | {"method": f"not defined: {error}"}
    if 0 in fit.dropped:
        return empty | {"method": "not defined: the score is constant"}
    value, error = unit * fit.coefficients[0], unit * fit.standard_errors[0]
    words = "Cox model, Wald limits"
    return {
        "hazard_ratio": float(np.exp(value)),
        "ci_low": float(np.exp(value - Z95 * error)),
        "ci_high": float(np.exp(value + Z95 * error)),
        "p": float(fit.p_values[0]),
        "method": words if fit.method == "efron" else f"{words}; ridge (monotone likelihood)",
    }


def proportional_hazards(
    models: Mapping[str, ColumnsModel], outcome: Array
) -> tuple[pd.DataFrame, list[str]]:
    """Tests of proportional hazards of each regression; warnings where p of all terms is < 0.05.

    Rows as those of :func:`osteoflow.models.kinds.assumptions.assumptions`, with the test
    ``proportional_hazards``.
    """
    rows: list[dict[str, Any]] = []
    warnings = []
    for name, model in models.items():
        fit, columns = model.regression_.fit, model.training_design_.to_numpy(dtype=float)
        about = {"model": name, "test": "proportional_hazards", "method": _TREND}
        try:
            found = check_proportional_hazards(fit, columns, outcome[:, TIME], outcome[:, EVENT])
        except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            rows.append(about | {"term": "", "method": f"{_TREND}; not defined: {error}"})
            continue
        for test in found:
            term = "" if test.place is None else model.terms_[test.place]
            rows.append(
                about | {"term": term, "statistic": test.statistic, "df": test.df, "p": test.p}
            )
        if found and found[-1].p < 0.05:
            warnings.append(
                f"{name} model: effects may change with time (test of proportional hazards, "
                f"p = {found[-1].p:.2g}), so that its hazard ratios are averages over follow-up"
            )
    return pd.DataFrame(rows, columns=list(ASSUMPTION_COLUMNS)), warnings


def baselines(final: FittedModels) -> pd.DataFrame:
    """Cumulative hazard of a score of 0 in each model: risk = 1 - exp(-hazard * exp(score))."""
    parts = []
    for name, model in final.models.items():
        if isinstance(model, ColumnsModel):
            fit = model.regression_.fit
            times, hazard = fit.times, fit.cumulative_hazard
        else:
            times, hazard = model.learner_.times_, model.learner_.cumulative_hazard_
        parts.append(pd.DataFrame({"model": name, "time": times, "cumulative_hazard": hazard}))
    return pd.concat(parts, ignore_index=True)[list(BASELINE_COLUMNS)]
