"""Draw one figure of the cohort: flow, agreement, correlations, ROC curves, drift, or truth.

Reads the tables the figure shows; writes it in every format with its caption.
"""

import json

from osteoflow.figures.style import save_as_wanted
from osteoflow.io.volume import read_json
from osteoflow.reports.cohort_figures import CohortFigures
from osteoflow.settings.figures import Figures
from osteoflow.settings.statistics import Statistics
from osteoflow.step_log import log_to


def main(inputs, output, params, name, log):
    """Draw the figure of this name."""
    log_to(log)
    settings = Figures(**json.loads(params.settings))
    declared = Statistics(**json.loads(params.declared))
    figure, caption = CohortFigures(settings, declared, read_json(inputs.columns)).draw(
        name, inputs.data
    )
    save_as_wanted(figure, output.png, settings, caption)


main(
    snakemake.input,
    snakemake.output,
    snakemake.params,
    snakemake.wildcards.figure,
    snakemake.log[0],
)
