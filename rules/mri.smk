"""Fat fraction, R2*, T2* and field maps from the complex multi-echo signal."""


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
        spectrum=CONFIG.mri.spectrum,
        phase_sign=CONFIG.mri.phase_sign,
        code=code_version("map_fat_water.py"),
    script:
        "../scripts/map_fat_water.py"
