"""The figures of an analysis, each drawn from the analysis' files by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from osteoflow.figures.notice import draw_notice
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.settings.figures import Figures

NO_NOMOGRAM = (
    "There is no nomogram: no logistic model of several predictors, or none of them has an effect."
)
NO_PATH = "No LASSO or elastic net belongs to this analysis."

# Files of the analysis by name, summary, settings, and the penalty it takes -> figure and caption.
Files = Mapping[str, Any]
Draw = Callable[[Files, dict[str, Any], Figures, str], tuple[Figure, str]]


def _stard(files: Files, summary: dict[str, Any], settings: Figures, _: str) -> tuple[Figure, str]:
    """Participants from eligibility to the cross tabulation of index test and outcome."""
    from osteoflow.figures.stard import draw_stard

    return draw_stard(read_json(files["stard"]), summary, settings)


def _nomogram(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Points and probabilities of the combined model."""
    from osteoflow.figures.nomogram import draw_nomogram

    if Path(files["nomogram"]).stat().st_size == 0:
        return draw_notice(NO_NOMOGRAM, settings)
    return draw_nomogram(read_json(files["nomogram"]), summary, settings)


def _nomogram_calibration(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Apparent and bias-corrected calibration of the nomogram's model."""
    from osteoflow.figures.nomogram_calibration import draw_nomogram_calibration

    if Path(files["nomogram"]).stat().st_size == 0:
        return draw_notice(NO_NOMOGRAM, settings)
    curve, found = read_table(files["nomogram_calibration"]), read_json(files["nomogram"])
    return draw_nomogram_calibration(curve, found["calibration"], summary, settings)


def _roc(files: Files, summary: dict[str, Any], settings: Figures, _: str) -> tuple[Figure, str]:
    """ROC curves of all models."""
    from osteoflow.figures.roc import draw_roc

    names = ("roc", "performance", "comparisons", "predictions")
    return draw_roc(*(read_table(files[name]) for name in names), summary, settings)


def _calibration(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Predicted against observed."""
    from osteoflow.figures.calibration import draw_calibration

    names = ("calibration", "performance", "predictions")
    return draw_calibration(*(read_table(files[name]) for name in names), summary, settings)


def _decision_curve(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Net benefit over thresholds."""
    from osteoflow.figures.decision_curve import draw_decision_curve

    names = ("decision_curve", "predictions")
    return draw_decision_curve(*(read_table(files[name]) for name in names), summary, settings)


def _lasso(
    files: Files, summary: dict[str, Any], settings: Figures, penalty: str
) -> tuple[Figure, str]:
    """Coefficients and deviance along the penalty."""
    from osteoflow.figures.lasso import draw_lasso
    from osteoflow.figures.model_tables import first_model

    path = first_model(read_table(files["lasso_path"]))
    deviance = first_model(read_table(files["lasso_cv"]))
    if deviance.empty:
        return draw_notice(NO_PATH, settings)
    return draw_lasso(path, deviance, summary, settings, penalty)


def _permutation(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Leakage check."""
    from osteoflow.figures.permutation import draw_permutation

    names = ("permutations", "permuted_scores")
    return draw_permutation(*(read_table(files[name]) for name in names), summary, settings)


def _classes(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Confusion of ordered classes, and each against all others."""
    from osteoflow.figures.classes import draw_classes

    names = ("confusion", "roc", "performance")
    return draw_classes(*(read_table(files[name]) for name in names), summary, settings)


def _predicted(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Predicted against measured quantity, and their differences."""
    from osteoflow.figures.predicted import draw_predicted

    names = ("predictions", "performance")
    return draw_predicted(*(read_table(files[name]) for name in names), summary, settings)


def _kaplan_meier(
    files: Files, summary: dict[str, Any], settings: Figures, _: str
) -> tuple[Figure, str]:
    """Survival of lower and higher scores."""
    from osteoflow.figures.kaplan_meier import draw_kaplan_meier

    names = ("kaplan_meier", "log_rank", "performance")
    return draw_kaplan_meier(*(read_table(files[name]) for name in names), summary, settings)


DRAW: dict[str, Draw] = {
    "stard": _stard,
    "nomogram": _nomogram,
    "nomogram_calibration": _nomogram_calibration,
    "roc": _roc,
    "calibration": _calibration,
    "decision_curve": _decision_curve,
    "lasso": _lasso,
    "permutation": _permutation,
    "classes": _classes,
    "predicted": _predicted,
    "kaplan_meier": _kaplan_meier,
}


def draw_of_analysis(
    name: str, files: Files, summary: dict[str, Any], settings: Figures, penalty: str
) -> tuple[Figure, str]:
    """A figure of an analysis with its caption; of one that was not possible, the reason.

    Parameters
    ----------
    name
        Of :func:`osteoflow.figures.of_kind.model_figures`.
    files
        Path of each table and document by its name.
    summary
        ``summary.json``.
    settings
        Sizes.
    penalty
        Which marked penalty the analysis takes.
    """
    if "not_possible" in summary:
        return draw_notice(f"This analysis was not possible: {summary['not_possible']}.", settings)
    return DRAW[name](files, summary, settings, penalty)
