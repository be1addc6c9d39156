"""Outcome models of each analysis, with everything that learns inside the training folds."""

MODEL = "results/models/{analysis}"
ANALYSES = {analysis.name: analysis for analysis in CONFIG.analyses}
MODEL_TABLES = (
    "predictions",
    "performance",
    "comparisons",
    "reclassification",
    "nested",
    "selection",
    "filters",
    "coefficients",
    "lasso_path",
    "lasso_cv",
    "calibration",
    "decision_curve",
    "roc",
    "optimism",
    "permutations",
    "permuted_scores",
    "sample_size",
    "nomogram_points",
    "nomogram_calibration",
    "signature",
    "classification",
    "assumptions",
    "confusion",
    "kaplan_meier",
    "log_rank",
    "hazard_ratios",
    "baseline_hazard",
    "performance_by_site",
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
    # Folds are fitted side by side; the tables do not depend on how many cores there are.
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: (2000 + 3 * len(SUBJECTS)) * attempt,
    params:
        analysis=lambda wildcards: canonical(ANALYSES[wildcards.analysis]),
        repeat_sessions=repeated_scans,
        seed=CONFIG.study.seed,
        code=code_version("fit_models.py"),
    script:
        "../scripts/fit_models.py"


rule write_calculator:
    """The nomogram as a page that computes; its text changes without the models fitted anew."""
    input:
        nomogram=rules.fit_models.output.nomogram,
        summary=rules.fit_models.output.summary,
        performance=rules.fit_models.output.performance,
    output:
        calculator=f"{MODEL}/calculator.html",
    log:
        f"{LOGS}/write_calculator/{{analysis}}.log",
    conda:
        "../envs/core.yaml"
    params:
        code=code_version("write_calculator.py"),
    script:
        "../scripts/write_calculator.py"


rule count_stard:
    """Who reached which stage of an analysis, and why the others did not."""
    input:
        participants=rules.assemble_cohort.output.participants,
        statuses=rules.assemble_cohort.output.status,
        summary=rules.fit_models.output.summary,
        classification=rules.fit_models.output.classification,
    output:
        stard=f"{MODEL}/stard.json",
    log:
        f"{LOGS}/count_stard/{{analysis}}.log",
    conda:
        "../envs/core.yaml"
    params:
        code=code_version("count_stard.py"),
    script:
        "../scripts/count_stard.py"
