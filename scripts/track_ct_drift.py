"""Follow the calibrations of separate phantom scans over time.

Reads the table of phantom scans; writes each with its change against the scans before it, days
instead of dates.
"""

import json
from types import SimpleNamespace

from osteoflow.ct.asynchronous import read_scans
from osteoflow.ct.certificate import certified_phantom
from osteoflow.ct.drift import COLUMNS, drift_table
from osteoflow.io.tables import write_rows
from osteoflow.step_log import log_to


def main(inputs, output, params, log):
    """Write the table."""
    log_to(log)
    rods = [SimpleNamespace(**rod) for rod in json.loads(params.certificate)]
    scans = read_scans(inputs.scans, certified_phantom(params.phantom, rods))
    write_rows(output.table, COLUMNS, drift_table(scans))


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
