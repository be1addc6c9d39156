"""Whether two echo times are those of a Dixon acquisition: one in phase, one opposed.

The inventory needs the rule without the fits, and so do images from BIDS folders. Two-echo field
maps are common beside them: their echoes lie 2.46 ms apart at 3 T, about a whole period of fat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osteoflow.io.header import header_number

GYROMAGNETIC_RATIO = 42.577478518
"""Of the proton, MHz/T."""

FAT_SHIFT_PPM = 3.40
"""Of fat's main (methylene) peak from water at body temperature: 4.70 less 1.30 ppm."""

TOLERANCE = 0.125
"""Share of the fat period by which an echo may miss its time; the Dixon fit asks for the same."""

LARGEST_DEVIATION = 0.1
"""Relative. A magnet called 3 T may have 2.89 T; a frequency further off is not the proton's."""


def field_of(header: Mapping[str, Any]) -> float | None:
    """Field strength in T: from the imaging frequency where it fits the nominal one.

    Parameters
    ----------
    header
        ``MagneticFieldStrength`` in T and ``ImagingFrequency`` in MHz, where they are known.

    Returns
    -------
    None where neither is usable.
    """
    nominal = header_number(header, "MagneticFieldStrength")
    if nominal is None or nominal <= 0:
        return None
    frequency = header_number(header, "ImagingFrequency")
    if frequency is not None:
        tesla = frequency / GYROMAGNETIC_RATIO
        if abs(tesla / nominal - 1) <= LARGEST_DEVIATION:
            return tesla
    return nominal


def are_dixon_times(echo_times: Sequence[float], tesla: float | None) -> bool:
    """Whether two echo times in s are near an in-phase and an opposed-phase time, in any order."""
    if tesla is None or len(echo_times) != 2:
        return False
    turns = [time * GYROMAGNETIC_RATIO * tesla * FAT_SHIFT_PPM for time in echo_times]
    off = [abs(turn - round(turn)) for turn in turns]
    in_phase = [o <= TOLERANCE for o in off]
    opposed = [0.5 - o <= TOLERANCE for o in off]
    return (in_phase[0] and opposed[1]) or (opposed[0] and in_phase[1])


def not_dixon(echo_times: Sequence[float], tesla: float | None) -> str:
    """Warning about two echoes that are left aside."""
    listed = " and ".join(f"{1000 * time:.2f}" for time in sorted(echo_times))
    if tesla is None:
        why = "without a stated field strength nobody can tell whether they separate water and fat"
    else:
        half = 1000 / (2 * GYROMAGNETIC_RATIO * tesla * FAT_SHIFT_PPM)
        why = (
            f"at {tesla:.3g} T they are not one in phase and one opposed (multiples of "
            f"{half:.2f} ms), as with field maps"
        )
    return f"two_echoes_not_dixon: a gradient echo at {listed} ms is not used: {why}"
