"""Maps of whatever MRI was acquired: fat fraction, R2*, T2*, T2, ADC."""


rule map_mri:
    input:
        images=folder("convert"),
    output:
        folder=step_folder("map_mri"),
    log:
        subject_log("map_mri"),
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=by_size(1000, 30),
        runtime=by_size(10, 0.3),
    params:
        settings=canonical(CONFIG.mri.model_dump(exclude={"scores"}, mode="json")),
        code=code_version("map_mri.py"),
    script:
        "../scripts/map_mri.py"
