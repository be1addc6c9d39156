"""Radiomic features of the trabecular volumes on each configured image."""

PERTURBATION = CONFIG.radiomics.perturbation
REPETITIONS = PERTURBATION.repetitions if PERTURBATION else 0
# Of raw data: the scan in double precision, and its spectra where a filter needs all of it.
PER_MEGABYTE = 40 if any(map(holds_whole_scan, RECIPES.values())) else 10


rule extract_radiomics:
    input:
        regions=folder("segment"),
        maps=radiomics_folders,
    output:
        folder=step_folder("extract_radiomics"),
    log:
        subject_log("extract_radiomics"),
    conda:
        "../envs/core.yaml"
    resources:
        mem_mb=by_size(800 + 400 * bool(REPETITIONS), PER_MEGABYTE),
        runtime=by_size(10 + 2 * REPETITIONS, 0.1),
    params:
        images=radiomics_images,
        settings=radiomics_recipes,
        regions=radiomics_regions,
        perturbation=perturbed_images,
        code=code_version("extract_features.py"),
    script:
        "../scripts/extract_features.py"
