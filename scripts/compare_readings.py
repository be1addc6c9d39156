"""Compare readings: how well raters, repeated outlines, repeated scans and perturbed images agree.

Reads the cohort tables; writes agreement, precision, overlap and Bland-Altman tables.
"""

import json

from osteoflow.cohort.assemble import summary_regions
from osteoflow.io.tables import read_table, write_table
from osteoflow.measurements import level_range
from osteoflow.settings.cohort import Summary
from osteoflow.settings.statistics import Reproducibility
from osteoflow.statistics.overlap import overlap_table
from osteoflow.statistics.reproducibility import (
    bland_altman_tables,
    feature_reproducibility,
    measurement_reproducibility,
)
from osteoflow.step_log import log_to


def main(inputs, output, params, log):
    """Write the tables of reproducibility."""
    log_to(log)
    settings = Reproducibility(**json.loads(params.reproducibility))
    people = read_table(inputs.participants)
    arguments = (people, settings, level_range(settings.levels), params.seed)
    table, readings = measurement_reproducibility(read_table(inputs.measurements), *arguments)
    write_table(output.reproducibility, table.rename(columns={"variable": "metric"}))
    perturbed = read_table(inputs.perturbed_features)
    features = feature_reproducibility(read_table(inputs.features), *arguments, perturbed)
    write_table(output.reproducibility_features, features.rename(columns={"variable": "feature"}))
    write_table(output.overlap, overlap_table(read_table(inputs.dice)))
    summaries = [Summary(**item) for item in json.loads(params.summaries)]
    limits, points = bland_altman_tables(table, readings, summary_regions(summaries))
    write_table(output.bland_altman, limits)
    write_table(output.bland_altman_points, points)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
