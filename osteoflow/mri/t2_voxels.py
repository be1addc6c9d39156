"""The voxel loop of a T2 fit: usable samples, noise seen in the misfit, values of every voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.t2_fit import TrainFit, fit_trains
from osteoflow.mri.t2_model import EchoModel
from osteoflow.mri.t2_noise import MagnitudeNoise
from osteoflow.mri.t2_quality import MAPS, NOISE_FACTOR, RESIDUAL_LIMIT
from osteoflow.mri.t2_setting import MIN_SAMPLES
from osteoflow.scipy_parts import special

CHUNK = 2048
"""Voxels fitted at once; small enough for the arrays to stay near the processor."""

NOISE_SAMPLE = 8000
"""Voxels whose misfit tells the noise of images without background."""

NOISE_SEEN = 1e-4
"""Noise relative to the signal below which images count as free of it."""

MISFIT_FACTOR = 2.0
"""Ratio of the typical misfit to the noise beyond which the model is said not to hold."""


@dataclass(frozen=True)
class VoxelFitter:
    """One model on one image.

    Attributes
    ----------
    signal
        Magnitudes, shape (i, j, k, n_echoes).
    used
        Places of the echoes that are fitted, shape (echoes,).
    model
        Trains at those echoes.
    ceiling
        Samples at or above it are clipped.
    b1
        Known B1, shape (i, j, k), or None.
    """

    signal: np.ndarray
    used: np.ndarray
    model: EchoModel
    ceiling: float
    b1: np.ndarray | None

    def samples(self, place: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Samples and, of the same float32 shape (voxels, echoes), 1 where they are usable."""
        data = self.signal[place][:, self.used].astype(np.float32)
        return data, (data < self.ceiling).astype(np.float32)

    def noise_of_misfit(
        self, inside: np.ndarray, warnings: list[str], flags: dict[str, float]
    ) -> MagnitudeNoise | None:
        """Noise from the misfit of a model without a floor, as of one channel.

        None where there is next to no misfit, or no sample more than unknowns to see it in.
        """
        place = np.nonzero(inside)
        stride = max(1, place[0].size // NOISE_SAMPLE)
        place = tuple(axis[::stride] for axis in place)
        data, usable = self.samples(place)
        freedom = usable.sum(axis=1) - self._unknowns
        enough = freedom >= 1
        if not enough.any():
            warnings.append(
                "no voxel has more usable samples than unknowns, so the noise is not known and "
                "its floor was not taken into account"
            )
            return None
        place = tuple(axis[enough] for axis in place)
        data, usable, freedom = data[enough], usable[enough], freedom[enough]
        fit = self._fit_samples(data, usable, place, None)
        # chi-squared has the median of a gamma distribution
        median = 2 * special.gammaincinv(freedom / 2, 0.5)
        sd = float(np.sqrt(np.median(fit.squares / median)))
        flags["noise_sd_misfit"] = sd
        strength = np.sqrt(np.mean(data * data * usable, axis=1))
        if not sd > NOISE_SEEN * float(np.median(strength)):
            return None
        warnings.append(
            "the images show no background of pure noise; its size was taken from the misfit, and "
            "its floor assumed to be that of one channel"
        )
        return MagnitudeNoise(sd)

    def without_noise(
        self, inside: np.ndarray, noise: MagnitudeNoise, flags: dict[str, float]
    ) -> np.ndarray:
        """Voxels that rise above the noise floor.

        Raises
        ------
        SubjectDataError
            ``no_signal`` where none does.
        """
        peak = np.zeros(inside.shape, np.float32)
        for index in self.used:
            np.maximum(peak, self.signal[..., index], out=peak, where=inside)
        above = inside & (peak >= noise.floor + NOISE_FACTOR * noise.sd)
        if not above.any():
            raise SubjectDataError(
                "no_signal",
                "no voxel rises above the noise of the images",
                "check that the images are the ones of the multi-echo spin echo",
            )
        lost = int(inside.sum()) - int(above.sum())
        flags["voxels_background"] = flags.get("voxels_background", 0) + lost
        flags["voxels_fitted"] = int(above.sum())
        return above

    def fit(self, inside: np.ndarray, noise: MagnitudeNoise | None) -> dict[str, np.ndarray]:
        """Values of all voxels, see `osteoflow.mri.t2_quality.assemble_maps`.

        Further values: ``clipped``, the number of clipped samples, and ``misfit``, the squared
        misfit per degree of freedom, NaN where there is none.
        """
        place = np.nonzero(inside)
        voxels = place[0].size
        values = {name: np.full(voxels, np.nan, np.float32) for name in (*MAPS, "misfit")}
        for name in ("few_samples", "near_noise", "not_converged", "t2_at_bound", "b1_at_bound"):
            values[name] = np.zeros(voxels, bool)
        values["high_residual"] = np.zeros(voxels, bool)
        values["clipped"] = np.zeros(voxels, np.int32)
        for start in range(0, voxels, CHUNK):
            part = np.arange(start, min(start + CHUNK, voxels))
            here = tuple(axis[part] for axis in place)
            data, usable = self.samples(here)
            values["clipped"][part] = self.used.size - np.count_nonzero(usable, axis=1)
            few = usable.sum(axis=1) < MIN_SAMPLES
            values["few_samples"][part] = few
            if few.any():
                part, data, usable = part[~few], data[~few], usable[~few]
                here = tuple(axis[~few] for axis in here)
            if part.size:
                fit = self._fit_samples(data, usable, here, noise)
                for name, value in self._values(fit, data, usable, here, noise).items():
                    values[name][part] = value
        return values

    @property
    def _unknowns(self) -> int:
        return self.model.table.unknowns - (self.b1 is not None)

    def _fit_samples(
        self,
        data: np.ndarray,
        usable: np.ndarray,
        place: tuple[np.ndarray, ...],
        noise: MagnitudeNoise | None,
    ) -> TrainFit:
        known = None if self.b1 is None else self.b1[place].astype(float)
        return fit_trains(self.model, data, usable, noise, known)

    def _values(
        self,
        fit: TrainFit,
        data: np.ndarray,
        usable: np.ndarray,
        place: tuple[np.ndarray, ...],
        noise: MagnitudeNoise | None,
    ) -> dict[str, np.ndarray]:
        """Maps and reasons of fitted voxels, each of shape (voxels,)."""
        model, count = self.model, usable.sum(axis=1)
        if self.b1 is not None:
            b1 = self.b1[place].astype(float)
        elif model.has_b1:
            b1 = model.second_from(fit.fitted)
        else:
            b1 = np.full(fit.fitted.size, np.nan)
        norm = np.sqrt(np.sum(data * data * usable, axis=1))
        norm = np.maximum(norm, np.finfo(np.float32).tiny)
        freedom = count - self._unknowns
        misfit = np.full(count.size, np.nan)
        np.divide(fit.squares, freedom, out=misfit, where=freedom > 0)
        variance = misfit if noise is None else noise.sd**2
        misfit_norm, t2 = np.sqrt(np.maximum(fit.squares, 0)), np.exp(fit.log_t2)
        explained = 0.0 if noise is None else 2 * noise.sd * np.sqrt(count)
        second = model.second_from(fit.fitted)
        free = self.b1 is None and model.table.unknowns == 3
        return {
            "t2": t2,
            "t2_standard_error": t2 * np.sqrt(fit.log_t2_variance * variance),
            "b1": b1,
            "s0": model.s0(np.exp(fit.log_amplitude), b1),
            "residual": misfit_norm / norm,
            "misfit": misfit,
            "near_noise": np.zeros(count.size, bool)
            if noise is None
            else data.max(axis=1) < noise.floor + NOISE_FACTOR * noise.sd,
            "not_converged": ~fit.converged,
            "t2_at_bound": (fit.log_t2 <= model.table.log_t2[0])
            | (fit.log_t2 >= model.table.log_t2[-1]),
            "b1_at_bound": free & model.stops_at(second),
            "high_residual": misfit_norm > RESIDUAL_LIMIT * norm + explained,
        }


def report_clipping(
    clipped: np.ndarray, level: float | None, warnings: list[str], flags: dict[str, float]
) -> None:
    """Say how many samples were left out because the storage ended.

    Parameters
    ----------
    clipped
        Clipped samples of each voxel, shape (voxels,).
    level
        Where the storage ends, or None.
    warnings, flags
        Receive a sentence and the counts.
    """
    samples = int(clipped.sum())
    flags["samples_clipped"], flags["voxels_clipped"] = samples, int(np.count_nonzero(clipped))
    if level is not None and np.isfinite(level):
        flags["clip_level"] = float(level)
    if samples:
        warnings.append(
            f"{samples} samples of {flags['voxels_clipped']} voxels are clipped at {level:g} and "
            "were left out; scale the images down at the scanner to keep them"
        )


def compare_misfit(
    misfit: np.ndarray,
    noise: MagnitudeNoise | None,
    warnings: list[str],
    flags: dict[str, float],
) -> None:
    """Say so where the misfit is larger than the noise can explain.

    Parameters
    ----------
    misfit
        Squared misfit per degree of freedom, shape (voxels,), NaN where there is none.
    noise
        Noise of the images.
    warnings, flags
        Receive a sentence and the typical misfit.
    """
    if not np.isfinite(misfit).any():
        return
    typical = float(np.sqrt(np.nanmedian(misfit)))
    flags["noise_sd_misfit"] = typical
    if noise is not None and typical > MISFIT_FACTOR * noise.sd:
        warnings.append(
            f"the misfit is typically {typical / noise.sd:.1f} times what the noise explains: the "
            "model does not hold (slice profile, several T2 in a voxel) or the noise varies"
        )
