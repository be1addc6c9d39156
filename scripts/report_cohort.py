"""Write the study's report.

Reads the cohort tables, statistics, models, figures with captions and subjects' status; writes one
self-contained HTML page.
"""

import json
from pathlib import Path

from osteoflow.cohort.assemble import column_label
from osteoflow.cohort.flow import read_flow
from osteoflow.figures.style import rst_unescape
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json, write_text
from osteoflow.reports.analysis import AnalysisReport
from osteoflow.reports.cohort import CohortReport, render_cohort
from osteoflow.reports.methods import describe_methods
from osteoflow.reports.picture import ReportFigure
from osteoflow.reports.subject_list import subject_entries
from osteoflow.reports.versions import software_versions
from osteoflow.step import log_to

FIGURES = Path("results/figures")
TITLES = {
    "flow": "Flow of participants",
    "bland_altman": "Agreement of raters",
    "truth": "Measured and known values",
    "nomogram": "Nomogram",
    "roc": "ROC curves",
    "calibration": "Calibration",
    "decision_curve": "Decision curves",
    "lasso": "LASSO",
}


def figure(name, folder=FIGURES):
    """A drawn figure with its caption."""
    title = TITLES.get(name, "Correlation")
    stem = folder / name
    caption = rst_unescape(stem.with_suffix(".rst").read_text(encoding="utf-8").strip())
    href = f"../{folder.relative_to('results').as_posix()}"
    return ReportFigure.from_files(title, stem, caption, href)


def main_reliability(reliability, bland_altman):
    """Agreement of the features, and of those measurements that the study summarises."""
    if reliability.empty:
        return reliability
    summarised = set(zip(bland_altman["variable"], bland_altman["roi"], strict=True))
    shown = [
        kind == "feature" or pair in summarised
        for kind, pair in zip(
            reliability["kind"],
            zip(reliability["variable"], reliability["roi"], strict=True),
            strict=True,
        )
    ]
    return reliability[shown]


def analysis(name, figures):
    """One analysis: its summary, tables and figures, or why it was not possible."""
    folder = Path("results/models") / name
    summary = read_json(folder / "summary.json")
    if "not_possible" in summary:
        return AnalysisReport(name, problem=summary["not_possible"])
    tables = {
        table: read_table(folder / f"{table}.tsv")
        for table in ("performance", "comparisons", "filters", "selection")
    }
    drawn = [figure(item, FIGURES / name) for item in figures]
    return AnalysisReport(name, summary, tables, drawn)


def main(inputs, output, params, log):
    """Write the page."""
    log_to(log)
    cohort, statistics = Path("results/cohort"), Path("results/statistics")
    columns = read_json(cohort / "participants.json")
    about = read_json(statistics / "table1.json")
    described = {
        name: read_table(statistics / f"{name}.tsv")
        for name in ("table1", "comparisons", "correlations", "reliability", "bland_altman")
    }
    described["reliability"] = main_reliability(described["reliability"], described["bland_altman"])
    others = [name for name in params.cohort_figures if name not in ("flow", "truth")]
    truth = "truth" in params.cohort_figures
    page = render_cohort(
        CohortReport(
            title=params.title,
            flow=read_flow(cohort / "flow.tsv"),
            exclusions=read_table(cohort / "exclusions.tsv"),
            subjects=subject_entries(read_table(cohort / "status.tsv")),
            flow_figure=figure("flow"),
            figures=[figure(name) for name in others],
            **described,
            table1_note=" ".join(
                [f"Groups: {about['group']}."] * bool(about["group"]) + about["notes"]
            ),
            analyses=[analysis(n, params.model_figures) for n in params.analyses],
            truth_summary=read_table(cohort / "truth_summary.tsv") if truth else None,
            truth_figure=figure("truth") if truth else None,
            methods=describe_methods(json.loads(params.settings)),
            versions=software_versions(),
            label=lambda name: column_label(name, columns),
        )
    )
    write_text(output.index, page)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
