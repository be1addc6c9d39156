"""Raw images of a subject, DICOM or BIDS, to NIfTI with sidecars that name no person."""


rule convert:
    input:
        entry=f"{INVENTORY}/{{subject}}.json",
    output:
        folder=step_folder("convert"),
    log:
        subject_log("convert"),
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=by_size(600, 8),
        runtime=by_size(5, 0.05),
    params:
        code=code_version("convert_images.py"),
    script:
        "../scripts/convert_images.py"
