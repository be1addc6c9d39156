"""Noise of a magnitude image, from the air around the patient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.scipy_parts import ndimage, optimize, special

RAYLEIGH_SD = float(np.sqrt(2 - np.pi / 2))
"""SD of the magnitude in air over the SD of one real channel: 0.655. Noise of mean zero in the
real and the imaginary channel has a magnitude that follows Rayleigh's distribution."""

RAYLEIGH_RATIO = float(np.sqrt(np.pi / (4 - np.pi)))
"""Mean over SD of the magnitude in air: 1.913."""

RATIO_TOLERANCE = 0.08
"""Relative deviation of mean over SD from Rayleigh's up to which air counts as such noise. Two
receivers joined as root of sum of squares deviate by 45 %."""

WINDOW = 5
"""Voxels along each edge of the cube in which air is told from tissue (fewer in thin volumes)."""

MOST_ZEROS = 0.5
"""Share of zeros above which a window is set to zero by the scanner. Rounding to whole numbers
makes 12 % zeros of noise with an SD of one grey level, 39 % of half a grey level."""

EXCESS_ZEROS = 0.02
"""Share of zeros beyond those of rounding at which air is partly blanked."""

BLANK_SHARE = 0.05
"""Share of the image that is blank above which missing air counts as blanked; correction of
distortion alone leaves a thin blank frame."""

SMALLEST_AIR = 2000
"""Voxels of air found automatically, or else there is none: they know the SD to about 1 %."""

SMALLEST_OUTLINE = 200
"""Voxels of air outlined by hand: they know the SD to 4 %."""

HIGHEST_BACKGROUND = 0.15
"""Root mean square of air over the 98th percentile of the image; what is brighter is tissue."""

UNEVEN_SHARE = 0.5
"""Windows within a factor of three of the noise level, over those at it, that make air uneven."""

_OUTLINE_HINT = (
    "Outline a region of air free of ghosts in the mask (label air of the scheme osteoflow), or "
    "export the images as they were reconstructed."
)


@dataclass(frozen=True)
class BackgroundNoise:
    """Noise of a magnitude image.

    Attributes
    ----------
    sd
        Standard deviation of one real channel, in grey levels.
    air_sd
        Standard deviation of the magnitude in air, as a region of interest at a console shows
        it; ``RAYLEIGH_SD`` times `sd` for one receiver.
    receivers
        Receivers whose squares were summed: 1 (Rayleigh), or what mean over SD tells.
    n_voxels
        Voxels of air.
    method
        How air was found, in a few words.
    warnings
        Sentences.
    """

    sd: float
    air_sd: float
    receivers: float
    n_voxels: int
    method: str
    warnings: list[str] = field(default_factory=list)


def background_noise_sd(
    image: np.ndarray, body: np.ndarray | None = None, air: np.ndarray | None = None
) -> BackgroundNoise:
    """Standard deviation of the noise in one real channel of a magnitude image.

    The SD read off a region of air is not it: there the magnitude follows Rayleigh's
    distribution, whose SD is 0.655 times the channel's. The channel's variance is half the mean
    square in air, less the share of rounding to grey levels.

    Parameters
    ----------
    image
        Magnitudes, shape (i, j, k), as the scanner reconstructed them.
    body
        Boolean, same shape: the patient. Air is looked for outside, and noise of several
        receivers is accepted there: elsewhere a dark tissue, or one under a saturation band,
        looks the same.
    air
        Boolean, same shape: an outlined region of air, which is taken as it is. Without `body`
        and `air`, air is where cubes of voxels share one level of noise that follows Rayleigh's
        distribution and is far below tissue.

    Returns
    -------
    BackgroundNoise

    Raises
    ------
    ValueError
        Shapes differ, or the image is not 3-D.
    SubjectDataError
        ``not_magnitude``: complex or negative values. ``background_masked``: the scanner, or an
        export, has set the air to zero. ``background_not_found``: too little air.
        ``background_not_noise``: ghosts or filtering instead of noise, or noise of several
        receivers where it cannot be told from dark tissue.
        ``noise_below_resolution``: grey levels are coarser than the noise.

    Notes
    -----
    Sources: Henkelman, Med Phys 1985;12:232, and Gudbjartsson and Patz, Magn Reson Med
    1995;34:910 (Rician and Rayleigh distribution); Constantinides et al., Magn Reson Med
    1997;38:852 (mean square over twice the number of receivers). With parallel imaging or
    filters, noise in air is not that in the body: Dietrich et al., J Magn Reson Imaging
    2007;26:375.
    """
    image = np.asarray(image)
    _check(image, body, air)
    warnings: list[str] = []
    if air is not None:
        values = _outlined(image, np.asarray(air, bool))
        method = "outlined air"
    else:
        found = _find_air(image, None if body is None else np.asarray(body, bool), warnings)
        values = image[found].astype(np.float64)
        method = "air outside the body" if body is not None else "air found by its distribution"
    return _noise_of(values, air is None and body is None, method, warnings)


