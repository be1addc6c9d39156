"""OsteoFlow's side of radiomics_peers.py, and what its values are compared with.

Usage: see radiomics_child.py. Contenders: `osteoflow`, and `oracle`.

The oracle has no part in the times. It computes the filtered images of the whole scan by
pyradiomics' filters (van Griethuysen et al., Cancer Res 2017;77:e104), cuts every region out of
them, and gives it to pyradiomics' classes with the grey levels that OsteoFlow would give it: what
an extraction without any short cut yields. Kurtosis is excess kurtosis and axis lengths use the
sample covariance, as OsteoFlow defines them (Zwanenburg et al., Radiology 2020;295:328).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from radiomics_child import BIN_COUNT, LOG_SIGMA_MM, WAVELET, Extraction, serve

from osteoflow.io.volume import read_volume
from osteoflow.radiomics.boxes import bounding_box
from osteoflow.radiomics.extract import extract_regions, roi_of
from osteoflow.radiomics.families import FAMILIES
from osteoflow.radiomics.preprocess import discretise, prepare
from osteoflow.radiomics.settings import Filters, RadiomicsSettings


def recipe(job: str) -> RadiomicsSettings:
    """The recipe of a job."""
    filters = Filters(log_sigma_mm=LOG_SIGMA_MM, wavelet=WAVELET, bin_count=BIN_COUNT)
    return RadiomicsSettings(
        name="benchmark",
        image="HU",
        unit="HU",
        bin_count=BIN_COUNT,
        filters=filters if job == "all" else Filters(),
    )


def osteoflow(folder: Path, job: str) -> Extraction:
    """All regions by the library, as a step of the workflow calls it."""
    started = time.process_time()
    image = read_volume(folder / "image.nii.gz")
    labels = read_volume(folder / "labels.nii.gz").data.astype(np.uint8)
    reading = time.process_time() - started
    masks = {str(number): labels == number for number in range(1, int(labels.max()) + 1)}
    results = extract_regions(image, masks, recipe(job))
    return {name: result.features for name, result in results.items()}, reading


def families(folder: Path) -> dict[str, Callable[[], object]]:
    """Each family of the first region of the image itself."""
    image = read_volume(folder / "image.nii.gz")
    mask = read_volume(folder / "labels.nii.gz").data == 1
    settings = recipe("original")
    region = prepare(image, mask, settings)
    roi = roi_of(region, region.image[region.box], settings, filtered=False)
    # a new region each time: nothing that one family has left there is found by another
    return {
        name: lambda compute=FAMILIES[name].compute: compute(replace(roi))
        for name in settings.classes
    }


def whole_images(image: np.ndarray, spacing: tuple, job: str) -> Iterator[tuple[str, np.ndarray]]:
    """The image and its filtered versions over the whole scan, axes x, y, z, one at a time."""
    import SimpleITK
    from radiomics import imageoperations

    node = SimpleITK.GetImageFromArray(np.ascontiguousarray(image.transpose(2, 1, 0)))
    node.SetSpacing(spacing)
    yield "original", image
    if job != "all":
        return
    log = imageoperations.getLoGImage(node, None, sigma=list(LOG_SIGMA_MM))
    wavelet = imageoperations.getWaveletImage(node, None, wavelet=WAVELET)
    for images in (log, wavelet):
        for found, name, _ in images:
            # Single precision of the Laplacian, and grey levels in double precision as elsewhere.
            yield name, SimpleITK.GetArrayFromImage(found).transpose(2, 1, 0).astype(float)


def oracle(folder: Path, job: str) -> Extraction:
    """All regions by pyradiomics' filters and classes, on OsteoFlow's grey levels."""
    volume = read_volume(folder / "image.nii.gz")
    labels = read_volume(folder / "labels.nii.gz").data
    settings = recipe(job)
    spacing = tuple(float(step) for step in volume.spacing)
    numbers = range(1, int(labels.max()) + 1)
    values: dict[str, dict[str, float]] = {str(number): {} for number in numbers}
    for prefix, image in whole_images(np.asarray(volume.data, float), spacing, job):
        for number in numbers:
            mask = labels == number
            box = bounding_box(mask)
            filtered = prefix != "original"
            levels = discretise(image[mask], settings, filtered=filtered)
            values[str(number)] |= _classes(prefix, image[box], mask[box], mask, levels, spacing)
    return values, 0.0


def _classes(
    prefix: str,
    image: np.ndarray,
    inside: np.ndarray,
    mask: np.ndarray,
    levels: np.ndarray,
    spacing: tuple,
) -> dict[str, float]:
    """Features of one region of one image; grey levels in the order of ``image[mask]``."""
    import SimpleITK
    from radiomics import firstorder, glcm, gldm, glrlm, glszm, ngtdm, shape

    class Given:
        """Grey levels from outside, through the method that pyradiomics forms its own with."""

        def _applyBinning(self, matrix: np.ndarray) -> np.ndarray:  # noqa: N802
            own = np.zeros(inside.shape, int)
            own[inside] = levels
            own = np.ascontiguousarray(own.transpose(2, 1, 0))
            self.coefficients["grayLevels"] = np.unique(own[self.maskArray])
            self.coefficients["Ng"] = int(own.max())
            return own

    def node(array: np.ndarray):
        found = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
        found.SetSpacing(spacing)
        return found

    kinds = {
        "firstorder": firstorder.RadiomicsFirstOrder,
        "glcm": glcm.RadiomicsGLCM,
        "glrlm": glrlm.RadiomicsGLRLM,
        "glszm": glszm.RadiomicsGLSZM,
        "ngtdm": ngtdm.RadiomicsNGTDM,
        "gldm": gldm.RadiomicsGLDM,
    }
    values, region = {}, node(inside.astype(np.uint8))
    if prefix == "original":
        kinds = {"shape": shape.RadiomicsShape, **kinds}
    for name, kind in kinds.items():
        given = kind if name == "shape" else type(kind.__name__, (Given, kind), {})
        calculator = given(node(image), region)
        calculator.enableAllFeatures()
        found = calculator.execute()
        values |= {f"{prefix}_{name}_{key}": float(value) for key, value in found.items()}
    return as_defined(values, int(inside.sum()))


def as_defined(values: dict[str, float], voxels: int) -> dict[str, float]:
    """pyradiomics' values in OsteoFlow's definition."""
    changed = {}
    for name, value in values.items():
        if name.endswith("firstorder_Kurtosis"):
            changed[name] = value - 3.0
        elif name.endswith("AxisLength"):
            changed[name] = value * np.sqrt(voxels / (voxels - 1))
    return values | changed


if __name__ == "__main__":
    serve({"osteoflow": osteoflow, "oracle": oracle}, {"osteoflow": families})
