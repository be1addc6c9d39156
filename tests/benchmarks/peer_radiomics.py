"""The peers of radiomics_peers.py: each is one function, run by an interpreter that has it.

Usage: see radiomics_child.py. Nothing of OsteoFlow is imported here. Every peer is called as its
documentation says, on the labels of one scene, with 32 grey levels between a region's minimum and
maximum (or as near to that as it comes) and the families that it shares with OsteoFlow: shape,
intensity, co-occurrence, run lengths, zones, grey tone difference, dependence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from radiomics_child import BIN_COUNT, LOG_SIGMA_MM, WAVELET, Extraction, read_scene, serve

WAVELET_CODES = tuple(a + b + c for a in "LH" for b in "LH" for c in "LH")


def pyradiomics(folder: Path, job: str, crop: bool = False) -> Extraction:
    """pyradiomics' own extractor (van Griethuysen et al., Cancer Res 2017;77:e104).

    With ``crop`` its option ``preCrop``: every region is cut out before filtering, with as many
    voxels around it as the widest filter reaches.
    """
    import SimpleITK
    from radiomics import featureextractor, setVerbosity

    setVerbosity(logging.ERROR)
    started = time.process_time()
    image, labels = (SimpleITK.ReadImage(str(folder / f"{n}.nii.gz")) for n in ("image", "labels"))
    reading = time.process_time() - started
    settings = {"binCount": BIN_COUNT}
    if crop:
        reach = int(np.ceil(4 * max(LOG_SIGMA_MM) / min(image.GetSpacing())))
        settings |= {"preCrop": True, "padDistance": reach if job == "all" else 1}
    extractor = featureextractor.RadiomicsFeatureExtractor(**settings)
    extractor.enableAllFeatures()
    if job == "all":
        extractor.enableImageTypeByName("LoG", customArgs={"sigma": list(LOG_SIGMA_MM)})
        extractor.enableImageTypeByName("Wavelet", customArgs={"wavelet": WAVELET})
    found = {}
    for label in range(1, int(SimpleITK.GetArrayViewFromImage(labels).max()) + 1):
        values = extractor.execute(image, labels, label=label)
        found[str(label)] = {
            name: float(value)
            for name, value in values.items()
            if not name.startswith("diagnostics_")
        }
    return found, reading


def pyradiomics_families(folder: Path) -> dict[str, Callable[[], object]]:
    """Each of pyradiomics' classes, on the region's box as its extractor cuts it."""
    import SimpleITK
    from radiomics import firstorder, glcm, gldm, glrlm, glszm, imageoperations, ngtdm, setVerbosity
    from radiomics import shape as shapes

    setVerbosity(logging.ERROR)
    image, labels = (SimpleITK.ReadImage(str(folder / f"{n}.nii.gz")) for n in ("image", "labels"))
    box, _ = imageoperations.checkMask(image, labels, label=1)
    image, labels = imageoperations.cropToTumorMask(image, labels, box)
    classes = {
        "shape": shapes.RadiomicsShape,
        "firstorder": firstorder.RadiomicsFirstOrder,
        "glcm": glcm.RadiomicsGLCM,
        "glrlm": glrlm.RadiomicsGLRLM,
        "glszm": glszm.RadiomicsGLSZM,
        "ngtdm": ngtdm.RadiomicsNGTDM,
        "gldm": gldm.RadiomicsGLDM,
    }

    def compute(kind: type) -> object:
        calculator = kind(image, labels, label=1, binCount=BIN_COUNT)
        calculator.enableAllFeatures()
        return calculator.execute()

    return {name: lambda kind=kind: compute(kind) for name, kind in classes.items()}


def mirp(folder: Path, job: str) -> Extraction:
    """MIRP (Zwanenburg et al., J Open Source Softw 2024;9:6413)."""
    from mirp import extract_features

    families = ["morph", "stat", "glcm", "glrlm", "glszm", "ngtdm", "ngldm"]
    options = {
        "base_feature_families": families,
        "base_discretisation_method": "fixed_bin_number",
        "base_discretisation_n_bins": BIN_COUNT,
        "glcm_spatial_method": "3d_average",
        "glrlm_spatial_method": "3d_average",
    }
    if job == "all":
        options |= {
            # IBSI leaves textures of filtered images open, and MIRP out unless told so
            "ibsi_compliant": False,
            "filter_kernels": ["laplacian_of_gaussian", "separable_wavelet"],
            "laplacian_of_gaussian_sigma": list(LOG_SIGMA_MM),
            "separable_wavelet_families": WAVELET,
            "separable_wavelet_set": "all",
            "separable_wavelet_rotation_invariance": False,
            "response_map_feature_families": families[1:],
            "response_map_discretisation_method": "fixed_bin_number",
            "response_map_discretisation_n_bins": BIN_COUNT,
        }
    tables = extract_features(
        image=str(folder / "image.nii.gz"), mask=str(folder / "labels.nii.gz"), **options
    )
    # what does not begin with a family's name says which image and region it was
    about = ("image_", "sample_", "dir_", "base_", "mask_", "roi_")
    found = {}
    for row in (row for table in tables for _, row in table.iterrows()):
        found[str(row["image_mask_label"]).removeprefix("region_")] = {
            str(name): float(value)
            for name, value in row.items()
            if isinstance(value, (int, float, np.number)) and not str(name).startswith(about)
        }
    return found, 0.0


def nyxus(folder: Path, job: str) -> Extraction:
    """Nyxus: features of the image itself; it has no filters for volumes.

    Its bins start at zero and not at the region's minimum, so that it is given the grey levels as
    its image: its intensity features are those of the levels, and take the same time.
    """
    from nyxus import Nyxus3D

    groups = ["*3D_ALL_INTENSITY*", "*3D_ALL_MORPHOLOGY*"]
    groups += [f"*3D_{name}*" for name in ("GLCM", "GLRLM", "GLSZM", "NGTDM", "GLDM")]
    calculator = Nyxus3D(
        # with `ibsi` whole numbers are not binned again
        groups,
        coarse_gray_depth=BIN_COUNT,
        ibsi=True,
        n_feature_calc_threads=1,
        verbose=0,
    )
    files = ([str(folder / "levels.nii.gz")], [str(folder / "labels.nii.gz")])
    table = calculator.featurize_files(*files, False)
    found = {}
    for _, row in table.iterrows():
        values = {str(name): value for name, value in row.items() if str(name).startswith("3")}
        found[str(int(row["ROI_label"]))] = {name: float(value) for name, value in values.items()}
    return found, 0.0


def fastrad(folder: Path, job: str) -> Extraction:
    """fastrad on the processor: features of the image itself; it has no filters.

    It knows bins of fixed width alone, from a multiple of the width: the region's minimum is taken
    off, and the width is such that 32 bins hold all values. A hundredth of a CT number more keeps
    whole numbers off the edges in its single precision.
    """
    import torch
    from fastrad import FeatureExtractor, FeatureSettings, Mask, MedicalImage

    started = time.process_time()
    image, labels, spacing = read_scene(folder)
    reading = time.process_time() - started
    found = {}
    for label in range(1, int(labels.max()) + 1):
        inside = labels == label
        low, high = float(image[inside].min()), float(image[inside].max())
        values = np.ascontiguousarray(image.transpose(2, 1, 0), np.float32) - (low - 0.01)
        shifted = torch.from_numpy(values)
        mask = torch.from_numpy(np.ascontiguousarray(inside.transpose(2, 1, 0), np.float32))
        width = (high - low + 0.0101) / BIN_COUNT
        extractor = FeatureExtractor(FeatureSettings(bin_width=width, device="cpu"))
        values = extractor.extract(MedicalImage(shifted, spacing[::-1]), Mask(mask, spacing[::-1]))
        found[str(label)] = {name: float(value) for name, value in values.items()}
    return found, reading


def pictologics(folder: Path, job: str) -> Extraction:
    """pictologics: compiled features that IBSI defines, of the image and of filtered images."""
    from pictologics import RadiomicsPipeline, load_image

    started = time.process_time()
    image = load_image(str(folder / "image.nii.gz"))
    labels = load_image(str(folder / "labels.nii.gz"))
    reading = time.process_time() - started
    filters: dict[str, dict] = {"original": {}}
    if job == "all":
        for sigma in LOG_SIGMA_MM:
            filters[f"log-{sigma:g}"] = {"type": "log", "sigma_mm": sigma, "boundary": "mirror"}
        for code in WAVELET_CODES:
            filters[f"wavelet-{code}"] = {
                "type": "wavelet",
                "wavelet": WAVELET,
                "decomposition": code,
                "boundary": "periodic",
            }
    pipeline = RadiomicsPipeline(load_standard=False)
    for name, options in filters.items():
        families = ["intensity", "glcm", "glrlm", "glszm", "ngtdm", "ngldm"]
        shape = ["morphology"] if name == "original" else []
        wanted = {
            "families": shape + families,
            "include_spatial_intensity": False,
            "include_local_intensity": False,
        }
        steps = [{"step": "filter", "params": options}] if options else []
        steps.append({"step": "discretise", "params": {"method": "FBN", "n_bins": BIN_COUNT}})
        steps.append({"step": "extract_features", "params": wanted})
        pipeline.add_config(name, steps)
    found = {}
    for region, series in pipeline.run_rois(image, labels).items():
        found[region] = {
            f"{name}_{key}": float(value)
            for name, values in series.items()
            for key, value in values.items()
        }
    return found, reading


def pictologics_families(folder: Path) -> dict[str, Callable[[], object]]:
    """Each of pictologics' families, on the region's box."""
    from pictologics import Image
    from pictologics.features import intensity, morphology, texture
    from pictologics.preprocessing import discretise_image

    image, labels, spacing = read_scene(folder)
    mask = labels == 1
    found = np.nonzero(mask)
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in found)
    mask = np.ascontiguousarray(mask[box]).astype(np.uint8)
    values = np.ascontiguousarray(image[box]).astype(float)
    levels = discretise_image(values, "FBN", roi_mask=mask, n_bins=BIN_COUNT)
    outline = Image(array=mask, spacing=spacing, origin=(0.0, 0.0, 0.0))
    textures = {
        "glcm": texture.calculate_glcm_features,
        "glrlm": texture.calculate_glrlm_features,
        "glszm": texture.calculate_glszm_features,
        "ngtdm": texture.calculate_ngtdm_features,
        "gldm": texture.calculate_ngldm_features,
    }
    inside = values[mask > 0]
    return {
        "shape": lambda: morphology.calculate_morphology_features(outline),
        "firstorder": lambda: intensity.calculate_intensity_features(inside),
        **{
            name: lambda compute=compute: compute(levels, mask, BIN_COUNT)
            for name, compute in textures.items()
        },
    }


if __name__ == "__main__":
    serve(
        {
            "pyradiomics": pyradiomics,
            "pyradiomics, preCrop": lambda folder, job: pyradiomics(folder, job, crop=True),
            "MIRP": mirp,
            "Nyxus": nyxus,
            "fastrad": fastrad,
            "pictologics": pictologics,
        },
        {"pyradiomics": pyradiomics_families, "pictologics": pictologics_families},
    )
