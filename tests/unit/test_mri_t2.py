"""T2 maps: phase graph against Bloch's equations, accuracy, noise, clipping, limits of input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from osteoflow.errors import SubjectDataError
from osteoflow.mri.epg import cpmg_train
from osteoflow.mri.t2 import fit_t2
from osteoflow.mri.t2_noise import MagnitudeNoise, chi_mean, estimate_background
from osteoflow.mri.t2_setting import find_clip_level
from osteoflow.mri.t2_slice_profile import AngleFactors, SelectivePulses, hann_sinc

SECTION = "MRI: T2"
SPACING = 10.0
ECHOES = 32
TIMES = np.arange(1, ECHOES + 1) * SPACING * 1e-3


def trains(t2, b1=1.0, t1=1000.0, refocusing=180.0, echoes=ECHOES):
    """Magnitudes of unit S0, shape (i, j, k, echoes) from T2 and B1 that broadcast to 3D."""
    t2, b1 = np.broadcast_arrays(*np.atleast_3d(t2, b1))
    return np.abs(cpmg_train(t2, t1, SPACING, echoes, refocusing, 90.0, b1)).astype(np.float32)


def noisy(clean, sd, channels=1, seed=0):
    """Root of the sum of squares of complex channels, the signal in the first of them."""
    rng = np.random.default_rng(seed)
    squares = (clean + rng.normal(0, sd, clean.shape)) ** 2
    for _ in range(2 * channels - 1):
        squares += rng.normal(0, sd, clean.shape) ** 2
    return np.sqrt(squares).astype(np.float32)


# ---------------------------------------------------------------- Bloch's equations, by themselves


def turned(m, angle, axis):
    """Magnetisation (3, ...) turned about x, y or z."""
    a, b = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    cosine, sine = np.cos(angle), np.sin(angle)
    out = m.copy()
    out[a], out[b] = cosine * m[a] - sine * m[b], sine * m[a] + cosine * m[b]
    return out


def relaxed(m, time, t1, t2):
    out = m * np.exp(-time / t2)
    out[2] = 1 + (m[2] - 1) * np.exp(-time / t1)
    return out


def bloch_train(t2, t1, excitation, refocusing, isochromats=2001):
    """Echoes of isochromats that precess by evenly spread angles in half an echo spacing."""
    precession = 2 * np.pi * np.arange(isochromats) / isochromats
    m = np.zeros((3, isochromats))
    m[2] = 1
    m = turned(m, np.deg2rad(excitation), "y")
    echoes = []
    for angle in np.deg2rad(refocusing):
        m = relaxed(turned(m, precession, "z"), SPACING / 2, t1, t2)
        m = turned(m, angle, "x")
        m = relaxed(turned(m, precession, "z"), SPACING / 2, t1, t2)
        echoes.append(m[0].mean())
    return np.array(echoes)


def test_phase_graph_agrees_with_bloch_isochromats(record):
    worst = 0.0
    for t2, t1, b1 in [(10, 300, 0.6), (30, 500, 0.7), (80, 1000, 0.8), (200, 800, 0.9)] + [
        (2000, 2500, 1.0),
        (80, 1000, 1.15),
    ]:
        exact = bloch_train(t2, t1, 90 * b1, np.full(ECHOES, 180 * b1))
        worst = max(worst, np.abs(cpmg_train(t2, t1, SPACING, ECHOES, b1=b1) - exact).max())
    unequal = np.array([160, 140, 120, 120, 100, 60, 130, 180, 90, 120], float)
    exact = bloch_train(60.0, 900.0, 80 * 0.9, unequal * 0.9)
    train = cpmg_train(60.0, 900.0, SPACING, 10, unequal, 80.0, 0.9)
    worst = max(worst, np.abs(train - exact).max())
    what = "extended phase graph against Bloch equations of 2001 isochromats: largest difference"
    record(SECTION, what, worst, "of M0", "<= 1e-4")
    assert worst <= 1e-4
    assert train.shape == (10,)


def test_phase_graph_in_closed_form():
    # the first echo is sin(excitation) sin^2(half the refocusing angle), whatever follows
    b1 = np.linspace(0.3, 1.4, 12)
    first = cpmg_train(50.0, 800.0, SPACING, 5, b1=b1)[:, 0]
    expected = np.sin(np.pi / 2 * b1) * np.sin(np.pi / 2 * b1) ** 2 * np.exp(-SPACING / 50)
    np.testing.assert_allclose(first, expected, rtol=1e-12)
    pure = cpmg_train(np.array([20.0, 300.0])[:, None], [500.0, 5000.0], SPACING, ECHOES)
    np.testing.assert_allclose(pure[:, 0], pure[:, 1], rtol=1e-12)
    np.testing.assert_allclose(pure[1, 1], np.exp(-TIMES * 1e3 / 300), rtol=1e-12)
    # angles on either side of 180 degrees give the same train, up to the excitation
    np.testing.assert_allclose(
        cpmg_train(80.0, 900.0, SPACING, 20, b1=0.8), cpmg_train(80.0, 900.0, SPACING, 20, b1=1.2)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"t2": 0.0},
        {"t1": -1.0},
        {"echo_spacing": 0.0},
        {"n_echoes": 0},
        {"refocusing_angle": np.full(5, 180.0)},
    ],
)
def test_phase_graph_refuses_what_is_no_train(change):
    arguments = {"t2": 80.0, "t1": 1000.0, "echo_spacing": 10.0, "n_echoes": 8} | change
    with pytest.raises(ValueError, match="train|relaxation times|refocusing angles"):
        cpmg_train(**arguments)


@pytest.mark.parametrize(("thickness", "bandwidth"), [(1.0, 2.7), (1.2, 4.0)])
@pytest.mark.parametrize("b1", [0.8, 1.0, 1.15])
def test_slice_profile_agrees_with_bloch_across_the_slice(thickness, bandwidth, b1, record):
    """Shaped pulses under their gradients, crushed, spin by spin, against phase graphs."""
    pulses = SelectivePulses(thickness, bandwidth, bandwidth)
    shape, position = hann_sinc(bandwidth), pulses.position[:, None]
    turn = {"y": 2 * np.pi * bandwidth * position}
    turn["x"] = turn["y"] / thickness
    t2, t1, echoes = 60.0, 800.0, 8

    def pulse(m, angle, axis):
        for part in shape:
            m = turned(m, turn[axis] / shape.size / 2, "z")
            m = turned(m, np.deg2rad(angle) * part, axis)
            m = turned(m, turn[axis] / shape.size / 2, "z")
        return m

    def equilibrium(isochromats):
        m = np.zeros((3, position.size, isochromats))
        m[2] = 1
        return m

    # the scanner sets the rewinding gradient for the most signal at the nominal angle
    nominal = pulse(equilibrium(1), 90.0, "y")
    parts = np.linspace(0.45, 0.6, 1501)
    signal = [pulses.weight @ turned(nominal, -part * turn["y"], "z")[0] for part in parts]
    rewound = parts[np.argmax(np.ravel(signal))]
    isochromats = 4 * echoes
    precession = 2 * np.pi * np.arange(isochromats) / isochromats
    m = turned(pulse(equilibrium(isochromats), 90 * b1, "y"), -rewound * turn["y"], "z")
    exact = []
    for _ in range(echoes):
        m = relaxed(turned(m, precession, "z"), SPACING / 2, t1, t2)
        m = turned(pulse(turned(m, -turn["x"] / 2, "z"), 180 * b1, "x"), -turn["x"] / 2, "z")
        m = relaxed(turned(m, precession, "z"), SPACING / 2, t1, t2)
        exact.append(pulses.weight @ m[0].mean(axis=1))

    excitation, refocusing = pulses.angles(np.array([b1]), 90.0, np.full(echoes, 180.0))
    graph = pulses.weight @ cpmg_train(t2, t1, SPACING, echoes, refocusing[0], excitation[0])
    difference = np.abs(graph - exact).max()
    what = f"slice of {thickness:g} times the thickness, B1 {b1:g}: phase graphs against Bloch"
    record(SECTION, what, difference, "of M0", "<= 1e-3")
    assert difference <= 1e-3


def test_wrong_profiles_are_refused():
    with pytest.raises(ValueError, match="one length"):
        AngleFactors((1.0, 0.9), (1.0,), (1.0, 1.0))
    with pytest.raises(ValueError, match="weights"):
        AngleFactors((1.0,), (1.0,), (-1.0,))
    with pytest.raises(ValueError, match="positive"):
        SelectivePulses(0.0, 2.7, 2.7)
    assert sum(AngleFactors((1.0, 0.5), (1.0, 0.5), (3.0, 1.0)).weight) == pytest.approx(1)


# ---------------------------------------------------------------- accuracy without noise


def test_noiseless_t2_and_b1_are_exact(record):
    t2 = np.geomspace(30, 200, 25)[:, None, None]
    b1 = np.linspace(0.7, 1.0, 16)[None, :, None]
    result = fit_t2(500 * trains(t2, b1), TIMES, profile=AngleFactors())
    worst = 100 * np.abs(result.t2 / t2 - 1).max()
    record(SECTION, "noiseless, T2 30..200 ms, B1 0.7..1: largest T2 error", worst, "%", "<= 1")
    assert worst <= 0.01  # a hundredth of the limit
    assert np.abs(result.b1 - b1).max() <= 1e-3
    np.testing.assert_allclose(result.s0, 500, rtol=1e-3)
    assert result.quality.all()
    assert not result.warnings
    assert result.residual.max() < 1e-5
    assert result.t2.dtype == np.float32
    assert result.quality.dtype == np.uint8


def test_noiseless_t2_far_outside_the_usual_range(record):
    t2 = np.geomspace(10, 1500, 40)[:, None, None]
    b1 = np.linspace(0.62, 1.0, 20)[None, :, None]
    result = fit_t2(trains(t2, b1), TIMES)
    worst = 100 * np.abs(result.t2 / t2 - 1).max()
    record(SECTION, "noiseless, T2 10..1500 ms, B1 0.62..1: largest T2 error", worst, "%", "<= 1")
    assert worst <= 1


def test_b1_above_one_gives_the_partner_below():
    result = fit_t2(trains([50.0, 120.0], 1.15), TIMES)
    np.testing.assert_allclose(result.b1, 0.85, atol=1e-3)
    np.testing.assert_allclose(result.t2.ravel(), [50, 120], rtol=1e-4)
    # with pulses of 150 degrees the mirror lies at B1 1.2
    result = fit_t2(trains([50.0, 120.0], 1.1, refocusing=150.0), TIMES, refocusing_angle=150.0)
    np.testing.assert_allclose(result.b1, 1.1, atol=1e-3)
    np.testing.assert_allclose(result.t2.ravel(), [50, 120], rtol=1e-4)


def test_pulses_of_unequal_angle():
    angles = np.r_[160.0, 140.0, np.full(ECHOES - 2, 120.0)]
    t2, b1 = np.array([40.0, 90.0, 150.0])[:, None, None], np.array([0.8, 1.0, 1.2])[None, :, None]
    result = fit_t2(trains(t2, b1, refocusing=angles), TIMES, refocusing_angle=angles)
    assert np.abs(result.t2 / t2 - 1).max() <= 1e-3
    assert np.abs(result.b1 - b1).max() <= 1e-3


def test_weighted_angles_across_the_slice():
    profile = AngleFactors((1.0, 0.8, 0.5), (1.0, 0.85, 0.6), (2.0, 1.0, 1.0))
    t2 = np.array([40.0, 90.0, 150.0])[:, None, None]
    clean = sum(
        w * np.sin(np.pi / 2 * e * 0.9) * cpmg_train(t2, 1000.0, SPACING, ECHOES, 180 * r * 0.9)
        for e, r, w in zip(profile.excitation, profile.refocusing, profile.weight, strict=True)
    )
    clean = np.abs(clean)
    result = fit_t2(clean, TIMES, profile=profile)
    assert np.abs(result.t2 / t2 - 1).max() <= 1e-3
    np.testing.assert_allclose(result.b1, 0.9, atol=2e-3)
    np.testing.assert_allclose(result.s0, 1, rtol=2e-3)
    with_rectangle = fit_t2(clean, TIMES)
    assert (with_rectangle.t2 / t2 - 1).min() > 0.02  # what leaving the profile out costs


def test_selective_pulses_and_what_a_rectangle_makes_of_them(record):
    pulses = SelectivePulses(1.2, 4.0, 4.0)
    t2 = np.array([30.0, 80.0, 200.0])
    b1 = np.array([0.8, 0.9, 1.0])
    excitation, refocusing = pulses.angles(b1, 90.0, np.full(ECHOES, 180.0))
    clean = np.empty((3, 3, 1, ECHOES))
    for i, time in enumerate(t2):
        for j in range(3):
            parts = cpmg_train(time, 1000.0, SPACING, ECHOES, refocusing[j], excitation[j])
            clean[i, j, 0] = pulses.weight @ parts
    right = fit_t2(clean, TIMES, profile=pulses)
    error = 100 * np.abs(right.t2[..., 0] / t2[:, None] - 1).max()
    record(SECTION, "noiseless, selective pulses, profile known: largest T2 error", error, "%", "1")
    assert error <= 1
    assert np.abs(right.b1[..., 0] - b1).max() <= 0.02
    wrong = fit_t2(clean, TIMES)
    assert "rectangular slice profile was assumed" in wrong.warnings[0]
    assert not right.warnings
    excess = 100 * (wrong.t2[..., 0] / t2[:, None] - 1)
    what = "the same slice fitted with a rectangular profile: T2 80 ms, B1 0.9 reads too long by"
    record(SECTION, what, excess[1, 1], "%", "no limit: the profile must be given")
    assert excess.min() > 2
    exponential = fit_t2(clean, TIMES, method="monoexponential")
    assert (exponential.t2[..., 0] / t2[:, None] - 1).min() > 0.05


@pytest.mark.parametrize("t1", [300.0, 500.0, 2000.0])
def test_assumed_t1_matters_little(t1, record):
    t2 = np.array([30.0, 50.0, 80.0])[:, None, None]
    result = fit_t2(trains(t2, np.array([0.8, 0.9, 1.0])[None, :, None], t1=t1), TIMES)
    worst = 100 * np.abs(result.t2 / t2 - 1).max()
    what = f"T1 {t1:g} ms taken for 1000 ms, T2 30..80 ms, B1 0.8..1: largest T2 error"
    record(SECTION, what, worst, "%", "<= 3")
    assert worst <= 3
    exact = fit_t2(trains(t2, 0.8, t1=t1), TIMES, t1_ms=t1)
    assert np.abs(exact.t2 / t2 - 1).max() <= 1e-3


def test_exponential_reads_too_long_and_says_so(record):
    signal = trains(80.0, np.array([1.0, 0.8, 0.7]))
    result = fit_t2(signal, TIMES, method="monoexponential", noise=MagnitudeNoise(1e-6))
    independent = [
        curve_fit(lambda t, a, t2: a * np.exp(-t / t2), TIMES * 1e3, train, [1, 60])[0][1]
        for train in signal.reshape(-1, ECHOES)
    ]
    np.testing.assert_allclose(result.t2.ravel(), independent, rtol=1e-4)
    full, weak, weaker = result.t2.ravel()
    assert full == pytest.approx(80, rel=1e-4)
    for b1, value in ((0.8, weak), (0.7, weaker)):
        what = f"mono-exponential fit of T2 80 ms at B1 {b1}"
        record(SECTION, what, value, "ms", "no limit: the reason for the phase graph")
    log_linear = [
        -1 / np.polyfit(TIMES[1:] * 1e3, np.log(train[1:]), 1)[0] for train in signal[0, 1:, 0]
    ]
    np.testing.assert_allclose(log_linear, [83.9, 89.2], atol=0.1)
    assert weak > log_linear[0]
    assert "stimulated echoes" in result.warnings[0]
    assert np.isnan(result.b1).all()
    assert result.method == "monoexponential"


def test_exponential_on_a_constant():
    t2 = np.array([20.0, 60.0, 150.0])[:, None, None, None]
    signal = 300 * (np.exp(-TIMES * 1e3 / t2) + 0.03)
    result = fit_t2(signal, TIMES, method="monoexponential_offset")
    assert np.abs(result.t2 / t2[..., 0] - 1).max() <= 1e-3
    np.testing.assert_allclose(result.s0, 300, rtol=1e-3)
    plain = fit_t2(signal, TIMES, method="monoexponential")
    assert (plain.t2 / t2[..., 0] - 1).min() > 0.03


# ---------------------------------------------------------------- noise


def test_mean_of_a_magnitude():
    rng = np.random.default_rng(4)
    for channels in (1, 3, 16):
        a = np.array([0.0, 0.7, 3.0, 12.0])
        squares = (a[:, None] + rng.normal(size=(4, 200_000))) ** 2
        squares += rng.chisquare(2 * channels - 1, squares.shape)
        mean, slope = chi_mean(a, channels)
        np.testing.assert_allclose(np.sqrt(squares).mean(axis=1), mean, atol=0.01)
        tabled, tabled_slope = MagnitudeNoise(2.0, channels).mean((2 * a).astype(np.float32))
        np.testing.assert_allclose(tabled, 2 * mean, atol=2e-3)
        np.testing.assert_allclose(tabled_slope, slope, atol=0.02)
    assert MagnitudeNoise(2.0).floor == pytest.approx(2 * np.sqrt(np.pi / 2))
    with pytest.raises(ValueError, match="noise"):
        MagnitudeNoise(0.0)
    with pytest.raises(ValueError, match="channels"):
        MagnitudeNoise(1.0, 0.5)


@pytest.mark.parametrize("snr", [100, 50, 20])
@pytest.mark.parametrize("t2", [20.0, 40.0, 80.0, 200.0, 500.0])
def test_bias_under_noise(t2, snr, record):
    """SNR is S0 over the standard deviation of one real channel; B1 is 0.9."""
    clean = trains(np.full((40, 40, 1), t2), 0.9)
    signal = noisy(clean, 1 / snr, seed=int(t2) + snr)
    result = fit_t2(signal, TIMES, noise=MagnitudeNoise(1 / snr), mask=np.ones((40, 40, 1), bool))
    bias, scatter = 100 * (result.t2.mean() / t2 - 1), 100 * result.t2.std() / t2
    # noise must be the larger part of a voxel's error by far
    limit = max(0.5, scatter / 4)
    what = f"SNR {snr}, T2 {t2:g} ms, B1 0.9: bias of T2 (one voxel scatters by {scatter:.1f} %)"
    record(SECTION, what, bias, "%", f"within {limit:.1f}, a quarter of the scatter or 0.5")
    assert abs(bias) <= limit
    # the map of standard errors tells the scatter of most voxels
    scatter = np.diff(np.percentile(result.t2, [15.9, 84.1])).item() / 2
    assert np.median(result.t2_standard_error) == pytest.approx(scatter, rel=0.2)


def test_noise_floor_is_why_the_mean_is_fitted(record):
    """T2 20 ms over 320 ms: most of the train lies in the noise."""
    signal = noisy(trains(np.full((30, 30, 1), 20.0), 0.9), 0.05)
    everything = np.ones((30, 30, 1), bool)
    aware = fit_t2(signal, TIMES, mask=everything, noise=MagnitudeNoise(0.05))
    unaware = fit_t2(signal, TIMES, mask=everything, noise=MagnitudeNoise(1e-6))
    bias = [100 * (np.median(r.t2) / 20 - 1) for r in (aware, unaware)]
    what = "SNR 20, T2 20 ms: median T2 with the floor in the model"
    record(SECTION, what, bias[0], "% off", "within 5")
    record(SECTION, "the same without", bias[1], "% off", "no limit: shows the effect")
    assert abs(bias[0]) <= 5
    assert bias[1] > 8


@pytest.mark.parametrize(("channels", "sd"), [(1, 3.0), (8, 3.0)])
def test_noise_is_measured_in_the_background(channels, sd, record):
    clean = np.zeros((60, 60, 3, ECHOES), np.float32)
    clean[20:40, 20:40] = 150 * trains(np.full((20, 20, 3), 30.0), 0.9)
    clean[:4] = 0.05 * clean[20:24, 20:21]  # a ghost
    signal = np.rint(noisy(clean, sd, channels))
    signal[:, :3] = 0  # a filled margin
    result = fit_t2(signal, TIMES)
    assert result.noise.sd == pytest.approx(sd, rel=0.03)
    assert result.noise.channels == pytest.approx(channels, rel=0.06)
    assert result.flags["noise_voxels"] > 3000
    tissue = clean[..., 0] > 50
    np.testing.assert_array_equal(np.isfinite(result.t2), tissue)
    bias = 100 * (result.t2[tissue].mean() / 30 - 1)
    what = f"SNR 50, T2 30 ms, {channels} channels, noise read from the background: bias of T2"
    record(SECTION, what, bias, "%", "within 1")
    assert abs(bias) <= 1
    if channels == 8:  # taken for one channel the floor is missed
        wrong = fit_t2(signal, TIMES, noise=MagnitudeNoise(sd))
        assert wrong.t2[tissue].mean() / 30 - 1 > 0.05


def test_background_is_not_seen_where_there_is_none():
    tissue = trains(np.full((40, 40, 1), 60.0), 0.9)
    assert estimate_background(noisy(tissue, 0.02), {}) is None
    assert estimate_background(noisy(np.full_like(tissue, 1.0), 0.002), {}) is None
    assert estimate_background(np.zeros_like(tissue), {}) is None
    result = fit_t2(noisy(tissue, 0.02), TIMES)
    assert result.noise.sd == pytest.approx(0.02, rel=0.05)
    assert any("taken from the misfit" in w for w in result.warnings)
    assert abs(result.t2.mean() / 60 - 1) <= 0.01


def test_misfit_beyond_the_noise_is_told():
    # two pools of water in each voxel
    clean = trains(np.full((30, 30, 1), 30.0)) + trains(np.full((30, 30, 1), 300.0))
    result = fit_t2(noisy(clean, 0.005), TIMES, noise=MagnitudeNoise(0.005))
    assert any("times what the noise explains" in w for w in result.warnings)
    assert result.flags["noise_sd_misfit"] > 0.01


def test_noise_and_bounds_are_marked_unreliable():
    t2 = np.full((6, 6, 1), 60.0)
    t2[3, 3], t2[4, 4] = 1e6, 900.0
    clean = trains(t2, 0.9)
    clean[0, 0] = 0
    clean[1, 1] = 0.5 + 0.3 * (-1.0) ** np.arange(ECHOES)  # no train does this
    result = fit_t2(
        noisy(clean, 0.01), TIMES, mask=np.ones((6, 6, 1), bool), noise=MagnitudeNoise(0.01)
    )
    bad = np.argwhere(result.quality[..., 0] == 0).tolist()
    assert bad == [[0, 0], [1, 1], [3, 3]]
    assert result.flags["voxels_near_noise"] == 1
    assert result.flags["voxels_t2_at_bound"] >= 1
    assert result.flags["voxels_high_residual"] == 1
    assert any("stopped at the bound" in warning for warning in result.warnings)
    # a T2 that the train is too short for is uncertain, and the map of errors tells by how much
    short = fit_t2(
        noisy(clean[..., :4], 0.01),
        TIMES[:4],
        mask=t2 == 900,
        noise=MagnitudeNoise(0.01),
    )
    assert short.flags["voxels_t2_uncertain"] == 1
    assert not short.quality.any()


# ---------------------------------------------------------------- clipping, skipped echoes


def clipped_image(level=4095):
    """Tissue of which the first echoes are cut, in the whole numbers of a scanner."""
    rng = np.random.default_rng(8)
    t2 = rng.uniform(40, 150, (40, 40, 2))
    s0 = rng.uniform(1500, 9000, t2.shape)
    signal = np.rint(noisy(s0[..., None] * trains(t2, 0.85), 8.0))
    return np.minimum(signal, level), t2


def test_clipped_samples_are_found_left_out_and_counted(record):
    signal, t2 = clipped_image()
    result = fit_t2(signal, TIMES)
    assert result.flags["clip_level"] == 4095
    assert result.flags["samples_clipped"] == (signal == 4095).sum()
    assert result.flags["voxels_clipped"] == (signal == 4095).any(axis=-1).sum()
    assert any("clipped at 4095" in w for w in result.warnings)
    error = 100 * (result.t2 / t2 - 1)
    cut = (signal == 4095).any(axis=-1)
    what = "samples clipped at 4095 left out: mean T2 error of the clipped voxels"
    record(SECTION, what, error[cut].mean(), "%", "within 0.3")
    assert abs(error[cut].mean()) <= 0.3
    kept = fit_t2(signal, TIMES, clip_level=np.inf)
    assert kept.flags["samples_clipped"] == 0
    assert 100 * (kept.t2[cut] / t2[cut] - 1).mean() > 5
    np.testing.assert_array_equal(fit_t2(signal, TIMES, clip_level=4095).t2, result.t2)


def test_pile_up_is_told_from_equal_voxels():
    used = np.arange(ECHOES)
    signal, _ = clipped_image()
    assert find_clip_level(signal, used) == 4095
    assert find_clip_level(signal * 0.25, used) == 4095 / 4  # rescaled by the header
    assert find_clip_level(clipped_image(10**6)[0], used) is None
    blocks = np.repeat(trains([40.0, 60.0, 80.0, 120.0], 0.9), 300, axis=0)
    assert find_clip_level(blocks, used) is None
    assert find_clip_level(np.ones((9, 9, 9, ECHOES)), used) is None
    assert find_clip_level(np.zeros((9, 9, 9, ECHOES)), used) is None


def test_too_few_usable_samples_have_no_t2():
    signal = 4000 * trains(np.full((5, 5, 1), 300.0))
    signal[2, 2, 0, : ECHOES - 2] = 5000
    signal[3, 3, 0, : ECHOES - 3] = 5000
    result = fit_t2(signal, TIMES, clip_level=5000)
    assert np.isnan(result.t2[2, 2, 0])
    assert np.isnan(result.b1[2, 2, 0])
    assert result.quality[2, 2, 0] == 0
    assert result.flags["voxels_few_samples"] == 1
    assert any("fewer than 3 usable samples" in w for w in result.warnings)
    assert np.isfinite(result.t2[3, 3, 0])
    assert result.quality.sum() >= 23


def test_skipped_and_missing_first_echoes_still_count_as_part_of_the_train():
    t2 = np.array([40.0, 80.0, 160.0])[:, None, None]
    signal = trains(t2, 0.8)
    spoilt = signal.copy()
    spoilt[..., 0] *= 1.3
    skipped = fit_t2(spoilt, TIMES, skip_echoes=1)
    missing = fit_t2(signal[..., 1:], TIMES[1:])
    for result in (skipped, missing):
        assert np.abs(result.t2 / t2 - 1).max() <= 1e-3
        np.testing.assert_allclose(result.b1, 0.8, atol=1e-3)
    assert np.abs(fit_t2(spoilt, TIMES).t2 / t2 - 1).max() > 0.01


# ---------------------------------------------------------------- B1 maps and other input


def test_measured_b1_is_kept():
    t2 = np.array([40.0, 80.0, 160.0])[:, None, None]
    b1 = np.broadcast_to(np.array([0.45, 0.9, 1.1, 1.3])[None, :, None], (3, 4, 1)).copy()
    signal = trains(t2, b1)
    b1[1, 1] = np.nan
    result = fit_t2(signal, TIMES, b1=b1)
    assert np.isnan(result.t2[1, 1, 0])
    assert result.flags["voxels_without_b1"] == 1
    known = np.isfinite(b1)
    assert np.abs(result.t2 / t2 - 1)[known].max() <= 1e-3
    np.testing.assert_array_equal(result.b1[known], b1[known].astype(np.float32))
    np.testing.assert_allclose(result.s0[known], 1, rtol=1e-3)
    # it halves the unknowns that noise can play with
    many = trains(np.full((30, 30, 1), 60.0), 0.8)
    given = np.full((30, 30, 1), 0.8)
    noise = MagnitudeNoise(0.02)
    free, held = (fit_t2(noisy(many, 0.02), TIMES, b1=x, noise=noise) for x in (None, given))
    assert held.t2.std() < 0.9 * free.t2.std()
    assert held.t2_standard_error.mean() == pytest.approx(held.t2.std(), rel=0.1)
    pulses = SelectivePulses(1.5, 2.7, 2.7)
    excitation, refocusing = pulses.angles(np.array([1.4]), 90.0, np.full(ECHOES, 180.0))
    parts = cpmg_train(50.0, 1000.0, SPACING, ECHOES, refocusing[0], excitation[0])
    slice_signal = (pulses.weight @ parts).reshape(1, 1, 1, -1)
    result = fit_t2(slice_signal, TIMES, b1=np.full((1, 1, 1), 1.4), profile=pulses)
    assert result.t2.item() == pytest.approx(50, rel=1e-3)
    with pytest.raises(SubjectDataError) as error:
        fit_t2(signal, TIMES, b1=np.full((3, 4, 1), np.nan))
    assert error.value.code == "no_signal"


def test_b1_range_can_be_narrowed_and_widened():
    signal = trains(np.full((4, 4, 1), 70.0), 0.5)
    wide = fit_t2(signal, TIMES, b1_bounds=(0.4, 1.0))
    np.testing.assert_allclose(wide.b1, 0.5, atol=1e-3)
    np.testing.assert_allclose(wide.t2, 70, rtol=1e-3)
    narrow = fit_t2(signal, TIMES)
    assert narrow.b1.min() >= 0.6 - 1e-6
    assert narrow.flags["voxels_b1_at_bound"] == 16
    assert not narrow.quality.any()


def test_result_does_not_depend_on_neighbours_scale_type_or_layout():
    rng = np.random.default_rng(2)
    clean = 800 * trains(rng.uniform(30, 150, (30, 20, 4)), 0.85)
    signal = np.rint(noisy(clean, 8.0))
    noise = MagnitudeNoise(8.0)
    first = fit_t2(signal, TIMES, noise=noise)
    whole = fit_t2(np.asfortranarray(signal.astype(np.int16)), TIMES, noise=noise)
    np.testing.assert_array_equal(first.t2, whole.t2)
    scaled = fit_t2(signal * 4, TIMES, noise=MagnitudeNoise(32.0))
    np.testing.assert_allclose(first.t2, scaled.t2, rtol=1e-5)
    mask = np.zeros(clean.shape[:3], bool)
    mask[5:9, 7:9, 2] = True
    part = fit_t2(signal, TIMES, mask=mask, noise=noise)
    np.testing.assert_allclose(part.t2[mask], first.t2[mask], rtol=1e-5)
    assert np.isnan(part.t2[~mask]).all()
    assert part.flags["voxels_fitted"] == 8


def test_few_echoes_and_unequal_times():
    four = trains([40.0, 90.0], 0.8, echoes=4)
    np.testing.assert_allclose(fit_t2(four, TIMES[:4]).t2.ravel(), [40, 90], rtol=1e-3)
    times = np.array([8.0, 20.0, 41.0, 90.0]) * 1e-3
    signal = np.exp(-times * 1e3 / np.array([40.0, 90.0])[:, None, None, None])
    result = fit_t2(signal, times, method="monoexponential")
    np.testing.assert_allclose(result.t2.ravel(), [40, 90], rtol=1e-3)
    with pytest.raises(SubjectDataError) as error:
        fit_t2(signal, times)
    assert error.value.code == "unequal_echo_spacing"
    assert "mono-exponential" in error.value.hint


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda s: {"echo_times": TIMES[:2], "signal": s[..., :2]}, "too_few_echoes"),
        (lambda s: {"skip_echoes": ECHOES - 2}, "too_few_echoes"),
        (lambda s: {"echo_times": TIMES * 1e3}, "invalid_echo_times"),
        (lambda s: {"signal": s[..., :5]}, "shape_mismatch"),
        (lambda s: {"mask": np.ones((9, 9, 9), bool)}, "shape_mismatch"),
        (lambda s: {"b1": np.ones((9, 9, 9))}, "shape_mismatch"),
        (lambda s: {"signal": s.astype(complex)}, "not_magnitude"),
        (lambda s: {"signal": s - 0.5}, "not_magnitude"),
        (lambda s: {"signal": 0 * s}, "no_signal"),
        (lambda s: {"noise": MagnitudeNoise(10.0)}, "no_signal"),
    ],
)
def test_unusable_images(change, code):
    signal = trains(np.full((3, 3, 1), 60.0))
    arguments = {"signal": signal, "echo_times": TIMES} | change(signal)
    with pytest.raises(SubjectDataError) as error:
        fit_t2(**arguments)
    assert error.value.code == code
    assert error.value.hint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "loglinear"}, "unknown method"),
        ({"method": "monoexponential", "b1_bounds": (0.5, 1.0)}, "mean nothing"),
        ({"refocusing_angle": 0.0}, "positive"),
        ({"refocusing_angle": 190.0}, "end at 180"),
        ({"refocusing_angle": np.full(5, 180.0)}, "32 pulses"),
        ({"t1_ms": np.nan}, "positive"),
        ({"b1_bounds": (0.9, 0.5)}, "increasing"),
        ({"b1_bounds": (0.5, 1.2)}, "no B1 above 1"),
        ({"b1": np.ones((3, 1, 1)), "b1_bounds": (0.6, 1.0)}, "with a B1 map"),
        ({"clip_level": 0.0}, "clip_level"),
        ({"skip_echoes": -1}, "negative"),
    ],
)
def test_senseless_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_t2(trains(np.full((3, 1, 1), 60.0)), TIMES, **arguments)


def test_voxels_that_cannot_be_fitted_are_left_out_and_counted():
    signal = 100 * trains(np.full((5, 5, 2), 60.0), 0.9)
    signal[0, 0, 0, 3] = np.nan
    signal[1, 0, 0] = 0
    mask = np.ones((5, 5, 2), bool)
    mask[4, 4, 1] = False
    result = fit_t2(signal, TIMES, mask=mask)
    assert result.flags["voxels_not_finite"] == 1
    assert result.flags["voxels_without_signal"] == 1
    assert result.flags["voxels_fitted"] == 47
    assert np.isnan(result.t2[[0, 1, 4], [0, 0, 4], [0, 0, 1]]).all()
    assert sum("were not fitted" in warning for warning in result.warnings) == 2
