"""Radiomics features of one region: IBSI preparation, pyradiomics' feature classes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from radiomics import firstorder, glcm, gldm, glrlm, glszm, imageoperations, ngtdm, shape
from SimpleITK import GetArrayFromImage, GetImageFromArray, Image

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.radiomics.dictionary import features
from osteoflow.radiomics.preprocess import PreparedRegion, discretise, prepare
from osteoflow.radiomics.settings import RadiomicsSettings

# Every symmetric co-occurrence matrix makes pyradiomics remark that the sum average is twice the
# joint average; both are reported because IBSI defines both.
logging.getLogger("radiomics.glcm").setLevel(logging.ERROR)

INTENSITY_CLASSES = ("firstorder",)
TEXTURE_CLASSES = ("glcm", "glrlm", "glszm", "ngtdm", "gldm")


class _GivenLevels:
    """Grey levels come from our own discretisation, through pyradiomics' own hook for it.

    pyradiomics anchors fixed bins at zero and starts counting at the region's minimum; IBSI
    anchors and counts at the lower end of the re-segmentation range.
    """

    def _applyBinning(self, matrix: np.ndarray) -> np.ndarray:  # noqa: N802 (overrides pyradiomics)
        levels = np.zeros(matrix.shape, int)
        levels[self.maskArray] = self.settings["levels"]
        self.coefficients["grayLevels"] = np.unique(levels[self.maskArray])
        self.coefficients["Ng"] = int(self.coefficients["grayLevels"].max())
        return levels


class _FirstOrder(_GivenLevels, firstorder.RadiomicsFirstOrder):
    pass


class _Glcm(_GivenLevels, glcm.RadiomicsGLCM):
    pass


class _Glrlm(_GivenLevels, glrlm.RadiomicsGLRLM):
    pass


class _Glszm(_GivenLevels, glszm.RadiomicsGLSZM):
    pass


class _Ngtdm(_GivenLevels, ngtdm.RadiomicsNGTDM):
    pass


class _Gldm(_GivenLevels, gldm.RadiomicsGLDM):
    pass


_CALCULATORS = {
    "firstorder": _FirstOrder,
    "glcm": _Glcm,
    "glrlm": _Glrlm,
    "glszm": _Glszm,
    "ngtdm": _Ngtdm,
    "gldm": _Gldm,
}


@dataclass(frozen=True)
class FeatureResult:
    """Features of one region.

    Parameters
    ----------
    features
        Feature value by column, e.g. ``original_glcm_Contrast``. The columns depend on the
        settings alone; a value that cannot be computed is NaN.
    n_voxels
        Voxels of the intensity mask after resampling and re-segmentation.
    flag
        Empty, or why all values are NaN: ``empty_mask``, ``too_few_voxels``,
        ``constant_intensity``, ``not_finite``, ``no_slice_axis``.
    warnings
        What was left out, and single features that are undefined.
    """

    features: dict[str, float]
    n_voxels: int
    flag: str
    warnings: list[str]


def feature_names(settings: RadiomicsSettings) -> list[str]:
    """Columns that :func:`extract_features` returns for these settings, in its order."""
    per_class = {name: [] for name in settings.classes}
    for feature in features().values():
        if feature.feature_class in per_class:
            per_class[feature.feature_class].append(feature.name)
    columns = [f"original_{name}" for name in per_class.get("shape", [])]
    for prefix in _prefixes(settings):
        for feature_class, names in per_class.items():
            if feature_class != "shape":
                columns += [f"{prefix}_{name}" for name in names]
    return columns


def extract_features(image: Volume, mask: np.ndarray, settings: RadiomicsSettings) -> FeatureResult:
    """Radiomics features of one region of one image.

    Parameters
    ----------
    image
        3D map.
    mask
        Boolean array of the image's shape.
    settings
        The recipe.

    Returns
    -------
    FeatureResult
        All columns of :func:`feature_names`. A region that cannot carry features has NaN
        everywhere and a flag; nothing is invented for it.

    Raises
    ------
    ValueError
        Image and mask have different shapes.

    Notes
    -----
    Feature definitions: van Griethuysen et al., Cancer Res 2017;77:e104. Two are brought to IBSI's
    definition (Zwanenburg et al., Radiology 2020;295:328): kurtosis is excess kurtosis, and axis
    lengths use the sample covariance. Shape describes the mask before re-segmentation. A region
    with a single grey level has no texture: those values are NaN, not the constants that
    pyradiomics puts in their place.
    """
    mask = np.asarray(mask, bool)
    names = feature_names(settings)
    if image.data.shape != mask.shape:
        raise ValueError(f"image {image.data.shape} and mask {mask.shape} differ in shape")

    def refused(flag: str, n_voxels: int, warnings: list[str]) -> FeatureResult:
        return FeatureResult(dict.fromkeys(names, float("nan")), n_voxels, flag, warnings)

    if not mask.any():
        return refused("empty_mask", 0, [])
    if not np.isfinite(image.data[mask]).any():
        return refused("not_finite", 0, ["the map holds no number inside the region"])
    try:
        region = prepare(image, mask, settings)
    except SubjectDataError as error:
        return refused(error.code, 0, [error.message])
    n_voxels = int(region.intensity.sum())
    if n_voxels < settings.minimum_voxels:
        return refused("too_few_voxels", n_voxels, region.warnings)
    inside = region.image[region.intensity]
    if inside.min() == inside.max():
        return refused("constant_intensity", n_voxels, region.warnings)

    values: dict[str, float] = {}
    warnings = list(region.warnings)
    if "shape" in settings.classes:
        values |= {f"original_{k}": v for k, v in _shape(region).items()}
    for prefix, derived in _images(region, settings):
        single, computed = _intensity_and_texture(derived, prefix, region, settings)
        values |= {f"{prefix}_{k}": v for k, v in computed.items()}
        if single:
            warnings.append(f"{prefix}: one grey level only, no texture features")
    result = {name: values.get(name, float("nan")) for name in names}
    result = {k: v if np.isfinite(v) else float("nan") for k, v in result.items()}
    if undefined := [name for name, value in result.items() if np.isnan(value)]:
        warnings.append(f"{len(undefined)} undefined features: {', '.join(undefined)}")
    return FeatureResult(result, n_voxels, "", warnings)


def _prefixes(settings: RadiomicsSettings) -> list[str]:
    filters = settings.filters
    prefixes = ["original"] if filters.original else []
    prefixes += [f"log-sigma-{str(s).replace('.', '-')}-mm-3D" for s in filters.log_sigma_mm]
    if filters.wavelet is not None:
        axes = 2 if settings.texture == "2D" else 3
        prefixes += [
            "wavelet-" + "".join("LH"[(code >> bit) & 1] for bit in reversed(range(axes)))
            for code in range(2**axes)
        ]
    return prefixes


def _itk(array: np.ndarray, spacing: tuple[float, float, float]) -> Image:
    """Array with axes x, y, z as a SimpleITK image."""
    image = GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing([float(step) for step in spacing])
    return image


def _itk_slice_axis(region: PreparedRegion) -> dict[str, Any]:
    if region.slice_axis is None:
        return {}
    return {"force2D": True, "force2Ddimension": 2 - region.slice_axis}


def _images(
    region: PreparedRegion, settings: RadiomicsSettings
) -> Iterator[tuple[str, np.ndarray]]:
    """The image itself and its filtered versions, by prefix."""
    filters = settings.filters
    if filters.original:
        yield "original", region.image
    if not (filters.log_sigma_mm or filters.wavelet):
        return
    source = _itk(region.image, region.spacing)
    if filters.log_sigma_mm:
        for image, name, _ in imageoperations.getLoGImage(
            source, None, sigma=list(filters.log_sigma_mm)
        ):
            yield name, GetArrayFromImage(image).transpose(2, 1, 0)
    if filters.wavelet is not None:
        options = {"wavelet": filters.wavelet, **_itk_slice_axis(region)}
        for image, name, _ in imageoperations.getWaveletImage(source, None, **options):
            yield name, GetArrayFromImage(image).transpose(2, 1, 0)


def _cropped(*arrays: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Arrays cut to the bounding box of ``mask``: the calculators visit every voxel."""
    box = tuple(slice(axis.min(), axis.max() + 1) for axis in np.nonzero(mask))
    return tuple(array[box] for array in (*arrays, mask))


