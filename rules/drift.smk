"""Whether the scanners' calibrations hold still, where a phantom is scanned on its own."""


rule track_ct_drift:
    input:
        scans=(
            CONFIG.ct.asynchronous.table
            if CONFIG.ct.calibration == "asynchronous"
            else []
        ),
    output:
        table=f"{COHORT}/ct_drift.tsv",
    log:
        f"{LOGS}/track_ct_drift.log",
    conda:
        "../envs/core.yaml"
    params:
        phantom=CONFIG.ct.phantom,
        certificate=canonical([rod.model_dump() for rod in CONFIG.ct.certificate or []]),
        code=code_version("track_ct_drift.py"),
    script:
        "../scripts/track_ct_drift.py"
