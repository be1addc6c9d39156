"""All subjects' tables as one: participants, measurements, features, exclusions, flow."""

COHORT = "results/cohort"


rule assemble_cohort:
    input:
        subjects="config/subjects.tsv",
        inventory=f"{INVENTORY}/exclusions.tsv",
        measurements=every_subject(MEASUREMENTS),
        features=every_subject(FEATURES),
        statuses=every_subject(SUBJECT_STATUS),
        agreement=every_subject(AGREEMENT),
    output:
        participants=f"{COHORT}/participants.parquet",
        participants_tsv=f"{COHORT}/participants.tsv",
        columns=f"{COHORT}/participants.json",
        measurements=f"{COHORT}/measurements.parquet",
        measurements_tsv=f"{COHORT}/measurements.tsv",
        features=f"{COHORT}/features.parquet",
        features_tsv=f"{COHORT}/features.tsv",
        dice=f"{COHORT}/dice.tsv",
        exclusions=f"{COHORT}/exclusions.tsv",
        status=f"{COHORT}/status.tsv",
        flow=f"{COHORT}/flow.tsv",
    log:
        f"{LOGS}/assemble_cohort.log",
    benchmark:
        f"{BENCHMARKS}/assemble_cohort.tsv"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: (1000 + len(SUBJECTS)) * attempt,
    params:
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        subjects=sorted(SUBJECTS),
        code=code_version("assemble_cohort.py"),
    script:
        "../scripts/assemble_cohort.py"
