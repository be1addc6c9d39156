"""What the builders of tables get: machine tables, documents, and the study's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json

if TYPE_CHECKING:
    import pandas as pd

    from osteoflow.manuscript.catalogue import Planned


@dataclass(frozen=True)
class StudyWords:
    """What a study calls its columns, and what of it the tables show.

    Parameters
    ----------
    label
        Column -> label with its unit.
    metric
        Metric -> its name without a unit.
    regions
        Pairs of metric and region that tables of reproducibility show.
    top_features
        Rows of a table of radiomic features.
    variables, nonnormal
        Columns of Table 1, and those of them that are given by their median.
    tests
        Declared tests of Table 1.
    """

    label: Callable[[str], str] = str
    metric: Callable[[str], str] = str
    regions: frozenset[tuple[str, str]] = frozenset()
    top_features: int = 20
    variables: tuple[str, ...] = ()
    nonnormal: tuple[str, ...] = ()
    tests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """Inputs of one table.

    Parameters
    ----------
    name
        Name of the table.
    about
        Comparison or analysis that it is about.
    contents
        Tables and documents by the key of :class:`osteoflow.manuscript.catalogue.Entry`.
    """

    name: str
    about: str = ""
    contents: Mapping[str, Any] = field(default_factory=dict)
    study: StudyWords = field(default_factory=StudyWords)

    def table(self, key: str) -> pd.DataFrame:
        """A table; one without rows or columns where there is none."""
        return self.contents[key]

    def document(self, key: str) -> dict[str, Any]:
        """A document, or documents by analysis."""
        return self.contents[key]


def read_inputs(planned: Planned, results: Path, study: StudyWords) -> Inputs:
    """Read the files of a table.

    Parameters
    ----------
    planned
        The table.
    results
        Folder that its files lie in.
    study
        The study's words.
    """
    contents = {
        key: _read(results / path)
        if isinstance(path, str)
        else {name: _read(results / one) for name, one in path.items()}
        for key, path in planned.files.items()
    }
    return Inputs(planned.name, planned.about, contents, study)


def _read(path: Path) -> Any:
    return read_json(path) if path.suffix == ".json" else read_table(path)
