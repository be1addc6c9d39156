"""Laplacian of Gaussian as pyradiomics computes it (3D, scale-normalised)."""

from __future__ import annotations

from functools import partial

import numpy as np

from osteoflow.radiomics.arrays import as_itk
from osteoflow.radiomics.filters.derived import Box, DerivedImage
from osteoflow.radiomics.settings import RadiomicsSettings


def laplacian_images(settings: RadiomicsSettings) -> list[DerivedImage]:
    """One image per sigma of ``filters.log_sigma_mm``."""
    return [
        DerivedImage(
            f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D",
            partial(_reach, sigma=sigma),
            partial(_filtered, sigma=sigma),
        )
        for sigma in settings.filters.log_sigma_mm
    ]


def _reach(step: float, sigma: float) -> float:
    return 4.0 * sigma


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    sigma: float,
) -> np.ndarray:
    from radiomics import imageoperations
    from SimpleITK import GetArrayFromImage

    [(found, _, _)] = imageoperations.getLoGImage(as_itk(image, spacing), None, sigma=[sigma])
    return GetArrayFromImage(found).transpose(2, 1, 0)[inner]
