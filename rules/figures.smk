"""Figures for a manuscript, each with a caption beside it that states method and numbers."""

from osteoflow.figures.of_kind import all_figures

FIGURES = "results/figures"
# Further Bland-Altman figures, of what a study repeats.
REPEAT_FIGURES = [
    *["bland_altman_intra_rater"] * STUDY.has_repeats,
    *["bland_altman_scan_rescan"]
    * bool(CONFIG.statistics.reproducibility.repeat_sessions),
]
COHORT_FIGURES = (
    "flow",
    "bland_altman",
    *REPEAT_FIGURES,
    *(item.figure for item in CONFIG.statistics.correlations),
    *(item.figure for item in CONFIG.statistics.correlation_matrices),
    *(item.figure for item in CONFIG.statistics.measurement_roc),
    *(("truth",) if CONFIG.study.truth else ()),
    *(("ct_drift",) if CONFIG.ct.calibration == "asynchronous" else ()),
)
# PNG is always drawn: the reports show it.
OTHER_FORMATS = [kind for kind in CONFIG.figures.formats if kind != "png"]
COHORT_STEM = f"{FIGURES}/{{figure}}"
MODEL_STEM = f"{FIGURES}/{{analysis}}/{{figure}}"
# The tables that each figure of the cohort is drawn from.
COHORT_FIGURE_DATA = {
    "flow": [
        rules.assemble_cohort.output.flow,
        *expand(rules.fit_models.output.summary, analysis=ANALYSES),
    ],
    **{
        figure: [
            rules.compare_readings.output.bland_altman,
            rules.compare_readings.output.bland_altman_points,
        ]
        for figure in ("bland_altman", *REPEAT_FIGURES)
    },
    "ct_drift": [rules.track_ct_drift.output.table],
    "truth": [rules.compare_truth.output.vertebrae, rules.compare_truth.output.summary],
    **{
        figure: [
            rules.assemble_cohort.output.participants,
            rules.describe_cohort.output.correlations,
        ]
        for figure in COHORT_FIGURES
        if figure.startswith("correlation_")
    },
    **{
        item.figure: [rules.describe_cohort.output.matrices]
        for item in CONFIG.statistics.correlation_matrices
    },
    **{
        item.figure: [
            rules.test_measurements.output.points,
            rules.test_measurements.output.roc,
            rules.test_measurements.output.cutoffs,
        ]
        for item in CONFIG.statistics.measurement_roc
    },
}


rule draw_cohort_figure:
    input:
        columns=rules.assemble_cohort.output.columns,
        data=lambda wildcards: COHORT_FIGURE_DATA[wildcards.figure],
    output:
        png=report(
            f"{COHORT_STEM}.png", caption="captions/figure.rst", category="Cohort"
        ),
        others=[f"{COHORT_STEM}.{kind}" for kind in OTHER_FORMATS],
        caption=f"{COHORT_STEM}.rst",
    log:
        f"{LOGS}/draw_cohort_figure/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(COHORT_FIGURES),
    conda:
        "../envs/core.yaml"
    params:
        settings=canonical(CONFIG.figures),
        declared=declared_of_figure,
        code=code_version("draw_cohort_figure.py"),
    script:
        "../scripts/draw_cohort_figure.py"


rule draw_model_figure:
    input:
        **rules.fit_models.output,
        stard=rules.count_stard.output.stard,
    output:
        png=report(
            f"{MODEL_STEM}.png",
            caption="captions/figure.rst",
            category="Models",
            subcategory="{analysis}",
        ),
        others=[f"{MODEL_STEM}.{kind}" for kind in OTHER_FORMATS],
        caption=f"{MODEL_STEM}.rst",
    log:
        f"{LOGS}/draw_model_figure/{{analysis}}_{{figure}}.log",
    wildcard_constraints:
        figure="|".join(all_figures()),
    conda:
        "../envs/core.yaml"
    params:
        settings=canonical(CONFIG.figures),
        penalty=lambda wildcards: ANALYSES[wildcards.analysis].penalty,
        code=code_version("draw_model_figure.py"),
    script:
        "../scripts/draw_model_figure.py"
