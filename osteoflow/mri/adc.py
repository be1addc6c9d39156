"""Apparent diffusion coefficient (ADC) from magnitude images at several b-values."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.mri.adc_model import (
    FLOOR_FACTOR,
    LEAST_SPREAD,
    ExponentialModel,
    adc_standard_error,
)
from osteoflow.mri.fit_setting import voxels_to_fit
from osteoflow.mri.reliability import full_maps, reliable_voxels
from osteoflow.scipy_parts import special

METHODS = ("loglinear", "loglinear_unweighted", "nls")

CHUNK = 65536
"""Voxels fitted at once; bounds the memory in double precision."""

PERFUSION_B = 100.0
"""Below this (s/mm2) flow in capillaries attenuates the signal beside diffusion (Le Bihan 1988)."""

KURTOSIS_B = 1500.0
"""Above this (s/mm2) tissue no longer decays as one exponential (Jensen 2005)."""

ADC_LIMIT = 3350.0
"""um2/s: 10 % above free water at 37 degrees C (3040, Holz 2000). More is flow, motion or noise."""

RESIDUAL_LIMIT = 0.2
"""Largest relative residual of a reliable voxel."""

ILL_CONDITIONED = 0.2
"""Relative standard error of ADC above which b-values are flagged: one voxel, SNR 50, an ADC of
`TYPICAL_ADC`."""

TYPICAL_ADC = 420.0
"""um2/s, normal bone marrow of adults (422 +- 67 in 100 healthy subjects between b = 50 and
900 s/mm2, PMC8161193)."""


@dataclass(frozen=True)
class AdcResult:
    """Maps (float32, shape (i, j, k), NaN where there is no value) and what must be told of them.

    Attributes
    ----------
    adc
        um2/s.
    s0
        Signal at b = 0 by the fit, units of the input.
    residual
        Norm of the misfit over the norm of the signal, over the samples used.
    quality
        uint8: 1 where reliable, 0 elsewhere and outside.
    b_values
        s/mm2, those that took part.
    method
        One of ``METHODS``.
    warnings
        Sentences for the sidecar and the report.
    flags
        Counts of voxels by reason, and numbers behind the warnings.
    """

    adc: np.ndarray
    s0: np.ndarray
    residual: np.ndarray
    quality: np.ndarray
    b_values: tuple[float, ...]
    method: str
    warnings: list[str] = field(default_factory=list)
    flags: dict[str, float] = field(default_factory=dict)


def fit_adc(
    signal: np.ndarray,
    b_values: np.ndarray,
    mask: np.ndarray | None = None,
    method: str = "loglinear",
    b_range: tuple[float | None, float | None] | None = None,
    noise_sd: float | None = None,
    averages: np.ndarray | None = None,
    saturation: float | None = None,
) -> AdcResult:
    """Fit S(b) = S0 exp(-b ADC) in every voxel.

    Bone marrow: its fat hardly diffuses (ADC near 0). Where fat is not suppressed it adds a
    constant to every b-value and pulls the ADC down, the more the fattier the marrow, so that part
    of any relation between ADC and fat is this artefact; in echo-planar images it is also displaced
    by several voxels. This fit cannot undo it: state how fat was suppressed.

    Parameters
    ----------
    signal
        Magnitude, shape (i, j, k, n_b), all with one intensity scale.
    b_values
        s/mm2, shape (n_b,), in any order; values may repeat.
    mask
        bool, shape (i, j, k): voxels to fit. By default all above
        ``osteoflow.mri.fit_setting.SIGNAL_THRESHOLD``.
    method
        ``"loglinear"``: ln S by least squares with the weights S^2 that the logarithm calls for,
        taken from the fitted signal, since measured ones carry the noise into the weights.
        ``"loglinear_unweighted"``: as programs for phantoms do (MR-BIAS); noisy at low signal.
        ``"nls"``: S by non-linear least squares.
    b_range
        Least and greatest b-value to use (None: no limit). ``(100, None)`` leaves out what
        perfusion touches.
    noise_sd
        Standard deviation of the noise of one real channel of a single image. With it, ``"nls"``
        fits the mean of the Rician distribution, floor included, and the others leave out samples
        whose fitted signal is below ``FLOOR_FACTOR`` times the noise. Without it the noise is seen
        in the misfit, and voxels at the floor are only marked.
    averages
        Images averaged at each b-value, shape (n_b,): their weights. By default all alike.
    saturation
        Value at which the stored images are clipped (4095 for 12 bits, rescaled): samples that
        reach it are not used.

    Returns
    -------
    AdcResult

    Raises
    ------
    SubjectDataError
        ``too_few_b_values``, ``invalid_b_values``, ``shape_mismatch``, ``not_magnitude``,
        ``no_signal``.
    ValueError
        An unknown method, or arguments that no image can have.

    References
    ----------
    Stejskal EO, Tanner JE, J Chem Phys 1965;42:288-292 (signal); Le Bihan D et al., Radiology
    1988;168:497-505 (ADC and perfusion); Veraart J et al., NeuroImage 2013;81:335-346 (weights
    from the fitted signal); Gudbjartsson H, Patz S, Magn Reson Med 1995;34:910-914 (Rician
    distribution); Jensen JH et al., Magn Reson Med 2005;53:1432-1440 (kurtosis); Holz M et al.,
    Phys Chem Chem Phys 2000;2:4740-4742 (water).
    """
    used, b = _check_b_values(b_values, b_range)
    weight = _check_arguments(signal, b_values, mask, method, noise_sd, averages, saturation)[used]
    warnings: list[str] = []
    flags: dict[str, float] = {}
    _warn_about_b_values(b, weight, warnings, flags)
    signal = signal[..., used]
    inside = voxels_to_fit(signal, mask, warnings, flags)

    values = np.ascontiguousarray(signal[inside].T)
    model = ExponentialModel(b, weight, method, noise_sd)
    names = ("adc", "s0", "residual", "misfit", "last", "first")
    out: dict[str, np.ndarray] = {name: np.full(values.shape[1], np.nan) for name in names}
    lost = dict.fromkeys(("not_positive", "saturated", "at_floor"), 0)
    converged = np.ones(values.shape[1], bool)
    for start in range(0, values.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        sample = values[:, part].astype(np.float64)
        positive = sample > 0
        below = sample < (np.inf if saturation is None else saturation)
        lost["not_positive"] += int((~positive).sum())
        lost["saturated"] += int((~below).sum())
        fit = model.fit(sample, positive & below)
        lost["at_floor"] += fit.left_out
        for name in names:
            out[name][part] = getattr(fit, name)
        converged[part] = fit.converged
    _tell_lost_samples(lost, values.size, warnings, flags)
    noise = _noise(out["misfit"], b, noise_sd, warnings, flags)
    quality = _judge(out, converged, model, noise, warnings, flags)
    return AdcResult(
        **full_maps(out, ("adc", "s0", "residual"), quality, inside),
        b_values=tuple(b.tolist()),
        method=method,
        warnings=warnings,
        flags=flags,
    )


def _check_b_values(
    b_values: np.ndarray, b_range: tuple[float | None, float | None] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which b-values to use, bool of shape (n_b,), and these."""
    b = np.asarray(b_values, float)
    low, high = b_range if b_range is not None else (None, None)
    low, high = 0.0 if low is None else low, np.inf if high is None else high
    if not low < high:
        raise ValueError(f"b_range must ascend, not {b_range}")
    hint = "b-values are expected in s/mm2, one for every volume of the image"
    if b.ndim != 1 or not np.isfinite(b).all() or (b < 0).any():
        raise SubjectDataError(
            "invalid_b_values", f"b-values must be finite and not negative, got {b.tolist()}", hint
        )
    if 0 < b.max(initial=0.0) < LEAST_SPREAD:
        raise SubjectDataError(
            "invalid_b_values",
            f"the greatest b-value is {b.max():g} s/mm2; this looks like ms/um2",
            hint,
        )
    used = (b >= low) & (b <= high)
    if not used.any() or np.ptp(b[used]) < LEAST_SPREAD:
        kept = f" between {low:g} and {high:g}" if b_range is not None else ""
        listed = ", ".join(f"{value:g}" for value in np.unique(b[used])) or "none"
        raise SubjectDataError(
            "too_few_b_values",
            f"an ADC needs two b-values, the image has {listed} s/mm2{kept}",
            "export the images of every b-value, or widen the range of b-values of the fit",
        )
    return used, b[used]


