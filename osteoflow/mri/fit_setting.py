"""What a fat-water fit is given: checked images, the voxels worth fitting, the fixed setting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.candidates import FieldSearch
from osteoflow.mri.echo_stack import EchoTimes
from osteoflow.mri.signal_model import pdff_standard_error
from osteoflow.mri.spectrum import GYROMAGNETIC_RATIO_MHZ_PER_T, FatSpectrum
from osteoflow.mri.varpro import RatePrior

FIELD_LIMIT_PPM = 8.0
"""Half the field range searched where the echo times give no shorter period."""

SIGNAL_THRESHOLD = 0.05
"""Without a mask, voxels whose largest echo is below this fraction of the 98th percentile of all
voxels' largest echoes are background."""

ASSUMED_SIGMA = 0.02
"""The same for data with as many unknowns as numbers, whose residual says nothing."""

THREE_ECHO_R2STAR = (50.0, 30.0)
"""Mean and standard deviation in 1/s of the R2* prior of a three-echo fit (stated, flagged)."""

WELL_CONDITIONED_PP = ((40.0, 50.0, 0.75), (0.0, 100.0, 1.5))
"""PDFF in percent, R2* in 1/s, and the standard error of PDFF (points, one voxel, SNR 100) above
which a setting is flagged. Echo times that suit both components stay at half of these."""


@dataclass(frozen=True)
class FitSetting:
    """What is fixed for a whole fit.

    Echoes, the fat phasor there, field range, prior on R2*, and the side (+1 or -1) from which a
    bipolar readout reads each echo.
    """

    echo: EchoTimes
    phasor: np.ndarray
    search: FieldSearch
    prior: RatePrior
    polarity: np.ndarray

    @property
    def degrees_of_freedom(self) -> int:
        """Real numbers measured in a voxel less the six unknowns."""
        return 2 * self.echo.seconds.size - 6


