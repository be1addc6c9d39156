"""Outcomes and the predictors that must not, or only with a warning, predict them.

Nothing heavy is imported here: these checks run when the configuration is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from osteoflow.settings.statistics import REFERENCE_COLUMNS
from osteoflow.statistics.rules import columns_in_rule, parse_rule, unknown_column

# Where an analysis names predictor columns.
BLOCKS = ("clinical", "measurements", "baselines")
IDENTIFIERS = frozenset({"participant_id", "session", "subject"})
# Names that models give to terms of their own.
MADE_TERMS = frozenset({"rad_score"})

_STATISTICS = frozenset(
    {"mean", "sd", "median", "min", "max", "iqr", "p5", "p10", "p25", "p75", "p90", "p95", "cv"}
)
_LEVELS = re.compile(r"^([tl]\d+)+$")
# Words of column names that stand for one physical quantity. R2* and T2* are reciprocals.
_QUANTITIES = {
    "vbmd": "volumetric bone density",
    "qct": "volumetric bone density",
    "hu": "CT attenuation",
    "pdff": "fat fraction",
    "r2star": "R2*/T2*",
    "t2star": "R2*/T2*",
    "dxa": "areal bone density (DXA)",
    "tscore": "areal bone density (DXA)",
    "zscore": "areal bone density (DXA)",
}
# What tells when, where or of what scan a reference was measured is not its result.
_ABOUT = frozenset(REFERENCE_COLUMNS)
# "bmd" within a word (abmd, lsbmd, bmdhip) is DXA's areal density unless the word says volumetric.
_AREAL = re.compile(r"(?<!v)bmd")
# Quantities measured in the same image, and the images radiomics are computed from.
_CT = frozenset({"volumetric bone density", "CT attenuation"})
_IMAGE_QUANTITIES = {
    "ct": _CT,
    "vbmd": _CT,
    **dict.fromkeys(("pdff", "r2star", "t2star"), frozenset({"fat fraction", "R2*/T2*"})),
    **dict.fromkeys(("t2", "t1w", "t2w"), frozenset()),
}


def quantities(column: str) -> frozenset[str]:
    """Physical quantities that a column's name stands for.

    ``vbmd_l1l2_mean`` and ``vbmd_l3_median`` are one quantity; ``dxa_tscore``, ``tscore_hip`` and
    ``lumbar_bmd`` are another. A name without a known word stands for itself, without level and
    statistic; so does the interval to a reference test, or its site.
    """
    if column.lower() in _ABOUT:
        return frozenset({column.lower()})
    text = re.sub(r"([tz])[\W_]?score", r"\1score", column.lower())
    text = re.sub(r"([rt]2)(\*|[\W_]star)", r"\1star", text)
    text = re.sub(r"fat[\W_]?frac(tion)?", "pdff", text)
    words = [word for word in re.split(r"[\W_]+", text) if word]
    named = frozenset(_QUANTITIES[word] for word in words if word in _QUANTITIES)
    if any(_AREAL.search(word) for word in words):
        named |= {_QUANTITIES["dxa"]}
    if "vbmd" in words or "qct" in words:  # a T-score of a vBMD is not DXA's
        return frozenset({"volumetric bone density"})
    if named:
        return named
    rest = [word for word in words if word not in _STATISTICS and not _LEVELS.match(word)]
    return frozenset({"_".join(rest or words)})


def outcome_quantities(outcome: str) -> frozenset[str]:
    """Quantities that define an outcome rule."""
    return frozenset().union(*(quantities(column) for column in columns_in_rule(outcome)))


def defining_predictors(outcome: str, clinical: Iterable[str]) -> list[str]:
    """Clinical predictors that define the outcome: its own columns and the same quantity.

    Raises
    ------
    ValueError
        If the outcome rule cannot be read.
    """
    own = set(columns_in_rule(outcome))
    defined = outcome_quantities(outcome)
    return [column for column in clinical if column in own or quantities(column) & defined]


def incorporation_bias(outcome: str, columns: Iterable[str], images: Iterable[str]) -> list[str]:
    """Predictors taken from the very image that defined the outcome, each in a sentence.

    They are allowed, but their performance says little about other patients: reports label it.
    """
    defined = outcome_quantities(outcome)
    found = []
    for column in columns:
        for family in (_CT, _IMAGE_QUANTITIES["pdff"]):
            shared = quantities(column) & family
            if shared and defined & family and not shared & defined:
                found.append(
                    f"incorporation bias: predictor '{column}' is measured in the image that "
                    f"defines the outcome '{outcome}'"
                )
    found += [
        f"incorporation bias: the radiomic features are computed from the image ({image}) that "
        f"defines the outcome '{outcome}'"
        for image in images
        if defined & _IMAGE_QUANTITIES[image]
    ]
    return found


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
                if column == analysis.time or defining_predictors(analysis.outcome, [column])
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
            for column in defining_predictors(analysis.outcome, read[place])
        ]
    for block in BLOCKS:
        read[block] = getattr(analysis, block)
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
    defining = defining_predictors(analysis.outcome, columns)
    problems = [
        f"{place}: '{column}' defines the outcome '{analysis.outcome}' and cannot predict it"
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


def refusals(analyses: Iterable[Any], columns: Iterable[str] | None = None) -> list[str]:
    """Mistakes of all analyses (see :func:`check_predictors`)."""
    known = None if columns is None else list(columns)
    return [problem for item in analyses for problem in check_predictors(item, known)]
