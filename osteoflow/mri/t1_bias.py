"""T1 bias of fat fractions from spoiled gradient echoes: predicted, warned of, corrected.

Fat recovers faster than water. With a short repetition time its protons weigh more than their
number, the more so the higher the flip angle, and every water-fat separation inherits that (Liu CY
et al., Magn Reson Med 2007;58:354-364). What is meant by PDFF is the ratio of proton densities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError

WARNING_PP = 1.5
"""Percentage points of predicted bias above which a fat fraction is told to be T1-weighted."""

TYPICAL_MARROW_PDFF = 40.0
"""Percent: the voxel whose bias is told where no other is named. The bias is largest near it."""

FIELD_TOLERANCE = 0.1
"""Relative difference from a tabulated field strength within which its T1 are taken."""

LONGEST_REPETITION = 5.0
"""Repetition time in s above which a number must be milliseconds."""


@dataclass(frozen=True)
class MarrowT1:
    """Longitudinal relaxation times in s of the water and the fat of bone marrow.

    Raises
    ------
    ValueError
        A time that is not positive, or so long that it must be milliseconds.
    """

    water: float
    fat: float

    def __post_init__(self) -> None:
        for name in ("water", "fat"):
            value = getattr(self, name)
            if not (np.isfinite(value) and 0 < value < 20):
                raise ValueError(f"T1 of {name} must be a time in s, not {value}")


T1_RATIO_3T_TO_1_5T = 1.21
"""T1 at 3 T over that at 1.5 T, mean of abdominal and pelvic tissues (de Bazelaire CM et al.,
Radiology 2004;230:652-659)."""

MARROW_T1: dict[float, MarrowT1] = {
    3.0: MarrowT1(water=1.336, fat=0.375),
    1.5: MarrowT1(water=1.336 / T1_RATIO_3T_TO_1_5T, fat=0.375 / T1_RATIO_3T_TO_1_5T),
}
"""T1 by field strength in T, the default where a study measured none of its own.

