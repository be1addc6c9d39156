"""Noise of magnitude images: what it does to a mean, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from osteoflow.scipy_parts import special

TABLE_STEP = 0.02
"""Spacing, in noise standard deviations, of the tabulated correction to the mean."""

BACKGROUND_SAMPLE = 150_000
"""About so many voxels, evenly spread, in which the noise is looked for."""

BACKGROUND_VOXELS = 200
"""Fewest voxels of pure noise that give its size."""

BACKGROUND_STARTS = (0.1, 0.01)
"""Parts of the voxels, those of least power, with which the choice begins; the first that leads
to noise counts."""

BACKGROUND_EXCLUDED = 0.01
"""Part of the voxels of pure noise that the choice by their power may miss."""

BACKGROUND_CHANNELS = 128.0
"""More channels than any receiver coil has: the voxels hold signal."""

BACKGROUND_DECAY = 1.5
"""Mean power in the first half of the echoes over that in the second from which on the voxels
hold signal."""

BACKGROUND_ITERATIONS = 100
"""Most rounds of that choice."""


@dataclass(frozen=True)
class MagnitudeNoise:
    """Mean of a magnitude whose channels carry Gaussian noise.

    The root of the sum of squares of `channels` complex channels follows a noncentral chi
    distribution; one channel, or an adaptive or SENSE combination, gives the Rician one.

    Attributes
    ----------
    sd
        Standard deviation of one real channel, units of the image.
    channels
        Independent complex channels; correlated ones count as fewer, so any number >= 1.

    Raises
    ------
    ValueError
        Noise that is not positive, or fewer channels than one.

    References
    ----------
    Constantinides CD et al., Magn Reson Med 1997;38:852-857 (the distribution); Koay CG,
    Basser PJ, J Magn Reson 2006;179:317-322 (its mean and variance).
    """

    sd: float
    channels: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.sd) and self.sd > 0):
            raise ValueError(f"the noise must be positive, not {self.sd}")
        if not (np.isfinite(self.channels) and self.channels >= 1):
            raise ValueError(f"channels must be 1 or more, not {self.channels}")

    @property
    def floor(self) -> float:
        """Mean magnitude where there is no signal, units of the image."""
        return float(self.sd * chi_mean(np.zeros(1), self.channels)[0][0])

    def mean(self, amplitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean magnitude over a true amplitude.

        Parameters
        ----------
        amplitude
            Without noise, >= 0, in units of the image, float32, any shape.

        Returns
        -------
        mean, slope
            In units of the image, and its derivative with respect to the amplitude.
        """
        a = amplitude * np.float32(1 / self.sd)
        # beyond the table the root is the mean; within it lies close, so its error is tabulated
        root = np.sqrt(a * a + np.float32(2 * self.channels - 1))
        position = np.minimum(a * np.float32(1 / TABLE_STEP), self._correction.shape[1] - 1.001)
        index = position.astype(np.int32)
        part = position - index.astype(np.float32)
        error, error_slope = self._correction
        low = np.take(error, index)
        mean = root + low + part * (np.take(error, index + 1) - low)
        return mean * np.float32(self.sd), a / root + np.take(error_slope, index)

    @cached_property
    def _correction(self) -> np.ndarray:
        """Mean and its slope less those of the root, float32, shape (2, nodes)."""
        a = np.arange(0, 20 + 4 * np.sqrt(self.channels), TABLE_STEP)
        mean, slope = chi_mean(a, self.channels)
        root = np.sqrt(a * a + 2 * self.channels - 1)
        correction = np.stack([mean - root, slope - a / root])
        correction[:, -1] = 0
        return correction.astype(np.float32)


