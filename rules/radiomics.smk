"""Radiomic features of the trabecular volumes on each configured image."""


rule extract_radiomics:
    input:
        **{name: path for name, path in REGIONS.items() if name.endswith("_voi")},
        entry=f"{INVENTORY}/{{subject}}.json",
        segment=status("segment"),
        maps=radiomics_maps,
        quality=only_with("mri", MRI_IMAGES["quality"]),
        statuses=radiomics_statuses,
    output:
        features=FEATURES,
        status=status("extract_radiomics"),
    log:
        subject_log("extract_radiomics"),
    benchmark:
        subject_benchmark("extract_radiomics")
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=memory(800, 10),
    params:
        images=radiomics_images,
        settings=canonical(STUDY.radiomics_settings()),
        regions=canonical(
            {name: item.model_dump() for name, item in CONFIG.radiomics.images.items()}
        ),
        code=code_version("extract_features.py"),
    script:
        "../scripts/extract_features.py"
