"""Phase between odd and even echoes of bipolar readouts, found in the data and taken out.

A bipolar readout acquires every other echo backwards. Delays of the gradients then add a phase
that changes its sign from echo to echo, constant and linear along the readout, which a fit of
water and fat without a term for it turns into fat (Lu W et al., Magn Reson Med 2008;60:198-209;
Peterson P, Mansson S, Magn Reson Med 2014;71:219-229). The signal of echo ``n`` (0, 1, ...) is
``s(t_n) exp(i (-1)^n phi(r))`` with ``phi(r) = offset + gradient . r``.

Adding pi/2 to ``phi`` is the same as shifting the field by half its period, so the misfit of a
voxel is periodic in ``phi`` with pi/2. Its first harmonic, pooled over voxels, gives offset and
gradient without unwrapping anything; parabolas through the misfit near that solution refine them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.candidates import R2STAR_BOUNDS, find_candidates
from osteoflow.mri.fit_setting import FitSetting, alternating
from osteoflow.mri.noise import misfit_variance

SAMPLE = 1200
"""Voxels from which is decided whether there is such a phase."""

LARGE_SAMPLE = 30000
"""Voxels from which a clear phase is estimated: an error of 0.01 rad changes the fat fraction by
about a percentage point, so that the estimate has to be an order of magnitude better."""

STEPS = 6
"""Values of the phase over its period at which the misfit is looked at first."""

LARGEST_TURNS = 4.0
"""Largest phase difference across the image, in turns of the first harmonic (pi / 2 each): a shift
of the echoes by two samples against each other."""

SLOPES = 97
"""Gradients tried along each axis: a twelfth of a turn across the image apart."""

REFINEMENTS = 3
"""Rounds of parabolas; each starts from the last one's solution."""

REFINING_STEP = 0.08
"""Distance in rad of the two outer points of the first parabola; halved in every round."""

FEWEST_ECHOES = 4
"""With three echoes the phase takes the last degree of freedom."""

CLEAR_PHASE = 0.03
"""Root mean square phase in rad below which an acquisition counts as monopolar. Other deviations
from the model (another spectrum, two R2*, eddy currents in the first echo) look like up to 0.02."""

CLEAR_EVIDENCE = 10.0
"""Log-likelihood by which the phase must improve the fit to be believed."""


