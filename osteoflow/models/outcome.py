"""Outcomes and the predictors that must not, or only with a warning, predict them.

Nothing heavy is imported here: these checks run when the configuration is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from osteoflow.images import RADIOMICS
from osteoflow.models.fractures import (
    FRACTURES,
    VERTEBRAL,
    is_known_at_scan,
    is_later,
    is_past,
    words_of,
)
from osteoflow.models.quantity import measured, quantities
from osteoflow.statistics.rules import columns_in_rule, parse_rule, unknown_column
from osteoflow.wording import listing

# Where an analysis names predictor columns.
BLOCKS = ("clinical", "measurements", "baselines")
IDENTIFIERS = frozenset({"participant_id", "session", "subject"})
# Names that models give to terms of their own.
MADE_TERMS = frozenset({"rad_score"})


def outcome_quantities(outcome: str) -> frozenset[str]:
    """Quantities that define an outcome rule."""
    return frozenset().union(*(quantities(column) for column in columns_in_rule(outcome)))


def defining_predictors(outcome: str, columns: Iterable[str], kind: str = "binary") -> list[str]:
    """Predictors that define the outcome: its own columns and the same quantity.

    Fractures follow three rules. Grade, deformities and heights of the vertebrae and vertebral
    fractures are one quantity, and a fracture whose site the name does not tell may be vertebral.
    What was over before the study (``prior_fracture``) does not define an outcome of today. And a
    fracture in follow-up (kind ``survival``, or ``incident_fracture``) is defined by no state of
    the vertebrae and no fracture before it: these are what it is predicted from.

    Parameters
    ----------
    outcome
        Rule of the outcome.
    columns
        Predictors.
    kind
        Kind of the analysis.

    Raises
    ------
    ValueError
        If the outcome rule cannot be read.
    """
    used = columns_in_rule(outcome)
    own = {*used, *(f"{column}_tscore" for column in used)}
    own |= {column.removesuffix("_tscore") for column in used}
    return [column for column in columns if column in own or _shared(used, column, kind)]


def _shared(used: Iterable[str], column: str, kind: str) -> frozenset[str]:
    """Quantities of a predictor that define the outcome's columns, too."""
    found: frozenset[str] = frozenset()
    for name in used:
        both = quantities(name) & quantities(column)
        if not measured(name).is_made:
            later = _in_follow_up(name, kind) and not is_later(words_of(column))
            earlier = _is_past(column) and not _is_past(name)
            both -= FRACTURES if later or earlier else frozenset()
        found |= both
    return found


def _is_past(column: str) -> bool:
    return not measured(column).is_made and is_past(words_of(column))


def _in_follow_up(column: str, kind: str) -> bool:
    """Whether an outcome from elsewhere came after the scan."""
    return not measured(column).is_made and (kind == "survival" or is_later(words_of(column)))


def fracture_doubts(outcome: str, columns: Iterable[str], kind: str = "binary") -> list[str]:
    """Predictors that would define an outcome of fractures if they counted the same ones.

    They are allowed, and only the authors know: each is a sentence to be told.

    Parameters
    ----------
    outcome, columns, kind
        As of :func:`defining_predictors`.
    """
    defining = defining_predictors(outcome, columns, kind)
    defined = outcome_quantities(outcome) & FRACTURES
    in_follow_up = any(_in_follow_up(name, kind) for name in columns_in_rule(outcome))
    found = []
    for column in columns:
        of_today = column not in defining and not measured(column).is_made
        if not of_today or not quantities(column) & defined:
            continue
        if not in_follow_up:
            found.append(
                f"'{column}' must tell of fractures before those of the outcome '{outcome}' alone: "
                "a fracture that both count defines the outcome"
            )
        elif not is_known_at_scan(words_of(column)):
            found.append(
                f"'{column}' must tell of fractures before the follow-up alone: one of the "
                f"follow-up defines the outcome '{outcome}'"
            )
    return found


def incorporation_bias(outcome: str, columns: Iterable[str], images: Iterable[str]) -> list[str]:
    """Predictors taken from the very image that defined the outcome, each in a sentence.

    They are allowed, but their performance says little about other patients: reports label it.
    """
    used = columns_in_rule(outcome)
    defined = outcome_quantities(outcome)
    acquired = frozenset().union(*(measured(name).acquisitions for name in used))
    # A shape of vertebrae may be of the CT's outlines or of the MRI's.
    sure = all(len(measured(name).acquisitions) < 2 for name in used)
    found = []
    for column in columns:
        about = measured(column)
        if about.acquisitions & acquired and not about.quantities & defined:
            is_ = "is" if sure and len(about.acquisitions) == 1 else "is, or may be,"
            found.append(
                f"incorporation bias: predictor '{column}' {is_} measured in the image that "
                f"defines the outcome '{outcome}'"
            )
    found += [
        f"incorporation bias: the radiomic features are computed from the image ({image}) that "
        f"{'defines' if sure else 'defines, or may define,'} the outcome '{outcome}'"
        for image in images
        if RADIOMICS[image].space in acquired
    ]
    return found