def _check(image: np.ndarray, body: np.ndarray | None, air: np.ndarray | None) -> None:
    if image.ndim != 3:
        raise ValueError(f"noise needs a 3-D image, not one of shape {image.shape}")
    for name, mask in (("body", body), ("air", air)):
        if mask is not None and np.shape(mask) != image.shape:
            raise ValueError(f"{name} of shape {np.shape(mask)} for an image of {image.shape}")
    if np.iscomplexobj(image) or (image < 0).any():
        raise SubjectDataError(
            "not_magnitude",
            "the image holds complex or negative values, so it is no magnitude image",
            "Give the magnitude images as they were reconstructed.",
        )


def _masked(what: str) -> SubjectDataError:
    return SubjectDataError(
        "background_masked",
        f"{what}: the noise of this image cannot be measured in air",
        "Outline air that is not blank, away from the image's edge; where there is none, switch "
        "off the filter that blanks the background and reconstruct again.",
    )


def _outlined(image: np.ndarray, air: np.ndarray) -> np.ndarray:
    values = image[air].astype(np.float64)
    values = values[np.isfinite(values)]
    if values.size < SMALLEST_OUTLINE:
        raise SubjectDataError(
            "background_not_found",
            f"the outlined air holds {values.size} voxels, fewer than {SMALLEST_OUTLINE}",
            "Outline a larger region of air, over several slices.",
        )
    if values.min() == values.max():
        raise _masked(f"all outlined air has the value {values[0]:g}")
    return values


