"""Fit and validate the outcome models of one analysis.

Reads the cohort tables; writes predictions, performance, selection, curves, the nomogram and a
summary. An analysis that the data cannot support leaves empty tables and a summary with the reason.
"""

import json

from osteoflow.cohort.assemble import column_label
from osteoflow.io.tables import read_table, write_table
from osteoflow.io.volume import read_json, write_json
from osteoflow.io.whole import write_text
from osteoflow.models.analyse import run
from osteoflow.models.folds import AnalysisError
from osteoflow.settings.analysis import Analysis
from osteoflow.step_log import log_to


def main(inputs, output, params, threads, log):
    """Run one analysis."""
    log_to(log)
    analysis = Analysis(**json.loads(params.analysis))
    columns = read_json(inputs.columns)
    files = dict(output.items())
    labels = {name: column_label(name, columns) for name in columns}
    try:
        result = run(
            read_table(inputs.participants),
            read_table(inputs.features),
            analysis,
            params.seed,
            labels=labels,
            repeat_sessions=json.loads(params.repeat_sessions),
            perturbed=read_table(inputs.perturbed_features),
            workers=threads,
        )
    except (AnalysisError, ArithmeticError) as error:
        for path in files.values():
            write_text(path, "")
        about = {"name": analysis.name, "outcome": analysis.outcome, "not_possible": str(error)}
        write_json(output.summary, about)
        return
    for name, path in files.items():
        if name in result.tables:
            write_table(path, result.tables[name])
        elif name in result.documents:
            write_json(path, result.documents[name])
        else:
            write_text(path, "")


main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads, snakemake.log[0])
