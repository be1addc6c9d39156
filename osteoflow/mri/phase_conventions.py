"""Sign and readout polarity of the phase: what scanners do differently, decided from the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.candidates import R2STAR_BOUNDS, find_candidates
from osteoflow.mri.fit_setting import FitSetting
from osteoflow.mri.noise import misfit_variance
from osteoflow.mri.readout_phase import FEWEST_ECHOES, ReadoutPhase, ReadoutSearch

SIGN_SAMPLE = 12000
"""Voxels from which the phase sign is decided."""

SIGN_EVIDENCE = 10.0
"""Log-likelihood ratio below which the phase sign counts as undecided."""

SIGN_EVIDENCE_OF_FEW = 100.0
"""Log-likelihood ratio from which the voxels of the readout search decide the sign alone."""

READOUTS = ("auto", "monopolar", "bipolar")


@dataclass(frozen=True)
class PhaseConvention:
    """How the phase of an acquisition relates to the model's.

    Attributes
    ----------
    sign
        +1 as in the model, -1 where the data have to be conjugated.
    readout
        Phase between odd and even echoes, in the model's sign; None where there is none.
    """

    sign: int
    readout: ReadoutPhase | None

    def apply(self, data: np.ndarray, positions: np.ndarray, polarity: np.ndarray) -> None:
        """Bring signals of shape (echoes, voxels) to the model's convention, in place."""
        if self.sign < 0:
            np.conjugate(data, out=data)
        if self.readout is not None:
            self.readout.remove(data, positions, polarity)


def decide_convention(
    data: np.ndarray,
    norm: np.ndarray,
    positions: np.ndarray,
    spacing: np.ndarray,
    setting: FitSetting,
    sign: int | None,
    readout: str,
    warnings: list[str],
    flags: dict[str, float],
) -> PhaseConvention:
    """Sign and readout phase under which the multi-peak model explains the data.

    Fat has lines on both sides of water, not mirrored ones: with the wrong sign the smallest
    possible residual of a fatty voxel stays above the noise.

    Parameters
    ----------
    data
        complex64, shape (echoes, voxels), each voxel scaled to unit norm; as acquired.
    norm
        The norms, shape (voxels,).
    positions, spacing
        Of the voxels from the image's first one and of the grid, mm, shapes (voxels, 3) and (3,).
    setting
        The fit.
    sign
        +1 or -1 where it is known.
    readout
        ``monopolar``: no phase between odd and even echoes; ``bipolar``: whatever is found is
        taken out; ``auto``: taken out where it is clear.
    warnings, flags
        Receive the evidence, what was taken out, and a warning where the data do not tell.
    """
    signs = (1, -1) if sign is None else (sign,)
    searches = {}
    if readout != "monopolar" and setting.echo.seconds.size >= FEWEST_ECHOES:
        for s in signs:
            signed = data if s > 0 else data.conj()
            searches[s] = ReadoutSearch(signed, norm, positions, spacing, setting)
    if sign is None:
        sign = _decide_sign(data, norm, setting, searches, warnings, flags)
    phase = searches[sign].phase() if searches else None
    if phase is not None:
        flags["readout_phase_rms_rad"] = phase.rms
        flags["readout_phase_log_likelihood"] = phase.log_likelihood
        if readout == "auto" and not phase.is_clear:
            phase = None
    if phase is not None:
        flags["readout_phase_offset_rad"] = phase.offset
        for axis, value in zip("ijk", phase.gradient, strict=True):
            flags[f"readout_phase_{axis}_rad_per_mm"] = float(value)
        decided = "" if readout == "bipolar" else " (found in the data)"
        warnings.append(
            f"bipolar readout{decided}: a phase of {phase.rms:.3f} rad (RMS) between odd and even "
            "echoes was estimated as constant and linear in space, and taken out"
        )
    elif readout == "bipolar":
        warnings.append(
            f"a bipolar readout with fewer than {FEWEST_ECHOES} echoes: the phase between odd and "
            "even echoes cannot be estimated and biases the fat fraction"
        )
    return PhaseConvention(sign, phase)


def _decide_sign(
    data: np.ndarray,
    norm: np.ndarray,
    setting: FitSetting,
    searches: dict[int, ReadoutSearch],
    warnings: list[str],
    flags: dict[str, float],
) -> int:
    """The sign of the smaller misfit, each with its own readout phase taken out if it has one.

    The voxels in which a readout phase was searched decide where they do so clearly; else, or
    where none was searched, a larger sample.
    """
    evidence = 0.0
    if searches:
        if any(search.seems_bipolar for search in searches.values()):
            for search in searches.values():
                search.refine()
        costs = searches[1].least, searches[-1].least
        evidence = _evidence(*costs, norm[searches[1].sample], setting)
    if abs(evidence) < SIGN_EVIDENCE_OF_FEW:
        evidence = _evidence_of_many(data, norm, setting)
    flags["phase_sign_log_likelihood_ratio"] = evidence
    if abs(evidence) < SIGN_EVIDENCE:
        warnings.append(
            "the data do not tell the sign of the phase (fat and water fit equally well both "
            "ways); +1 was assumed"
        )
        return 1
    return 1 if evidence > 0 else -1


def _evidence_of_many(data: np.ndarray, norm: np.ndarray, setting: FitSetting) -> float:
    """Log-likelihood ratio of the signs +1 and -1 over ``SIGN_SAMPLE`` voxels."""
    stride = max(1, data.shape[1] // SIGN_SAMPLE)
    sample = np.ascontiguousarray(data[:, ::stride])
    costs = [
        find_candidates(
            signed,
            setting.echo.seconds,
            setting.phasor,
            setting.search,
            R2STAR_BOUNDS,
            setting.prior,
        ).cost[0]
        for signed in (sample, sample.conj())
    ]
    return _evidence(*costs, norm[::stride], setting)


def _evidence(
    positive: np.ndarray, negative: np.ndarray, norm: np.ndarray, setting: FitSetting
) -> float:
    """Log-likelihood ratio of the signs, from the squared misfits of the same voxels."""
    variance = misfit_variance(np.minimum(positive, negative), norm, setting)
    return float(np.sum((negative - positive) / (2 * variance)))
