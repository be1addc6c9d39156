"""Table 1, group comparisons, correlations, agreement of readings and precision."""

STATISTICS = "results/statistics"


rule describe_cohort:
    input:
        participants=rules.assemble_cohort.output.participants,
        columns=rules.assemble_cohort.output.columns,
        measurements=rules.assemble_cohort.output.measurements,
        features=rules.assemble_cohort.output.features,
        perturbed_features=rules.assemble_cohort.output.perturbed_features,
        dice=rules.assemble_cohort.output.dice,
    output:
        table1=f"{STATISTICS}/table1.tsv",
        table1_about=f"{STATISTICS}/table1.json",
        comparisons=f"{STATISTICS}/comparisons.tsv",
        correlations=f"{STATISTICS}/correlations.tsv",
        reproducibility=f"{STATISTICS}/reproducibility.tsv",
        reproducibility_features=f"{STATISTICS}/reproducibility_features.tsv",
        feature_volume=f"{STATISTICS}/feature_volume.tsv",
        overlap=f"{STATISTICS}/overlap.tsv",
        bland_altman=f"{STATISTICS}/bland_altman.tsv",
        bland_altman_points=f"{STATISTICS}/bland_altman_points.tsv",
    log:
        f"{LOGS}/describe_cohort.log",
    benchmark:
        f"{BENCHMARKS}/describe_cohort.tsv"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: (1000 + len(SUBJECTS)) * attempt,
    params:
        statistics=canonical(CONFIG.statistics),
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        seed=CONFIG.study.seed,
        code=code_version("describe_cohort.py"),
    script:
        "../scripts/describe_cohort.py"
