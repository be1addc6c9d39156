"""The rows, predictors and raters of one analysis, from the cohort's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.io.tables import PERTURBED_KEYS
from osteoflow.models.folds import AnalysisError
from osteoflow.models.image_features import (
    ImageFeatures,
    image_features,
    join_columns,
    join_images,
    keyed,
)
from osteoflow.models.outcome import check_predictors
from osteoflow.models.outcome_values import outcome_values
from osteoflow.models.repeated import RepeatedFeatures, repeated_features
from osteoflow.models.sufficient import reliability_names_nobody
from osteoflow.statistics.readings import PERTURBATION
from osteoflow.statistics.rules import evaluate_rule, holds_numbers
from osteoflow.statistics.sessions import one_row_per_participant, session_names

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


@dataclass(frozen=True)
class Dataset:
    """What an analysis is fitted on.

    Attributes
    ----------
    table
        Clinical columns and features, one row per participant, sorted, indexed by
        ``participant_id|session``.
    outcome
        Shape (n,): 0/1 (binary, time to an event), the class's place in order (ordinal), or the
        quantity.
    time
        Time to the event or to censoring, shape (n,); None for other outcomes.
    groups
        Participant of each row.
    held_out_by_rule
        True for rows that the hold-out rule names; None without a rule.
    features
        Radiomic columns of ``table``; with several images each begins with its image's name and
        a colon.
    sites
        Site, and the covariates of its harmonisation, indexed like ``table``; None without
        harmonisation.
    repeated
        Comparison -> features of the complete region that were read again, indexed like ``table``
        (or of the reliability set); None where there are none.
    regions
        Image -> region its features come from.
    excluded
        ``{participant_id, reason}`` of rows that were left out: later sessions of participants,
        and participants who lack what the analysis needs.
    warnings
        Sentences for the report.
    """

    table: pd.DataFrame
    outcome: NDArray[np.float64]
    time: NDArray[np.float64] | None
    groups: NDArray[np.str_]
    held_out_by_rule: NDArray[np.bool_] | None
    features: list[str]
    sites: pd.DataFrame | None
    repeated: dict[str, RepeatedFeatures | None]
    regions: dict[str, str]
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
    sessions = _checked_sessions(participants, analysis)
    people, warnings = one_row_per_participant(sessions)
    people = people.sort_index()
    images = {name: image_features(features, name, roi) for name in analysis.images}
    chosen = _choose_rows(people, images, analysis)
    used = chosen.used
    for name in analysis.columns:
        if holds_numbers(people[name]) and np.isinf(people.loc[used, name].astype(float)).any():
            raise AnalysisError(f"column '{name}' has infinite values")
    for image in images.values():
        warnings += image.warnings(used)
    repeated: dict[str, RepeatedFeatures | None] = {}
    for comparison in [] if analysis.radiomics is None else analysis.radiomics.reliability:
        repeated[comparison], notes = _read_again(
            *(comparison, images, participants, people, chosen),
            *(repeat_sessions, perturbed),
        )
        warnings += notes
    values = join_columns([image.table for image in images.values()], list(images))
    return Dataset(
        # Copied, so that the features lie side by side in memory: folds take rows many times.
        table=pd.concat([people.loc[used, analysis.columns], values.reindex(used)], axis=1).copy(),
        outcome=chosen.outcome.loc[used].to_numpy(dtype=float),
        time=None if chosen.time is None else chosen.time.loc[used].to_numpy(dtype=float),
        groups=people.loc[used, "participant_id"].astype(str).to_numpy(dtype=str),
        held_out_by_rule=None if chosen.held is None else (chosen.held.loc[used] == 1).to_numpy(),
        features=[str(name) for name in values.columns],
        sites=None if chosen.sites is None else chosen.sites.loc[used],
        repeated=repeated,
        regions={name: image.roi for name, image in images.items()},
        excluded=sorted(
            _later_sessions(sessions, people) + chosen.excluded(people),
            key=lambda row: row["participant_id"],
        ),
        warnings=warnings,
    )


def _checked_sessions(participants: pd.DataFrame, analysis: Analysis) -> pd.DataFrame:
    """Every session once, by its key; errors as of :func:`assemble`."""
    problems = check_predictors(analysis, participants.columns)
    if problems:
        raise AnalysisError("; ".join(problems))
    sessions = keyed(participants)
    if not sessions.index.is_unique:
        twice = sessions.index[sessions.index.duplicated()][0]
        raise AnalysisError(f"the participants table has '{twice.rstrip('|')}' more than once")
    return sessions


def _read_again(
    comparison: str,
    images: Mapping[str, ImageFeatures],
    participants: pd.DataFrame,
    people: pd.DataFrame,
    chosen: _Chosen,
    repeat_sessions: Sequence[Sequence[str]],
    perturbed: pd.DataFrame | None,
) -> tuple[RepeatedFeatures | None, list[str]]:
    """Features of all images that were read again in one way, and warnings."""
    # Whose features were read again: those modelled, or those who serve that alone.
    readers = people.loc[chosen.used if chosen.apart is None else chosen.apart]
    rows = pd.Series(readers.index, index=readers["participant_id"].astype(str))
    found, warnings = [], []
    for name, image in images.items():
        read = image.readings
        if comparison == PERTURBATION:
            read = _perturbed_rows(perturbed, name, image.roi)
        parts, notes = repeated_features(
            *(read, participants, rows, comparison, image.table.columns),
            *(repeat_sessions, chosen.apart is not None),
        )
        found.append(parts)
        warnings += notes
    return join_images(found, list(images)), warnings


@dataclass(frozen=True)
class _Chosen:
    """Rows of an analysis, and why each other one is left out."""

    outcome: pd.Series
    time: pd.Series | None
    held: pd.Series | None
    apart: pd.Index | None
    sites: pd.DataFrame | None
    reasons: pd.Series

    @property
    def used(self) -> pd.Index:
        return self.reasons.index[self.reasons == ""]

    def excluded(self, people: pd.DataFrame) -> list[dict[str, str]]:
        return [
            {"participant_id": str(people.loc[key, "participant_id"]), "reason": str(reason)}
            for key, reason in self.reasons[self.reasons != ""].items()
        ]


def _choose_rows(
    people: pd.DataFrame, images: Mapping[str, ImageFeatures], analysis: Analysis
) -> _Chosen:
    """Rows that have all that the analysis needs; a later reason replaces an earlier one."""
    radiomics = analysis.radiomics
    rule = None if radiomics is None else radiomics.reliability_set
    try:
        outcome, time = outcome_values(analysis, people)
        held = (
            None if analysis.holdout_rule is None else evaluate_rule(analysis.holdout_rule, people)
        )
        apart = None if rule is None else evaluate_rule(rule, people)
    except ValueError as error:
        raise AnalysisError(str(error)) from None
    reasons = pd.Series("", index=people.index, dtype=object)
    for image in images.values():
        for key, reason in image.lacking(people.index).items():
            reasons[key] = reason
    sites = None
    if radiomics is not None and radiomics.harmonisation is not None:
        named = [radiomics.harmonisation.site, *radiomics.harmonisation.covariates]
        sites = people[named]
        for name in named:
            reasons[people[name].isna()] = f"'{name}', by which features are harmonised, is missing"
    if held is not None:
        reasons[held.isna()] = f"hold-out rule '{analysis.holdout_rule}' cannot be evaluated"
    if time is not None:
        reasons[time.isna()] = f"time '{analysis.time}' is missing"
        reasons[time <= 0] = f"time '{analysis.time}' is not above 0"
    reasons[outcome.isna()] = f"outcome '{analysis.outcome}' is missing"
    if apart is not None:
        if not (apart == 1).any():
            raise AnalysisError(reliability_names_nobody(rule))
        reasons[apart.isna()] = f"reliability set '{rule}' cannot be evaluated"
        reasons[apart == 1] = f"of the reliability set '{rule}', which is not modelled"
    chosen = _Chosen(
        *(outcome, time, held),
        *(None if apart is None else people.index[apart == 1], sites, reasons),
    )
    if not len(chosen.used):
        counts = reasons.value_counts().sort_index()
        raise AnalysisError(
            "no participant has both the outcome and the predictors ("
            + "; ".join(f"{reason}: {n}" for reason, n in counts.items())
            + ")"
        )
    return chosen


def _perturbed_rows(perturbed: pd.DataFrame | None, image: str, roi: str) -> pd.DataFrame:
    """Features of one region of the perturbed images; no rows where there are none."""
    if perturbed is None or perturbed.empty:
        return pd.DataFrame(columns=list(PERTURBED_KEYS))
    return perturbed[(perturbed["image"] == image) & (perturbed["roi"] == roi)]


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
