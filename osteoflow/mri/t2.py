"""T2 and B1 maps from magnitude images of a multi-echo spin echo."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from osteoflow.mri.fit_setting import voxels_to_fit
from osteoflow.mri.t2_model import make_model
from osteoflow.mri.t2_noise import MagnitudeNoise, estimate_background
from osteoflow.mri.t2_quality import assemble_maps
from osteoflow.mri.t2_setting import check_images, check_train, find_clip_level, voxels_with_b1
from osteoflow.mri.t2_slice_profile import SliceProfile
from osteoflow.mri.t2_voxels import VoxelFitter, compare_misfit, report_clipping

T1_MS = 1000.0
"""T1 assumed while magnetisation is stored along the field; T2 depends on it weakly."""


@dataclass(frozen=True)
class T2Result:
    """Maps (float32, shape (i, j, k), NaN where not fitted) and what must be told about them.

    Attributes
    ----------
    t2
        ms.
    t2_standard_error
        ms, from the noise alone.
    b1
        Transmit field relative to the nominal one; NaN for exponential models.
    s0
        Signal at echo time zero after a perfect excitation, units of the input.
    residual
        Norm of the misfit over the norm of the signal, of the samples that were used.
    quality
        uint8: 1 where reliable, 0 elsewhere and outside.
    method
        One of ``osteoflow.mri.t2_model.METHODS``.
    noise
        The noise whose floor was taken into account, or None.
    warnings
        Sentences for the sidecar and the report.
    flags
        Counts of voxels and samples by reason, and numbers behind the warnings.
    """

    t2: np.ndarray
    t2_standard_error: np.ndarray
    b1: np.ndarray
    s0: np.ndarray
    residual: np.ndarray
    quality: np.ndarray
    method: str
    noise: MagnitudeNoise | None
    warnings: list[str] = field(default_factory=list)
    flags: dict[str, float] = field(default_factory=dict)


def fit_t2(
    signal: np.ndarray,
    echo_times: np.ndarray,
    mask: np.ndarray | None = None,
    method: str = "epg",
    refocusing_angle: np.ndarray | float = 180.0,
    excitation_angle: float = 90.0,
    t1_ms: float = T1_MS,
    profile: SliceProfile | None = None,
    b1: np.ndarray | None = None,
    b1_bounds: tuple[float, float] | None = None,
    skip_echoes: int = 0,
    clip_level: float | None = None,
    noise: MagnitudeNoise | None = None,
) -> T2Result:
    """T2, B1 and S0 in every voxel by least squares of the whole echo train.

    With ``method="epg"`` the train is that of an extended phase graph, in which refocusing pulses
    that miss 180 degrees store part of the magnetisation and return it as stimulated echoes. T2
    and B1 are found together. **Convention for B1**: with a rectangular profile and one
    refocusing angle, pulses above and below 180 degrees by the same amount give the same train;
    the solution at or below 180 degrees is given, so B1 never exceeds ``180 / refocusing_angle``.
    T2 is the same for both. Selective pulses tell the two apart, but barely: noise may choose the
    wrong one, which moves T2 by 1 to 2 % on average and B1 to the other side of 1.

    The misfit is taken between the data and the *mean* that the noise gives the modelled
    magnitude, so samples at the noise floor neither pull T2 up nor have to be left out.

    Parameters
    ----------
    signal
        Magnitudes, shape (i, j, k, n_echoes), echoes in the order of `echo_times`.
    echo_times
        s, shape (n_echoes,), increasing. The extended phase graph needs multiples of one
        spacing; the first echo of the train may be missing.
    mask
        bool, shape (i, j, k): voxels to fit. By default all that rise above the background.
    method
        ``"epg"``; ``"monoexponential"``, whose T2 is too long wherever B1 is not 1; or
        ``"monoexponential_offset"``, an exponential on a constant, which takes up part of the
        stimulated echoes and of a noise floor, for comparison with programs that fit it.
    refocusing_angle
        Nominal, degrees: one, or one for every pulse of the train.
    excitation_angle
        Nominal, degrees.
    t1_ms
        T1 in ms, the same in all voxels.
    profile
        Flip angles across the slice, `osteoflow.mri.t2_slice_profile.SelectivePulses` or
        ``AngleFactors``. In 2D imaging the refocusing pulses are selective and miss 180 degrees at
        the edges of the slice even where B1 is 1. By default the profile is taken for rectangular,
        with a warning; ``AngleFactors()`` states that it is (3D imaging).
    b1
        Measured B1 relative to the nominal one, shape (i, j, k), where it is not to be fitted.
        It helps only with the true slice profile.
    b1_bounds
        Range of B1 that is searched; by default from ``B1_LOWEST`` to 180 degrees or, with
        selective or unequal pulses, to ``B1_HIGHEST`` of `osteoflow.mri.t2_model`.
    skip_echoes
        Number of first echoes that are not fitted (they still count as part of the train).
    clip_level
        Magnitude at which the storage ends; samples at or above it are left out one by one. By
        default it is recognised by a pile-up at the largest value; ``inf`` for none.
    noise
        Noise of the images. By default it is measured in the background or, without one, from
        the misfit.

    Returns
    -------
    T2Result

    Raises
    ------
    SubjectDataError
        ``too_few_echoes``, ``invalid_echo_times``, ``unequal_echo_spacing``, ``shape_mismatch``,
        ``not_magnitude``, ``no_signal``.
    ValueError
        An unknown method; angles, T1, bounds, levels or noise that make no sense.

    References
    ----------
    Lebel RM, Wilman AH, Magn Reson Med 2010;64:1005-1014 (joint fit of T2 and B1); McPhee KC,
    Wilman AH, Magn Reson Med 2017;77:2057-2065 (ambiguity of B1); Milford D et al., PLoS ONE
    2015;10:e0145255 (exponential with offset); see also `osteoflow.mri.epg`.
    """
    train = check_train(echo_times, skip_echoes, needs_train=method == "epg")
    check_images(signal, np.size(echo_times), mask, b1)
    model = make_model(
        train, method, refocusing_angle, excitation_angle, t1_ms, profile, b1, b1_bounds
    )
    if clip_level is not None and not clip_level > 0:
        raise ValueError(f"clip_level must be positive, not {clip_level}")
    warnings: list[str] = []
    flags: dict[str, float] = {}
    if method == "epg":
        flags["t1_ms"] = float(t1_ms)
        if profile is None:
            warnings.append(
                "a rectangular slice profile was assumed: with the selective pulses of 2D imaging "
                "T2 reads too long, by 4 to 16 % in simulations of T2 40 to 200 ms"
            )
    else:
        warnings.append(
            "a mono-exponential fit takes stimulated echoes for slow decay: where the refocusing "
            "pulses miss 180 degrees T2 reads too long (a true 80 ms as 85 ms at B1 0.8)"
        )
    inside = voxels_to_fit(signal, mask, warnings, flags)
    inside = voxels_with_b1(inside, b1, warnings, flags)
    if clip_level is None:
        clip_level = find_clip_level(signal, train.used)
    ceiling = np.inf if clip_level is None else clip_level
    fitter = VoxelFitter(signal, train.used, model, ceiling, b1)
    if noise is None:
        noise = estimate_background(signal[..., train.used[0] :], flags)
    if noise is None:
        noise = fitter.noise_of_misfit(inside, warnings, flags)
    if noise is not None:
        flags["noise_sd"], flags["noise_channels"] = noise.sd, noise.channels
        if mask is None:
            inside = fitter.without_noise(inside, noise, flags)
    values = fitter.fit(inside, noise)
    report_clipping(values["clipped"], clip_level, warnings, flags)
    compare_misfit(values["misfit"], noise, warnings, flags)
    second = "B1" if model.has_b1 else "the offset"
    full = assemble_maps(values, inside, second, warnings, flags)
    return T2Result(**full, method=method, noise=noise, warnings=warnings, flags=flags)
