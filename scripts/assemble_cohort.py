"""Join all subjects' tables.

Reads every subject's measurements, features, status and rater agreement, the subjects table, the
inventory's exclusions, the subjects that a run left out and the decisions of a review; writes the
cohort tables without rejected regions, the merged exclusions, the review and the flow.
"""

import json

from osteoflow.cohort.assemble import exclusions_table, status_table
from osteoflow.cohort.feature_dictionary import feature_dictionary
from osteoflow.cohort.flow import cohort_flow
from osteoflow.cohort.review import review_cohort
from osteoflow.cohort.tables import cohort_tables, ended_items
from osteoflow.io.tables import read_rows, read_table, write_table
from osteoflow.io.volume import write_json
from osteoflow.layout import SubjectFiles
from osteoflow.segmentation.schemes import scheme_names
from osteoflow.settings.cohort import Cohort
from osteoflow.step_log import log_to
from osteoflow.subjects import read_subjects


def main(inputs, output, params, log):
    """Assemble the cohort."""
    log_to(log)
    table = read_subjects(inputs.subjects, scheme_names())
    done = [SubjectFiles.beside(path) for path in inputs.statuses]
    reviewed = review_cohort(next(iter(inputs.review), None), table, done)
    cohort = cohort_tables(done, table, reviewed, Cohort(**json.loads(params.cohort)))
    for name in ("participants", "measurements", "features", "perturbed_features"):
        write_table(output.get(name), getattr(cohort, name))
        write_table(output.get(f"{name}_tsv"), getattr(cohort, name))
    write_json(output.columns, cohort.columns)
    recipes = json.loads(params.recipes)
    described = feature_dictionary(cohort.features, cohort.measurements, recipes)
    write_table(output.features_dictionary, described)
    write_table(output.dice, cohort.dice)
    write_table(output.review, reviewed.table())

    items = ended_items(done, read_rows(inputs.failed), reviewed)
    named = {subject.name: subject for subject in table.subjects}
    identified = [(named[name].participant_id, named[name].session, items[name]) for name in items]
    inventory = read_table(inputs.inventory)
    write_table(output.exclusions, exclusions_table(inventory, identified, reviewed.exclusions()))
    statuses = status_table(table, inventory, items)
    write_table(output.status, statuses)
    review = reviewed.table() if inputs.review else None
    write_table(output.flow, cohort_flow(statuses, table, review))


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
