"""The words of a manuscript: methods with their sources, and reporting checklists."""

MANUSCRIPT_TEXT = "results/manuscript"
CHECKLISTS = ("clear", "metrics", "tripod_ai", "stard")
# What the text tells of the models.
TOLD_OF_MODELS = (
    "summary",
    "performance",
    "comparisons",
    "filters",
    "calibration",
    "decision_curve",
    "signature",
    "nomogram",
)


rule write_manuscript_text:
    input:
        statuses=every_subject(FILES.status),
        cohort=rules.assemble_cohort.output,
        statistics=[
            *rules.describe_cohort.output,
            *rules.compare_readings.output,
            *rules.test_measurements.output,
        ],
        models=[
            path
            for table in TOLD_OF_MODELS
            for path in expand(rules.fit_models.output[table], analysis=ANALYSES)
        ],
        compliance=COMPLIANCE,
    output:
        methods=f"{MANUSCRIPT_TEXT}/methods.md",
        bibliography=f"{MANUSCRIPT_TEXT}/methods.bib",
        checklists=expand(
            f"{MANUSCRIPT_TEXT}/checklist_{{name}}.{{kind}}",
            name=CHECKLISTS,
            kind=("tsv", "md", "docx"),
        ),
    log:
        f"{LOGS}/write_manuscript_text.log",
    conda:
        "../envs/core.yaml"
    params:
        settings=canonical(
            CONFIG.model_dump(exclude={"figures", "manuscript"}, mode="json")
        ),
        recipes=canonical(RECIPES),
        reviewed=bool(STUDY.review),
        code=code_version("write_manuscript_text.py"),
    script:
        "../scripts/write_manuscript_text.py"
