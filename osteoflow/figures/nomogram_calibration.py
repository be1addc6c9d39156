"""Calibration of the nomogram's model on its own data, corrected for optimism."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import outcome_of
from osteoflow.figures.notice import draw_notice
from osteoflow.figures.panels import DOTTED, proportions
from osteoflow.figures.style import BLACK, BLUE, GREY, VERMILION, look, new_figure
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, number

NO_CURVE = (
    "The model's predictions are too few or too alike for a calibration curve of the nomogram."
)


def draw_nomogram_calibration(
    curve: pd.DataFrame,
    found: Mapping[str, Any],
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Apparent and bias-corrected calibration curve with the diagonal.

    Parameters
    ----------
    curve
        ``nomogram_calibration.tsv`` of an analysis.
    found
        ``calibration`` of its ``nomogram.json``.
    summary
        Its ``summary.json``.
    settings
        Sizes; one column wide.

    Returns
    -------
    figure, caption
        A notice where there is no curve.
    """
    if curve.empty or found["mean_absolute_error"] is None:
        return draw_notice(NO_CURVE, settings)
    width = settings.single_column_mm
    with look():
        figure = new_figure(width, width + 3)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=DOTTED, linewidth=0.8, label="Ideal")
        for name, style in (
            ("Apparent", {"color": BLUE, "linestyle": (0, (4, 1.5))}),
            ("Bias-corrected", {"color": BLACK, "linestyle": "-"}),
        ):
            values = curve["apparent" if name == "Apparent" else "corrected"]
            # Smooths may leave 0 to 1 at the ends; the axis does not.
            axes.plot(curve["predicted"], values, label=name, **style)
        ends = [curve["predicted"].min(), curve["predicted"].max()]
        axes.plot(ends, [0, 0], color=VERMILION, linewidth=2.2, clip_on=False, zorder=4)
        words = {"xlabel": "Predicted probability", "ylabel": "Observed proportion"}
        proportions(axes, aspect="equal", **words)
        figure.legend(loc="outside lower center", ncols=3)
    return figure, _caption(found, summary)


def _caption(found: Mapping[str, Any], summary: dict[str, Any]) -> str:
    used = int(found["resamples"]) - int(found["failed"])
    scored = bool(summary.get("radiomics"))
    taken = (
        " The Rad-score was taken as given (cross-fitted), so that the optimism of choosing "
        "features is not in this curve but in the cross-validation."
    )
    text = (
        f"Calibration of the nomogram for {outcome_of(summary)} on its own "
        f"{count(int(found['n']), 'participant')}. Dotted: ideal; dashed: apparent (lowess, span "
        "2/3); solid: corrected for optimism with "
        f"{count(used, 'resample')} of participants, in each of which the model was fitted "
        f"again.{taken if scored else ''} Bar on the axis: range of predictions without the "
        "outermost four on either side. Mean absolute error "
        f"{number(found['mean_absolute_error'], 3)}, 90th percentile "
        f"{number(found['error_90'], 3)}."
    )
    if found["failed"]:
        text += f" {count(int(found['failed']), 'resample')} could not be fitted."
    if found["penalised"]:
        text += (
            f" {count(int(found['penalised']), 'resample')} had separated classes and "
            f"{'was' if found['penalised'] == 1 else 'were'} fitted by Firth's penalised "
            "likelihood."
        )
    return text
