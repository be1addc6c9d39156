"""Count who reached which stage of one analysis, for its STARD flow diagram.

Reads the cohort's participants and statuses and the analysis's summary and classification; writes
the counts.
"""

from osteoflow.cohort.stard import stard_flow
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json, write_json
from osteoflow.io.whole import write_text
from osteoflow.step_log import log_to


def main(inputs, output, log):
    """Count."""
    log_to(log)
    summary = read_json(inputs.summary)
    # A cross tabulation of test and outcome needs two classes.
    if "not_possible" in summary or summary["kind"] != "binary":
        write_text(output.stard, "")
        return
    tables = [read_table(path) for path in (inputs.participants, inputs.statuses)]
    write_json(output.stard, stard_flow(*tables, summary, read_table(inputs.classification)))


main(snakemake.input, snakemake.output, snakemake.log[0])
