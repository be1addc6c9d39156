"""The baseline that radiomic features of a CT have to beat: the mean density or CT number alone.

Texture that does no better than the mean of the same voxels adds nothing. Nothing heavy is imported
here: baselines are chosen when the configuration is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from osteoflow.images import RADIOMICS
from osteoflow.model_names import column_words
from osteoflow.models.outcome import defining_predictors
from osteoflow.models.quantity import HU, VBMD, quantities
from osteoflow.wording import listing

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis
    from osteoflow.settings.cohort import Summary

# A density holds across scanners and tube voltages; a CT number does not.
METRICS = ("vbmd_mean", "hu_mean")
_DENSITY = frozenset({VBMD, HU})


def automatic_baselines(analysis: Analysis, summaries: Sequence[Summary]) -> list[str] | None:
    """Baselines of an analysis that declares none.

    Parameters
    ----------
    analysis
        Settings.
    summaries
        ``cohort.summaries``.

    Returns
    -------
    list or None
        The first mean vBMD of trabecular bone, else the first mean CT number, that does not define
        the outcome; empty where there are no radiomic features of the CT, where a model of vBMD or
        HU alone is there already, or where both define the outcome; None where one is wanted and
        no such mean is declared.
    """
    if not _is_wanted(analysis):
        return []
    free = _not_defining(analysis)
    for metric in free:
        for item in summaries:
            if item.metric == metric and item.voi != "cortical" and item.column != analysis.time:
                return [item.column]
    return None if free else []


def baseline_warnings(analysis: Analysis) -> list[str]:
    """That radiomic features of the CT will be compared with no mean, and what would change it."""
    if analysis.baselines is not None or not _is_wanted(analysis):
        return []
    free = _not_defining(analysis)
    if not free:
        return []
    # HU needs no calibration.
    metric = free[-1]
    return [
        "no model of vBMD or HU alone is among the models, so that nothing tells what radiomic "
        "features of the CT add to the mean: add the line '- {metric: "
        f"{metric}, levels: [L1, L2]}}' to cohort.summaries, or declare 'baselines: []'"
    ]


def baseline_words(analysis: Analysis) -> dict[str, str]:
    """What the models are compared with, as a step of the methods; empty where it is no matter."""
    parts = []
    if analysis.baselines:
        told = listing([column_words(name) for name in analysis.baselines])
        parts.append(f"{told} alone, which every other model is compared with")
    if _is_wanted(analysis):
        parts.append(f"no model of vBMD or HU alone: {_why_none(analysis)}")
    return {"baselines": "; ".join(parts)} if parts else {}


def _why_none(analysis: Analysis) -> str:
    if not _not_defining(analysis):
        return "both define the outcome"
    if analysis.baselines is None:
        return "no such mean is declared"
    return "the study declares none"


def _is_wanted(analysis: Analysis) -> bool:
    """Whether features of the CT are modelled, and neither vBMD nor HU alone."""
    if not any(RADIOMICS[image].space == "ct" for image in analysis.images):
        return False
    alone = [*([name] for name in analysis.baselines or ()), analysis.clinical]
    return not any(map(_is_density, [*alone, analysis.measurements]))


def _is_density(columns: Iterable[str]) -> bool:
    """Whether a model of these columns has nothing but densities or CT numbers of bone."""
    names = list(columns)
    return bool(names) and all(quantities(name) <= _DENSITY for name in names)


def _not_defining(analysis: Analysis) -> list[str]:
    """Metrics of which a mean may predict the outcome; none of an outcome that cannot be read."""
    try:
        defining = defining_predictors(analysis.outcome, METRICS, analysis.kind)
    except ValueError:
        return []
    return [metric for metric in METRICS if metric not in defining]
