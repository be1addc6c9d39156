"""Outcome models of each analysis, with everything that learns inside the training folds."""

MODEL = "results/models/{analysis}"
ANALYSES = {analysis.name: analysis for analysis in CONFIG.analyses}
MODEL_TABLES = (
    "predictions",
    "performance",
    "comparisons",
    "selection",
    "filters",
    "coefficients",
    "lasso_path",
    "lasso_cv",
    "calibration",
    "decision_curve",
    "roc",
)


rule fit_models:
    input:
        participants=rules.assemble_cohort.output.participants,
        columns=rules.assemble_cohort.output.columns,
        features=rules.assemble_cohort.output.features,
        perturbed_features=rules.assemble_cohort.output.perturbed_features,
    output:
        **{name: f"{MODEL}/{name}.tsv" for name in MODEL_TABLES},
        nomogram=f"{MODEL}/nomogram.json",
        summary=f"{MODEL}/summary.json",
    log:
        f"{LOGS}/fit_models/{{analysis}}.log",
    benchmark:
        f"{BENCHMARKS}/fit_models/{{analysis}}.tsv"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: (1500 + 2 * len(SUBJECTS)) * attempt,
    params:
        analysis=lambda wildcards: canonical(ANALYSES[wildcards.analysis]),
        repeat_sessions=repeated_scans,
        seed=CONFIG.study.seed,
        code=code_version("fit_models.py"),
    script:
        "../scripts/fit_models.py"
