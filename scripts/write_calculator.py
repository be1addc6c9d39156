"""Write the calculator of one analysis: the nomogram as a page that computes.

Reads the nomogram, summary and performance of the analysis; writes one self-contained HTML file.
"""

from pathlib import Path

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.io.whole import write_text
from osteoflow.reports.calculator import render_calculator
from osteoflow.step_log import log_to


def main(inputs, output, log):
    """Write the page."""
    log_to(log)
    there = Path(inputs.nomogram).stat().st_size > 0
    summary = read_json(inputs.summary)
    nomogram = read_json(inputs.nomogram) if there and "not_possible" not in summary else None
    performance = read_table(inputs.performance)
    write_text(output.calculator, render_calculator(nomogram, summary, performance))


main(snakemake.input, snakemake.output, snakemake.log[0])
