"""Bone mineral density from CT: by a phantom, one scanned on another day, or the patient's tissues."""


rule calibrate_ct:
    input:
        images=folder("convert"),
    output:
        folder=step_folder("calibrate_ct"),
    log:
        subject_log("calibrate_ct"),
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=by_size(600, 12),
        runtime=by_size(5, 0.05),
    params:
        settings=ct_settings,
        code=code_version("calibrate_ct.py"),
    script:
        "../scripts/calibrate_ct.py"