@dataclass(frozen=True)
class ReadoutPhase:
    """Phase added to echoes of positive polarity and subtracted from the others.

    Attributes
    ----------
    offset
        rad, at the image's first voxel.
    gradient
        rad/mm along the three axes of the image, shape (3,).
    log_likelihood
        By how much it explains the sampled voxels better than no phase.
    rms
        Root mean square over the sampled voxels, rad.
    """

    offset: float
    gradient: np.ndarray
    log_likelihood: float
    rms: float

    @property
    def is_clear(self) -> bool:
        """Whether the acquisition shows such a phase."""
        return self.log_likelihood > CLEAR_EVIDENCE and self.rms > CLEAR_PHASE

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Phase in rad at positions in mm, shape (voxels, 3)."""
        return self.offset + positions @ self.gradient

    def remove(self, data: np.ndarray, positions: np.ndarray, polarity: np.ndarray) -> None:
        """Take the phase out of signals of shape (echoes, voxels), in place.

        Parameters
        ----------
        data
            In the sign of the phase; as acquired for a phase with its sign turned.
        positions
            mm from the image's first voxel, shape (voxels, 3).
        polarity
            +1 or -1 for each echo, shape (echoes,).
        """
        _turn(data, self.at(positions), polarity)

    def taken_from(self, signal: np.ndarray, spacing: np.ndarray, sign: int) -> np.ndarray:
        """A whole train (i, j, k, echoes) as acquired, without the phase.

        Parameters
        ----------
        signal
            complex, all echoes of the acquisition.
        spacing
            Voxel size in mm, shape (3,).
        sign
            -1 where the data have to be conjugated to the model's sign, else +1.
        """
        positions = np.moveaxis(np.indices(signal.shape[:3]), 0, -1) * spacing
        phase = sign * self.at(positions)[..., None] * alternating(signal.shape[-1])
        return (signal * np.exp(-1j * phase)).astype(signal.dtype)


class ReadoutSearch:
    """Search for the phase between odd and even echoes in one sign of the data.

    Parameters
    ----------
    data
        complex64, shape (echoes, voxels), each voxel scaled to unit norm, in the model's sign.
    norm
        The norms, shape (voxels,).
    positions
        In mm from the image's first voxel along its axes, shape (voxels, 3).
    spacing
        Voxel size in mm, shape (3,).
    setting
        The fit; it must have at least ``FEWEST_ECHOES`` echoes.

    Attributes
    ----------
    sample
        Indices of the voxels looked at.
    without, found
        Their squared misfit without a phase and with the one found so far.
    gain
        Log-likelihood by which the latter is better.
    """

    def __init__(
        self,
        data: np.ndarray,
        norm: np.ndarray,
        positions: np.ndarray,
        spacing: np.ndarray,
        setting: FitSetting,
    ) -> None:
        self._all = data, norm, positions, setting
        self.centre = positions.mean(axis=0)
        self._take(_spread(norm, SAMPLE))
        grid = np.arange(STEPS) * (np.pi / 2 / STEPS)
        costs = np.stack([_misfit(self.signal, phi, setting) for phi in grid])
        self.weight = 1 / (2 * misfit_variance(costs.min(axis=0), norm[self.sample], setting))
        harmonic = self.weight * (np.exp(4j * grid) @ -costs)
        self._phase = _first_guess(harmonic, self.where, spacing)
        self.without, self.found = costs[0], self._cost()
        self.gain = float(self.weight @ (self.without - self.found))
        self._refined = False

    @property
    def seems_bipolar(self) -> bool:
        """Whether the phase found so far explains the voxels better than none."""
        return self.gain > CLEAR_EVIDENCE

    @property
    def least(self) -> np.ndarray:
        """Squared misfit of the sampled voxels, with a phase where there seems to be one."""
        return self.found if self.seems_bipolar else self.without

    def refine(self) -> None:
        """Improve the first guess; one that explains less than no phase is no start."""
        if self._refined:
            return
        if not self.seems_bipolar:
            self._phase = np.zeros_like(self._phase)
        for refinement in range(REFINEMENTS):
            self._step(REFINING_STEP / 2**refinement)
        self.found = self._cost()
        self.gain = float(self.weight @ (self.without - self.found))
        self._refined = True

    def phase(self) -> ReadoutPhase:
        """The phase as well as the data tell it."""
        self.refine()
        found = self._as_phase()
        if not found.is_clear:
            return found
        _, norm, _, setting = self._all
        self._take(_spread(norm, LARGE_SAMPLE))
        self.weight = 1 / (2 * misfit_variance(self._cost(), norm[self.sample], setting))
        self._step(REFINING_STEP / 2**REFINEMENTS)
        return self._as_phase()

    def _take(self, sample: np.ndarray) -> None:
        data, _, positions, _ = self._all
        self.sample = sample
        self.signal, self.where = data[:, sample], positions[sample] - self.centre

    def _design(self) -> np.ndarray:
        return np.column_stack([np.ones(len(self.where)), self.where])

    def _cost(self) -> np.ndarray:
        return _misfit(self.signal, self._design() @ self._phase, self._all[3])

    def _as_phase(self) -> ReadoutPhase:
        """Without multiples of pi/2, which are the field's affair."""
        offset, gradient = self._phase[0], self._phase[1:]
        at_zero = float((offset - gradient @ self.centre + np.pi / 4) % (np.pi / 2) - np.pi / 4)
        wrapped = (self._design() @ self._phase + np.pi / 4) % (np.pi / 2) - np.pi / 4
        return ReadoutPhase(at_zero, gradient, self.gain, float(np.sqrt(np.mean(wrapped**2))))

    def _step(self, step: float) -> None:
        """A Gauss-Newton step: a parabola in every voxel, weighted least squares over all."""
        design = self._design()
        now = design @ self._phase
        setting = self._all[3]
        below, here, above = (_misfit(self.signal, now + d, setting) for d in (-step, 0, step))
        slope = self.weight * (above - below) / (2 * step)
        curvature = self.weight * (above - 2 * here + below) / step**2
        # a voxel between two minima says nothing about where the phase lies
        known = curvature > 0
        normal = (design[known] * curvature[known, None]).T @ design[known]
        change = np.linalg.lstsq(normal, -design[known].T @ slope[known], rcond=1e-9)[0]
        largest = np.abs(design @ change).max()
        self._phase = self._phase + change * min(1.0, 2 * step / max(largest, 1e-12))


def _spread(norm: np.ndarray, most: int) -> np.ndarray:
    """Voxels of at least the median signal, evenly spread over the image."""
    bright = np.flatnonzero(norm >= np.median(norm))
    return bright[:: -(-bright.size // most)]


def _turn(data: np.ndarray, phi: np.ndarray | float, polarity: np.ndarray) -> None:
    """Turn echoes back by their polarity times a phase in rad, in place."""
    turn = np.exp(-1j * np.broadcast_to(phi, data.shape[1:])).astype(data.dtype)
    data[polarity > 0] *= turn
    data[polarity < 0] *= turn.conj()


def _misfit(signal: np.ndarray, phi: np.ndarray | float, setting: FitSetting) -> np.ndarray:
    """Least squared misfit of every voxel once a phase is taken out, shape (voxels,)."""
    turned = signal.copy()
    _turn(turned, phi, setting.polarity)
    return find_candidates(
        turned,
        setting.echo.seconds,
        setting.phasor,
        setting.search,
        R2STAR_BOUNDS,
        setting.prior,
        count=2,
        iterations=3,
    ).cost[0]


def _first_guess(harmonic: np.ndarray, where: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Offset and gradient (4,) under which the voxels' first harmonics add up best."""
    best = (0.0, np.zeros(3))
    for axis in range(3):
        extent = np.ptp(where[:, axis])
        if extent == 0:
            continue
        # half a turn from voxel to voxel would be taken for a jump of the field
        largest = min(LARGEST_TURNS * 2 * np.pi / extent, np.pi / 2 / spacing[axis])
        slopes = np.linspace(-largest, largest, SLOPES)
        sums = np.exp(-1j * np.outer(slopes, where[:, axis])) @ harmonic
        index = int(np.abs(sums).argmax())
        if np.abs(sums[index]) > best[0]:
            gradient = np.zeros(3)
            gradient[axis] = slopes[index] / 4
            best = (float(np.abs(sums[index])), gradient)
    total = np.exp(-4j * (where @ best[1])) @ harmonic
    return np.concatenate([[np.angle(total) / 4], best[1]])
