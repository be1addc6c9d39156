"""Phase images to radians, and complex images whose slices alternate in sign.

Scanners store phase as whole numbers in units of their own. A wrong unit bends every phase
difference between echoes, and with it the fat fraction. Five ways lead to radians, tried in this
order; what none of them reaches is refused:

1. the header names the unit: Rescale Type, or the unit of a real-world map;
2. a vendor's documented rescaling: Siemens' pair of slope 2 and intercept -4096, classic and XA
   (-4096 to 4094 stand for -pi to pi); Philips' intercept -3142 (-3142 to 3142 stand for -pi to
   pi: its floating-point scale is exactly that many milliradians);
3. fractions within -pi to pi, or 0 to 2 pi, are radians;
4. whole numbers that fill -3142 to 3142 are milliradians (GE);
5. stored values that fill all 2^n levels are a full circle (Hitachi -2048 to 2047, UIH, Canon and
   others that name no unit).

For the last two the data must bear it out: phase is known modulo a full circle only, so that in
the noise around the body, and wherever it wraps, values are as frequent at both ends of the range
as in the middle. An image that was scaled otherwise, clipped, unwrapped or is no phase at all does
not look so.

Sources: Siemens and Philips: rescaling elements of images by both (dcm_qa_fmap, dicom2nifti);
Chenevert TL et al., Transl Oncol 2014;7:65-71 for Philips' scales. GE, Hitachi: the public readers
of the MEDI toolbox (Cornell).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.header import header_text

TOLERANCE = 1.001
"""Rounding may carry phase this much beyond the end of its range."""

UNITS = {
    **dict.fromkeys(("RAD", "RADIAN", "RADIANS"), 1.0),
    **dict.fromkeys(("MRAD", "MILLIRADIAN", "MILLIRADIANS"), 1e-3),
    **dict.fromkeys(("DEG", "DEGREE", "DEGREES"), np.pi / 180),
}
"""Radians per unit, by how headers spell it."""

SIEMENS = (2.0, -4096.0)
SIEMENS_HALF_CIRCLE = 4096.0
# Philips and GE round 1000 pi to whole numbers.
MILLIRADIANS = 3142.0
MILLIRADIAN_TOLERANCE = 1.5

FEWEST_LEVELS = 256
"""Phase stored in fewer levels is coarser than what any scanner keeps."""

FILLED = 1e-3
"""Share of the range that may stay empty at each end."""

BINS = 64
END_DENSITY = (0.25, 4.0)
"""How often values lie in the first and last of the bins, against the median bin: far less often
where the range is not a circle, far more often where values were clipped at its ends."""

BLANKED = 0.05
"""Share of voxels that hold 0 from which on they are a background that was blanked."""

SIGN_ALTERNATES = -0.5
SIGN_STEADY = 0.0
"""Mean cosine of the phase step between neighbouring slices: below the first the sign alternates,
above the second it does not."""


@dataclass(frozen=True)
class PhaseScale:
    """Phase in radians is ``factor`` times the rescaled value plus ``offset``."""

    factor: float
    offset: float
    source: str
    inferred: bool = False

    def radians(self, data: np.ndarray) -> np.ndarray:
        """The same array in radians, float32."""
        return (data * np.float32(self.factor) + np.float32(self.offset)).astype(np.float32)

    def warnings(self) -> list[str]:
        """A sentence where the unit follows from the values and not from the header."""
        if not self.inferred:
            return []
        return [f"phase_unit_inferred: the headers do not name the unit of phase; {self.source}"]


def phase_scale(data: np.ndarray, headers: Sequence[Mapping[str, Any]]) -> PhaseScale:
    """How an acquisition's phase images become radians.

    Parameters
    ----------
    data
        Rescaled values of all echoes, any shape.
    headers
        Elements of their slices, as from :func:`osteoflow.io.dicom.convert_series`.

    Raises
    ------
    SubjectDataError
        ``phase_unit_unknown``.
    """
    finite = data[np.isfinite(data)]
    low, high = (float(f(finite)) for f in (np.min, np.max)) if finite.size else (0.0, 0.0)
    scale = (
        _stated(headers)
        or _documented(low, high, headers)
        or _radians(finite, low, high)
        or _milliradians(finite, low, high)
        or _full_circle(finite, low, high, headers)
    )
    if scale is None or not _fits(scale, low, high):
        largest = max(abs(low), abs(high))
        raise SubjectDataError(
            "phase_unit_unknown",
            f"phase values reach {largest:.0f}, in a unit that is not known for this scanner",
            "Convert the phase images to radians and give them as BIDS.",
        )
    return scale


def _fits(scale: PhaseScale, low: float, high: float) -> bool:
    """Phase lies within one full circle, wherever that begins."""
    first, last = (scale.factor * value + scale.offset for value in (low, high))
    return last - first <= 2 * np.pi * TOLERANCE and max(abs(first), last) <= 2 * np.pi * TOLERANCE


def _common(headers: Sequence[Mapping[str, Any]], name: str, absent: Any = None) -> Any:
    """The value that all slices share, or None where they differ."""
    values = {_hashable(header.get(name, absent)) for header in headers}
    return values.pop() if len(values) == 1 else None


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _stated(headers: Sequence[Mapping[str, Any]]) -> PhaseScale | None:
    """The unit that the headers name."""
    named = {str(header_text(dict(h), "RescaleType") or "").upper() for h in headers}
    if len(named) == 1 and (unit := UNITS.get(named.pop())):
        return PhaseScale(unit, 0.0, "the unit is that of Rescale Type")
    unit = UNITS.get(str(_common(headers, "RealWorldValueUnit") or "").upper())
    slope, intercept = (_common(headers, f"RealWorldValue{p}") for p in ("Slope", "Intercept"))
    if unit is None or slope is None or intercept is None:
        return None
    shown, shift = _rescaling(headers)
    if shown is None:
        return None
    # The map starts from stored values.
    factor = unit * slope / shown
    offset = unit * intercept - factor * shift
    return PhaseScale(factor, offset, "the unit is that of the real-world map")


def _rescaling(headers: Sequence[Mapping[str, Any]]) -> tuple[float | None, float]:
    slope, intercept = (
        _common(headers, "RescaleSlope", 1.0),
        _common(headers, "RescaleIntercept", 0.0),
    )
    return (None, 0.0) if not slope or intercept is None else (slope, intercept)


def _documented(low: float, high: float, headers: Sequence[Mapping[str, Any]]) -> PhaseScale | None:
    """A rescaling that is as good as a unit, whichever software wrote the file."""
    slope, intercept = _rescaling(headers)
    if (slope, intercept) == SIEMENS and max(-low, high) <= SIEMENS_HALF_CIRCLE:
        factor = np.pi / SIEMENS_HALF_CIRCLE
        return PhaseScale(factor, 0.0, "-4096 to 4096 stand for -pi to pi (Siemens)")
    philips = slope is not None and abs(intercept + MILLIRADIANS) <= MILLIRADIAN_TOLERANCE
    if philips and max(-low, high) <= MILLIRADIANS + MILLIRADIAN_TOLERANCE:
        source = f"{intercept:g} to {-intercept:g} stand for -pi to pi (Philips)"
        return PhaseScale(np.pi / -intercept, 0.0, source)
    return None


def _radians(values: np.ndarray, low: float, high: float) -> PhaseScale | None:
    """Fractions in the range of an angle; whole numbers would be no more than seven angles."""
    circle = 2 * np.pi if low >= 0 else np.pi
    if max(-low, high) > circle * TOLERANCE or np.array_equal(values, np.rint(values)):
        return None
    return PhaseScale(1.0, 0.0, "the values lie within a full circle of radians")


def _milliradians(values: np.ndarray, low: float, high: float) -> PhaseScale | None:
    """Whole numbers from -3142 to 3142."""
    slack = MILLIRADIAN_TOLERANCE + FILLED * MILLIRADIANS
    near = max(abs(low + MILLIRADIANS), abs(high - MILLIRADIANS)) <= slack
    within = max(-low, high) <= MILLIRADIANS + MILLIRADIAN_TOLERANCE
    if not near or not within or not _fills(values):
        return None
    source = "the values fill -3142 to 3142, which are milliradians"
    return PhaseScale(1e-3, 0.0, source, inferred=True)


def _full_circle(
    values: np.ndarray, low: float, high: float, headers: Sequence[Mapping[str, Any]]
) -> PhaseScale | None:
    """Stored values that fill 2^n levels, from 0 or around 0."""
    slope, intercept = _rescaling(headers)
    if slope is None or slope <= 0:
        return None
    first, last = (round((value - intercept) / slope) for value in (low, high))
    levels = 2 ** int(np.ceil(np.log2(max(last - first + 1, 1))))
    start = -levels // 2 if first < 0 else 0
    slack = FILLED * levels
    reaches = 0 <= first - start <= slack and 0 <= start + levels - 1 - last <= slack
    if levels < FEWEST_LEVELS or not reaches or not _fills((values - intercept) / slope):
        return None
    factor = 2 * np.pi / (levels * slope)
    # The middle level is phase 0, as for all vendors that state it.
    offset = -factor * (intercept + slope * (start + levels // 2))
    source = f"the values fill {start} to {start + levels - 1}, taken for -pi to pi"
    return PhaseScale(factor, offset, source, inferred=True)


def _fills(stored: np.ndarray) -> bool:
    """Whether values are about as frequent at both ends of their range as elsewhere."""
    span = stored.min(), stored.max()
    blank = np.rint(stored) == 0
    if np.count_nonzero(blank) > BLANKED * stored.size:
        stored = stored[~blank]
    counts, _ = np.histogram(stored, BINS, span)
    usual = np.median(counts)
    least, most = END_DENSITY
    return bool(usual > 0 and all(least <= counts[end] / usual <= most for end in (0, -1)))


def steady_slice_sign(signal: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Complex echoes without the sign that alternates from slice to slice.

    GE reconstructs the slices of a 3D acquisition from a spectrum that is not centred: every other
    slice of real and imaginary (and phase) images has the opposite sign. The same sign in all
    echoes of a slice changes neither fat fraction nor R2*, but phase maps and whatever averages
    over neighbours.

    Parameters
    ----------
    signal
        complex, shape (i, j, k, echoes), slices along k.

    Returns
    -------
    signal, warnings

    Raises
    ------
    SubjectDataError
        ``slice_signs_differ`` where only some echoes alternate: which of their slices are the
        reversed ones is then unknown.
    """
    if signal.shape[2] < 2:
        return signal, []
    steps = np.array([_slice_step(signal[..., echo]) for echo in range(signal.shape[-1])])
    alternates = steps < SIGN_ALTERNATES
    if not alternates.any():
        return signal, []
    if not alternates.all() and (steps[~alternates] > SIGN_STEADY).any():
        raise SubjectDataError(
            "slice_signs_differ",
            f"the sign of the signal alternates from slice to slice in {alternates.sum()} of "
            f"{alternates.size} echoes only",
            "Export all echoes of one reconstruction.",
        )
    signs = np.where(np.arange(signal.shape[2]) % 2, -1, 1).astype(np.float32)
    return signal * signs[:, None], [
        "slice_sign_alternates: the sign of the complex signal alternates from slice to slice, as "
        "GE stores it; every other slice was reversed"
    ]


def _slice_step(signal: np.ndarray) -> float:
    """Mean cosine of the phase step from slice to slice of one echo; 0 without any signal."""
    cosines = []
    for index in range(signal.shape[2] - 1):
        products = signal[:, :, index + 1] * signal[:, :, index].conj()
        products = products[np.isfinite(products)]
        if weight := np.abs(products).sum():
            cosines.append(products.real.sum() / weight)
    return float(np.median(cosines)) if cosines else 0.0
