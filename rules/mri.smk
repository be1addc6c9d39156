"""Fat fraction, R2*, T2* and field maps from the complex multi-echo signal."""


rule map_mri:
    input:
        convert=status("convert"),
        mag=ECHOES["mag"],
        mag_json=sidecar(ECHOES["mag"]),
        phase=ECHOES["phase"],
    output:
        **MRI_IMAGES,
        sidecars=[sidecar(path) for path in MRI_IMAGES.values()],
        status=status("map_mri"),
    log:
        subject_log("map_mri"),
    benchmark:
        subject_benchmark("map_mri")
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=memory(1000, 30),
    params:
        spectrum=CONFIG.mri.spectrum,
        phase_sign=CONFIG.mri.phase_sign,
        code=code_version("map_fat_water.py"),
    script:
        "../scripts/map_fat_water.py"
