"""The rows, predictors and raters of one analysis, from the cohort's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.io.tables import feature_columns
from osteoflow.models.folds import AnalysisError
from osteoflow.models.outcome import check_predictors
from osteoflow.statistics.rules import evaluate_rule

if TYPE_CHECKING:
    from osteoflow.config import Analysis


@dataclass(frozen=True)
class Dataset:
    """What an analysis is fitted on.

    Attributes
    ----------
    table
        Clinical columns and features, one row per participant and session, sorted, indexed by
        ``participant_id|session``.
    outcome
        0/1, shape (n,).
    groups
        Participant of each row.
    held_out_by_rule
        True for rows that the hold-out rule names; None without a rule.
    features
        Radiomic columns of ``table``.
    second_rater
        The second rater's features, indexed like ``table``.
    roi
        Region the features come from.
    excluded
        ``{participant_id, reason}`` of rows that were left out.
    warnings
        Sentences for the report.
    """

    table: pd.DataFrame
    outcome: NDArray[np.float64]
    groups: NDArray[np.str_]
    held_out_by_rule: NDArray[np.bool_] | None
    features: list[str]
    second_rater: pd.DataFrame
    roi: str
    excluded: list[dict[str, str]]
    warnings: list[str] = field(default_factory=list)


def assemble(
    participants: pd.DataFrame, features: pd.DataFrame, analysis: Analysis, roi: str | None = None
) -> Dataset:
    """Rows of the participants with an outcome and features.

    Parameters
    ----------
    participants
        One row per participant (and session): identifiers, clinical and summary columns.
    features
        One row per participant, session, rater, region and image: feature columns.
    analysis
        Outcome, predictors and hold-out rule.
    roi
        Region; absent: the pooled trabecular region of the image (the one of several levels, or
        the only one).

    Raises
    ------
    AnalysisError
        If a predictor is refused, a column is unknown, or there is no row or region to use.
    """
    problems = check_predictors(analysis, participants.columns)
    if problems:
        raise AnalysisError("; ".join(problems))
    people = _keyed(participants)
    if not people.index.is_unique:
        twice = people.index[people.index.duplicated()][0]
        raise AnalysisError(f"the participants table has '{twice}' more than once")
    columns = {"image", "roi", "rater"} - set(features.columns)
    if features.empty or columns:
        raise AnalysisError("there are no radiomic features")
    of_image = _keyed(features[features["image"] == analysis.radiomics.image])
    if of_image.empty:
        raise AnalysisError(f"there are no radiomic features of image '{analysis.radiomics.image}'")
    roi = roi or pooled_region(of_image["roi"].unique().tolist())
    of_region = of_image[of_image["roi"] == roi]
    names = feature_columns(of_region.columns)
    raters = {}
    for rater in (1, 2):
        rows = of_region[of_region["rater"].astype(int) == rater]
        if not rows.index.is_unique:
            twice = rows.index[rows.index.duplicated()][0]
            raise AnalysisError(f"region '{roi}' of '{twice}' has features more than once")
        raters[rater] = rows
    # An all-missing feature row is the trace of a region that could not be analysed.
    first = raters[1][names].astype(float).dropna(how="all")

    try:
        outcome = evaluate_rule(analysis.outcome, people)
        held = (
            None if analysis.holdout_rule is None else evaluate_rule(analysis.holdout_rule, people)
        )
    except ValueError as error:
        raise AnalysisError(str(error)) from None
    reasons = pd.Series("", index=people.index, dtype=object)
    reasons[~people.index.isin(first.index)] = (
        f"no features of region {roi} in image {analysis.radiomics.image}"
    )
    if held is not None:
        reasons[held.isna()] = f"hold-out rule '{analysis.holdout_rule}' cannot be evaluated"
    reasons[outcome.isna()] = f"outcome '{analysis.outcome}' is missing"
    people = people.sort_index()
    reasons = reasons.loc[people.index]
    used = people.index[reasons == ""]
    if not len(used):
        raise AnalysisError("no participant has both the outcome and radiomic features")
    excluded = [
        {"participant_id": str(people.loc[key, "participant_id"]), "reason": str(reason)}
        for key, reason in reasons[reasons != ""].items()
    ]
    warnings = []
    if "flag" in raters[1].columns:
        flags = raters[1]["flag"].reindex(used).fillna("").astype(str)
        if (flags != "").any():
            kinds = ", ".join(sorted(set(flags[flags != ""])))
            warnings.append(f"{int((flags != '').sum())} feature rows in use are flagged: {kinds}")
    table = pd.concat([people.loc[used, list(analysis.clinical)], first.loc[used]], axis=1)
    second = raters[2][names].astype(float)
    return Dataset(
        table=table,
        outcome=outcome.loc[used].to_numpy(dtype=float),
        groups=people.loc[used, "participant_id"].astype(str).to_numpy(dtype=str),
        held_out_by_rule=None if held is None else (held.loc[used] == 1).to_numpy(),
        features=names,
        second_rater=second.loc[second.index.isin(used)].sort_index(),
        roi=roi,
        excluded=excluded,
        warnings=warnings,
    )


def pooled_region(regions: Sequence[str]) -> str:
    """The trabecular region that pools several levels, or the only region there is.

    Raises
    ------
    AnalysisError
        If there is not exactly one.
    """
    trabecular = sorted(name for name in regions if name.endswith("_trabecular"))
    pooled = [name for name in trabecular if not name.removesuffix("_trabecular").isalnum()]
    found = pooled or trabecular or sorted(regions)
    if len(found) != 1:
        raise AnalysisError(f"which region is meant is not clear: {', '.join(found)}")
    return found[0]


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """The table indexed by participant and session."""
    session = table["session"] if "session" in table.columns else pd.Series("", index=table.index)
    session = session.astype(object).where(session.notna(), "").astype(str)
    key = table["participant_id"].astype(str) + "|" + session
    return table.set_axis(pd.Index(key.to_numpy(dtype=object), name="key"), axis=0)
