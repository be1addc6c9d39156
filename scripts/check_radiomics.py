"""Compare this environment's radiomic features with the IBSI standard.

Extracts the features of the IBSI-1 digital phantom that ships with the code; writes how many agree
with their reference values, and which do not.
"""

import logging
from dataclasses import asdict

from osteoflow.io.volume import write_json
from osteoflow.radiomics.compliance import PHANTOM, check_installation, deviations, statement
from osteoflow.reports.versions import software_versions
from osteoflow.step_log import log_to


def main(output, log):
    """Write the comparison."""
    log_to(log)
    found = check_installation()
    warnings = deviations(found)
    for text in warnings:
        logging.warning(text)
    content = {
        "phantom": PHANTOM,
        "source": "Zwanenburg et al., Radiology 2020;295:328; https://theibsi.github.io",
        "statement": statement(found),
        "warnings": warnings,
        "aggregations": [
            {
                "texture": agreement.texture,
                "passed": agreement.passed,
                "total": agreement.total,
                "failed": [asdict(item) for item in agreement.failed],
            }
            for agreement in found
        ],
        "versions": software_versions(),
    }
    write_json(output.compliance, content)


main(snakemake.output, snakemake.log[0])
