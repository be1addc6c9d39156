"""Draw one figure of one analysis; which there are depends on the kind of its outcome.

Reads the analysis's tables; writes the figure in every format with its caption.
"""

import json

from osteoflow.figures.of_analysis import draw_of_analysis
from osteoflow.figures.style import save_as_wanted
from osteoflow.io.volume import read_json
from osteoflow.settings.figures import Figures
from osteoflow.step_log import log_to


def main(inputs, output, params, name, log):
    """Draw the figure of this name."""
    log_to(log)
    settings = Figures(**json.loads(params.settings))
    summary = read_json(inputs.summary)
    files = dict(inputs.items())
    figure, caption = draw_of_analysis(name, files, summary, settings, params.penalty)
    save_as_wanted(figure, output.png, settings, caption)


main(
    snakemake.input,
    snakemake.output,
    snakemake.params,
    snakemake.wildcards.figure,
    snakemake.log[0],
)
