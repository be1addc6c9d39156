"""Describe the cohort: Table 1, declared comparisons and correlations, agreement of raters.

Reads the cohort tables; writes one table per kind of result.
"""

import json

import pandas as pd

from osteoflow.cohort.assemble import column_label
from osteoflow.io.tables import read_table, write_table
from osteoflow.io.volume import read_json, write_json
from osteoflow.measurements import TRABECULAR, level_range
from osteoflow.settings.cohort import Summary
from osteoflow.settings.statistics import Statistics
from osteoflow.statistics.comparison import comparisons_table
from osteoflow.statistics.correlation import correlations_table
from osteoflow.statistics.reliability import bland_altman_tables, reliability_table
from osteoflow.statistics.sessions import of_same_sessions, one_row_per_participant
from osteoflow.statistics.table1 import table1
from osteoflow.step_log import log_to


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

    measurements, features = (
        of_same_sessions(read_table(path), people)
        for path in (inputs.measurements, inputs.features)
    )
    write_table(output.reliability, reliability_table(measurements, features))
    averages = {
        (summary.metric, level_range(summary.levels) + TRABECULAR)
        for summary in (Summary(**item) for item in json.loads(params.summaries))
    }
    wanted = [
        pair in averages for pair in zip(measurements["metric"], measurements["roi"], strict=True)
    ]
    limits, points = bland_altman_tables(measurements[wanted])
    write_table(output.bland_altman, limits)
    write_table(output.bland_altman_points, points)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
