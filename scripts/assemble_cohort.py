"""Join all subjects' tables.

Reads every subject's measurements, features, status and rater agreement, the subjects table and
the inventory's exclusions; writes the cohort tables, the merged exclusions and the flow.
"""

import json
from pathlib import Path

from osteoflow.cohort.assemble import (
    columns_dictionary,
    exclusions_table,
    participants_table,
    status_table,
)
from osteoflow.cohort.flow import cohort_flow
from osteoflow.config import Summary
from osteoflow.io.tables import (
    FEATURE_KEYS,
    MEASUREMENT_COLUMNS,
    concatenate,
    read_table,
    write_table,
)
from osteoflow.io.volume import read_json, write_json
from osteoflow.segmentation.schemes import scheme_names
from osteoflow.step import log_to
from osteoflow.subjects import read_subjects


def main(inputs, output, params, log):
    """Assemble the cohort."""
    log_to(log)
    table = read_subjects(inputs.subjects, scheme_names())
    summaries = [Summary(**item) for item in json.loads(params.summaries)]
    measurements = concatenate(map(read_table, inputs.measurements), MEASUREMENT_COLUMNS)
    features = concatenate(map(read_table, inputs.features), FEATURE_KEYS)
    people = participants_table(table, measurements, summaries)
    for name, content in (
        ("participants", people),
        ("measurements", measurements),
        ("features", features),
    ):
        write_table(output.get(name), content)
        write_table(output.get(f"{name}_tsv"), content)
    write_json(output.columns, columns_dictionary(table, measurements, summaries))

    found = {Path(path).parent.name: read_json(path)["items"] for path in inputs.statuses}
    named = {subject.name: subject for subject in table.subjects}
    inventory = read_table(inputs.inventory)
    identified = [
        (named[name].participant_id, named[name].session, items) for name, items in found.items()
    ]
    write_table(output.exclusions, exclusions_table(inventory, identified))
    statuses = status_table(table, inventory, found)
    write_table(output.status, statuses)
    write_table(output.flow, cohort_flow(statuses, table))
    agreement = [
        read_table(path).assign(participant_id=named[Path(path).parents[1].name].participant_id)
        for path in inputs.agreement
    ]
    columns = ["participant_id", "image", "roi", "dice"]
    write_table(output.dice, concatenate(agreement, columns)[columns])


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