def _shape(region: PreparedRegion) -> dict[str, float]:
    (mask,) = _cropped(mask=region.morphology)
    node = _itk(mask.astype(np.uint8), region.spacing)
    values = _execute(shape.RadiomicsShape(node, node), "shape")
    n = int(mask.sum())
    for axis in ("Major", "Minor", "Least"):
        values[f"shape_{axis}AxisLength"] *= np.sqrt(n / (n - 1))
    return values


def _intensity_and_texture(
    image: np.ndarray, prefix: str, region: PreparedRegion, settings: RadiomicsSettings
) -> tuple[bool, dict[str, float]]:
    """Whether there is one grey level only, and the features by name without prefix."""
    image, mask = _cropped(image, mask=region.intensity)
    # SimpleITK's axis order is z, y, x: the levels follow the order in which pyradiomics sees them.
    levels = discretise(
        image.transpose(2, 1, 0)[mask.transpose(2, 1, 0)], settings, filtered=prefix != "original"
    )
    single = bool(levels.min() == levels.max())
    node, region_node = _itk(image, region.spacing), _itk(mask.astype(np.uint8), region.spacing)
    options = {"levels": levels, **_itk_slice_axis(region)}
    values: dict[str, float] = {}
    for name in settings.classes:
        if name in INTENSITY_CLASSES or (name in TEXTURE_CLASSES and not single):
            values |= _execute(_CALCULATORS[name](node, region_node, **options), name)
    if "firstorder_Kurtosis" in values:
        values["firstorder_Kurtosis"] -= 3.0
    return single, values


def _execute(calculator: Any, name: str) -> dict[str, float]:
    calculator.enableAllFeatures()
    return {f"{name}_{key}": float(value) for key, value in calculator.execute().items()}
