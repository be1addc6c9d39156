"""Descriptive tables, agreement of readings, tests of single measurements: a rule for each topic.

A changed setting reruns its topic alone.
"""

STATISTICS = "results/statistics"


rule describe_cohort:
    input:
        participants=rules.assemble_cohort.output.participants,
        columns=rules.assemble_cohort.output.columns,
        features=rules.assemble_cohort.output.features,
    output:
        table1=f"{STATISTICS}/table1.tsv",
        table1_about=f"{STATISTICS}/table1.json",
        comparisons=f"{STATISTICS}/comparisons.tsv",
        pairs=f"{STATISTICS}/comparison_pairs.tsv",
        correlations=f"{STATISTICS}/correlations.tsv",
        matrices=f"{STATISTICS}/correlation_matrices.tsv",
        feature_volume=f"{STATISTICS}/feature_volume.tsv",
    log:
        f"{LOGS}/describe_cohort.log",
    benchmark:
        f"{BENCHMARKS}/describe_cohort.tsv"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=statistics_memory,
    params:
        statistics=declared(
            "table1_group",
            "table1_variables",
            "nonnormal",
            "table1_tests",
            "table1_smd",
            "table1_fdr",
            "comparisons",
            "correlations",
            "correlation_matrices",
            "volume_confounding",
        ),
        seed=CONFIG.study.seed,
        code=code_version("describe_cohort.py"),
    script:
        "../scripts/describe_cohort.py"


rule compare_readings:
    input:
        participants=rules.assemble_cohort.output.participants,
        measurements=rules.assemble_cohort.output.measurements,
        features=rules.assemble_cohort.output.features,
        perturbed_features=rules.assemble_cohort.output.perturbed_features,
        dice=rules.assemble_cohort.output.dice,
    output:
        reproducibility=f"{STATISTICS}/reproducibility.tsv",
        reproducibility_features=f"{STATISTICS}/reproducibility_features.tsv",
        overlap=f"{STATISTICS}/overlap.tsv",
        bland_altman=f"{STATISTICS}/bland_altman.tsv",
        bland_altman_points=f"{STATISTICS}/bland_altman_points.tsv",
    log:
        f"{LOGS}/compare_readings.log",
    benchmark:
        f"{BENCHMARKS}/compare_readings.tsv"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=statistics_memory,
    params:
        reproducibility=canonical(CONFIG.statistics.reproducibility),
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        seed=CONFIG.study.seed,
        code=code_version("compare_readings.py"),
    script:
        "../scripts/compare_readings.py"


rule test_measurements:
    input:
        participants=rules.assemble_cohort.output.participants,
        columns=rules.assemble_cohort.output.columns,
        measurements=rules.assemble_cohort.output.measurements,
    output:
        roc=f"{STATISTICS}/measurement_roc.tsv",
        cutoffs=f"{STATISTICS}/measurement_cutoffs.tsv",
        pairs=f"{STATISTICS}/measurement_pairs.tsv",
        points=f"{STATISTICS}/measurement_roc_points.tsv",
        mixed_effects=f"{STATISTICS}/mixed_effects.tsv",
        mixed_models=f"{STATISTICS}/mixed_models.tsv",
    log:
        f"{LOGS}/test_measurements.log",
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=statistics_memory,
    params:
        declared=tested_measurements(),
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        seed=CONFIG.study.seed,
        code=code_version("test_measurements.py"),
    script:
        "../scripts/test_measurements.py"
