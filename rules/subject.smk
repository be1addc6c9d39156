"""One subject's measurements, its status over all steps, and its page."""


rule measure:
    input:
        entry=f"{INVENTORY}/{{subject}}.json",
        statuses=subject_steps,
        **REGIONS,
        **{name: only_with(IMAGES[name].space, path) for name, path in MAPS.items()},
        quality=only_with("mri", MRI_IMAGES["quality"]),
    output:
        measurements=MEASUREMENTS,
        status=SUBJECT_STATUS,
    log:
        subject_log("measure"),
    benchmark:
        subject_benchmark("measure")
    resources:
        mem_mb=memory(600, 8),
    params:
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        code=code_version("measure_subject.py"),
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    script:
        "../scripts/measure_subject.py"


rule report_subject:
    input:
        measurements=MEASUREMENTS,
        status=SUBJECT_STATUS,
        **REGIONS,
        **{name: only_with(IMAGES[name].space, path) for name, path in MAPS.items()},
        calibration=only_with("ct", CALIBRATION),
    output:
        report=SUBJECT_REPORT,
    log:
        subject_log("report_subject"),
    benchmark:
        subject_benchmark("report_subject")
    resources:
        mem_mb=memory(600, 8),
    params:
        title=CONFIG.study.title,
        code=code_version("report_subject.py"),
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    script:
        "../scripts/report_subject.py"


rule participants:
    """Every subject's measurements, features and page, without the cohort."""
    input:
        every_subject(MEASUREMENTS),
        every_subject(FEATURES),
        every_subject(SUBJECT_REPORT),
