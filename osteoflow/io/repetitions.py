"""Several diffusion-weighted images of one b-value as one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def geometric_mean(images: Iterable[np.ndarray]) -> np.ndarray:
    """Trace-weighted image of several directions, or the average of repetitions, of one b-value.

    The mean of the logarithms belongs to the mean of the directions' diffusion coefficients; the
    arithmetic mean of the signals does not where they differ.

    Parameters
    ----------
    images
        Magnitudes of one shape.

    Returns
    -------
    ndarray
        float32; 0 wherever one image is not positive: the fit leaves such a sample out.

    Raises
    ------
    ValueError
        Without an image.
    """
    total: np.ndarray | None = None
    count = 0
    for image in images:
        positive = image > 0
        logarithm = np.full(image.shape, -np.inf)
        np.log(image, out=logarithm, where=positive)
        total = logarithm if total is None else total + logarithm
        count += 1
    if total is None:
        raise ValueError("no image to average")
    return np.exp(total / count).astype(np.float32)
