"""Signal models of a T2 fit: extended phase graph with B1, or an exponential."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.epg import cpmg_train
from osteoflow.mri.t2_setting import EchoTrain
from osteoflow.mri.t2_slice_profile import AngleFactors, SliceProfile
from osteoflow.mri.t2_table import TrainTable, make_table

METHODS = ("epg", "monoexponential", "monoexponential_offset")
"""Names of the models."""

T2_BOUNDS_MS = (1.0, 3000.0)
"""Range of T2 that is searched; a voxel that stops at a bound is marked unreliable."""

T2_NODES = 128
"""Nodes of the table along the logarithm of T2, 6 % apart."""

B1_LOWEST = 0.6
"""Smallest transmit field that is searched, relative to the nominal one. Below it trains of one T2
and B1 come close to those of another pair, and body coils at 1.5 and 3 T rarely fall so low."""

B1_HIGHEST = 1.3
"""Largest transmit field that is searched where it differs from a field below the nominal one:
with selective or unequal pulses. It is cut at 180 degrees otherwise."""

B1_NODES = 96
"""Nodes of the table along the transmit field."""

COSINE_MARGIN = 1e-7
"""Distance from 180 degrees, in the cosine of the angle, that stands for 180 degrees."""

OFFSET_HIGHEST = 0.5
"""Largest constant searched in a decay with offset, relative to the decaying part at time 0."""

OFFSET_NODES = 5
"""Nodes along the offset, in which the train is linear."""


@dataclass(frozen=True)
class EchoModel:
    """Trains of unit amplitude in a table, and the coordinate in which they are fitted.

    Attributes
    ----------
    table
        Trains at the echoes that are fitted. Its second coordinate is B1 or, without one, the
        offset of an exponential.
    bounds
        Range of the second coordinate.
    refocusing_angle
        Nominal angle in degrees where one angle fits all pulses and the profile is rectangular.
        The train is then the same on both sides of 180 degrees, and is fitted over the cosine of
        the true angle, in which it has a slope at 180 degrees as well. None otherwise.
    excitation_angle
        Nominal angle in degrees if the train lacks the factor of the excitation, else None.
    has_b1
        Whether the second coordinate is B1.
    """

    table: TrainTable
    bounds: tuple[float, float]
    refocusing_angle: float | None = None
    excitation_angle: float | None = None
    has_b1: bool = True

    @property
    def has_floor(self) -> bool:
        """Whether noise raises the train to a floor; not where a fitted constant stands for it."""
        return self.has_b1 or self.table.unknowns == 2

    @property
    def fit_bounds(self) -> tuple[float, float]:
        """Range of the coordinate in which the train is fitted."""
        lower, upper = sorted(self.fitted_from(np.array(self.bounds)))
        return float(lower), float(upper)

    def fitted_from(self, second: np.ndarray) -> np.ndarray:
        """Coordinate of the fit from the table's."""
        if self.refocusing_angle is None:
            return second
        return np.cos(np.deg2rad(second * self.refocusing_angle))

    def second_from(self, fitted: np.ndarray) -> np.ndarray:
        """The table's coordinate from that of the fit; the one at or below 180 degrees."""
        if self.refocusing_angle is None:
            return fitted
        return np.rad2deg(np.arccos(np.clip(fitted, -1, 1))) / self.refocusing_angle

    def evaluate(self, log_t2: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Trains and derivatives with respect to log T2 and the coordinate of the fit.

        Parameters and result as `osteoflow.mri.t2_table.TrainTable.evaluate`.
        """
        if self.refocusing_angle is None:
            return self.table.evaluate(log_t2, fitted)
        # at 180 degrees itself the slope would be 0 / 0
        angle = np.arccos(np.clip(fitted, -1 + COSINE_MARGIN, 1))
        full_turn = np.deg2rad(self.refocusing_angle)
        result = self.table.evaluate(log_t2, angle / full_turn)
        result[:, 2] /= (-full_turn * np.sin(angle))[:, None].astype(np.float32)
        return result

    def stops_at(self, second: np.ndarray) -> np.ndarray:
        """Whether a second coordinate lies at a bound other than 180 degrees or no offset."""
        width = 1e-6 * (self.bounds[1] - self.bounds[0])
        stopped = second >= self.bounds[1] - width
        if self.refocusing_angle is not None:
            stopped &= second * self.refocusing_angle < 180 * (1 - 1e-6)
        if self.has_b1:
            stopped |= second <= self.bounds[0] + width
        return stopped

    def s0(self, amplitude: np.ndarray, b1: np.ndarray) -> np.ndarray:
        """Signal at echo time zero after a perfect excitation, from the train's amplitude."""
        if self.excitation_angle is None:
            return amplitude
        return amplitude / np.abs(np.sin(np.deg2rad(self.excitation_angle * b1)))


def epg_model(
    echo_spacing: float,
    echo_numbers: np.ndarray,
    t1: float,
    excitation_angle: float,
    refocusing_angle: np.ndarray,
    b1_bounds: tuple[float, float],
    profile: SliceProfile,
) -> EchoModel:
    """Extended phase graph over T2 and B1.

    Parameters
    ----------
    echo_spacing
        ms.
    echo_numbers
        Numbers, counted from 1, of the echoes that are fitted, shape (echoes,).
    t1
        ms.
    excitation_angle
        Nominal, degrees.
    refocusing_angle
        Nominal, degrees, shape (pulses,) with at least as many pulses as echoes are needed.
    b1_bounds
        Range of B1.
    profile
        Flip angles across the slice.

    Returns
    -------
    EchoModel
    """
    log_t2 = np.linspace(*np.log(T2_BOUNDS_MS), T2_NODES)
    t2 = np.exp(log_t2)[:, None]
    last = int(echo_numbers.max())
    pulses = refocusing_angle[:last]
    if one_angle(pulses, profile):
        nominal = float(pulses[0])
        b1 = np.linspace(b1_bounds[0], 180.0 / nominal, B1_NODES)
        each = np.broadcast_to((b1 * nominal)[:, None], (B1_NODES, last))
        trains = cpmg_train(t2, t1, echo_spacing, last, each)
        table = make_table(log_t2, b1, trains[..., echo_numbers - 1], flat_end=True)
        return EchoModel(table, b1_bounds, nominal, excitation_angle)
    b1 = np.linspace(*b1_bounds, B1_NODES)
    excitation, refocusing = profile.angles(b1, excitation_angle, pulses)
    weight = np.asarray(profile.weight)
    trains = np.empty((T2_NODES, B1_NODES, echo_numbers.size))
    for index in range(B1_NODES):
        parts = cpmg_train(t2, t1, echo_spacing, last, refocusing[index], excitation[index])
        trains[:, index] = np.einsum("tpe,p->te", parts[..., echo_numbers - 1], weight)
    return EchoModel(make_table(log_t2, b1, trains), b1_bounds)


def one_angle(refocusing_angle: np.ndarray, profile: SliceProfile) -> bool:
    """Whether all spins of a voxel see one refocusing angle, so that B1 is ambiguous."""
    rectangular = isinstance(profile, AngleFactors) and profile.is_rectangular
    return rectangular and np.ptp(refocusing_angle) == 0


def exponential_model(echo_times: np.ndarray, offset: bool) -> EchoModel:
    """Mono-exponential decay, by itself or on a constant.

    Parameters
    ----------
    echo_times
        ms, shape (echoes,).
    offset
        Whether a constant, relative to the amplitude of the decay, is the second coordinate.

    Returns
    -------
    EchoModel
    """
    log_t2 = np.linspace(*np.log(T2_BOUNDS_MS), T2_NODES)
    second = np.linspace(0, OFFSET_HIGHEST, OFFSET_NODES) if offset else np.zeros(1)
    decay = np.exp(-echo_times / np.exp(log_t2)[:, None])
    table = make_table(log_t2, second, decay[:, None] + second[:, None])
    return EchoModel(table, (float(second[0]), float(second[-1])), has_b1=False)


def make_model(
    train: EchoTrain,
    method: str,
    refocusing_angle: np.ndarray | float,
    excitation_angle: float,
    t1_ms: float,
    profile: SliceProfile | None,
    b1: np.ndarray | None,
    b1_bounds: tuple[float, float] | None,
) -> EchoModel:
    """Model of a method, its arguments checked; they are those of `osteoflow.mri.t2.fit_t2`.

    Raises
    ------
    ValueError
        An unknown method, or angles, T1, B1 map or bounds that make no sense or do not belong to
        the method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}, not one of {', '.join(METHODS)}")
    if method != "epg":
        if profile is not None or b1 is not None or b1_bounds is not None:
            raise ValueError(f"profile, b1 and b1_bounds mean nothing to method {method!r}")
        return exponential_model(train.times, offset=method == "monoexponential_offset")
    pulses = int(train.numbers[-1])
    angles = np.asarray(refocusing_angle, dtype=float)
    if angles.ndim > 1 or (angles.ndim == 1 and angles.size < pulses):
        raise ValueError(f"refocusing angles of shape {angles.shape} for {pulses} pulses")
    angles = np.broadcast_to(angles, pulses) if angles.ndim == 0 else angles[:pulses]
    for name, value in (("angles", [*angles, excitation_angle]), ("t1_ms", [t1_ms])):
        if not all(np.isfinite(v) and v > 0 for v in value):
            raise ValueError(f"{name} must be positive numbers")
    if angles.max() > 180 or excitation_angle >= 180:
        raise ValueError("nominal refocusing angles end at 180 degrees, excitation below")
    profile = AngleFactors() if profile is None else profile
    ambiguous, fold = one_angle(angles, profile), 180.0 / angles.max()
    if b1 is not None:
        if b1_bounds is not None:
            raise ValueError("b1_bounds mean nothing with a B1 map")
        known = b1[np.isfinite(b1) & (b1 > 0)].astype(float)
        if ambiguous:
            known = np.rad2deg(np.arccos(np.cos(np.deg2rad(known * angles[0])))) / angles[0]
        lowest = float(known.min(initial=B1_LOWEST))
        b1_bounds = (lowest, fold if ambiguous else float(known.max(initial=B1_HIGHEST)))
    elif b1_bounds is None:
        b1_bounds = (B1_LOWEST, fold if ambiguous else B1_HIGHEST)
    low, high = b1_bounds
    if not 0 < low < high:
        raise ValueError(f"b1_bounds must be positive and increasing, not {b1_bounds}")
    if ambiguous and high > fold * (1 + 1e-9):
        raise ValueError(f"with these pulses no B1 above {fold:g} differs from one below it")
    return epg_model(
        train.spacing, train.numbers, t1_ms, excitation_angle, angles, b1_bounds, profile
    )
