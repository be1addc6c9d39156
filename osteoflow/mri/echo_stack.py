"""Echo times of a multi-echo acquisition: what a fit may rely on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError

STEP_TOLERANCE_S = 20e-6
"""Echo times are written to 0.01 ms by scanners; twice that still counts as a common step."""

MAX_DIVISOR = 4
"""Largest integer by which the shortest echo spacing is divided in search of a common step."""


@dataclass(frozen=True)
class EchoTimes:
    """Validated echo times.

    Parameters
    ----------
    seconds
        Echo times in s, strictly increasing, shape (n,).
    common_step
        Largest time in s of which every spacing is a multiple; None where there is none. The
        field map is ambiguous modulo ``1 / common_step``.
    """

    seconds: np.ndarray
    common_step: float | None

    @property
    def field_period(self) -> float:
        """Field in Hz after which the signal repeats; infinite without a common step."""
        return np.inf if self.common_step is None else 1.0 / self.common_step


def check_echo_times(echo_times_s: np.ndarray, minimum: int = 3) -> EchoTimes:
    """Check echo times and find their common step.

    Parameters
    ----------
    echo_times_s
        Echo times in seconds, shape (n,).
    minimum
        Fewest echoes that the caller can use.

    Returns
    -------
    EchoTimes

    Raises
    ------
    SubjectDataError
        ``too_few_echoes``; ``invalid_echo_times`` for values that are not finite, not positive,
        not strictly increasing, or so long that they must be milliseconds.
    """
    times = np.asarray(echo_times_s, dtype=float)
    if times.ndim != 1 or times.size < minimum:
        raise SubjectDataError(
            "too_few_echoes",
            f"{times.size} echo times where at least {minimum} are needed",
            "use a multi-echo acquisition; two-point Dixon gives a signal fat fraction, no PDFF",
        )
    if not np.isfinite(times).all() or (times <= 0).any() or (np.diff(times) <= 0).any():
        raise SubjectDataError(
            "invalid_echo_times",
            f"echo times must be finite, positive and increasing, got {(times * 1e3).tolist()} ms",
            "check EchoTime in the headers or sidecars; the images are sorted by it",
        )
    if times[-1] > 1.0:
        raise SubjectDataError(
            "invalid_echo_times",
            f"last echo time {times[-1]:g} s exceeds 1 s",
            "echo times are expected in seconds; these look like milliseconds",
        )
    return EchoTimes(times, _common_step(np.diff(times)))


def _common_step(spacing: np.ndarray) -> float | None:
    for divisor in range(1, MAX_DIVISOR + 1):
        multiples = np.rint(spacing * divisor / spacing.min())
        # least squares over all spacings, so that rounding of a single echo time averages out
        step = float(spacing @ multiples / (multiples @ multiples))
        if np.abs(spacing - multiples * step).max() <= STEP_TOLERANCE_S:
            return step
    return None
