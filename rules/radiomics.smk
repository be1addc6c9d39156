"""Radiomic features of the trabecular volumes on each configured image."""


def radiomics_images(wildcards):
    """Images with features that this subject can have: those of its modalities."""
    found = SUBJECTS[wildcards.subject]
    return [name for name in CONFIG.radiomics.images if found[IMAGES[name].space]]


def radiomics_maps(wildcards):
    return [MAPS[name].format(**wildcards) for name in radiomics_images(wildcards)]


def radiomics_statuses(wildcards):
    steps = dict.fromkeys(IMAGES[name].step for name in radiomics_images(wildcards))
    return [status(step).format(**wildcards) for step in steps]


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
