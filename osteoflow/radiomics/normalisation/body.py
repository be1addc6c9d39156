"""The body in an MR image: where there is signal and not only noise."""

from __future__ import annotations

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage

BINS = 128
DARK, BRIGHTEST = 1.0, 99.5
"""Percentiles between which the histogram lies: single bright voxels would leave it all in few
bins."""

CLOSED_MM = 5.0
"""Half the width of gaps that belong to the body (this project's choice: a disc)."""

DARKEST = 1 / 300
"""Of the brightest: noise lies above it; scanners that blank the air put zeros there."""

SMALLEST_SHARE = 0.02
"""Of the image. Less than this is no body but an artefact (this project's choice)."""


def body_mask(image: Volume) -> np.ndarray:
    """Voxels of the body, holes (air, compact bone, flowing blood) included.

    Otsu's threshold of the logarithm: shading and the contrast of tissues are factors of a few,
    noise lies a factor of ten and more below, so that air and body part where a threshold of the
    signal itself would part fat near the coil from everything else. Of the largest connected piece,
    gaps of up to twice :data:`CLOSED_MM` (discs, vessels) are closed and holes filled, slice by
    slice.

    Parameters
    ----------
    image
        Magnitudes of shape (i, j, k), any scale; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        Boolean, of the image's shape; only voxels that are finite.

    Raises
    ------
    SubjectDataError
        ``body_not_found``: no signal, one value everywhere, or a piece too small to be a body.

    Notes
    -----
    Source of the threshold: Otsu, IEEE Trans SMC 1979;9:62.
    """
    finite = np.isfinite(image.data)
    data = np.where(finite, image.data, 0.0)
    # Some exports lift air to a grey of its own; there is no logarithm to part it by.
    floor, top = (float(value) for value in np.percentile(data, (DARK, BRIGHTEST)))
    if not top > max(floor, 0.0):
        raise _not_found("the image holds no signal that could be told from air")
    scaled = (data - floor) / (top - floor)
    above = scaled > _threshold(scaled)
    pieces, count = ndimage.label(above)
    if count == 0:
        raise _not_found("no voxel stands out from the rest")
    body = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    # Air outside is connected across slices, gas inside often ends beyond the outermost one.
    through = int(np.argmax(image.spacing))
    flat = np.moveaxis(body, through, 0)
    steps = [step for axis, step in enumerate(image.spacing) if axis != through]
    flat[:] = [_closed(section, steps) for section in flat]
    body &= finite
    if body.mean() < SMALLEST_SHARE:
        raise _not_found(f"the largest piece with signal is {100 * body.mean():.1f} % of the image")
    return body


def _threshold(scaled: np.ndarray) -> float:
    """Otsu's threshold of the logarithms of values from :data:`DARKEST` to 1."""
    logs = np.log(np.clip(scaled, DARKEST, 1.0))
    counts, edges = np.histogram(logs, bins=BINS, range=(np.log(DARKEST), 0.0))
    share = np.cumsum(counts) / counts.sum()
    moment = np.cumsum(counts * (edges[:-1] + edges[1:]) / 2) / counts.sum()
    inner = share * (1 - share)
    between = np.divide(
        (moment[-1] * share - moment) ** 2, inner, out=np.zeros(BINS), where=inner > 0
    )
    return float(np.exp(edges[int(np.argmax(between)) + 1]))


def _closed(section: np.ndarray, steps: list[float]) -> np.ndarray:
    """One slice of a mask without narrow gaps and holes."""
    if not section.any():
        return section
    margin = [int(CLOSED_MM / step) + 2 for step in steps]
    wide = np.pad(section, [(m, m) for m in margin])
    wide = ndimage.distance_transform_edt(~wide, sampling=steps) <= CLOSED_MM
    wide = ndimage.binary_fill_holes(wide)
    wide = ndimage.distance_transform_edt(wide, sampling=steps) > CLOSED_MM
    return wide[tuple(slice(m, -m) for m in margin)] | ndimage.binary_fill_holes(section)


def _not_found(message: str) -> SubjectDataError:
    return SubjectDataError(
        "body_not_found", message, "Check that the series shows the body and is no mask or map."
    )
