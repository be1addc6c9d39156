"""Write the study's report.

Reads the cohort tables, statistics, models, figures with captions, subjects' status and what the
radiomics of this installation are worth by the IBSI standard; writes one self-contained HTML page.
"""

import json
from pathlib import Path

from osteoflow.cohort.assemble import column_label
from osteoflow.cohort.flow import read_flow
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.io.whole import write_text
from osteoflow.reports.analysis import ANALYSIS_TABLES, AnalysisReport, volume_rows
from osteoflow.reports.cohort import CohortReport, render_cohort
from osteoflow.reports.ibsi import read_compliance
from osteoflow.reports.manuscript import manuscript_links
from osteoflow.reports.methods import any_seeded, describe_methods, methods_by_image
from osteoflow.reports.picture import saved_figure
from osteoflow.reports.reproducibility import read_reproducibility
from osteoflow.reports.statistics import outcome_warnings, read_statistics
from osteoflow.reports.subject_list import subject_entries
from osteoflow.reports.versions import software_versions
from osteoflow.settings.cohort import Summary
from osteoflow.step_log import log_to

FIGURES = Path("results/figures")
# What else the study has for a manuscript, as seen from the page.
MANUSCRIPT = {
    "methods with sources": "../manuscript/methods.md",
    "checklists CLEAR": "../manuscript/checklist_clear.md",
    "METRICS": "../manuscript/checklist_metrics.md",
    "TRIPOD+AI": "../manuscript/checklist_tripod_ai.md",
    "STARD": "../manuscript/checklist_stard.md",
}


def analysis(name, figures, volume):
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


def main(inputs, output, params, log):
    """Write the page."""
    log_to(log)
    cohort, statistics = Path("results/cohort"), Path("results/statistics")
    columns = read_json(cohort / "participants.json")

    def label(name):
        return column_label(name, columns)

    others = [name for name in params.cohort_figures if name not in ("flow", "truth")]
    truth = "truth" in params.cohort_figures
    measured = read_table(cohort / "measurements.tsv")
    ibsi = read_compliance(inputs.compliance)
    volume = read_table(statistics / "feature_volume.tsv")
    page = render_cohort(
        CohortReport(
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
            analyses=[analysis(n, params.model_figures[n], volume) for n in params.analyses],
            truth_summary=read_table(cohort / "truth_summary.tsv") if truth else None,
            truth_figure=saved_figure("truth", FIGURES, "../figures") if truth else None,
            manuscript=manuscript_links(read_table(inputs.manuscript), params.manuscript_formats),
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
    )
    write_text(output.index, page)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
