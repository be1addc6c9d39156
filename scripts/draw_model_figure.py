"""Draw one figure of one analysis: flow, nomogram, ROC, calibration, decision curve or LASSO.

Reads the analysis's tables; writes the figure in every format with its caption.
"""

import json
from pathlib import Path

from osteoflow.figures.calibration import draw_calibration
from osteoflow.figures.decision_curve import draw_decision_curve
from osteoflow.figures.lasso import draw_lasso
from osteoflow.figures.model_tables import first_model
from osteoflow.figures.nomogram import draw_nomogram
from osteoflow.figures.nomogram_calibration import draw_nomogram_calibration
from osteoflow.figures.notice import draw_notice
from osteoflow.figures.roc import draw_roc
from osteoflow.figures.stard import draw_stard
from osteoflow.figures.style import save_as_wanted
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.settings.figures import Figures
from osteoflow.step_log import log_to

NO_NOMOGRAM = "No predictor has an effect: there is no nomogram."


def stard(inputs, summary, settings, params):
    """Participants from eligibility to the cross tabulation of index test and outcome."""
    return draw_stard(read_json(inputs.stard), summary, settings)


def nomogram(inputs, summary, settings, params):
    """Points and probabilities of the combined model."""
    if Path(inputs.nomogram).stat().st_size == 0:
        return draw_notice(NO_NOMOGRAM, settings)
    return draw_nomogram(read_json(inputs.nomogram), summary, settings)


def nomogram_calibration(inputs, summary, settings, params):
    """Apparent and bias-corrected calibration of the nomogram's model."""
    if Path(inputs.nomogram).stat().st_size == 0:
        return draw_notice(NO_NOMOGRAM, settings)
    curve, found = read_table(inputs.nomogram_calibration), read_json(inputs.nomogram)
    return draw_nomogram_calibration(curve, found["calibration"], summary, settings)


def roc(inputs, summary, settings, params):
    """ROC curves of all models."""
    tables = [
        read_table(inputs.get(name))
        for name in ("roc", "performance", "comparisons", "predictions")
    ]
    return draw_roc(*tables, summary, settings)


def calibration(inputs, summary, settings, params):
    """Predicted against observed."""
    tables = [read_table(inputs.get(n)) for n in ("calibration", "performance", "predictions")]
    return draw_calibration(*tables, summary, settings)


def decision_curve(inputs, summary, settings, params):
    """Net benefit over thresholds."""
    return draw_decision_curve(read_table(inputs.decision_curve), summary, settings)


def lasso(inputs, summary, settings, params):
    """Coefficients and deviance along the penalty."""
    path = first_model(read_table(inputs.lasso_path))
    deviance = first_model(read_table(inputs.lasso_cv))
    if deviance.empty:
        return draw_notice("No LASSO or elastic net belongs to this analysis.", settings)
    return draw_lasso(path, deviance, summary, settings, params.penalty)


DRAW = {
    "stard": stard,
    "nomogram": nomogram,
    "nomogram_calibration": nomogram_calibration,
    "roc": roc,
    "calibration": calibration,
    "decision_curve": decision_curve,
    "lasso": lasso,
}


def main(inputs, output, params, name, log):
    """Draw the figure of this name."""
    log_to(log)
    settings = Figures(**json.loads(params.settings))
    summary = read_json(inputs.summary)
    if "not_possible" in summary:
        figure, caption = draw_notice(
            f"This analysis was not possible: {summary['not_possible']}.", settings
        )
    else:
        figure, caption = DRAW[name](inputs, summary, settings, params)
    save_as_wanted(figure, output.png, settings, caption)


main(
    snakemake.input,
    snakemake.output,
    snakemake.params,
    snakemake.wildcards.figure,
    snakemake.log[0],
)
