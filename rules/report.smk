"""The study's report: one page with tables, figures and a link to every subject's page."""


report: "captions/workflow.rst"


STATISTICS_TABLES = [
    *rules.describe_cohort.output,
    *rules.compare_readings.output,
    *rules.test_measurements.output,
]
# What the study explains: the report says if it rests on a test of another day.
OUTCOMES = [
    *(analysis.outcome for analysis in CONFIG.analyses),
    *(item.outcome for item in CONFIG.statistics.measurement_roc),
    *(item.group for item in CONFIG.statistics.comparisons),
    *filter(None, [CONFIG.statistics.table1_group]),
]


rule report_cohort:
    input:
        compliance=COMPLIANCE,
        cohort=rules.assemble_cohort.output,
        statistics=STATISTICS_TABLES,
        models=[
            path
            for table in (
                "summary",
                "performance",
                "performance_by_site",
                "comparisons",
                "reclassification",
                "nested",
                "optimism",
                "permutations",
                "assumptions",
                "confusion",
                "log_rank",
                "hazard_ratios",
                "sample_size",
                "filters",
                "selection",
            )
            for path in expand(rules.fit_models.output[table], analysis=ANALYSES)
        ],
        figures=expand(rules.draw_cohort_figure.output.png, figure=COHORT_FIGURES)
        + model_figure_files(rules.draw_model_figure.output.png),
        captions=expand(rules.draw_cohort_figure.output.caption, figure=COHORT_FIGURES)
        + model_figure_files(rules.draw_model_figure.output.caption),
        truth=rules.compare_truth.output if CONFIG.study.truth else [],
        manuscript=rules.write_manuscript_tables.output.index,
        calculators=expand(rules.write_calculator.output, analysis=ANALYSES),
    output:
        index=f"{REPORT}/index.html",
    log:
        f"{LOGS}/report_cohort.log",
    benchmark:
        f"{BENCHMARKS}/report_cohort.tsv"
    conda:
        "../envs/core.yaml"
    params:
        title=CONFIG.study.title,
        analyses=list(ANALYSES),
        cohort_figures=list(COHORT_FIGURES),
        model_figures={
            name: list(model_figures(analysis)) for name, analysis in ANALYSES.items()
        },
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        levels=CONFIG.statistics.reproducibility.levels,
        outcomes=list(dict.fromkeys(OUTCOMES)),
        reviewed=bool(STUDY.review),
        manuscript_formats=CONFIG.manuscript.formats,
        volume_confounding=CONFIG.statistics.volume_confounding,
        settings=canonical(
            CONFIG.model_dump(include={"segmentation", "ct", "radiomics"}, mode="json")
        ),
        code=code_version("report_cohort.py"),
    script:
        "../scripts/report_cohort.py"


rule cohort:
    """All tables, figures and reports of the study.

    Every one by name: Snakemake does not make a lost table again that lies before a figure which
    is up to date.
    """
    input:
        rules.assemble_cohort.output,
        STATISTICS_TABLES,
        rules.compare_truth.output if CONFIG.study.truth else [],
        rules.track_ct_drift.output if CONFIG.ct.calibration == "asynchronous" else [],
        expand(rules.fit_models.output, analysis=ANALYSES),
        expand(rules.write_calculator.output, analysis=ANALYSES),
        expand(rules.count_stard.output, analysis=ANALYSES),
        expand(rules.draw_cohort_figure.output, figure=COHORT_FIGURES),
        model_figure_files(rules.draw_model_figure.output),
        COMPLIANCE,
        rules.write_manuscript_text.output,
        rules.write_manuscript_tables.output,
        rules.report_cohort.output,
