"""The study's report: who was in, what was found, how well the models do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from osteoflow.reports.analysis import AnalysisReport, describe_analysis
from osteoflow.reports.html import HtmlTable, environment, given, make_table
from osteoflow.reports.picture import ReportFigure
from osteoflow.reports.reviewed import describe_review
from osteoflow.reports.truth import quantity_label
from osteoflow.wording import sentence, step_name, unit_name


@dataclass(frozen=True)
class SubjectEntry:
    """A participant's line: page, status per modality, warnings, and status of each step."""

    name: str
    href: str | None
    statuses: Mapping[str, str]
    reasons: Mapping[str, str] = field(default_factory=dict)
    n_warnings: int = 0
    steps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CohortReport:
    """Everything the report shows; parts that a study does not have stay empty.

    Parameters
    ----------
    title
        Title of the study.
    flow
        Table of :func:`osteoflow.cohort.flow.count_flow`.
    exclusions
        One row per exclusion: ``participant_id``, ``session``, ``modality``, ``step``, ``code``,
        ``message``, ``hint`` (and any others).
    subjects
        Participants in the order of the study's table.
    review
        What a review decided on every region; None without a review.
    flow_figure, figures
        Flow diagram, and the statistics' figures.
    statistics
        Tables of :func:`osteoflow.reports.statistics.statistics_tables`.
    statistics_warnings
        What to know before using them.
    reproducibility
        Tables of :func:`osteoflow.reports.reproducibility.reproducibility_tables`.
    analyses
        Outcome models.
    truth_summary, truth_figure
        Comparison with simulated values.
    manuscript
        Tables for a manuscript: title, and kind of file -> address.
    methods
        Name of a step -> what it does, in words with parameters.
    versions
        Software -> version.
    warnings
        Where this installation's radiomic features depart from the IBSI standard.
    files
        What else the study wrote about its methods: title -> address.
    label
        Column -> label with unit.
    """

    title: str
    flow: pd.DataFrame
    exclusions: pd.DataFrame
    subjects: Sequence[SubjectEntry]
    review: pd.DataFrame | None = None
    flow_figure: ReportFigure | None = None
    figures: Sequence[ReportFigure] = ()
    statistics: Sequence[HtmlTable] = ()
    statistics_warnings: Sequence[str] = ()
    reproducibility: Sequence[HtmlTable] = ()
    analyses: Sequence[AnalysisReport] = ()
    truth_summary: pd.DataFrame | None = None
    truth_figure: ReportFigure | None = None
    manuscript: Sequence[tuple[str, Mapping[str, str]]] = ()
    methods: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    label: Callable[[str], str] = str


def render_cohort(report: CohortReport) -> str:
    """The report as one HTML file: no scripts, nothing loaded from elsewhere.

    Tables of features list those that matter (``TOP_FEATURES`` rows in
    :mod:`osteoflow.reports.analysis`) and say how many more there are.
    """
    return (
        environment()
        .get_template("cohort.html.j2")
        .render(
            title=report.title,
            tiles=_tiles(report),
            flow=_flow_table(report.flow),
            flow_figure=_embed(report.flow_figure),
            exclusions=_exclusions(report.exclusions),
            review=describe_review(report.review),
            statistics=report.statistics,
            statistics_warnings=report.statistics_warnings,
            reproducibility=report.reproducibility,
            figures=[figure.embed() for figure in report.figures],
            analyses=[describe_analysis(item, report.label) for item in report.analyses],
            truth=_truth(report.truth_summary),
            truth_figure=_embed(report.truth_figure),
            modalities=list(dict.fromkeys(m for s in report.subjects for m in s.statuses)),
            subjects=report.subjects,
            steps=list(dict.fromkeys(step for s in report.subjects for step in s.steps)),
            manuscript=[(title, dict(links)) for title, links in report.manuscript],
            methods={name: sentence(text) for name, text in report.methods.items()},
            versions=dict(report.versions),
            warnings=report.warnings,
            files=dict(report.files),
        )
    )


def _tiles(report: CohortReport) -> list[tuple[str, str]]:
    """The numbers at the top."""
    flow = report.flow
    tiles = []
    enrolled = flow.loc[flow["outcome"] == "enrolled", "n"]
    if len(enrolled):
        tiles.append((str(int(enrolled.iloc[0])), "participants"))
    for modality in dict.fromkeys(flow["modality"]):
        rows = flow[(flow["modality"] == modality) & (flow["outcome"] == "analysed")]
        tiles.append((str(int(rows["n"].sum())), f"usable: {rows['label'].iloc[0]}"))
    tiles.append((str(len(report.exclusions)), "exclusions"))
    tiles.append(
        (str(sum(s.n_warnings > 0 for s in report.subjects)), "participants with warnings")
    )
    return tiles


OUTCOMES = {
    "enrolled": "in the study",
    "absent": "not acquired",
    "reviewed": "analysed, all regions reviewed",
    "level_rejected": "analysed without a rejected region",
    "participants": "in the study, each counted once",
}


def _flow_table(flow: pd.DataFrame) -> HtmlTable:
    table = flow.assign(
        step=[step_name(step) if step else "" for step in flow["step"]],
        outcome=flow["outcome"].replace(OUTCOMES),
        reason=[
            reason if kind == "excluded" else ""
            for reason, kind in zip(flow["reason"], flow["outcome"], strict=True)
        ],
    )
    return make_table(
        table[["label", "outcome", "step", "reason", "n"]],
        "Participants by modality, step and reason",
        headings={"label": "Data", "outcome": "Participants", "reason": "Reason"},
    )


def _exclusions(table: pd.DataFrame) -> HtmlTable | None:
    if table.empty:
        return None
    shown = table.copy()
    if "step" in shown:
        shown["step"] = [step_name(str(step)) for step in shown["step"]]
    if "modality" in shown:
        shown["modality"] = shown["modality"].astype(str).str.upper()
    if "session" in shown and not shown["session"].fillna("").astype(bool).any():
        shown = shown.drop(columns="session")
    return make_table(shown, "Exclusions")


def _truth(summary: pd.DataFrame | None) -> HtmlTable | None:
    if not given(summary):
        return None
    shown = summary.assign(
        metric=[quantity_label(name, unit=False) for name in summary["metric"]],
        scan_model=summary["scan_model"].str.replace("_", " "),
        unit=summary["unit"].map(unit_name),
    )
    return make_table(
        shown,
        "Measured against simulated values, per vertebra",
        headings={"n": "Vertebrae", "metric": "Quantity"},
        note="Limits are for scans that follow the fitted model; others break it on purpose. "
        "Accuracy on simulated scans is not clinical accuracy.",
    )


def _embed(figure: ReportFigure | None) -> dict[str, Any] | None:
    return None if figure is None else figure.embed()
