"""Write the study's report.

Reads the cohort tables, statistics, models, figures with captions, subjects' status and what the
radiomics of this installation are worth by the IBSI standard; writes one self-contained HTML page.
"""

from osteoflow.io.whole import write_text
from osteoflow.reports.cohort import render_cohort
from osteoflow.reports.study import read_study
from osteoflow.step_log import log_to


def main(inputs, output, params, log):
    """Write the page."""
    log_to(log)
    report = read_study(params, inputs.compliance, inputs.manuscript)
    write_text(output.index, render_cohort(report))


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
