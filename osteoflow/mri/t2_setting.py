"""What a T2 fit is given: checked echoes and images, and the samples that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.echo_stack import STEP_TOLERANCE_S, check_echo_times

MIN_SAMPLES = 3
"""Fewest usable samples of a fitted voxel, and fewest echoes of an image."""

PILE_UP_REACH = 0.1
"""Values within this fraction below the largest one tell how many voxels share a value ..."""

PILE_UP_FACTOR = 5.0
"""... and a largest value shared by so many times more is where the storage ended ..."""

PILE_UP_COUNT = 20
"""... if at least so many samples have it."""

PILE_UP_SAMPLE = 5_000_000
"""Most of those values that are counted."""

REQUEST = "use the original images of a multi-echo spin echo with all its echoes"


@dataclass(frozen=True)
class EchoTrain:
    """Echoes of a fit.

    Attributes
    ----------
    times
        ms, shape (echoes,), of the echoes that are fitted.
    used
        Their places in the image, shape (echoes,).
    spacing
        ms; None where the echoes are no train of equally spaced pulses.
    numbers
        Their numbers in the train, counted from 1, shape (echoes,); None as `spacing`.
    """

    times: np.ndarray
    used: np.ndarray
    spacing: float | None
    numbers: np.ndarray | None


def check_train(echo_times: np.ndarray, skip_echoes: int, needs_train: bool) -> EchoTrain:
    """Check echo times and find the number of each echo in the train.

    Parameters
    ----------
    echo_times
        s, shape (n,).
    skip_echoes
        First echoes of the image that are not fitted.
    needs_train
        Whether the echoes must be equally spaced.

    Returns
    -------
    EchoTrain

    Raises
    ------
    SubjectDataError
        ``too_few_echoes``, ``invalid_echo_times`` or ``unequal_echo_spacing``.
    ValueError
        A negative number of skipped echoes.
    """
    times = np.asarray(echo_times, dtype=float)
    if skip_echoes < 0:
        raise ValueError(f"skip_echoes must not be negative, is {skip_echoes}")
    if times.ndim != 1 or times.size - skip_echoes < MIN_SAMPLES:
        raise SubjectDataError(
            "too_few_echoes",
            f"{times.size} echoes, {skip_echoes} of them left out, where a T2 needs at least "
            f"{MIN_SAMPLES}",
            REQUEST,
        )
    echo = check_echo_times(times)
    used = np.arange(skip_echoes, times.size)
    step = echo.common_step
    numbers = None if step is None else np.rint(times / step).astype(int)
    if step is None or (np.abs(times - numbers * step) > 2 * STEP_TOLERANCE_S).any():
        if needs_train:
            raise SubjectDataError(
                "unequal_echo_spacing",
                f"the echo times {np.round(times * 1e3, 3).tolist()} ms are no multiples of one "
                "spacing, so the pathways of the stimulated echoes are not known",
                "check EchoTime in the headers; if the times are right, fit a mono-exponential",
            )
        return EchoTrain(times[used] * 1e3, used, None, None)
    return EchoTrain(times[used] * 1e3, used, step * 1e3, numbers[used])


def check_images(
    signal: np.ndarray, echoes: int, mask: np.ndarray | None, b1: np.ndarray | None
) -> None:
    """Refuse images that do not fit together or are no magnitudes.

    Raises
    ------
    SubjectDataError
        ``shape_mismatch`` or ``not_magnitude``.
    """
    if signal.ndim != 4 or signal.shape[-1] != echoes:
        raise SubjectDataError(
            "shape_mismatch",
            f"image of shape {signal.shape} for {echoes} echo times",
            "all echoes must be present once, with one matrix",
        )
    for name, other in (("mask", mask), ("B1 map", b1)):
        if other is not None and other.shape != signal.shape[:3]:
            raise SubjectDataError(
                "shape_mismatch",
                f"{name} of shape {other.shape} for an image of shape {signal.shape[:3]}",
                f"bring the {name} to the image's grid",
            )
    if np.iscomplexobj(signal) or any(
        (signal[..., index] < 0).any() for index in range(signal.shape[3])
    ):
        raise SubjectDataError(
            "not_magnitude",
            "the images are complex or have negative values, where magnitudes are needed",
            "export the magnitude images; phase or real images do not serve a T2 map",
        )


def find_clip_level(signal: np.ndarray, used: np.ndarray) -> float | None:
    """Value at which the storage of the image ended, seen from a pile-up at its maximum.

    Parameters
    ----------
    signal
        Magnitudes, shape (i, j, k, echoes).
    used
        Places of the echoes that count.

    Returns
    -------
    float or None
        None where the largest value is no more frequent than those just below it.
    """
    highest = -np.inf
    for index in used:
        finite = signal[..., index][np.isfinite(signal[..., index])]
        if finite.size:
            highest = max(highest, float(finite.max()))
    if not highest > 0:
        return None
    at_top, below = 0, []
    for index in used:
        values = signal[..., index]
        at_top += int(np.count_nonzero(values == highest))
        below.append(values[(values < highest) & (values > (1 - PILE_UP_REACH) * highest)])
    below = np.concatenate(below)
    stride = max(1, below.size // PILE_UP_SAMPLE)
    below = below[::stride]
    distinct = np.unique(below).size
    if at_top < PILE_UP_COUNT or distinct == 0:
        return None
    usual = stride * below.size / distinct
    return highest if at_top > PILE_UP_FACTOR * usual else None


def voxels_with_b1(
    inside: np.ndarray, b1: np.ndarray | None, warnings: list[str], flags: dict[str, float]
) -> np.ndarray:
    """Voxels in which a given B1 map, if there is one, holds a positive number.

    Parameters
    ----------
    inside
        bool, shape (i, j, k).
    b1
        Shape (i, j, k), or None.
    warnings, flags
        Receive how many voxels fall out.

    Raises
    ------
    SubjectDataError
        ``no_signal`` where none is left.
    """
    if b1 is None:
        return inside
    known = np.isfinite(b1) & (b1 > 0)
    lost = int((inside & ~known).sum())
    flags["voxels_without_b1"] = lost
    if lost:
        warnings.append(f"{lost} voxels have no value in the B1 map and were not fitted")
    if not (inside & known).any():
        raise SubjectDataError(
            "no_signal",
            "no voxel with signal has a value in the B1 map",
            "check that the B1 map covers the same region as the images",
        )
    return inside & known
