"""Reading a study's results into what its report shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from osteoflow.cohort.assemble import column_label
from osteoflow.cohort.flow import read_flow
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.reports.analysis import ANALYSIS_TABLES, AnalysisReport, volume_rows
from osteoflow.reports.cohort import CohortReport
from osteoflow.reports.ibsi import read_compliance
from osteoflow.reports.manuscript import manuscript_links
from osteoflow.reports.methods import any_seeded, describe_methods, methods_by_image
from osteoflow.reports.picture import saved_figure
from osteoflow.reports.reproducibility import read_reproducibility
from osteoflow.reports.statistics import outcome_warnings, read_statistics
from osteoflow.reports.subject_list import subject_entries
from osteoflow.reports.versions import software_versions
from osteoflow.settings.cohort import Summary

FIGURES = Path("results/figures")
# What else the study has for a manuscript, as seen from the page.
MANUSCRIPT = {
    "methods with sources": "../manuscript/methods.md",
    "checklists CLEAR": "../manuscript/checklist_clear.md",
    "METRICS": "../manuscript/checklist_metrics.md",
    "TRIPOD+AI": "../manuscript/checklist_tripod_ai.md",
    "STARD": "../manuscript/checklist_stard.md",
}


def read_analysis(name: str, figures: Sequence[str], volume: pd.DataFrame) -> AnalysisReport:
    """One analysis: its summary, tables and figures, or why it was not possible."""
    folder = Path("results/models") / name
    summary = read_json(folder / "summary.json")
    if "not_possible" in summary:
        return AnalysisReport(name, problem=summary["not_possible"])
    tables = {table: read_table(folder / f"{table}.tsv") for table in ANALYSIS_TABLES}
    drawn = [saved_figure(item, FIGURES / name, f"../figures/{name}") for item in figures]
    page = f"../models/{name}/calculator.html"
    drawn = [
        figure.also("Calculator", page) if item == "nomogram" else figure
        for item, figure in zip(figures, drawn, strict=True)
    ]
    return AnalysisReport(name, summary, tables, drawn, volume=volume_rows(volume, summary))


def read_study(params: Any, compliance: Sequence[str], manuscript: str) -> CohortReport:
    """Everything that the report of the study in this folder shows.

    Parameters
    ----------
    params
        Parameters of the step: title, names of figures and analyses, settings as JSON.
    compliance
        Files of the check against the IBSI phantom; none without radiomics.
    manuscript
        Index of the manuscript's tables.
    """
    cohort, statistics = Path("results/cohort"), Path("results/statistics")
    columns = read_json(cohort / "participants.json")

    def label(name: str) -> str:
        return column_label(name, columns)

    others = [name for name in params.cohort_figures if name not in ("flow", "truth")]
    truth = "truth" in params.cohort_figures
    measured = read_table(cohort / "measurements.tsv")
    ibsi = read_compliance(compliance)
    volume = read_table(statistics / "feature_volume.tsv")
    return CohortReport(
        title=params.title,
        flow=read_flow(cohort / "flow.tsv"),
        exclusions=read_table(cohort / "exclusions.tsv"),
        review=read_table(cohort / "review.tsv") if params.reviewed else None,
        subjects=subject_entries(read_table(cohort / "status.tsv")),
        flow_figure=saved_figure("flow", FIGURES, "../figures"),
        figures=[saved_figure(name, FIGURES, "../figures") for name in others],
        statistics=read_statistics(statistics, label),
        statistics_warnings=outcome_warnings(
            params.outcomes, read_table(cohort / "participants.tsv")
        ),
        reproducibility=read_reproducibility(
            statistics,
            [Summary(**item) for item in json.loads(params.summaries)],
            params.levels,
            params.volume_confounding,
        ),
        analyses=[read_analysis(n, params.model_figures[n], volume) for n in params.analyses],
        truth_summary=read_table(cohort / "truth_summary.tsv") if truth else None,
        truth_figure=saved_figure("truth", FIGURES, "../figures") if truth else None,
        manuscript=manuscript_links(read_table(manuscript), params.manuscript_formats),
        methods=describe_methods(
            json.loads(params.settings),
            methods_by_image(measured),
            any_seeded(measured),
            ibsi.statement,
        ),
        versions=software_versions(),
        warnings=ibsi.warnings,
        files={**ibsi.files, **MANUSCRIPT},
        label=label,
    )
