"""Write the tables of a manuscript.

Reads the tables of statistics and models; writes each as text, HTML, Word and LaTeX, all of them
together, and an index with titles and notes.
"""

import json
from pathlib import Path

from osteoflow.cohort.assemble import column_label, summary_regions
from osteoflow.io.volume import read_json
from osteoflow.manuscript.builders import build_tables
from osteoflow.manuscript.catalogue import Planned
from osteoflow.manuscript.inputs import StudyWords
from osteoflow.manuscript.write import write_tables
from osteoflow.measurements import TRABECULAR, dictionary, level_range
from osteoflow.settings.cohort import Summary
from osteoflow.settings.manuscript import Manuscript
from osteoflow.step_log import log_to


def main(inputs, output, params, log):
    """Write the tables."""
    log_to(log)
    settings = Manuscript(**json.loads(params.settings))
    columns = read_json(inputs.columns)
    summaries = [Summary(**item) for item in json.loads(params.summaries)]
    each = f"{level_range(params.levels)}_each{TRABECULAR}"
    study = StudyWords(
        label=lambda name: column_label(name, columns),
        metric=lambda name: dictionary()[name]["label"],
        regions=frozenset(summary_regions(summaries) | {(s.metric, each) for s in summaries}),
        top_features=settings.top_features,
        variables=tuple(params.variables),
        nonnormal=tuple(params.nonnormal),
        tests=json.loads(params.tests),
    )
    planned = [Planned(**item) for item in json.loads(params.planned)]
    tables = build_tables(planned, Path("results"), study)
    write_tables(Path(output.index).parent, tables, settings.formats)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