def _check_arguments(
    signal: np.ndarray,
    b_values: np.ndarray,
    mask: np.ndarray | None,
    method: str,
    noise_sd: float | None,
    averages: np.ndarray | None,
    saturation: float | None,
) -> np.ndarray:
    """Refuse what does not fit together; the images averaged at each b-value."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    for name, value in (("noise_sd", noise_sd), ("saturation", saturation)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, not {value}")
    count = np.size(b_values)
    weight = np.ones(count) if averages is None else np.asarray(averages, float)
    if weight.shape != (count,) or not (np.isfinite(weight).all() and (weight > 0).all()):
        raise ValueError(f"averages must be {count} positive numbers, not {averages}")
    if signal.ndim != 4 or signal.shape[-1] != count:
        raise SubjectDataError(
            "shape_mismatch",
            f"image of shape {signal.shape} for {count} b-values",
            "every b-value must be present once, all with one matrix",
        )
    if mask is not None and mask.shape != signal.shape[:3]:
        raise SubjectDataError(
            "shape_mismatch",
            f"mask of shape {mask.shape} for an image of shape {signal.shape[:3]}",
            "bring the mask to the image's grid",
        )
    if np.iscomplexobj(signal):
        raise SubjectDataError(
            "not_magnitude",
            "diffusion images are complex-valued; their phase differs from shot to shot",
            "export magnitude images",
        )
    return weight


def _warn_about_b_values(
    b: np.ndarray, averages: np.ndarray, warnings: list[str], flags: dict[str, float]
) -> None:
    low = sorted(set(b[b < PERFUSION_B].tolist()))
    if low:
        warnings.append(
            f"b-values below {PERFUSION_B:g} s/mm2 take part "
            f"({', '.join(f'{value:g}' for value in low)}): the ADC includes perfusion"
        )
    if b.max() > KURTOSIS_B:
        warnings.append(
            f"b-values reach {b.max():g} s/mm2: above {KURTOSIS_B:g} tissue does not decay as one "
            "exponential, and the ADC depends on the b-values chosen"
        )
    error = adc_standard_error(b, TYPICAL_ADC, 50, averages)
    flags["adc_standard_error_um2_per_s"] = error
    if error > ILL_CONDITIONED * TYPICAL_ADC:
        warnings.append(
            f"ill-conditioned b-values: an ADC of {TYPICAL_ADC:g} um2/s has a standard error of at "
            f"least {error:.0f} um2/s per voxel at SNR 50 (Cramer-Rao bound)"
        )


def _tell_lost_samples(
    lost: dict[str, int], count: int, warnings: list[str], flags: dict[str, float]
) -> None:
    reasons = {
        "not_positive": "are zero or negative",
        "saturated": "reach the largest value that the images can store",
        "at_floor": f"lie below {FLOOR_FACTOR:g} times the noise",
    }
    for name, reason in reasons.items():
        flags[f"samples_{name}"] = lost[name]
        if lost[name]:
            warnings.append(f"{lost[name]} of {count} samples {reason} and were not used")


def _noise(
    misfit: np.ndarray,
    b: np.ndarray,
    noise_sd: float | None,
    warnings: list[str],
    flags: dict[str, float],
) -> float | None:
    """Noise of one real channel: as given, else the median of what the misfit shows."""
    if noise_sd is not None:
        flags["noise_sd"] = noise_sd
        return noise_sd
    seen = misfit[np.isfinite(misfit)]
    if not seen.size:
        warnings.append(
            "the noise is neither given nor to be seen in the misfit: a signal at the noise floor, "
            "which lowers the ADC, was not looked for"
        )
        return None
    # The median is robust against voxels the model does not fit; of a variance estimated with few
    # degrees of freedom it lies below the mean.
    freedom = len(b) - 2
    below = 2 * special.gammaincinv(freedom / 2, 0.5) / freedom
    flags["noise_sd_from_misfit"] = float(np.sqrt(np.median(seen) / below))
    return flags["noise_sd_from_misfit"]


def _judge(
    out: dict[str, np.ndarray],
    converged: np.ndarray,
    model: ExponentialModel,
    noise: float | None,
    warnings: list[str],
    flags: dict[str, float],
) -> np.ndarray:
    """Which voxels are reliable, bool; ADC without meaning becomes NaN in `out`."""
    count = out["adc"].size
    lost = {
        "undetermined": (~np.isfinite(out["adc"]) & converged, "no two b-values are left"),
        "not_converged": (~converged, "the fit did not converge"),
        "adc_negative": (
            (out["adc"] < 0) & converged,
            "the signal grows with b; a mean over the other voxels is biased upwards",
        ),
    }
    for name, (where, sentence) in lost.items():
        out["adc"][where] = np.nan
        flags[f"voxels_{name}"] = int(where.sum())
        if where.any():
            warnings.append(f"{int(where.sum())} of {count} voxels have no ADC: {sentence}")
    floor = 0.0 if noise is None else FLOOR_FACTOR * noise
    looked_after = model.noise_sd is not None  # the fit itself has dealt with the floor
    reasons = {
        "near_noise": (out["first"] < floor, "the whole signal lies near the noise"),
        "at_floor": (
            (out["last"] < floor) & (out["first"] >= floor) & (not looked_after),
            f"the signal at the greatest b-value is below {FLOOR_FACTOR:g} times the noise",
        ),
        "high_residual": (
            out["residual"] > RESIDUAL_LIMIT,
            f"the misfit exceeds {100 * RESIDUAL_LIMIT:g} % of the signal",
        ),
        "adc_above_water": (out["adc"] > ADC_LIMIT, f"the ADC exceeds {ADC_LIMIT:g} um2/s"),
    }
    return np.isfinite(out["adc"]) & reliable_voxels(reasons, warnings, flags)
