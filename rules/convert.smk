"""Raw images of a subject, DICOM or BIDS, to NIfTI with sidecars that name no person."""


rule convert:
    input:
        entry=f"{INVENTORY}/{{subject}}.json",
    output:
        ct=CT_IMAGE,
        ct_json=sidecar(CT_IMAGE),
        mag=ECHOES["mag"],
        mag_json=sidecar(ECHOES["mag"]),
        phase=ECHOES["phase"],
        phase_json=sidecar(ECHOES["phase"]),
        status=status("convert"),
    log:
        subject_log("convert"),
    benchmark:
        subject_benchmark("convert")
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=memory(600, 8),
    params:
        code=code_version("convert_images.py"),
    script:
        "../scripts/convert_images.py"
