"""Which figures an analysis has, by the kind of its outcome.

Nothing heavy is imported here: the workflow's rules ask for the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

FIGURES_OF_KIND: dict[str, tuple[str, ...]] = {
    "binary": (
        "stard",
        "nomogram",
        "nomogram_calibration",
        "roc",
        "calibration",
        "decision_curve",
        "lasso",
        "permutation",
    ),
    "ordinal": ("classes", "lasso", "permutation"),
    "continuous": ("predicted", "lasso", "permutation"),
    "survival": ("kaplan_meier", "lasso", "permutation"),
}


def model_figures(analysis: Analysis) -> tuple[str, ...]:
    """Names of the figures of an analysis, in the order of the report."""
    return FIGURES_OF_KIND[analysis.kind]


def all_figures() -> list[str]:
    """Names of the figures of all kinds, each once."""
    return list(dict.fromkeys(name for names in FIGURES_OF_KIND.values() for name in names))
