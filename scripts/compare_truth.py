"""Compare the measurements with known values.

Reads the cohort's measurements and the study's table of known values; writes the errors per
vertebra, their summary, and the summary as text for the terminal.
"""

from osteoflow.io.tables import read_table, write_table
from osteoflow.io.whole import write_text
from osteoflow.reports.truth import compare_truth, summary_text
from osteoflow.step_log import log_to


def main(inputs, output, log):
    """Write both tables and the text."""
    log_to(log)
    vertebrae, summary = compare_truth(read_table(inputs.measurements), read_table(inputs.truth))
    write_table(output.vertebrae, vertebrae)
    write_table(output.summary, summary)
    write_text(output.text, summary_text(summary))


main(snakemake.input, snakemake.output, snakemake.log[0])
