"""One subject's measurements, its page, and its status over all steps."""


rule measure:
    input:
        folders=step_folders,
    output:
        measurements=str(FILES.measurements),
        report=str(FILES.report),
        status=str(FILES.status),
    log:
        subject_log("measure"),
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=by_size(800, 12),
        runtime=by_size(5, 0.1),
    params:
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        scores=canonical(CONFIG.mri.scores),
        left_out=canonical(CONFIG.cohort.left_out),
        muscle_levels=canonical(CONFIG.ct.muscle_levels),
        title=CONFIG.study.title,
        code=code_version("measure_subject.py"),
    script:
        "../scripts/measure_subject.py"
