"""What a run really did, as the manuscript's text and the checklists read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from osteoflow.manuscript.text.markup import plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AnalysisFacts:
    """One modelling analysis: its ``summary.json`` and tables.

    Attributes
    ----------
    name
        Of its folder.
    summary
        As :func:`osteoflow.models.tables.summary` makes it; with ``not_possible`` alone where the
        data did not allow the analysis.
    tables
        Those of :data:`osteoflow.manuscript.text.load.MODEL_TABLES`, by name.
    nomogram
        Whether there is a nomogram.
    """

    name: str
    summary: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    nomogram: bool = False

    @property
    def possible(self) -> bool:
        """Whether models were fitted."""
        return "not_possible" not in self.summary

    def rows(self, table: str) -> pd.DataFrame | None:
        """A table that has rows."""
        found = self.tables.get(table)
        return found if found is not None and len(found) else None

    def measures(self) -> dict[str, str]:
        """How each performance measure's limits were found, by ``measure@set``, in order."""
        table = self.rows("performance")
        if table is None:
            return {}
        made = table.assign(method=table["method"].fillna("").astype(str))
        return {
            f"{row.metric}@{row.set}": row.method
            for row in made.itertuples()
            # What one model could not have says nothing of the method.
            if "not defined" not in row.method
        }


@dataclass(frozen=True)
class Facts:
    """A study's settings and results.

    Attributes
    ----------
    settings
        The whole configuration as plain values.
    recipes
        Image with radiomic features -> its validated recipe as plain values.
    flow, exclusions, people
        ``results/cohort/{flow,exclusions,participants}.tsv``.
    labels
        Column of the participants table -> its label with the unit.
    methods
        Image -> what its measurements say of how it was made
        (:func:`osteoflow.reports.methods.methods_by_image`).
    left_out
        Why levels are left out of means -> how many levels.
    n_features
        Image -> number of radiomic features with a value.
    scans
        Image of ``convert`` (``ct``, ``mag``, ``mese`` ...) -> the sidecars of all subjects.
    outlines
        Mask item (``ct``, ``mri_rater2`` ...) -> the sidecars of all subjects.
    statistics
        Tables of ``results/statistics`` by name.
    table1
        What Table 1 is about (``table1.json``).
    review
        ``results/cohort/review.tsv`` of a study with a review.
    analyses
        Outcome models in the order of the settings.
    ibsi
        In one line, how many radiomic features agree with the standard; empty without radiomics.
    ibsi_deviations
        One line per feature that does not.
    versions
        Software -> version.
    code
        Hash of the code that made the results.
    """

    settings: Mapping[str, Any]
    flow: pd.DataFrame
    exclusions: pd.DataFrame
    people: pd.DataFrame
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    n_features: Mapping[str, int] = field(default_factory=dict)
    scans: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    outlines: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    statistics: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    table1: Mapping[str, Any] = field(default_factory=dict)
    review: pd.DataFrame | None = None
    analyses: Sequence[AnalysisFacts] = ()
    ibsi: str = ""
    ibsi_deviations: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    code: str = ""

    def label(self, column: str) -> str:
        """A column's label with its unit, escaped."""
        return plain(self.labels.get(column, column))

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of the statistics that has rows."""
        found = self.statistics.get(name)
        return found if found is not None and len(found) else None

    @property
    def seed(self) -> int:
        """Seed of the study."""
        return int(self.settings["study"]["seed"])

    @property
    def images(self) -> list[str]:
        """Images with radiomic features, where any region has one."""
        return [name for name in self.recipes if self.n_features.get(name)]

    @property
    def models(self) -> list[AnalysisFacts]:
        """Analyses whose models were fitted."""
        return [item for item in self.analyses if item.possible]

    @cached_property
    def n_people(self) -> int:
        """Number of participants."""
        return int(self.people["participant_id"].nunique())

    @property
    def has_ct(self) -> bool:
        """Whether any CT was converted."""
        return bool(self.scans.get("ct"))

    @property
    def has_mri(self) -> bool:
        """Whether any MRI was converted."""
        return any(found for name, found in self.scans.items() if name != "ct")

    def compared(self, table: str) -> list[str]:
        """Comparisons (``inter_rater`` ...) that a table of reproducibility holds."""
        found = self.table(table)
        return [] if found is None else list(dict.fromkeys(found["comparison"]))
