"""Vertebra masks on the image grid in VerSe labels, and the trabecular volumes inside them."""


rule segment:
    input:
        masks=f"{INVENTORY}/{{subject}}_masks.json",
        convert=status("convert"),
        ct=CT_IMAGE,
        mri=ECHOES["mag"],
    output:
        **REGIONS,
        sidecars=[sidecar(path) for path in REGIONS.values()],
        labels=subject_path("seg", "dseg.tsv"),
        agreement=AGREEMENT,
        status=status("segment"),
    log:
        subject_log("segment"),
    benchmark:
        subject_benchmark("segment")
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=memory(600, 8),
    params:
        erosion_mm=CONFIG.segmentation.erosion_mm,
        code=code_version("segment_vertebrae.py"),
    script:
        "../scripts/segment_vertebrae.py"
