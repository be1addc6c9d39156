"""One exponential in b fitted to the magnitudes of many voxels at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.scipy_parts import special

UM2_PER_MM2 = 1e6
"""b is in s/mm2, ADC in um2/s (1e-6 mm2/s)."""

LEAST_SPREAD = 10.0
"""s/mm2 between the least and the greatest b-value of a fit; closer ones count as one."""

FLOOR_FACTOR = 3.0
"""Times the noise of one real channel: below it the magnitude is dominated by its own noise floor
(Gudbjartsson and Patz 1995)."""

SERIES_FROM = 12.0
"""Signal to noise above which the mean of the Rician distribution is taken from its asymptotic
series; they differ by less than 1e-7 of the noise, and Bessel functions are slow."""

REWEIGHTINGS = 3
"""Times the weights, and the samples above the noise floor, are taken from the fitted signal."""

ITERATIONS = 60
TOLERANCE = 1e-7
"""Step relative to the parameters at which the non-linear fit has converged."""


def rician_mean(amplitude: np.ndarray, noise_sd: float | np.ndarray) -> np.ndarray:
    """Expected magnitude of a signal in complex Gaussian noise (Rice 1944).

    Parameters
    ----------
    amplitude
        Noise-free magnitude.
    noise_sd
        Standard deviation of one real channel, in a shape that broadcasts against `amplitude`.
    """
    return _rician_mean_and_slope(amplitude, noise_sd)[0]


def adc_standard_error(
    b_values: np.ndarray, adc: float, snr: float, averages: np.ndarray | None = None
) -> float:
    """Least standard error of ADC that an unbiased estimator can have (Cramer-Rao bound).

    Parameters
    ----------
    b_values
        s/mm2.
    adc
        um2/s.
    snr
        Signal at b = 0 over the standard deviation of one real channel; well above the noise floor
        at every b-value.
    averages
        Images averaged at each b-value.

    Returns
    -------
    float
        um2/s per voxel; infinite where the b-values do not determine it.
    """
    b = np.asarray(b_values, float) / UM2_PER_MM2
    weight = np.exp(-2 * b * adc) * (1.0 if averages is None else np.asarray(averages, float))
    centre = (weight @ b) / weight.sum()
    information = float(weight @ (b - centre) ** 2)
    return 1 / (snr * np.sqrt(information)) if information > 0 else np.inf


@dataclass(frozen=True)
class VoxelFits:
    """Results of shape (voxels,), NaN where the samples do not determine them.

    Attributes
    ----------
    adc, s0
        um2/s, and units of the signal.
    residual
        Norm of the misfit over the norm of the signal, over the samples used.
    misfit
        Variance of one real channel of one image as seen in the misfit; NaN unless all samples
        were used and more than two.
    first, last
        Fitted noise-free signal at the least and the greatest b-value.
    converged
        bool.
    left_out
        Number of samples left out because they lie at the noise floor.
    """

    adc: np.ndarray
    s0: np.ndarray
    residual: np.ndarray
    misfit: np.ndarray
    first: np.ndarray
    last: np.ndarray
    converged: np.ndarray
    left_out: int


@dataclass(frozen=True)
class ExponentialModel:
    """S = S0 exp(-b ADC), with the estimator to use.

    Parameters
    ----------
    b
        s/mm2, shape (n_b,).
    averages
        Images averaged at each b-value, shape (n_b,).
    method
        One of ``osteoflow.mri.adc.METHODS``.
    noise_sd
        Noise of one real channel of one image, or None where it is not known.
    """

    b: np.ndarray
    averages: np.ndarray
    method: str
    noise_sd: float | None

    def fit(self, sample: np.ndarray, usable: np.ndarray) -> VoxelFits:
        """Fit every voxel.

        Parameters
        ----------
        sample
            float64, shape (n_b, voxels).
        usable
            bool, the same shape: samples to be used, all positive.
        """
        # In units of a voxel's largest sample and of the largest b-value, all numbers are near 1.
        scale = np.max(sample, axis=0, where=usable, initial=0.0)
        scale[scale == 0] = 1.0
        y = np.where(usable, sample / scale, 0.0)
        noise = None if self.noise_sd is None else self.noise_sd / scale
        with np.errstate(all="ignore"):
            s0, decay, used = self._loglinear(y, usable, noise)
            converged = np.ones(s0.shape, bool)
            if self.method == "nls":
                s0, decay, converged = self._nonlinear(y, usable, noise, s0, decay)
                used = usable
            return self._assess(y, used, noise, s0, decay, scale, converged, usable)

    @property
    def _u(self) -> np.ndarray:
        return (self.b / self.b.max())[:, None]

    def _determined(self, used: np.ndarray) -> np.ndarray:
        """Whether the samples used span two b-values."""
        b = self.b[:, None]
        least = np.min(np.where(used, b, np.inf), axis=0)
        greatest = np.max(np.where(used, b, -np.inf), axis=0)
        return greatest - least >= LEAST_SPREAD

    def _loglinear(
        self, y: np.ndarray, usable: np.ndarray, noise: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """S0, decay over the b-range, and the samples used."""
        logarithm = np.log(y, out=np.zeros_like(y), where=usable)
        averages = self.averages[:, None]
        # Which samples lie at the floor is at last decided by the fitted signal: deciding it by the
        # measured one would keep those that noise has lifted and drop those it has lowered.
        used = usable if noise is None else usable & (y >= FLOOR_FACTOR * noise)
        intercept, decay = self._line(logarithm, averages * used)
        weighted = self.method != "loglinear_unweighted"
        for _ in range(REWEIGHTINGS if weighted or noise is not None else 0):
            fitted = np.exp(intercept - self._u * decay)
            if noise is not None:
                used = usable & (fitted >= FLOOR_FACTOR * noise)
            weight = averages * used
            if weighted:
                weight = weight * (fitted / np.max(fitted, axis=0)) ** 2
            intercept, decay = self._line(logarithm, weight)
        undetermined = ~self._determined(used)
        intercept[undetermined] = decay[undetermined] = np.nan
        return np.exp(intercept), decay, used

    def _line(self, logarithm: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Intercept and fall of the weighted regression of the logarithm on b / max(b)."""
        u, total = self._u, weight.sum(axis=0)
        centre = (weight * u).sum(axis=0) / total
        mean = (weight * logarithm).sum(axis=0) / total
        away = weight * (u - centre)
        decay = -(away * logarithm).sum(axis=0) / (away * u).sum(axis=0)
        return mean + decay * centre, decay

    def _nonlinear(
        self,
        y: np.ndarray,
        usable: np.ndarray,
        noise: np.ndarray | None,
        s0: np.ndarray,
        decay: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Levenberg-Marquardt in both parameters of all voxels from the log-linear fit."""
        plain = ExponentialModel(self.b, self.averages, "loglinear", None)
        lost = ~np.isfinite(decay)
        if lost.any():  # most samples lie at the floor: start from all of them
            s0[lost], decay[lost], _ = plain._loglinear(y[:, lost], usable[:, lost], None)
        converged = ~self._determined(usable)
        s0[converged] = decay[converged] = np.nan
        active = np.flatnonzero(np.isfinite(decay) & np.isfinite(s0))
        converged[~(np.isfinite(decay) & np.isfinite(s0))] = True
        damping = np.full(s0.shape, 1e-3)
        for _ in range(ITERATIONS):
            if not active.size:
                break
            sigma = None if noise is None else noise[active]
            weight = self.averages[:, None] * usable[:, active]
            step, before = self._step(
                y[:, active], weight, sigma, s0[active], decay[active], damping[active]
            )
            trial_s0, trial_decay = s0[active] + step[0], decay[active] + step[1]
            after = self._cost(y[:, active], weight, sigma, trial_s0, trial_decay)
            better = (after <= before) & (trial_s0 > 0)
            take = active[better]
            s0[take], decay[take] = trial_s0[better], trial_decay[better]
            damping[active] = np.where(better, damping[active] / 10, damping[active] * 10)
            size = np.abs(step[0]) / s0[active] + np.abs(step[1]) / (1 + np.abs(decay[active]))
            # where no smaller step lowers the misfit either, rounding is the limit
            done = (size < TOLERANCE) & (better | (damping[active] > 1e6))
            converged[active[done]] = True
            active = active[~done]
        return s0, decay, converged

    def _expected(
        self, s0: np.ndarray, decay: np.ndarray, noise: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | float]:
        """Decay factor, noise-free signal, expected magnitude and its slope in the signal."""
        factor = np.exp(-self._u * decay)
        signal = s0 * factor
        if noise is None:
            return factor, signal, signal, 1.0
        expected, slope = _rician_mean_and_slope(signal, noise)
        return factor, signal, expected, slope

    def _cost(
        self,
        y: np.ndarray,
        weight: np.ndarray,
        noise: np.ndarray | None,
        s0: np.ndarray,
        decay: np.ndarray,
    ) -> np.ndarray:
        expected = self._expected(s0, decay, noise)[2]
        return (weight * (y - expected) ** 2).sum(axis=0)

    def _step(
        self,
        y: np.ndarray,
        weight: np.ndarray,
        noise: np.ndarray | None,
        s0: np.ndarray,
        decay: np.ndarray,
        damping: np.ndarray,
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Damped Gauss-Newton step of S0 and decay, and the cost before it."""
        factor, signal, expected, slope = self._expected(s0, decay, noise)
        by_s0 = slope * factor
        by_decay = -slope * self._u * signal
        misfit = y - expected
        aa = (weight * by_s0 * by_s0).sum(axis=0) * (1 + damping)
        ab = (weight * by_s0 * by_decay).sum(axis=0)
        bb = (weight * by_decay * by_decay).sum(axis=0) * (1 + damping)
        ga = (weight * by_s0 * misfit).sum(axis=0)
        gb = (weight * by_decay * misfit).sum(axis=0)
        determinant = aa * bb - ab * ab
        step = ((bb * ga - ab * gb) / determinant, (aa * gb - ab * ga) / determinant)
        return step, (weight * misfit**2).sum(axis=0)

    def _assess(
        self,
        y: np.ndarray,
        used: np.ndarray,
        noise: np.ndarray | None,
        s0: np.ndarray,
        decay: np.ndarray,
        scale: np.ndarray,
        converged: np.ndarray,
        usable: np.ndarray,
    ) -> VoxelFits:
        """Values in units of the input, and how well they explain the samples."""
        _, signal, expected, _ = self._expected(s0, decay, noise)
        squares = used * (y - expected) ** 2
        freedom = used.sum(axis=0) - 2
        variance = (self.averages[:, None] * squares).sum(axis=0) / freedom
        whole = used.all(axis=0) & (freedom > 0)
        return VoxelFits(
            adc=decay / self.b.max() * UM2_PER_MM2,
            s0=s0 * scale,
            residual=np.sqrt(squares.sum(axis=0) / (used * y**2).sum(axis=0)),
            misfit=np.where(whole, variance * scale**2, np.nan),
            first=signal[np.argmin(self.b)] * scale,
            last=signal[np.argmax(self.b)] * scale,
            converged=converged,
            left_out=int((usable & ~used).sum()),
        )


def _rician_mean_and_slope(
    amplitude: np.ndarray, noise_sd: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expected magnitude and its derivative in the noise-free one."""
    ratio = np.asarray(amplitude / noise_sd)
    far = np.maximum(ratio, SERIES_FROM)
    inverse = 1 / far**2
    mean = far * (1 + inverse * (1 / 2 + inverse * (1 / 8 + inverse * 3 / 16)))
    slope = 1 - inverse * (1 / 2 + inverse * (3 / 8 + inverse * 15 / 16))
    near = ratio < SERIES_FROM
    x = ratio[near] ** 2 / 4
    zeroth, first = special.i0e(x), special.i1e(x)
    root = np.sqrt(np.pi / 2)
    mean[near] = root * ((1 + 2 * x) * zeroth + 2 * x * first)
    slope[near] = root * ratio[near] / 2 * (zeroth + first)
    return mean * noise_sd, slope