def check_arguments(
    signal: np.ndarray,
    echo: EchoTimes,
    field_strength: float,
    spacing: np.ndarray,
    mask: np.ndarray | None,
    phase_sign: int | None,
) -> None:
    """Refuse arguments of `osteoflow.mri.fat_water.fit_fat_water` that do not fit together.

    Raises
    ------
    SubjectDataError
        ``shape_mismatch`` or ``not_complex``.
    ValueError
        A phase sign, field strength or spacing that no image can have.
    """
    if signal.ndim != 4 or signal.shape[-1] != echo.seconds.size:
        raise SubjectDataError(
            "shape_mismatch",
            f"image of shape {signal.shape} for {echo.seconds.size} echo times",
            "all echoes must be present once, with one matrix",
        )
    if mask is not None and mask.shape != signal.shape[:3]:
        raise SubjectDataError(
            "shape_mismatch",
            f"mask of shape {mask.shape} for an image of shape {signal.shape[:3]}",
            "bring the mask to the image's grid",
        )
    if not np.iscomplexobj(signal):
        raise SubjectDataError(
            "not_complex",
            "the joint fit needs complex images, these are real-valued",
            "export phase (or real and imaginary) images along with the magnitude",
        )
    if phase_sign not in (None, 1, -1):
        raise ValueError(f"phase_sign must be 1, -1 or None, not {phase_sign!r}")
    if not (np.isfinite(field_strength) and field_strength > 0):
        raise ValueError(f"field strength must be positive, not {field_strength} T")
    if spacing.shape != (3,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise ValueError(f"spacing must be three positive lengths in mm, not {spacing}")


def voxels_to_fit(
    signal: np.ndarray,
    mask: np.ndarray | None,
    warnings: list[str],
    flags: dict[str, float],
) -> np.ndarray:
    """Voxels with usable signal, at least one.

    Parameters
    ----------
    signal
        complex, shape (i, j, k, n_echoes).
    mask
        bool, shape (i, j, k), or None for an automatic threshold.
    warnings, flags
        Receive what was left out and why, with counts.

    Returns
    -------
    ndarray
        bool, shape (i, j, k).

    Raises
    ------
    SubjectDataError
        ``no_signal``.
    """
    peak = np.zeros(signal.shape[:3], np.float32)
    finite = np.ones(signal.shape[:3], bool)
    for index in range(signal.shape[3]):
        magnitude = np.abs(signal[..., index])
        finite &= np.isfinite(magnitude)
        np.maximum(peak, magnitude, out=peak, where=np.isfinite(magnitude))
    wanted = np.ones_like(finite) if mask is None else mask.astype(bool)
    invalid = int((wanted & ~finite).sum())
    flags["voxels_not_finite"] = invalid
    if invalid:
        warnings.append(f"{invalid} voxels hold NaN or infinite values and were not fitted")
    usable = wanted & finite & (peak > 0)
    if mask is None and usable.any():
        threshold = SIGNAL_THRESHOLD * float(np.percentile(peak[usable], 98))
        usable &= peak >= threshold
        flags["signal_threshold"] = threshold
        flags["voxels_background"] = int((finite & ~usable).sum())
    elif mask is not None:
        empty = int((wanted & finite & (peak == 0)).sum())
        flags["voxels_without_signal"] = empty
        if empty:
            warnings.append(f"{empty} voxels of the mask have no signal and were not fitted")
    if not usable.any():
        raise SubjectDataError(
            "no_signal",
            "no voxel with finite, non-zero signal to fit",
            "check that the images are not empty and that the mask overlaps them",
        )
    flags["voxels_fitted"] = int(usable.sum())
    return usable


def make_setting(
    echo: EchoTimes,
    field_strength: float,
    spectrum: FatSpectrum,
    warnings: list[str],
    flags: dict[str, float],
    polarity: np.ndarray | None = None,
) -> FitSetting:
    """Field range and prior that the echo times allow, with warnings where they are poor.

    Parameters
    ----------
    echo
        Checked echo times.
    field_strength
        T.
    spectrum
        Fat spectrum.
    warnings, flags
        Receive an ill-conditioned setting and the prior of a three-echo fit.
    polarity
        Of each echo, for trains of which echoes were left out; by default in turns.
    """
    for pdff, r2star, limit in WELL_CONDITIONED_PP:
        error = pdff_standard_error(echo.seconds, field_strength, spectrum, pdff, r2star)
        flags[f"pdff_standard_error_at_{pdff:g}_pp"] = error
        if error > limit:
            warnings.append(
                f"ill-conditioned echo times: at PDFF {pdff:g} %, R2* {r2star:g} 1/s and SNR 100 a "
                f"voxel has a standard error of at least {error:.1f} percentage points "
                "(Cramer-Rao bound)"
            )
    prior = RatePrior()
    if 2 * echo.seconds.size <= 6:
        mean, sd = THREE_ECHO_R2STAR
        prior = RatePrior(mean, (ASSUMED_SIGMA / sd) ** 2)
        warnings.append(
            f"three echoes do not determine R2*: a prior of {mean:g} +- {sd:g} 1/s steadies it; "
            "the R2* and T2* maps are no measurement, and an automatic phase sign rests on it"
        )
        flags["r2star_prior"] = mean
    limit = FIELD_LIMIT_PPM * GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength
    search = FieldSearch.of(echo.field_period, limit)
    phasor = spectrum.phasor(echo.seconds, field_strength)
    if polarity is None:
        polarity = alternating(echo.seconds.size)
    return FitSetting(echo, phasor, search, prior, polarity)


def alternating(echoes: int) -> np.ndarray:
    """Polarity of a bipolar train: +1 for the first echo, -1 for the second, and so on."""
    return (-1.0) ** np.arange(echoes)


def normalised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signal (echoes, voxels) of unit norm as complex64, and the norms."""
    norm = np.sqrt(np.sum(np.abs(values).astype(np.float64) ** 2, axis=1))
    scaled = values / norm[:, None]
    return np.ascontiguousarray(scaled.T, dtype=np.complex64), norm
