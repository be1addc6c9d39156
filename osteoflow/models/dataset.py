"""The rows, predictors and raters of one analysis, from the cohort's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.io.tables import PERTURBED_KEYS, feature_columns, of_reading
from osteoflow.models.folds import AnalysisError
from osteoflow.models.outcome import check_predictors
from osteoflow.models.repeated import RepeatedFeatures, repeated_features
from osteoflow.models.voxel_sizes import voxel_warnings
from osteoflow.statistics.readings import PERTURBATION
from osteoflow.statistics.rules import evaluate_rule, holds_numbers
from osteoflow.statistics.sessions import (
    one_row_per_participant,
    session_keys,
    session_names,
)

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

# How a feature row's flag begins that names the levels its pooled region lacks ("missing:L2+L3"):
# not outlined, or left out of the cohort.
_MISSING_LEVELS = ("missing:", "left_out:")


@dataclass(frozen=True)
class Dataset:
    """What an analysis is fitted on.

    Attributes
    ----------
    table
        Clinical columns and features, one row per participant, sorted, indexed by
        ``participant_id|session``.
    outcome
        0/1, shape (n,).
    groups
        Participant of each row.
    held_out_by_rule
        True for rows that the hold-out rule names; None without a rule.
    features
        Radiomic columns of ``table``.
    repeated
        Comparison -> features of the complete region that were read again, indexed like ``table``
        (or of the reliability set); None where there are none.
    roi
        Region the features come from.
    excluded
        ``{participant_id, reason}`` of rows that were left out: later sessions of participants,
        and participants who lack what the analysis needs.
    warnings
        Sentences for the report.
    """

    table: pd.DataFrame
    outcome: NDArray[np.float64]
    groups: NDArray[np.str_]
    held_out_by_rule: NDArray[np.bool_] | None
    features: list[str]
    repeated: dict[str, RepeatedFeatures | None]
    roi: str
    excluded: list[dict[str, str]]
    warnings: list[str] = field(default_factory=list)


def assemble(
    participants: pd.DataFrame,
    features: pd.DataFrame,
    analysis: Analysis,
    roi: str | None = None,
    repeat_sessions: Sequence[Sequence[str]] = (),
    perturbed: pd.DataFrame | None = None,
) -> Dataset:
    """One row per participant with an outcome and the features of a complete region.

    Parameters
    ----------
    participants
        One row per participant (and session): identifiers, clinical and summary columns. Of
        several sessions the first in the table is used.
    features
        One row per participant, session, rater, region and image: feature columns.
    analysis
        Outcome, predictors and hold-out rule.
    roi
        Region; absent: the pooled trabecular region of the image (the one of several levels, or
        the only one).
    repeat_sessions
        Sessions that are repeated scans of each other, for the reliability filter.
    perturbed
        Features of perturbed images, for the reliability filter: as ``features``, with the column
        ``perturbation``.

    Raises
    ------
    AnalysisError
        If a predictor is refused, a column is unknown or infinite, or there is no row or region
        to use.
    """
    problems = check_predictors(analysis, participants.columns)
    if problems:
        raise AnalysisError("; ".join(problems))
    sessions = _keyed(participants)
    if not sessions.index.is_unique:
        twice = sessions.index[sessions.index.duplicated()][0]
        raise AnalysisError(f"the participants table has '{twice}' more than once")
    people, warnings = one_row_per_participant(sessions)
    people = people.sort_index()
    roi, region = _region_rows(features, analysis.radiomics.image, roi)
    of_first = of_reading(region)
    if not of_first.index.is_unique:
        twice = of_first.index[of_first.index.duplicated()][0]
        raise AnalysisError(f"region '{roi}' of '{twice}' has features more than once")
    absent = _absent_levels(of_first)
    # An all-missing feature row is the trace of a region that could not be analysed; an all-missing
    # column is a feature of other images.
    first = _finite(of_first).dropna(how="all").dropna(axis=1, how="all")

    try:
        outcome = evaluate_rule(analysis.outcome, people)
        held = (
            None if analysis.holdout_rule is None else evaluate_rule(analysis.holdout_rule, people)
        )
        rule = analysis.radiomics.reliability_set
        apart = None if rule is None else evaluate_rule(rule, people)
    except ValueError as error:
        raise AnalysisError(str(error)) from None
    reasons = pd.Series("", index=people.index, dtype=object)
    reasons[~people.index.isin(first.index)] = (
        f"no features of region {roi} in image {analysis.radiomics.image}"
    )
    for key, levels in absent[absent != ""].items():
        if key in reasons.index:
            reasons[key] = f"region {roi} lacks {levels} in image {analysis.radiomics.image}"
    if held is not None:
        reasons[held.isna()] = f"hold-out rule '{analysis.holdout_rule}' cannot be evaluated"
    reasons[outcome.isna()] = f"outcome '{analysis.outcome}' is missing"
    if apart is not None:
        if not (apart == 1).any():
            raise AnalysisError(f"the reliability set '{rule}' names nobody")
        reasons[apart.isna()] = f"reliability set '{rule}' cannot be evaluated"
        reasons[apart == 1] = f"of the reliability set '{rule}', which is not modelled"
    used = people.index[reasons == ""]
    if not len(used):
        counts = reasons.value_counts().sort_index()
        raise AnalysisError(
            "no participant has both the outcome and radiomic features ("
            + "; ".join(f"{reason}: {n}" for reason, n in counts.items())
            + ")"
        )
    excluded = _later_sessions(sessions, people) + [
        {"participant_id": str(people.loc[key, "participant_id"]), "reason": str(reason)}
        for key, reason in reasons[reasons != ""].items()
    ]
    for name in analysis.clinical:
        if holds_numbers(people[name]) and np.isinf(people.loc[used, name].astype(float)).any():
            raise AnalysisError(f"clinical column '{name}' has infinite values")
    warnings += _flag_warnings(of_first.loc[used]) + voxel_warnings(of_first.loc[used])
    # Whose features were read again: those modelled, or those who serve that alone.
    readers = people.loc[used if apart is None else people.index[apart == 1]]
    rows = pd.Series(readers.index, index=readers["participant_id"].astype(str))
    repeated = {}
    for comparison in analysis.radiomics.reliability:
        read = region
        if comparison == PERTURBATION:
            read = _perturbed_rows(perturbed, analysis.radiomics.image, roi)
        repeated[comparison], notes = repeated_features(
            *(read, participants, rows, comparison, first.columns),
            *(repeat_sessions, apart is not None),
        )
        warnings += notes
    return Dataset(
        table=pd.concat([people.loc[used, list(analysis.clinical)], first.loc[used]], axis=1),
        outcome=outcome.loc[used].to_numpy(dtype=float),
        groups=people.loc[used, "participant_id"].astype(str).to_numpy(dtype=str),
        held_out_by_rule=None if held is None else (held.loc[used] == 1).to_numpy(),
        features=[str(name) for name in first.columns],
        repeated=repeated,
        roi=roi,
        excluded=sorted(excluded, key=lambda row: row["participant_id"]),
        warnings=warnings,
    )


def _region_rows(features: pd.DataFrame, image: str, roi: str | None) -> tuple[str, pd.DataFrame]:
    """Region, and every reading's feature rows of it, indexed by participant and session."""
    if features.empty or {"image", "roi", "rater"} - set(features.columns):
        raise AnalysisError("there are no radiomic features")
    of_image = _keyed(features[features["image"] == image])
    if of_image.empty:
        raise AnalysisError(f"there are no radiomic features of image '{image}'")
    roi = roi or pooled_region(of_image["roi"].unique().tolist())
    return roi, of_image[of_image["roi"] == roi]


