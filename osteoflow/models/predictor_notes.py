"""What a study is told of an analysis' predictors beside its mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteoflow.models.baselines import baseline_warnings
from osteoflow.models.outcome import fracture_doubts, possible_bias

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis


def declared_notes(analysis: Analysis) -> list[str]:
    """Sentences that a change of the configuration can answer: before a run, and in its summary."""
    return [
        *fracture_doubts(analysis.outcome, analysis.columns, analysis.kind),
        *baseline_warnings(analysis),
    ]


def predictor_notes(analysis: Analysis) -> list[str]:
    """All sentences, for the summary of an analysis."""
    return [
        *possible_bias(analysis.outcome, analysis.images, analysis.kind),
        *declared_notes(analysis),
    ]
