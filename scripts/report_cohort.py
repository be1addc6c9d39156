"""Write the study's report.

Reads the cohort tables, statistics, models, figures with captions, subjects' status and what the
radiomics of this installation are worth by the IBSI standard; writes one self-contained HTML page.
"""

import json
from pathlib import Path

from osteoflow.cohort.assemble import column_label, summary_regions
from osteoflow.cohort.flow import read_flow
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.io.whole import write_text
from osteoflow.measurements import TRABECULAR, dictionary, level_range
from osteoflow.reports.analysis import AnalysisReport
from osteoflow.reports.cohort import CohortReport, render_cohort
from osteoflow.reports.ibsi import read_compliance
from osteoflow.reports.manuscript import manuscript_links
from osteoflow.reports.methods import any_seeded, describe_methods, methods_by_image
from osteoflow.reports.picture import saved_figure
from osteoflow.reports.reproducibility import reproducibility_tables, volume_table
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
    tables = {
        table: read_table(folder / f"{table}.tsv")
        for table in ("performance", "comparisons", "filters", "selection")
    }
    drawn = [saved_figure(item, FIGURES / name, f"../figures/{name}") for item in figures]
    page = f"../models/{name}/calculator.html"
    drawn = [
        figure.also("Calculator", page) if item == "nomogram" else figure
        for item, figure in zip(figures, drawn, strict=True)
    ]
    if len(volume):
        about = summary["radiomics"]
        mine = (volume["image"] == about["image"]) & (volume["roi"] == about["roi"])
        volume = volume[mine]
    return AnalysisReport(name, summary, tables, drawn, volume=volume)


def reproducibility(folder, params):
    """What the study summarises, and the same measurements of each level pooled."""
    names = ("reproducibility", "reproducibility_features", "overlap")
    tables = [read_table(folder / f"{name}.tsv") for name in names]
    summaries = [Summary(**item) for item in json.loads(params.summaries)]
    each = f"{level_range(params.levels)}_each{TRABECULAR}"
    wanted = summary_regions(summaries) | {(item.metric, each) for item in summaries}
    made = reproducibility_tables(*tables, wanted, lambda name: dictionary()[name]["label"])
    volume = volume_table(read_table(folder / "feature_volume.tsv"), params.volume_confounding)
    return [*made, *filter(None, [volume])]


def main(inputs, output, params, log):
    """Write the page."""
    log_to(log)
    cohort, statistics = Path("results/cohort"), Path("results/statistics")
    columns = read_json(cohort / "participants.json")
    about = read_json(statistics / "table1.json")
    described = {
        name: read_table(statistics / f"{name}.tsv")
        for name in ("table1", "comparisons", "correlations")
    }
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
            **described,
            reproducibility=reproducibility(statistics, params),
            table1_note=" ".join(
                [f"Groups: {about['group']}."] * bool(about["group"]) + about["notes"]
            ),
            analyses=[analysis(n, params.model_figures, volume) for n in params.analyses],
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
            label=lambda name: column_label(name, columns),
        )
    )
    write_text(output.index, page)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