def chi_mean(a: np.ndarray, channels: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the noncentral chi distribution of 2 `channels` and noncentrality `a`, and slope.

    As a mixture of central distributions with Poisson weights, which stays exact where series of
    the hypergeometric function overflow.
    """
    half = 0.5 * a * a
    largest = half.max(initial=0)
    terms = np.arange(int(largest + 12 * np.sqrt(largest) + 40))
    degrees = channels + np.append(terms, terms[-1] + 1)
    central = np.sqrt(2) * np.exp(special.gammaln(degrees + 0.5) - special.gammaln(degrees))
    weight = np.exp(
        special.xlogy(terms, half[:, None]) - half[:, None] - special.gammaln(terms + 1)
    )
    return weight @ central[:-1], a * (weight @ np.diff(central))


def estimate_background(signal: np.ndarray, flags: dict[str, float]) -> MagnitudeNoise | None:
    """Noise seen in voxels that hold nothing else, over all echoes.

    The voxels with the least power start; the mean and the variance of their squared magnitude
    give the noise and the number of channels together, and with these the voxels are chosen whose
    power over all echoes is one that noise can have, until the choice stays the same. Tissue,
    ghosts and zero-filled margins drop out.

    Parameters
    ----------
    signal
        Magnitudes, shape (i, j, k, echoes).
    flags
        Receives the number of voxels that were chosen.

    Returns
    -------
    MagnitudeNoise or None
        None where there are fewer than ``BACKGROUND_VOXELS`` such voxels, or where they hold
        signal: they decay or fluctuate less than noise.

    References
    ----------
    Koay CG, Ozarslan E, Pierpaoli C, J Magn Reson 2009;199:94-103 (a self-consistent choice; the
    number of channels is given there); Constantinides CD et al., Magn Reson Med 1997;38:852-857.
    """
    flags["noise_voxels"] = 0
    voxels = int(np.prod(signal.shape[:3]))
    sample = np.linspace(0, voxels - 1, min(voxels, BACKGROUND_SAMPLE)).astype(np.int64)
    values = signal[np.unravel_index(sample, signal.shape[:3])].astype(np.float32)
    # scanners fill margins and masked air with zeros; whole numbers round some noise to zero
    filled = np.count_nonzero(values > 0, axis=1) > 0.5 * values.shape[1]
    values = values[filled & np.isfinite(values).all(axis=1)]
    if values.shape[0] < BACKGROUND_VOXELS:
        return None
    squares = values * values
    for start in BACKGROUND_STARTS:
        found = _self_consistent(squares, start)
        if found is not None:
            chosen, power, channels = found
            flags["noise_voxels"] = int(chosen.sum())
            return MagnitudeNoise(float(np.sqrt(power / (2 * channels))), channels)
    return None


def _self_consistent(squares: np.ndarray, start: float) -> tuple[np.ndarray, float, float] | None:
    """Voxels of pure noise, mean power there, and channels; from squares (voxels, echoes)."""
    echoes = squares.shape[1]
    power = squares.mean(axis=1, dtype=float)
    # between every other echo a ghost changes least: odd and even echoes differ
    spread = 0.5 * np.mean((squares[:, 2:] - squares[:, :-2]) ** 2, axis=1, dtype=float)
    chosen = power <= np.quantile(power, start)
    for _ in range(BACKGROUND_ITERATIONS):
        mean, variance = power[chosen].mean(), spread[chosen].mean()
        channels = max(1.0, mean**2 / max(variance, np.finfo(float).tiny))
        # the sum of squares over 2 sd^2 is gamma-distributed; mean = 2 channels sd^2
        tail = 0.5 * BACKGROUND_EXCLUDED
        limits = special.gammaincinv(channels * echoes, [tail, 1 - tail]) / (channels * echoes)
        last, chosen = chosen, (power >= limits[0] * mean) & (power <= limits[1] * mean)
        if chosen.sum() < BACKGROUND_VOXELS:
            return None
        if np.array_equal(last, chosen):
            break
    halves = np.array_split(squares[chosen], 2, axis=1)
    decay = halves[0].mean(dtype=float) / halves[1].mean(dtype=float)
    if channels > BACKGROUND_CHANNELS or decay > BACKGROUND_DECAY:
        return None
    return chosen, float(mean), float(channels)
