"""Describe the cohort: Table 1, declared comparisons and correlations, features and volume.

Reads the cohort tables; writes one table per kind of result.
"""

import json

import pandas as pd

from osteoflow.cohort.assemble import column_label
from osteoflow.io.tables import read_table, write_table
from osteoflow.io.volume import read_json, write_json
from osteoflow.settings.statistics import Statistics
from osteoflow.statistics.comparison import comparisons_table, pairs_table
from osteoflow.statistics.correlation import correlations_table, matrices_table
from osteoflow.statistics.feature_volume import feature_volume_table
from osteoflow.statistics.sessions import one_row_per_participant
from osteoflow.statistics.table1 import declared_table1
from osteoflow.step_log import log_to


def main(inputs, output, params, log):
    """Write the descriptive tables."""
    log_to(log)
    settings = Statistics(**json.loads(params.statistics))
    people, notes = one_row_per_participant(read_table(inputs.participants))
    columns = read_json(inputs.columns)
    labels = {name: column_label(name, columns) for name in columns}
    made = declared_table1(people, settings, labels, params.seed)
    about = made.document if made else {"group": None, "notes": []}
    write_table(output.table1, made.table if made else pd.DataFrame(columns=["variable"]))
    write_json(output.table1_about, {**about, "notes": [*about["notes"], *notes]})
    write_table(output.comparisons, comparisons_table(people, settings.comparisons, params.seed))
    write_table(output.pairs, pairs_table(people, settings.comparisons))
    write_table(output.correlations, correlations_table(people, settings.correlations))
    write_table(output.matrices, matrices_table(people, settings.correlation_matrices))
    volume = feature_volume_table(read_table(inputs.features), people, settings.volume_confounding)
    write_table(output.feature_volume, volume)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
