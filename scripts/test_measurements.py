"""Test single measurements: ROC analyses of outcomes, mixed models of vertebrae in participants.

Reads the cohort tables; writes one table per kind of result.
"""

import json

from osteoflow.io.tables import read_table, write_table
from osteoflow.io.volume import read_json
from osteoflow.models.measurements import measurement_roc_tables
from osteoflow.models.published import methods_of
from osteoflow.settings.cohort import Summary
from osteoflow.settings.statistics import MeasurementRoc, MixedModel
from osteoflow.statistics.mixed_table import mixed_tables
from osteoflow.statistics.sessions import one_row_per_participant
from osteoflow.step_log import log_to


def main(inputs, output, params, log):
    """Write the tables of tests."""
    log_to(log)
    people, _ = one_row_per_participant(read_table(inputs.participants))
    declared = json.loads(params.declared)
    units = {name: entry["unit"] for name, entry in read_json(inputs.columns).items()}
    summaries = [Summary(**item) for item in json.loads(params.summaries)]
    measurements = read_table(inputs.measurements)
    found = measurement_roc_tables(
        people,
        [MeasurementRoc(**item) for item in declared["measurement_roc"]],
        summaries,
        units,
        params.seed,
        methods_of(measurements, summaries),
    )
    files = dict(output.items())
    for name, table in found.items():
        write_table(files[name], table)
    models = [MixedModel(**item) for item in declared["mixed_models"]]
    effects, variances = mixed_tables(measurements, people, models)
    write_table(output.mixed_effects, effects)
    write_table(output.mixed_models, variances)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