def _perturbed_rows(perturbed: pd.DataFrame | None, image: str, roi: str) -> pd.DataFrame:
    """Features of one region of the perturbed images; no rows where there are none."""
    if perturbed is None or perturbed.empty:
        return pd.DataFrame(columns=list(PERTURBED_KEYS))
    return perturbed[(perturbed["image"] == image) & (perturbed["roi"] == roi)]


def _finite(rows: pd.DataFrame) -> pd.DataFrame:
    """The feature columns; a value that is not finite is a missing one."""
    values = rows[feature_columns(rows.columns)].astype(float)
    return values.where(np.isfinite(values))


def _flags(rows: pd.DataFrame) -> pd.Series:
    """Flags of feature rows; "" where there is none."""
    if "flag" not in rows.columns:
        return pd.Series("", index=rows.index, dtype=object)
    flag = rows["flag"].astype(object)
    return flag.where(flag.notna(), "").astype(str)


def _absent_levels(rows: pd.DataFrame) -> pd.Series:
    """Levels that each row's pooled region lacks, in words; "" where it is complete."""

    def words(flag: str) -> str:
        levels = [
            level
            for part in flag.split(";")
            if part.startswith(_MISSING_LEVELS)
            for level in part.partition(":")[2].split("+")
        ]
        return f"level{'s' * (len(levels) > 1)} {', '.join(levels)}" if levels else ""

    return _flags(rows).map(words).astype(object)


def _flag_warnings(rows: pd.DataFrame) -> list[str]:
    """A sentence on the flags of the rows in use, if any."""
    flags = _flags(rows)
    raised = flags[flags != ""]
    if raised.empty:
        return []
    return [f"{len(raised)} feature rows in use are flagged: {', '.join(sorted(set(raised)))}"]


def _later_sessions(sessions: pd.DataFrame, used: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of participants who count with another session."""

    def named(session: str) -> str:
        return f"session {session}" if session else "the row without a session"

    first = dict(zip(used["participant_id"].astype(str), session_names(used), strict=True))
    later = sessions[~sessions.index.isin(used.index)]
    return [
        {
            "participant_id": person,
            "reason": f"{named(session)} is not used: each participant counts once, with "
            f"{named(first[person])}",
        }
        for person, session in zip(
            later["participant_id"].astype(str), session_names(later), strict=True
        )
    ]


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
    return table.set_axis(pd.Index(session_keys(table).to_numpy(dtype=object), name="key"), axis=0)