def possible_bias(outcome: str, images: Iterable[str], kind: str = "binary") -> list[str]:
    """A sentence on vertebral fractures from elsewhere: nobody but the authors knows the image.

    Parameters
    ----------
    outcome, kind
        As of :func:`defining_predictors`.
    images
        Images of radiomic features.
    """
    names = [
        name
        for name in columns_in_rule(outcome)
        if not measured(name).is_made
        and not _in_follow_up(name, kind)
        and VERTEBRAL in quantities(name)
    ]
    names, images = list(dict.fromkeys(names)), list(images)
    if not names or not images:
        return []
    told = listing([f"'{name}'" for name in names])
    return [
        f"possible incorporation bias: it is not known in which image {told} was read; if it was "
        f"one of the radiomic features ({listing(images)}), these are no independent predictors"
    ]


def check_predictors(analysis: Any, columns: Iterable[str] | None = None) -> list[str]:
    """Mistakes of one analysis, each in a sentence; empty if there is none.

    Parameters
    ----------
    analysis
        An :class:`osteoflow.settings.analysis.Analysis`.
    columns
        Known columns of the participants table; absent: existence is not checked.
    """
    where = f"analyses.{analysis.name}"
    known = None if columns is None else [str(column) for column in columns]
    try:
        used = columns_in_rule(analysis.outcome)
    except ValueError as error:
        return [f"{where}.outcome: {error}"]
    if analysis.kind in ("ordinal", "continuous") and parse_rule(analysis.outcome)[0].sign:
        return [f"{where}.outcome: an outcome of kind {analysis.kind} is a column, not a rule"]
    problems: list[str] = []
    read = {"outcome": used, "time": [] if analysis.time is None else [analysis.time]}
    rules = {"holdout_rule": (analysis.holdout_rule, "the hold-out must not be chosen by it")}
    if analysis.radiomics is not None:
        reason = "the reliability of features must be blind to it"
        rules["radiomics.reliability_set"] = (analysis.radiomics.reliability_set, reason)
        harmonisation = analysis.radiomics.harmonisation
        if harmonisation is not None:
            named = [harmonisation.site, *harmonisation.covariates]
            reason = "harmonisation must be blind to it"
            read["radiomics.harmonisation"] = named
            problems += [
                f"{where}.radiomics.harmonisation: '{column}' defines the outcome; {reason}"
                for column in named
                if column == analysis.time
                or defining_predictors(analysis.outcome, [column], analysis.kind)
            ]
    for place, (rule, reason) in rules.items():
        if rule is None:
            continue
        try:
            read[place] = columns_in_rule(rule)
        except ValueError as error:
            problems.append(f"{where}.{place}: {error}")
            continue
        problems += [
            f"{where}.{place}: '{column}' defines the outcome; {reason}"
            for column in defining_predictors(analysis.outcome, read[place], analysis.kind)
        ]
    for block in BLOCKS:
        read[block] = getattr(analysis, block) or []
        problems += _refused(f"{where}.{block}", read[block], analysis)
    shared = [name for name in analysis.clinical if name in analysis.measurements]
    problems += [f"{where}.measurements: '{name}' is a clinical column too" for name in shared]
    unknown = [
        f"{where}.{place}: {unknown_column(name, known)}"
        for place, names in read.items()
        for name in names
        if known is not None and name not in known
    ]
    return unknown + problems


def _refused(place: str, columns: list[str], analysis: Any) -> list[str]:
    """Columns of one block of predictors that cannot predict this outcome."""
    defining = defining_predictors(analysis.outcome, columns, analysis.kind)
    problems = [
        f"{place}: '{column}' defines the outcome '{analysis.outcome}' and cannot predict it"
        f"{_without_site(analysis.outcome, column)}"
        for column in defining
    ]
    problems += [
        f"{place}: '{column}' is the time to the outcome and cannot predict it"
        for column in columns
        if column == analysis.time
    ]
    problems += [
        f"{place}: '{column}' identifies participants and cannot predict anything"
        for column in columns
        if column in IDENTIFIERS
    ]
    problems += [
        f"{place}: '{column}' is the name of the Rad-score that the analysis makes itself; "
        "rename the column"
        for column in columns
        if column in MADE_TERMS
    ]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    return problems + [f"{place}: '{name}' is named twice" for name in twice]


def _without_site(outcome: str, column: str) -> str:
    """Advice where a fracture counts as a vertebral one because its name tells no site."""
    used = columns_in_rule(outcome)
    if column in used:
        return ""
    advice = dict.fromkeys(used, "incident_fracture for one in follow-up")
    advice[column] = "prior_fracture for one before the study"
    for name, by_time in advice.items():
        if quantities(name) >= FRACTURES:
            return (
                f" ('{name}' does not say which fracture, so that it may be the same one: name the "
                f"column for what it is, such as hip_fracture, or {by_time})"
            )
    return ""


def refusals(analyses: Iterable[Any], columns: Iterable[str] | None = None) -> list[str]:
    """Mistakes of all analyses (see :func:`check_predictors`)."""
    known = None if columns is None else list(columns)
    return [problem for item in analyses for problem in check_predictors(item, known)]
