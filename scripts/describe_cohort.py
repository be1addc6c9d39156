"""Describe the cohort: Table 1, declared comparisons and correlations, reproducibility.

Reads the cohort tables; writes one table per kind of result.
"""

import json

import pandas as pd

from osteoflow.cohort.assemble import column_label, summary_regions
from osteoflow.io.tables import read_table, write_table
from osteoflow.io.volume import read_json, write_json
from osteoflow.measurements import level_range
from osteoflow.settings.cohort import Summary
from osteoflow.settings.statistics import Statistics
from osteoflow.statistics.comparison import comparisons_table
from osteoflow.statistics.correlation import correlations_table
from osteoflow.statistics.feature_volume import feature_volume_table
from osteoflow.statistics.overlap import overlap_table
from osteoflow.statistics.reproducibility import (
    bland_altman_tables,
    feature_reproducibility,
    measurement_reproducibility,
)
from osteoflow.statistics.sessions import one_row_per_participant
from osteoflow.statistics.table1 import table1
from osteoflow.step_log import log_to


def reproduce(inputs, output, params, settings):
    """Write how well raters, repeated outlines, repeated scans and perturbed images agree."""
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


def main(inputs, output, params, log):
    """Write the descriptive tables."""
    log_to(log)
    settings = Statistics(**json.loads(params.statistics))
    people, notes = one_row_per_participant(read_table(inputs.participants))
    columns = read_json(inputs.columns)
    labels = {name: column_label(name, columns) for name in columns}
    if settings.table1_variables:
        made = table1(
            people,
            settings.table1_variables,
            settings.table1_group,
            settings.nonnormal,
            labels,
        )
        write_table(output.table1, made.table)
        write_json(output.table1_about, {**made.document, "notes": notes})
    else:
        write_table(output.table1, pd.DataFrame(columns=["variable"]))
        write_json(output.table1_about, {"group": None, "notes": notes})
    write_table(output.comparisons, comparisons_table(people, settings.comparisons, params.seed))
    write_table(output.correlations, correlations_table(people, settings.correlations))

    volume = feature_volume_table(read_table(inputs.features), people, settings.volume_confounding)
    write_table(output.feature_volume, volume)
    reproduce(inputs, output, params, settings.reproducibility)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
