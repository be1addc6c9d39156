"""Join all subjects' tables.

Reads every subject's measurements, features, status and rater agreement, the subjects table, the
inventory's exclusions, the subjects that a run left out and the decisions of a review; writes the
cohort tables without rejected regions, the merged exclusions, the review and the flow.
"""

import json

from osteoflow.cohort import left_out
from osteoflow.cohort.assemble import (
    columns_dictionary,
    exclusions_table,
    failed_items,
    fat_errors_anew,
    join_perturbed,
    join_subjects,
    participants_table,
    status_table,
)
from osteoflow.cohort.classes import add_columns
from osteoflow.cohort.feature_dictionary import feature_dictionary
from osteoflow.cohort.flow import cohort_flow
from osteoflow.cohort.review import review_cohort
from osteoflow.io.tables import read_rows, read_table, write_table
from osteoflow.io.volume import read_json, write_json
from osteoflow.layout import SubjectFiles
from osteoflow.segmentation.schemes import scheme_names
from osteoflow.settings.cohort import Cohort
from osteoflow.step_log import log_to
from osteoflow.subjects import read_subjects


def main(inputs, output, params, log):
    """Assemble the cohort."""
    log_to(log)
    table = read_subjects(inputs.subjects, scheme_names())
    settings = Cohort(**json.loads(params.cohort))
    summaries = settings.summaries
    done = [SubjectFiles.beside(path) for path in inputs.statuses]
    reviewed = review_cohort(next(iter(inputs.review), None), table, done)
    measurements, features, dice = join_subjects(done, reviewed.places)
    automatic = left_out.automatic(measurements, settings.left_out)
    out = left_out.joined(left_out.named(table), automatic)
    features = left_out.mark_features(features, out)
    perturbed = left_out.mark_features(join_perturbed(done, reviewed.places), out)
    out = left_out.joined(left_out.rejected(reviewed.places), out)
    least = settings.left_out.minimum_levels
    measurements = fat_errors_anew(left_out.apply(measurements, out, summaries, least))
    people = participants_table(table, measurements, summaries)
    scans = {files.name: read_json(files.status).get("acquisition", {}) for files in done}
    people, more = add_columns(people, measurements, scans, settings)
    for name, content in (
        ("participants", people),
        ("measurements", measurements),
        ("features", features),
        ("perturbed_features", perturbed),
    ):
        write_table(output.get(name), content)
        write_table(output.get(f"{name}_tsv"), content)
    write_json(output.columns, {**columns_dictionary(table, measurements, summaries), **more})
    described = feature_dictionary(features, measurements, json.loads(params.recipes))
    write_table(output.features_dictionary, described)
    write_table(output.dice, dice)
    write_table(output.review, reviewed.table())

    found = {files.name: read_json(files.status)["items"] for files in done}
    named = {subject.name: subject for subject in table.subjects}
    inventory, failed = read_table(inputs.inventory), failed_items(read_rows(inputs.failed))
    found.update(failed)
    for name, items in reviewed.status_items().items():
        found[name] = found[name] + items
    identified = [
        (named[name].participant_id, named[name].session, items) for name, items in found.items()
    ]
    write_table(output.exclusions, exclusions_table(inventory, identified, reviewed.exclusions()))
    statuses = status_table(table, inventory, found)
    write_table(output.status, statuses)
    review = reviewed.table() if inputs.review else None
    write_table(output.flow, cohort_flow(statuses, table, review))


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
