"""One analysis, run as the kind of its outcome asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from osteoflow.models.validate import AnalysisResult
    from osteoflow.settings.analysis import Analysis, Kind

Runner = Callable[..., "AnalysisResult"]


def _binary() -> Runner:
    from osteoflow.models.validate import run_analysis

    return run_analysis


def _ordinal_or_continuous() -> Runner:
    from osteoflow.models.kinds.run import run as run_kind

    return run_kind


def _survival() -> Runner:
    from osteoflow.models.survival import run as run_survival

    return run_survival


# Kind of outcome -> gives its run function; what it needs is loaded when an analysis asks for it.
RUNNERS: dict[Kind, Callable[[], Runner]] = {
    "binary": _binary,
    "ordinal": _ordinal_or_continuous,
    "continuous": _ordinal_or_continuous,
    "survival": _survival,
}


def run(
    participants: pd.DataFrame,
    features: pd.DataFrame,
    analysis: Analysis,
    seed: int,
    *,
    labels: Mapping[str, str] | None = None,
    roi: str | None = None,
    repeat_sessions: Sequence[Sequence[str]] = (),
    perturbed: pd.DataFrame | None = None,
    workers: int = 1,
) -> AnalysisResult:
    """Run one analysis of any kind.

    Parameters and errors are those of :func:`osteoflow.models.validate.run_analysis`. Which tables
    have rows depends on the kind.
    """
    return RUNNERS[analysis.kind]()(
        *(participants, features, analysis, seed),
        labels=labels,
        roi=roi,
        repeat_sessions=repeat_sessions,
        perturbed=perturbed,
        workers=workers,
    )
