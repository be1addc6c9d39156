"""Flip angles across a slice: what the pulses of a 2D multi-echo spin echo truly do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

PULSE_STEPS = 128
"""Hard pulses by which a shaped pulse is replaced."""

REWINDING = np.linspace(0.4, 0.7, 601)
"""Areas of the rewinding gradient, relative to the excitation pulse's, that are tried."""

SLICE_EXTENT = 1.5
"""Half width, in slice thicknesses, of the region whose signal is added up."""

SLICE_POSITIONS = 46
"""Positions from the centre of the slice to its edge (profiles of real pulses are symmetric)."""


class SliceProfile(Protocol):
    """Weights of positions across the slice, and what the pulses do there.

    Attributes
    ----------
    weight
        Share of each position in the signal, shape (n_positions,); a perfectly selected slice
        has the sum 1.
    """

    @property
    def weight(self) -> np.ndarray | tuple[float, ...]: ...

    def angles(
        self, b1: np.ndarray, excitation_angle: float, refocusing_angle: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """True angles in degrees.

        Parameters
        ----------
        b1
            Factors of the transmit field, shape (n_b1,).
        excitation_angle
            Nominal, degrees.
        refocusing_angle
            Nominal, degrees, shape (n_pulses,).

        Returns
        -------
        excitation
            Shape (n_b1, n_positions).
        refocusing
            Shape (n_b1, n_positions, n_pulses).
        """


@dataclass(frozen=True)
class AngleFactors:
    """A profile given by numbers: angles at each position relative to the nominal ones.

    Right where angles grow with the transmit field in proportion (small angles, or 3D imaging);
    refocusing pulses near 180 degrees do not, see `SelectivePulses`. The default is one position
    with the nominal angles, a rectangular profile.

    Parameters
    ----------
    excitation, refocusing
        Factors of the nominal angles, shape (n_positions,).
    weight
        Share of each position in the signal, shape (n_positions,); scaled to sum 1.

    Raises
    ------
    ValueError
        Lists of unequal length, negative or no weights, factors that are not finite.
    """

    excitation: tuple[float, ...] = (1.0,)
    refocusing: tuple[float, ...] = (1.0,)
    weight: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        arrays = [
            np.asarray(x, dtype=float) for x in (self.excitation, self.refocusing, self.weight)
        ]
        if len({x.shape for x in arrays}) != 1 or arrays[0].ndim != 1 or arrays[0].size == 0:
            raise ValueError("excitation, refocusing and weight must be lists of one length")
        if not all(np.isfinite(x).all() for x in arrays) or not (
            (arrays[2] >= 0).all() and arrays[2].sum() > 0
        ):
            raise ValueError("factors must be finite, weights >= 0 with a positive sum")
        object.__setattr__(self, "weight", tuple(arrays[2] / arrays[2].sum()))

    @property
    def is_rectangular(self) -> bool:
        """Whether all positions see the nominal angles."""
        return set(self.excitation) == set(self.refocusing) == {1.0}

    def angles(
        self, b1: np.ndarray, excitation_angle: float, refocusing_angle: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """True angles, see `SliceProfile.angles`."""
        excitation = excitation_angle * np.outer(b1, self.excitation)
        refocusing = np.outer(b1, self.refocusing)[..., None] * refocusing_angle
        return excitation, refocusing


@dataclass(frozen=True)
class SelectivePulses:
    """Hann-windowed sinc pulses, their profile computed with the Bloch equations.

    The rotation by a pulse is followed position by position through its Cayley-Klein parameters
    without relaxation, for every strength of the transmit field: near 180 degrees the profile
    changes its shape, not only its height. A symmetric pulse between two crushers acts on the
    spins of a position like a rotation by one angle about the axis of the pulse, because its phase
    across the slice adds to that of the crushers; so the extended phase graph of that angle is
    exact there. Scanners rarely tell their pulses: the numbers are the user's statement.

    Parameters
    ----------
    refocusing_thickness
        Nominal thickness of the refocused slice over that of the excited one.
    excitation_time_bandwidth, refocusing_time_bandwidth
        Duration times bandwidth of the pulses: zero crossings of the sinc.

    Raises
    ------
    ValueError
        Numbers that are not positive.

    References
    ----------
    Pauly J et al., IEEE Trans Med Imaging 1991;10:53-65 (Cayley-Klein parameters of selective
    pulses); Lebel RM, Wilman AH, Magn Reson Med 2010;64:1005-1014 (profiles in a T2 fit).
    """

    refocusing_thickness: float
    excitation_time_bandwidth: float
    refocusing_time_bandwidth: float

    def __post_init__(self) -> None:
        numbers = (
            self.refocusing_thickness,
            self.excitation_time_bandwidth,
            self.refocusing_time_bandwidth,
        )
        if not all(np.isfinite(x) and x > 0 for x in numbers):
            raise ValueError(f"thickness and time-bandwidth must be positive, not {numbers}")

    @property
    def position(self) -> np.ndarray:
        """Distance from the slice's centre over its thickness, shape (n_positions,)."""
        return np.linspace(0, SLICE_EXTENT, SLICE_POSITIONS)

    @property
    def weight(self) -> np.ndarray:
        """Trapezoidal rule over the half slice, in units of the slice thickness."""
        weight = np.full(SLICE_POSITIONS, 2 * SLICE_EXTENT / (SLICE_POSITIONS - 1))
        weight[[0, -1]] /= 2
        return weight

    def angles(
        self, b1: np.ndarray, excitation_angle: float, refocusing_angle: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """True angles, see `SliceProfile.angles`.

        Of the excited magnetisation the part counts that the rewinding gradient, set for the most
        signal at the nominal angle, brings into phase with the slice's centre.
        """
        b1 = np.asarray(b1, dtype=float)
        pulse = hann_sinc(self.excitation_time_bandwidth)
        turn = 2 * np.pi * self.excitation_time_bandwidth * self.position
        nominal = np.deg2rad(excitation_angle)
        whole = excited(np.array([nominal]), pulse, turn)[0]
        rewound = np.exp(-1j * REWINDING[:, None] * turn)
        best = REWINDING[np.argmax(np.real(rewound * whole) @ self.weight)]
        transverse = np.real(excited(nominal * b1, pulse, turn) * np.exp(-1j * best * turn))
        excitation = np.rad2deg(np.arcsin(np.clip(transverse, -1, 1)))

        pulse = hann_sinc(self.refocusing_time_bandwidth)
        turn = 2 * np.pi * self.refocusing_time_bandwidth * self.position
        turn = turn / self.refocusing_thickness
        nominal, which = np.unique(refocusing_angle, return_inverse=True)
        turned = [cayley_klein(np.deg2rad(n) * b1, pulse, turn)[1] for n in nominal]
        each = np.rad2deg(2 * np.arcsin(np.clip(np.abs(turned), 0, 1)))
        return excitation, np.moveaxis(each[which], 0, -1)


def hann_sinc(time_bandwidth: float) -> np.ndarray:
    """Hann-windowed sinc of unit sum, shape (PULSE_STEPS,)."""
    time = (np.arange(PULSE_STEPS) + 0.5) / PULSE_STEPS - 0.5
    pulse = np.sinc(time_bandwidth * time) * (0.5 + 0.5 * np.cos(2 * np.pi * time))
    return pulse / pulse.sum()


def excited(angle: np.ndarray, pulse: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Transverse magnetisation after a pulse on equilibrium; parameters as `cayley_klein`."""
    alpha, beta = cayley_klein(angle, pulse, turn)
    return 2j * np.conj(alpha) * beta


def cayley_klein(
    angle: np.ndarray, pulse: np.ndarray, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation by a pulse about x while a gradient is on, as Cayley-Klein parameters.

    Parameters
    ----------
    angle
        Flip angles on resonance in radians, shape (n_b1,).
    pulse
        Shape of the pulse, unit sum, shape (steps,).
    turn
        Precession under the gradient over the whole pulse in radians, shape (n_positions,).

    Returns
    -------
    alpha, beta
        complex, shape (n_b1, n_positions).
    """
    step = turn / pulse.size
    alpha = np.ones((angle.size, turn.size), complex)
    beta = np.zeros_like(alpha)
    for part in pulse:
        nutation = (angle * part)[:, None]
        total = np.hypot(nutation, step)
        half_sine = 0.5 * np.sinc(0.5 * total / np.pi)
        a = np.cos(0.5 * total) - 1j * step * half_sine
        b = -1j * nutation * half_sine
        alpha, beta = a * alpha - np.conj(b) * beta, b * alpha + np.conj(a) * beta
    return alpha, beta
