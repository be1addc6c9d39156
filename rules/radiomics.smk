"""Radiomic features of the trabecular volumes on each configured image."""


rule extract_radiomics:
    input:
        entry=f"{INVENTORY}/{{subject}}.json",
        segment=status("segment"),
        **{name: path for name, path in REGIONS.items() if name.endswith("_voi")},
        maps=radiomics_maps,
        statuses=radiomics_statuses,
    output:
        features=FEATURES,
        status=status("extract_radiomics"),
    log:
        subject_log("extract_radiomics"),
    benchmark:
        subject_benchmark("extract_radiomics")
    resources:
        mem_mb=memory(800, 10),
    params:
        images=radiomics_images,
        settings=canonical(STUDY.radiomics_settings()),
        regions=canonical(
            {name: item.model_dump() for name, item in CONFIG.radiomics.images.items()}
        ),
        code=code_version("extract_features.py"),
    group:
        "subject"
    conda:
        "../envs/core.yaml"
    script:
        "../scripts/extract_features.py"
