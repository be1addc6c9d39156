"""Write the words of a manuscript.

Reads the cohort's tables, statistics, models and the sidecars of all subjects; writes the methods
with their bibliography, and the reporting checklists as tables, Markdown and Word documents.
"""

import json
from pathlib import Path

from osteoflow.io.whole import write_text
from osteoflow.manuscript.text.checklists.checklist import CHECKLISTS, fill
from osteoflow.manuscript.text.checklists.write import write_checklist
from osteoflow.manuscript.text.code_state import code_state
from osteoflow.manuscript.text.load import load_facts
from osteoflow.manuscript.text.methods import write_methods
from osteoflow.step_log import log_to


def main(inputs, output, params, log):
    """Write methods and checklists."""
    log_to(log)
    facts = load_facts(
        Path("results"),
        json.loads(params.settings),
        json.loads(params.recipes),
        inputs.statuses,
        inputs.compliance,
        reviewed=params.reviewed,
        code=code_state(),
    )
    text, bibliography = write_methods(facts)
    write_text(output.methods, text)
    write_text(output.bibliography, bibliography)
    folder = Path(output.methods).parent
    for name in CHECKLISTS:
        write_checklist(name, fill(name, facts), folder)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
