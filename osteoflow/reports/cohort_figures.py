"""The cohort's figures by name, each from the tables it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from osteoflow.cohort.assemble import column_label
from osteoflow.cohort.flow import read_flow
from osteoflow.figures.agreement import NOT_ASSESSED, draw_bland_altman, draw_truth
from osteoflow.figures.drift import draw_drift
from osteoflow.figures.flow import draw_flow
from osteoflow.figures.heatmap import draw_heatmap
from osteoflow.figures.measurement_roc import draw_measurement_roc
from osteoflow.figures.notice import draw_notice
from osteoflow.figures.scatter import draw_scatter
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.measurements import dictionary
from osteoflow.reports.truth import quantity_label
from osteoflow.settings.figures import Figures
from osteoflow.settings.statistics import Statistics
from osteoflow.statistics.sessions import one_row_per_participant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple["Figure", str]


@dataclass(frozen=True)
class CohortFigures:
    """What all figures of the cohort are drawn with.

    Parameters
    ----------
    settings
        Sizes and formats.
    statistics
        Declared correlations, matrices and ROC analyses.
    columns
        Dictionary of the participants table's columns.
    """

    settings: Figures
    statistics: Statistics
    columns: Mapping[str, Mapping[str, str]]

    def draw(self, name: str, data: Sequence[str]) -> Drawn:
        """The figure of this name and its caption.

        Parameters
        ----------
        name
            ``flow``, ``bland_altman``, ``correlation_...``, ``heatmap_...`` and so on.
        data
            Paths of the tables it shows.

        Raises
        ------
        KeyError
            For another name.
        """
        for start, draw in _DRAWN.items():
            if name == start or name.startswith(f"{start}_"):
                return draw(self, name, data)
        raise KeyError(name)

    def label(self, name: str) -> str:
        """A column's name with its unit."""
        return column_label(name, dict(self.columns))


def _flow(of: CohortFigures, name: str, data: Sequence[str]) -> Drawn:
    summaries = [read_json(path) for path in data[1:]]
    possible = [summary for summary in summaries if "not_possible" not in summary]
    return draw_flow(read_flow(data[0]), of.settings, possible)


def _bland_altman(of: CohortFigures, name: str, data: Sequence[str]) -> Drawn:
    """Agreement of two raters, of a rater's two outlines, or of two scans."""
    comparison = name.removeprefix("bland_altman").removeprefix("_") or "inter_rater"
    limits, points = (t[t["comparison"] == comparison] for t in map(read_table, data))
    if limits.empty:
        return draw_notice(NOT_ASSESSED[comparison], of.settings)
    words: Callable[[str], str] = lambda metric: dictionary()[metric]["label"]  # noqa: E731
    return draw_bland_altman(limits, points, of.settings, words)


def _correlation(of: CohortFigures, name: str, data: Sequence[str]) -> Drawn:
    """Two measurements against each other."""
    item = next(c for c in of.statistics.correlations if c.figure == name)
    people, _ = one_row_per_participant(read_table(data[0]))
    return draw_scatter(people, item.x, item.y, of.settings, of.label, read_table(data[1]))


def _heatmap(of: CohortFigures, name: str, data: Sequence[str]) -> Drawn:
    """All correlations of a matrix."""
    table = read_table(data[0])
    return draw_heatmap(
        table[table["name"] == name.removeprefix("heatmap_")], of.settings, of.label
    )


def _measurement_roc(of: CohortFigures, name: str, data: Sequence[str]) -> Drawn:
    """ROC curves of single measurements."""
    item = next(item for item in of.statistics.measurement_roc if item.figure == name)
    tables = [table[table["name"] == item.name] for table in map(read_table, data)]
    return draw_measurement_roc(*tables, item.outcome_label, of.settings, of.label)


def _truth(of: CohortFigures, name: str, data: Sequence[str]) -> Drawn:
    """Measured against known values."""
    return draw_truth(read_table(data[0]), read_table(data[1]), of.settings, quantity_label)


def _ct_drift(of: CohortFigures, name: str, data: Sequence[str]) -> Drawn:
    """Scans of the phantom over time."""
    return draw_drift(read_table(data[0]), of.settings)


_DRAWN: dict[str, Any] = {
    "flow": _flow,
    "bland_altman": _bland_altman,
    "correlation": _correlation,
    "heatmap": _heatmap,
    "measurement_roc": _measurement_roc,
    "truth": _truth,
    "ct_drift": _ct_drift,
}
