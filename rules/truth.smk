"""How far measurements are from known values, where a study has any."""


rule compare_truth:
    input:
        measurements=rules.assemble_cohort.output.measurements,
        truth=CONFIG.study.truth or [],
    output:
        vertebrae=f"{COHORT}/truth.tsv",
        summary=f"{COHORT}/truth_summary.tsv",
        text=f"{COHORT}/truth.txt",
    log:
        f"{LOGS}/compare_truth.log",
    conda:
        "../envs/core.yaml"
    params:
        code=code_version("compare_truth.py"),
    script:
        "../scripts/compare_truth.py"
