"""Draw one figure of the cohort: flow, agreement, a correlation, drift, or measured against true.

Reads the tables the figure shows; writes it in every format with its caption.
"""

import json

from osteoflow.cohort.assemble import column_label
from osteoflow.cohort.flow import read_flow
from osteoflow.figures.agreement import NOT_ASSESSED, draw_bland_altman, draw_truth
from osteoflow.figures.drift import draw_drift
from osteoflow.figures.flow import draw_flow
from osteoflow.figures.notice import draw_notice
from osteoflow.figures.scatter import draw_scatter
from osteoflow.figures.style import save_as_wanted
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.measurements import dictionary
from osteoflow.reports.truth import quantity_label
from osteoflow.settings.figures import Figures
from osteoflow.settings.statistics import Correlation
from osteoflow.statistics.sessions import one_row_per_participant
from osteoflow.step_log import log_to


def flow(data, settings, columns, params):
    """Participants in, excluded, analysed."""
    summaries = [read_json(path) for path in data[1:]]
    possible = [summary for summary in summaries if "not_possible" not in summary]
    return draw_flow(read_flow(data[0]), settings, possible)


def bland_altman(data, settings, columns, params, figure="bland_altman_inter_rater"):
    """Agreement of two raters, of a rater's two outlines, or of two scans."""
    comparison = figure.removeprefix("bland_altman_")
    limits, points = (t[t["comparison"] == comparison] for t in map(read_table, data))
    if limits.empty:
        return draw_notice(NOT_ASSESSED[comparison], settings)
    return draw_bland_altman(limits, points, settings, lambda name: dictionary()[name]["label"])


def correlation(data, settings, columns, params, figure):
    """Two measurements against each other."""
    declared = [Correlation(**item) for item in json.loads(params.correlations)]
    item = next(c for c in declared if figure == c.figure)
    people, _ = one_row_per_participant(read_table(data[0]))
    found = read_table(data[1])
    return draw_scatter(
        people, item.x, item.y, settings, lambda name: column_label(name, columns), found
    )


def truth(data, settings, columns, params):
    """Measured against known values."""
    vertebrae, summary = read_table(data[0]), read_table(data[1])
    return draw_truth(vertebrae, summary, settings, quantity_label)


def ct_drift(data, settings, columns, params):
    """Scans of the phantom over time."""
    return draw_drift(read_table(data[0]), settings)


def main(inputs, output, params, name, log):
    """Draw the figure of this name."""
    log_to(log)
    settings = Figures(**json.loads(params.settings))
    arguments = (inputs.data, settings, read_json(inputs.columns), params)
    if name.startswith("correlation_"):
        figure, caption = correlation(*arguments, figure=name)
    elif name.startswith("bland_altman_"):
        figure, caption = bland_altman(*arguments, figure=name)
    else:
        draw = {"flow": flow, "bland_altman": bland_altman, "truth": truth, "ct_drift": ct_drift}[
            name
        ]
        figure, caption = draw(*arguments)
    save_as_wanted(figure, output.png, settings, caption)


main(
    snakemake.input,
    snakemake.output,
    snakemake.params,
    snakemake.wildcards.figure,
    snakemake.log[0],
)
