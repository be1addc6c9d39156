"""What a study's report says of its radiomic features: the IBSI standard, and their dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from osteoflow.io.volume import read_json

# As seen from the report's page.
FILES = {
    "what every radiomic feature is": "../cohort/features_dictionary.tsv",
    "radiomic features of the IBSI-1 digital phantom": "../report/ibsi_compliance.json",
}


@dataclass(frozen=True)
class Compliance:
    """How far an installation's features are those of the standard.

    Parameters
    ----------
    statement
        In one line; empty for a study without radiomics.
    warnings
        One line per feature that deviates.
    files
        Title -> address of what can be looked up.
    """

    statement: str = ""
    warnings: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def read_compliance(paths: Sequence[str | Path]) -> Compliance:
    """From the file that the job in the study's own environment wrote; none: no radiomics."""
    if not paths:
        return Compliance()
    [path] = paths
    content = read_json(path)
    return Compliance(content["statement"], content["warnings"], FILES)