Fat at 3 T: 0.382 +- 0.013 s in subcutaneous fat (de Bazelaire 2004). Water at 3 T is the weak
point: that work measured 0.586 s in marrow with fat and water together and 1.328 +- 0.031 s in
spleen, the fat-free tissue nearest to blood-forming marrow. The pair is the one with which 40 %
reads 43.5 % at a repetition time of 8 ms and a flip angle of 3 degrees, and 58.0 % at 10 degrees.
1.5 T is scaled from 3 T. T1 differs between people and with the fat fraction itself (fat's was
0.31 s in white and 0.46 s in brown adipose tissue: Hu HH, Nayak KS, Magn Reson Med
2010;63:494-501): a correction removes most of a large bias and makes no high flip angle harmless.
"""


def marrow_t1(field_strength: float) -> MarrowT1:
    """Tabulated T1 at a field strength in T.

    Raises
    ------
    SubjectDataError
        ``t1_unknown`` where no tabulated field strength is near.
    """
    for tesla, times in MARROW_T1.items():
        if abs(field_strength / tesla - 1) <= FIELD_TOLERANCE:
            return times
    known = " and ".join(f"{tesla:g} T" for tesla in sorted(MARROW_T1))
    raise SubjectDataError(
        "t1_unknown",
        f"no T1 of bone marrow is tabulated for {field_strength:g} T (only {known})",
        "state the T1 of marrow water and fat at this field strength",
    )


def fat_weight(
    repetition_time: float,
    flip_angle: float | np.ndarray,
    t1: MarrowT1,
) -> np.ndarray:
    """Signal of a fat proton over that of a water proton in the steady state.

    Parameters
    ----------
    repetition_time
        s.
    flip_angle
        Degrees; a map (flip angle times relative B1) gives a map.
    t1
        T1 of water and fat.

    Raises
    ------
    SubjectDataError
        ``invalid_repetition_time`` or ``invalid_flip_angle``.
    """
    if not (np.isfinite(repetition_time) and 0 < repetition_time <= LONGEST_REPETITION):
        raise SubjectDataError(
            "invalid_repetition_time",
            f"a repetition time of {repetition_time:g} s is none of a spoiled gradient echo",
            "check RepetitionTime in the header or sidecar; it is expected in seconds here",
        )
    angle = np.asarray(flip_angle, dtype=float)
    if not (np.isfinite(angle).all() and (angle > 0).all() and (angle < 180).all()):
        raise SubjectDataError(
            "invalid_flip_angle",
            f"flip angles of {angle.min():g} to {angle.max():g} degrees cannot be corrected for",
            "check FlipAngle in the header or sidecar; it is expected in degrees",
        )
    cosine = np.cos(np.deg2rad(angle))
    # steady state of ideal spoiling (Ernst); the sine is common to both
    water, fat = (
        -np.expm1(-repetition_time / time) / (1 - cosine * np.exp(-repetition_time / time))
        for time in (t1.water, t1.fat)
    )
    return fat / water


def apparent_pdff(
    pdff: float | np.ndarray,
    repetition_time: float,
    flip_angle: float | np.ndarray,
    t1: MarrowT1,
) -> np.ndarray:
    """Fat fraction in percent that a separation without T1 correction reads.

    Parameters
    ----------
    pdff
        True, proton-density-based fat fraction in percent.
    repetition_time, flip_angle, t1
        As in `fat_weight`.
    """
    weight = fat_weight(repetition_time, flip_angle, t1)
    true = np.asarray(pdff, dtype=float)
    return _reweighted(true, weight)


def predicted_bias(
    repetition_time: float,
    flip_angle: float | np.ndarray,
    t1: MarrowT1,
    pdff: float | np.ndarray = TYPICAL_MARROW_PDFF,
) -> np.ndarray:
    """Apparent less true fat fraction in percentage points; parameters as in `apparent_pdff`."""
    return apparent_pdff(pdff, repetition_time, flip_angle, t1) - pdff


def correct_pdff(
    pdff: np.ndarray,
    repetition_time: float,
    flip_angle: float | np.ndarray,
    t1: MarrowT1,
) -> np.ndarray:
    """Proton-density fat fraction behind an apparent one.

    Parameters
    ----------
    pdff
        Apparent fat fraction in percent, any shape. Noise may carry it outside 0..100.
    repetition_time, flip_angle, t1
        As in `fat_weight`; a flip-angle map must have a shape that broadcasts with `pdff`.

    Returns
    -------
    ndarray
        Percent, in the dtype of floating `pdff`. 0 and 100 % stay what they are. NaN where `pdff`
        is, or lies so far outside 0..100 % that no true fraction gives it.
    """
    weight = fat_weight(repetition_time, flip_angle, t1)
    apparent = np.asarray(pdff)
    dtype = apparent.dtype if np.issubdtype(apparent.dtype, np.floating) else np.dtype(float)
    return _reweighted(apparent.astype(float), 1 / weight).astype(dtype)


def _reweighted(percent: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fat fraction in percent after fat has been weighted against water."""
    total = 100 + (weight - 1) * percent
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, 100 * weight * percent / total, np.nan)


def check_t1_bias(
    repetition_time: float | None,
    flip_angle: float | None,
    field_strength: float,
    t1: MarrowT1 | None = None,
    pdff: float = TYPICAL_MARROW_PDFF,
) -> tuple[float, list[str]]:
    """Predicted bias of a protocol, with a warning where it matters or cannot be told.

    Parameters
    ----------
    repetition_time
        s, or None where the headers do not state it.
    flip_angle
        Degrees, or None.
    field_strength
        T.
    t1
        T1 of marrow; by default tabulated.
    pdff
        Percent: the voxel for which the bias is told.

    Returns
    -------
    bias, warnings
        Percentage points (NaN where it is not known) and sentences.

    Raises
    ------
    SubjectDataError
        ``invalid_repetition_time`` or ``invalid_flip_angle``.
    """
    if repetition_time is None or flip_angle is None:
        missing = "repetition time" if repetition_time is None else "flip angle"
        return float("nan"), [f"t1_bias_unknown: the {missing} is not stated, T1 bias may be large"]
    if t1 is None:
        try:
            t1 = marrow_t1(field_strength)
        except SubjectDataError as error:
            return float("nan"), [f"t1_bias_unknown: {error.message}"]
    bias = float(predicted_bias(repetition_time, flip_angle, t1, pdff))
    if abs(bias) <= WARNING_PP:
        return bias, []
    return bias, [
        f"t1_bias: at {1e3 * repetition_time:g} ms and {flip_angle:g} degrees a true fat fraction "
        f"of {pdff:g} % is expected to read {pdff + bias:.1f} % (T1 {t1.water:.2f} s in water, "
        f"{t1.fat:.2f} s in fat); lower the flip angle, or correct for T1"
    ]
