"""All subjects' tables as one: participants, measurements, features, exclusions, flow."""

COHORT = "results/cohort"


rule assemble_cohort:
    input:
        subjects="config/subjects.tsv",
        inventory=f"{INVENTORY}/exclusions.tsv",
        failed=f"{INVENTORY}/failed.tsv",
        # Decisions of a review reach the cohort alone: no subject runs again because of them.
        review=STUDY.review,
        # Each holds the hash of every table of the subject; these are read from beside it.
        statuses=every_subject(FILES.status),
    output:
        participants=f"{COHORT}/participants.parquet",
        participants_tsv=f"{COHORT}/participants.tsv",
        columns=f"{COHORT}/participants.json",
        measurements=f"{COHORT}/measurements.parquet",
        measurements_tsv=f"{COHORT}/measurements.tsv",
        features=f"{COHORT}/features.parquet",
        features_tsv=f"{COHORT}/features.tsv",
        features_dictionary=f"{COHORT}/features_dictionary.tsv",
        perturbed_features=f"{COHORT}/perturbed_features.parquet",
        perturbed_features_tsv=f"{COHORT}/perturbed_features.tsv",
        dice=f"{COHORT}/dice.tsv",
        exclusions=f"{COHORT}/exclusions.tsv",
        status=f"{COHORT}/status.tsv",
        flow=f"{COHORT}/flow.tsv",
        review=f"{COHORT}/review.tsv",
    log:
        f"{LOGS}/assemble_cohort.log",
    benchmark:
        f"{BENCHMARKS}/assemble_cohort.tsv"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: (1000 + len(SUBJECTS)) * attempt,
    params:
        cohort=canonical(CONFIG.cohort),
        recipes=canonical(RECIPES),
        subjects=sorted(SUBJECTS),
        code=code_version("assemble_cohort.py"),
    script:
        "../scripts/assemble_cohort.py"


rule participants:
    """Every subject's measurements, features and page, without the cohort."""
    input:
        every_subject(FILES.status),
