"""Which tables a study has, and the files that each is made of.

Imported when the workflow is planned: nothing heavy. A new table is an entry here, its builder in
:mod:`osteoflow.manuscript.builders`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from osteoflow.config import Config

_STATISTICS, _MODEL = "statistics", "models/{analysis}"


@dataclass(frozen=True)
class Entry:
    """A kind of table.

    Parameters
    ----------
    files
        What its builder asks for -> file below ``results``. A table of the whole study gets a file
        with ``{analysis}`` in its name of every analysis.
    scope
        Whether there is one for the study, for each group comparison or for each analysis.
    needs
        A key of the configuration; where it is empty, the study has no such table.
    """

    files: Mapping[str, str]
    scope: Literal["study", "comparison", "analysis"] = "study"
    needs: str = ""


# In the order in which a paper prints them.
CATALOGUE: dict[str, Entry] = {
    "characteristics": Entry(
        {"table1": f"{_STATISTICS}/table1.tsv", "about": f"{_STATISTICS}/table1.json"},
        needs="statistics.table1_variables",
    ),
    "comparison": Entry({"comparisons": f"{_STATISTICS}/comparisons.tsv"}, "comparison"),
    "correlations": Entry(
        {"correlations": f"{_STATISTICS}/correlations.tsv"}, needs="statistics.correlations"
    ),
    "agreement": Entry({"reproducibility": f"{_STATISTICS}/reproducibility.tsv"}),
    "precision": Entry({"reproducibility": f"{_STATISTICS}/reproducibility.tsv"}),
    "outline_overlap": Entry({"overlap": f"{_STATISTICS}/overlap.tsv"}),
    "feature_agreement": Entry(
        {"reproducibility": f"{_STATISTICS}/reproducibility_features.tsv"},
        needs="radiomics.images",
    ),
    "sets": Entry(
        {
            "participants": "cohort/participants.parquet",
            "predictions": f"{_MODEL}/predictions.tsv",
            "summary": f"{_MODEL}/summary.json",
        },
        "analysis",
        needs="statistics.table1_variables",
    ),
    "performance": Entry(
        {"performance": f"{_MODEL}/performance.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
    ),
    "auc_differences": Entry(
        {"comparisons": f"{_MODEL}/comparisons.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
    ),
    "selected_features": Entry(
        {
            "selection": f"{_MODEL}/selection.tsv",
            "filters": f"{_MODEL}/filters.tsv",
            "summary": f"{_MODEL}/summary.json",
        },
        "analysis",
    ),
    "regression": Entry(
        {"coefficients": f"{_MODEL}/coefficients.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
    ),
    "exclusions": Entry({"flow": "cohort/flow.tsv", "summaries": f"{_MODEL}/summary.json"}),
}


@dataclass(frozen=True)
class Planned:
    """One table of a study: its kind, the comparison or analysis it is about, and its files."""

    kind: str
    about: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its files: ``performance_osteoporosis``."""
        return f"{self.kind}_{self.about}" if self.about else self.kind


def planned_tables(config: Config) -> list[Planned]:
    """The tables of a study, in order: those of an analysis stand together."""
    abouts = {
        "study": [""],
        "comparison": [item.name for item in config.statistics.comparisons],
        "analysis": [item.name for item in config.analyses],
    }
    found = []
    for scope, group in groupby(CATALOGUE.items(), lambda pair: pair[1].scope):
        entries = [(kind, entry) for kind, entry in group if _is_needed(config, entry.needs)]
        for about in abouts[scope]:
            for kind, entry in entries:
                files = {
                    key: _path(path, scope, about, abouts["analysis"])
                    for key, path in entry.files.items()
                }
                found.append(Planned(kind, about, files))
    return found


def files_of(planned: list[Planned]) -> list[str]:
    """Every file that the tables are made of, once."""
    found: dict[str, None] = {}
    for item in planned:
        for path in item.files.values():
            found |= dict.fromkeys([path] if isinstance(path, str) else path.values())
    return list(found)


def _is_needed(config: Config, key: str) -> bool:
    return not key or bool(reduce(getattr, key.split("."), config))


def _path(path: str, scope: str, about: str, analyses: list[str]) -> str | dict[str, str]:
    if "{analysis}" not in path or scope == "analysis":
        return path.format(analysis=about)
    return {name: path.format(analysis=name) for name in analyses}
