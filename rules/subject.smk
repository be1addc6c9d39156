"""One subject's measurements, its status over all steps, and its page."""


rule measure:
    input:
        **REGIONS,
        **{name: only_with(IMAGES[name].space, path) for name, path in MAPS.items()},
        **{
            f"{name}_json": only_with(IMAGES[name].space, sidecar(path))
            for name, path in MAPS.items()
        },
        entry=f"{INVENTORY}/{{subject}}.json",
        statuses=subject_steps,
        quality=only_with("mri", MRI_IMAGES["quality"]),
    output:
        measurements=MEASUREMENTS,
        status=SUBJECT_STATUS,
    log:
        subject_log("measure"),
    benchmark:
        subject_benchmark("measure")
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=memory(600, 8),
    params:
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        code=code_version("measure_subject.py"),
    script:
        "../scripts/measure_subject.py"


rule report_subject:
    input:
        **REGIONS,
        **{name: only_with(IMAGES[name].space, path) for name, path in MAPS.items()},
        **{
            f"{name}_json": only_with(IMAGES[name].space, sidecar(path))
            for name, path in MAPS.items()
        },
        measurements=MEASUREMENTS,
        status=SUBJECT_STATUS,
        calibration=only_with("ct", CALIBRATION),
    output:
        report=SUBJECT_REPORT,
    log:
        subject_log("report_subject"),
    benchmark:
        subject_benchmark("report_subject")
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=memory(600, 8),
    params:
        title=CONFIG.study.title,
        code=code_version("report_subject.py"),
    script:
        "../scripts/report_subject.py"


rule participants:
    """Every subject's measurements, features and page, without the cohort."""
    input:
        every_subject(MEASUREMENTS),
        every_subject(FEATURES),
        every_subject(SUBJECT_REPORT),
