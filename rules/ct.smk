"""Bone mineral density from CT by the calibration phantom scanned with the patient."""


rule calibrate_ct:
    input:
        convert=status("convert"),
        ct=CT_IMAGE,
        ct_json=sidecar(CT_IMAGE),
    output:
        vbmd=VBMD_MAP,
        vbmd_json=sidecar(VBMD_MAP),
        calibration=CALIBRATION,
        status=status("calibrate_ct"),
    log:
        subject_log("calibrate_ct"),
    benchmark:
        subject_benchmark("calibrate_ct")
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=memory(600, 12),
    params:
        phantom=CONFIG.ct.phantom,
        certificate=canonical([rod.model_dump() for rod in CONFIG.ct.certificate or []]),
        code=code_version("calibrate_ct.py"),
    script:
        "../scripts/calibrate_ct.py"
