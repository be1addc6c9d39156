"""Vertebra masks on the image grid in VerSe labels, and the volumes of interest inside them."""


rule segment:
    input:
        images=folder("convert"),
        masks=f"{INVENTORY}/{{subject}}_masks.json",
        outlines=outline_folders,
    output:
        folder=step_folder("segment"),
    log:
        subject_log("segment"),
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=by_size(600, 8),
        runtime=by_size(5, 0.05),
    params:
        erosion_mm=CONFIG.segmentation.erosion_mm,
        further=canonical(CONFIG.segmentation.further()),
        code=code_version("segment_vertebrae.py"),
    script:
        "../scripts/segment_vertebrae.py"
