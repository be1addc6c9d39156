"""Which tables a study has, and the files that each is made of.

Imported when the workflow is planned: nothing heavy. A new table is an entry here, its builder in
:mod:`osteoflow.manuscript.builders`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from osteoflow.config import Config

Scope = Literal[
    "study", "comparison", "correlation_matrix", "mixed_model", "measurement_roc", "analysis"
]
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
        Whether there is one for the study, or for each item of a list of settings: group
        comparisons, correlation matrices, mixed models, ROC analyses, analyses of an outcome.
    needs
        A key of the configuration; where it is empty, the study has no such table.
    of
        A key of the item; where it is empty, the item has no such table.
    kinds
        Kinds of outcome that have such a table; empty: all.
    """

    files: Mapping[str, str]
    scope: Scope = "study"
    needs: str = ""
    of: str = ""
    kinds: tuple[str, ...] = ()

    def suits(self, item: Any) -> bool:
        """Whether an item of the scope's list has such a table; None stands for the study."""
        if self.of and not getattr(item, self.of):
            return False
        return not self.kinds or item.kind in self.kinds


# In the order in which a paper prints them.
CATALOGUE: dict[str, Entry] = {
    "characteristics": Entry(
        {"table1": f"{_STATISTICS}/table1.tsv", "about": f"{_STATISTICS}/table1.json"},
        needs="statistics.table1_variables",
    ),
    "comparison": Entry({"comparisons": f"{_STATISTICS}/comparisons.tsv"}, "comparison"),
    "post_hoc": Entry(
        {"pairs": f"{_STATISTICS}/comparison_pairs.tsv"}, "comparison", of="post_hoc"
    ),
    "correlations": Entry(
        {"correlations": f"{_STATISTICS}/correlations.tsv"}, needs="statistics.correlations"
    ),
    "correlation_matrix": Entry(
        {"matrices": f"{_STATISTICS}/correlation_matrices.tsv"}, "correlation_matrix"
    ),
    "mixed_model": Entry(
        {
            "effects": f"{_STATISTICS}/mixed_effects.tsv",
            "models": f"{_STATISTICS}/mixed_models.tsv",
        },
        "mixed_model",
    ),
    "measurement_roc": Entry({"roc": f"{_STATISTICS}/measurement_roc.tsv"}, "measurement_roc"),
    "measurement_cutoffs": Entry(
        {"cutoffs": f"{_STATISTICS}/measurement_cutoffs.tsv"}, "measurement_roc"
    ),
    "measurement_differences": Entry(
        {"pairs": f"{_STATISTICS}/measurement_pairs.tsv"}, "measurement_roc"
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
    "optimism": Entry(
        {"optimism": f"{_MODEL}/optimism.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
        of="optimism_bootstraps",
    ),
    "auc_differences": Entry(
        {"comparisons": f"{_MODEL}/comparisons.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
    ),
    "reclassification": Entry(
        {"reclassification": f"{_MODEL}/reclassification.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
        kinds=("binary",),
    ),
    "nested_models": Entry(
        {"nested": f"{_MODEL}/nested.tsv", "summary": f"{_MODEL}/summary.json"},
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
    "assumptions": Entry(
        {"assumptions": f"{_MODEL}/assumptions.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
        kinds=("ordinal", "continuous", "survival"),
    ),
    "hazard_ratios": Entry(
        {"ratios": f"{_MODEL}/hazard_ratios.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
        kinds=("survival",),
    ),
    "score_groups": Entry(
        {"groups": f"{_MODEL}/log_rank.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
        kinds=("survival",),
    ),
    "leakage_check": Entry(
        {"permutations": f"{_MODEL}/permutations.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
        of="permutations",
    ),
    "sample_size": Entry(
        {"sizes": f"{_MODEL}/sample_size.tsv", "summary": f"{_MODEL}/summary.json"},
        "analysis",
    ),
    "exclusions": Entry({"flow": "cohort/flow.tsv", "summaries": f"{_MODEL}/summary.json"}),
}


@dataclass(frozen=True)
class Planned:
    """One table of a study: its kind, the item of the settings it is about, and its files."""

    kind: str
    about: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its files: ``performance_osteoporosis``."""
        return f"{self.kind}_{self.about}" if self.about else self.kind


def planned_tables(config: Config) -> list[Planned]:
    """The tables of a study, in order: those of a comparison or an analysis stand together."""
    items: dict[str, Sequence[Any]] = {
        "study": [None],
        "comparison": config.statistics.comparisons,
        "correlation_matrix": config.statistics.correlation_matrices,
        "mixed_model": config.statistics.mixed_models,
        "measurement_roc": config.statistics.measurement_roc,
        "analysis": config.analyses,
    }
    analyses = [item.name for item in config.analyses]
    found = []
    for scope, group in groupby(CATALOGUE.items(), lambda pair: pair[1].scope):
        entries = [(kind, entry) for kind, entry in group if _is_needed(config, entry.needs)]
        for item in items[scope]:
            about = "" if item is None else item.name
            for kind, entry in entries:
                if not entry.suits(item):
                    continue
                files = {
                    key: _path(path, scope, about, analyses) for key, path in entry.files.items()
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