def _find_air(image: np.ndarray, body: np.ndarray | None, warnings: list[str]) -> np.ndarray:
    """Mask of the voxels around which a cube of voxels holds nothing but noise."""
    size = tuple(WINDOW if n >= WINDOW else 3 if n >= 3 else 1 for n in image.shape)
    count = int(np.prod(size))
    # Values that are no number are taken for blanked voxels.
    values = np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)

    # Cubes that would reach beyond the image are left out.
    inner = tuple(slice(s // 2, n - s // 2) for s, n in zip(size, image.shape, strict=True))

    def local(data: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(data, size)[inner]

    mean, power = local(values), local(values**2)
    zeros = local((values == 0).astype(np.float32))
    variance = power - mean**2
    blank = (zeros > MOST_ZEROS) | (variance <= 1e-6 * power)
    usable = ~blank
    if body is not None:
        usable &= local(body.astype(np.float32)) < 0.5 / count
    ratio = mean / np.sqrt(np.where(blank, 1.0, variance))
    # Four standard errors of the ratio in a window, whose relative SD is 0.75 / sqrt(count).
    plain = usable & (np.abs(ratio / RAYLEIGH_RATIO - 1) < 3.0 / np.sqrt(count))
    level = np.log(np.where(usable, power, 1.0))
    candidates = usable if body is not None else plain
    # Mean squares of noise scatter by 1 / sqrt(count); more where voxels were interpolated.
    width = 5.5 / np.sqrt(count)
    centre = _commonest(level[candidates], width)
    chosen = candidates & (np.abs(level - centre) <= width)
    expected = _zeros_of_rounding(_grey_level(values[inner][chosen]), float(np.exp(centre)))
    # Windows at the edge of a blank part hold noise in what is left of them.
    chosen &= zeros < expected + EXCESS_ZEROS + 3 * np.sqrt(expected / count)
    darkest = HIGHEST_BACKGROUND * float(np.percentile(values, 98))
    too_bright = np.exp(centre / 2) > darkest
    voxels = 0 if too_bright else int(chosen.sum())
    _check_found(voxels, blank, usable, mean < darkest)
    distance = np.abs(level - centre)
    elsewhere = usable & (distance > width) & (distance < 2 * np.log(3))
    if elsewhere.sum() > UNEVEN_SHARE * voxels:
        warnings.append(
            "background_uneven: much of the air has another level of noise, within a factor of "
            "three (ghosts, or noise that varies as in parallel imaging); the commonest was taken"
        )
    found = np.zeros(image.shape, bool)
    found[inner] = chosen
    return found


def _check_found(voxels: int, blank: np.ndarray, usable: np.ndarray, is_dark: np.ndarray) -> None:
    """Refuse an image with too little air.

    Parameters
    ----------
    voxels
        Of air that were found.
    blank, usable, is_dark
        bool, of one shape: windows without noise, all others, and those too dark for tissue.

    Raises
    ------
    SubjectDataError
        ``background_masked``, ``background_not_noise``, ``background_not_found``.
    """
    # Saturated tissue is constant as well, but bright.
    blanked = int((blank & is_dark).sum())
    dark = int((usable & is_dark).sum())
    if blanked > dark or (voxels < SMALLEST_AIR and blanked > BLANK_SHARE * blank.size):
        raise _masked(f"{100 * blanked / blank.size:.0f} % of the image is blank")
    if voxels < SMALLEST_AIR and dark >= SMALLEST_AIR:
        raise SubjectDataError(
            "background_not_noise",
            "the dark parts of the image do not hold the plain noise of one receiver: ghosts, a "
            "saturation band, several receivers or a filter",
            _OUTLINE_HINT,
        )
    if voxels < SMALLEST_AIR:
        raise SubjectDataError(
            "background_not_found",
            f"{voxels} voxels of air were found, fewer than {SMALLEST_AIR}",
            _OUTLINE_HINT,
        )


def _commonest(levels: np.ndarray, width: float) -> float:
    """Level that most windows share within `width`, the lowest where several do; -inf if none."""
    if levels.size == 0:
        return -np.inf
    step = width / 10
    edges = np.arange(levels.min() - step, levels.max() + 2 * step, step)
    counts, _ = np.histogram(levels, edges)
    support = np.convolve(counts, np.ones(21), mode="same")
    centre = float(edges[int(support.argmax())] + step / 2)
    for _ in range(20):
        moved = float(np.median(levels[np.abs(levels - centre) <= width]))
        if abs(moved - centre) < 1e-6:
            break
        centre = moved
    return centre


def _noise_of(
    values: np.ndarray, rayleigh_only: bool, method: str, warnings: list[str]
) -> BackgroundNoise:
    """Channel's SD from voxels of air, after a look at their distribution."""
    step = _grey_level(values)
    # Rounding adds a twelfth of a squared grey level (Sheppard).
    rounding = step**2 / 12
    power = float(np.mean(values**2)) - rounding
    air_sd = float(np.sqrt(max(np.var(values) - rounding, 0.0)))
    zeros = float(np.mean(values == 0))
    if not power > 2 * step**2:
        raise SubjectDataError(
            "noise_below_resolution",
            f"the noise is smaller than one grey level ({step:g})",
            "Export the images with finer grey levels (larger scaling, or 16 bit).",
        )
    if zeros > _zeros_of_rounding(step, power) + EXCESS_ZEROS:
        raise _masked(f"{100 * zeros:.0f} % of the air is exactly zero")
    ratio = float(np.mean(values)) / air_sd
    deviation = ratio / RAYLEIGH_RATIO - 1
    if deviation < -RATIO_TOLERANCE or (rayleigh_only and deviation > RATIO_TOLERANCE):
        raise SubjectDataError(
            "background_not_noise",
            f"mean over SD in air is {ratio:.2f}, where noise has {RAYLEIGH_RATIO:.2f}: ghosts, "
            "partly blanked air, several receivers or a filter",
            _OUTLINE_HINT,
        )
    receivers = 1.0
    if deviation > RATIO_TOLERANCE:
        receivers = _receivers(ratio)
        warnings.append(
            f"background_not_rayleigh: mean over SD in air is {ratio:.2f}, as of {receivers:.1f} "
            "receivers joined by the root of their summed squares; the noise was taken so"
        )
    sd = float(np.sqrt(power / (2 * receivers)))
    return BackgroundNoise(sd, air_sd, receivers, int(values.size), method, warnings)


def _grey_level(values: np.ndarray) -> float:
    """Smallest step between the values that occur; rounding of numbers is no step."""
    steps = np.diff(np.unique(values))
    steps = steps[steps > 1e-5 * values.max(initial=0.0)]
    return float(steps.min()) if steps.size else 0.0


def _zeros_of_rounding(step: float, power: float) -> float:
    """Share of Rayleigh noise of a mean square that rounds to zero."""
    return float(-np.expm1(-(step**2) / (4 * power))) if power > 0 else 0.0


def _receivers(ratio: float) -> float:
    """Number of receivers whose root of summed squares has this mean over SD in air."""

    def excess(count: float) -> float:
        log_mean = special.gammaln(count + 0.5) - special.gammaln(count)
        squared = np.exp(2 * log_mean)
        return float(np.sqrt(squared / (count - squared)) - ratio)

    return float(optimize.brentq(excess, 1.0, 1e4))
