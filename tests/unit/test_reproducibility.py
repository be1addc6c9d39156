"""Agreement, limits, precision and overlap of readings, against published and known answers."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from osteoflow.config import load_config
from osteoflow.errors import StudyError
from osteoflow.reports.reproducibility import reproducibility_tables
from osteoflow.settings.statistics import Reproducibility
from osteoflow.statistics.agreement import icc, icc_of_columns
from osteoflow.statistics.clustered import _estimates, cluster_intervals
from osteoflow.statistics.limits import bland_altman
from osteoflow.statistics.overlap import overlap_table
from osteoflow.statistics.precision import LSC_FACTOR, MIN_DF, precision
from osteoflow.statistics.readings import feature_readings, measurement_readings, place_readings
from osteoflow.statistics.reproducibility import (
    REPRODUCIBILITY_COLUMNS,
    bland_altman_tables,
    feature_reproducibility,
    measurement_reproducibility,
)
from osteoflow.study import check_study

# Peak expiratory flow in l/min of 17 people by a Wright peak flow meter and a mini Wright meter,
# each twice (Bland and Altman, Lancet 1986;327:307, table 1).
WRIGHT = np.array(
    [
        [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427],
        [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421],
    ],
    dtype=float,
)
MINI = np.array(
    [
        [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451],
        [525, 415, 508, 444, 500, 625, 460, 390, 642, 432, 420, 605, 227, 467, 268, 370, 443],
    ],
    dtype=float,
)


# --- limits of agreement -------------------------------------------------------------------------


def test_peak_flow_of_bland_and_altman(record):
    """Their numbers: mean difference -2.1, SD 38.8, 95 % interval of the bias -22.0 to 17.8."""
    found = bland_altman(MINI[0], WRIGHT[0])
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd_difference == pytest.approx(38.8, abs=0.05)
    assert (found.bias_low, found.bias_high) == pytest.approx((-22.0, 17.8), abs=0.1)
    # Printed with two SD: -79.7 and 75.5.
    two = [found.bias + sign * 2 * found.sd_difference for sign in (-1, 1)]
    assert two == pytest.approx([-79.7, 75.5], abs=0.1)
    assert (found.loa_low, found.loa_high) == pytest.approx((-78.1, 73.9), abs=0.1)
    for readings in (WRIGHT, MINI):
        squares = np.diff(readings, axis=0)[0] ** 2
        made = precision(readings.T[:, :, None])
        assert made.rms_sd[0] == pytest.approx(np.sqrt(squares.sum() / 17 / 2), rel=1e-12)
        assert made.lsc[0] == pytest.approx(1.96 * np.sqrt(squares.mean()), rel=1e-12)
    # Within-subject SD of both meters (Bland and Altman, Stat Methods Med Res 1999;8:135).
    both = precision(np.stack([WRIGHT, MINI], axis=2).transpose(1, 0, 2))
    assert both.rms_sd == pytest.approx([15.3, 19.9], abs=0.06)
    record("Reproducibility", "Peak flow of Bland and Altman: bias", found.bias, "l/min", "-2.1")
    sd = found.sd_difference
    record(
        "Reproducibility", "Peak flow of Bland and Altman: SD of differences", sd, "l/min", "38.8"
    )


def test_limits_are_exact_where_the_approximation_is_not():
    """Intervals of the limits against their definition by the non-central t distribution."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 9))
    found = bland_altman(a, b)
    for bound, share in ((found.loa_high_low, 0.025), (found.loa_high_high, 0.975)):
        # The limit that leaves this much below it, were it the true one.
        t = np.sqrt(9) * (bound - found.bias) / found.sd_difference
        assert stats.nct.cdf(t, 8, 1.96 * np.sqrt(9)) == pytest.approx(share, abs=1e-6)
    assert found.loa_high_high - found.loa_high > 1.3 * (found.loa_high - found.loa_high_low)
    mirrored = bland_altman(b, a)
    assert mirrored.loa_low_low == pytest.approx(-found.loa_high_high)


def test_slope_is_a_regression_of_differences_on_means():
    rng = np.random.default_rng(2)
    a = rng.normal(50, 10, size=(25, 3))
    b = 1.2 * a + rng.normal(size=a.shape)
    b[3, 1] = np.nan
    found = bland_altman(a, b)
    for column in range(3):
        rows = np.isfinite(b[:, column])
        x, d = (a + b)[rows, column] / 2, (b - a)[rows, column]
        fit = stats.linregress(x, d)
        half = stats.t.ppf(0.975, rows.sum() - 2) * fit.stderr
        assert found.slope[column] == pytest.approx(fit.slope)
        assert found.slope_high[column] == pytest.approx(fit.slope + half)
        assert found.slope_p[column] == pytest.approx(fit.pvalue, rel=1e-6)
        assert fit.pvalue == pytest.approx(stats.pearsonr(x, d)[1], rel=1e-6)


def test_differences_of_nothing_and_of_one_size():
    first = np.array([100.1, 110.3, 125.2, 93.7])
    same, shifted = bland_altman(first, first), bland_altman(first, first + 3)
    assert (same.bias, same.loa_high_high, same.slope) == (0, 0, 0)
    assert shifted[:10] == pytest.approx([3, 3, 3, 0, 3, 3, 3, 3, 3, 3])
    assert shifted.slope == 0 and np.isnan(shifted.slope_p)
    assert np.isnan(bland_altman(first[:2], first[:2] + 1)).all()
    flat = bland_altman(np.ones(4), np.ones(4))
    assert flat.bias == 0 and np.isnan(flat.slope)


# --- precision -----------------------------------------------------------------------------------


def test_precision_by_hand():
    # SD of the pairs: 1, 2, 3 / sqrt(2); means 100, 50, 25.
    pairs = np.array([[99.5, 100.5], [49, 51], [23.5, 26.5]])[:, :, None]
    found = precision(pairs)
    assert found.df[0] == 3
    assert found.rms_sd[0] == pytest.approx(np.sqrt((1 + 4 + 9) / 2 / 3))
    cv = np.array([1 / 100, 2 / 50, 3 / 25]) / np.sqrt(2)
    assert found.rms_cv[0] == pytest.approx(100 * np.sqrt((cv**2).mean()))
    assert found.lsc[0] == pytest.approx(2.77 * found.rms_sd[0], rel=1e-3)
    assert found.lsc_percent[0] == pytest.approx(LSC_FACTOR * found.rms_cv[0])
    low, high = (np.sqrt(3 / stats.chi2.ppf(q, 3)) for q in (0.975, 0.025))
    assert found.rms_sd_low[0] / found.rms_sd[0] == pytest.approx(low)
    assert found.lsc_high[0] / found.lsc[0] == pytest.approx(high)


def test_precision_weighs_subjects_by_their_degrees_of_freedom():
    readings = np.array([[1.0, 2, 3], [4, 6, np.nan], [5, 5, 5], [9, np.nan, np.nan]])[:, :, None]
    found = precision(readings)
    assert found.df[0] == 2 + 1 + 2
    assert found.rms_sd[0] == pytest.approx(np.sqrt((2 + 2 + 0) / 5))
    assert np.isnan(precision(readings[1:]).rms_sd[0])
    assert np.isnan(precision(readings - 4).rms_cv[0])
    assert precision(readings - 4).rms_sd[0] == pytest.approx(found.rms_sd[0])


def test_27_degrees_of_freedom_are_what_glueer_asked_for():
    def excess(df):
        return np.sqrt(df / stats.chi2.ppf(0.05, df)) - 1

    assert excess(MIN_DF) < 0.3 < excess(MIN_DF - 1)


# --- coverage ------------------------------------------------------------------------------------


def test_intervals_hold_what_they_promise(record):
    """2,000 studies of 20 people read twice, with a rater's bias, between- and within-SD known."""
    rng = np.random.default_rng(3)
    n, studies, between, within, bias = 20, 2000, 10.0, 3.0, 0.5
    people = rng.normal(100, between, size=(n, studies))
    first, second = (people + rng.normal(0, within, size=people.shape) for _ in range(2))
    limits = bland_altman(first, second + bias)
    error = precision(np.stack([first, second], axis=1))
    # Two raters drawn at random, as ICC(2,1) supposes.
    shift = rng.normal(0, 1.0, size=(2, 1, studies))
    names = [f"f{i}" for i in range(studies)]
    rated = [
        pd.DataFrame(x + s, columns=names) for x, s in zip((first, second), shift, strict=True)
    ]
    table = icc_of_columns(*rated)
    sd = np.sqrt(2) * within
    truths = {
        "bias": (limits.bias_low, limits.bias_high, bias),
        "upper limit of agreement": (
            *(limits.loa_high_low, limits.loa_high_high),
            bias + 1.96 * sd,
        ),
        "RMS-SD": (error.rms_sd_low, error.rms_sd_high, within),
        "ICC(3,1)": (table["icc31_low"], table["icc31_high"], 100 / 109),
        "ICC(2,1)": (table["icc21_low"], table["icc21_high"], 100 / 110),
    }
    for name, (low, high, truth) in truths.items():
        covered = 100 * float(((low <= truth) & (truth <= high)).mean())
        record(
            "Reproducibility: coverage of 95 % intervals, n = 20", name, covered, "%", "93 to 98"
        )
        assert 93 <= covered <= 98, name


@pytest.mark.parametrize(("people", "least"), [(12, 88), (30, 92)])
def test_pooled_levels_take_the_participant_as_unit(people, least, record):
    """Four levels of people that share a person's bone and reading error."""
    rng = np.random.default_rng(4)
    levels, studies = 4, 400
    clusters = np.tile(np.arange(people), levels)
    person = rng.normal(100, 10, size=(1, people, 1, studies))
    level = rng.normal(0, 4, size=(levels, people, 1, studies))
    shared = rng.normal(0, 2, size=(1, people, 2, studies))
    own = rng.normal(0, 2, size=(levels, people, 2, studies))
    readings = (person + level + shared + own).reshape(levels * people, 2, studies)
    limits = cluster_intervals(readings, clusters, 200, 5)
    naive = bland_altman(readings[:, 0], readings[:, 1])
    truths = {"rms_sd": np.sqrt(8), "icc31": 116 / 124, "bias": 0.0, "loa_high": 1.96 * 4}
    section = f"Reproducibility: coverage of 95 % intervals, {people} people x 4 levels"
    for name, truth in truths.items():
        covered = 100 * float(((limits[name][0] <= truth) & (truth <= limits[name][1])).mean())
        record(section, f"{name}, participants resampled", covered, "%", f">= {least}")
        assert least <= covered <= 98.5, name
    wrong = ((naive.bias_low <= 0) & (naive.bias_high >= 0)).mean()
    record(section, "bias, levels taken as independent", 100 * float(wrong), "%", "(the mistake)")
    assert wrong < 0.85


def test_pooled_estimates_equal_those_of_their_rows():
    """The first draw, of everybody once, against the formulae for independent rows."""
    rng = np.random.default_rng(8)
    readings = rng.normal(20, 3, size=(40, 1, 5)) + rng.normal(size=(40, 2, 5))
    readings[7, 1, 2] = np.nan
    clusters = np.repeat(np.arange(10), 4)
    found = {name: part[0] for name, part in _estimates(readings, np.ones((1, 40))).items()}
    table = icc_of_columns(*(pd.DataFrame(readings[:, j]) for j in (0, 1)))
    assert found["icc21"] == pytest.approx(table["icc21"].to_numpy())
    assert found["icc31"] == pytest.approx(table["icc31"].to_numpy())
    limits, error = bland_altman(readings[:, 0], readings[:, 1]), precision(readings)
    for name in ("bias", "loa_low", "loa_high", "slope"):
        assert found[name] == pytest.approx(getattr(limits, name)), name
    for name in ("rms_sd", "rms_cv", "lsc"):
        assert found[name] == pytest.approx(getattr(error, name)), name
    three = rng.normal(20, 3, size=(40, 1, 2)) + rng.normal(size=(40, 3, 2))
    pooled = _estimates(three, np.ones((1, 40)))
    assert pooled["icc21"][0] == pytest.approx(icc(three)["ICC(2,1)"].value)
    assert pooled["rms_sd"][0] == pytest.approx(precision(three).rms_sd)
    low, high = cluster_intervals(np.repeat(readings[:, :1], 2, axis=1), clusters, 100, 1)["icc21"]
    assert (low == 1).all() and (high == 1).all()
    few = cluster_intervals(readings[:16], clusters[:16], 100, 1)
    assert all(np.isnan(limit).all() for pair in few.values() for limit in pair)


# --- tables --------------------------------------------------------------------------------------

LEVELS = ("L1", "L2", "L3")


def cohort(people=8, seed=5):
    """Two sessions of everybody; of the first one a second rater and a repeated outline."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(people):
        for session in ("1", "2"):
            for rater, reading in ((1, 1), (2, 1), (1, 2)) if session == "1" else ((1, 1),):
                for place, level in enumerate(LEVELS):
                    value = 100 + 10 * number - 5 * place + rng.normal() + 2 * (rater == 2)
                    rows.append(
                        {
                            **{"participant_id": f"sub-{number}", "session": session},
                            **{"rater": rater, "reading": reading, "roi": f"{level}_trabecular"},
                            **{"image": "vbmd", "metric": "vbmd_mean", "value": value},
                            **{"unit": "mg/cm3", "flag": np.nan},
                        }
                    )
    keys = [(f"sub-{number}", s) for number in range(people) for s in ("1", "2")]
    return pd.DataFrame(rows), pd.DataFrame(keys, columns=["participant_id", "session"])


def settings(**changes):
    return Reproducibility(**{"repeat_sessions": [[1, 2]], "levels": list(LEVELS), **changes})


def test_one_row_per_comparison_metric_and_region():
    measurements, people = cohort()
    table, readings = measurement_reproducibility(measurements, people, settings(), "L1-L3", 1)
    assert list(table) == list(REPRODUCIBILITY_COLUMNS)
    regions = ["L1-L3_each_trabecular", "L1-L3_trabecular", *(f"{n}_trabecular" for n in LEVELS)]
    for comparison in ("inter_rater", "intra_rater", "scan_rescan"):
        rows = table[table["comparison"] == comparison]
        assert sorted(rows["roi"]) == sorted(regions)
        assert (rows["unit"] == "mg/cm3").all() and (rows["n"] == 8).all()
    rows = table.set_index(["comparison", "roi"])
    wide = measurements.pivot_table(
        index=["participant_id", "roi"], columns=["session", "rater", "reading"], values="value"
    )
    first, second = wide["1", 1, 1], wide["1", 2, 1]
    level = rows.loc[("inter_rater", "L2_trabecular")]
    of_level = (second - first).xs("L2_trabecular", level="roi")
    assert level["bias"] == pytest.approx(of_level.mean())
    assert level["sd_difference"] == pytest.approx(of_level.std())
    mean = rows.loc[("inter_rater", "L1-L3_trabecular")]
    averaged = (second - first).groupby("participant_id").mean()
    assert mean["sd_difference"] == pytest.approx(averaged.std())
    each = rows.loc[("inter_rater", "L1-L3_each_trabecular")]
    assert (each["n"], each["n_sets"], each["df"]) == (8, 24, 24)
    assert each["rms_sd"] == pytest.approx(np.sqrt(((second - first) ** 2).mean() / 2))
    assert each["rms_sd_low"] < each["rms_sd"] < each["rms_sd_high"]
    assert "from resampled people" in each["note"] and np.isnan(each["slope_p"])
    assert "8 degrees of freedom, precision needs 27" in each["note"]
    assert "systematic difference" in level["note"]
    rescan = rows.loc[("scan_rescan", "L1_trabecular")]
    moved = (wide["2", 1, 1] - first).xs("L1_trabecular", level="roi")
    assert rescan["bias"] == pytest.approx(moved.mean())
    limits, points = bland_altman_tables(
        table, readings, {("vbmd_mean", "L1-L3_trabecular"), ("vbmd_mean", "L1_trabecular")}
    )
    assert len(limits) == 6 and len(points) == 48
    inter = points[(points["comparison"] == "inter_rater") & (points["roi"] == "L1-L3_trabecular")]
    assert inter.set_index("participant_id")["difference"].to_dict() == pytest.approx(
        averaged.to_dict()
    )
    again, _ = measurement_reproducibility(
        measurements.sample(frac=1, random_state=1), people, settings(), "L1-L3", 1
    )
    pd.testing.assert_frame_equal(table, again)


def test_flagged_missing_and_unlike_readings():
    measurements, people = cohort()
    second = (measurements["rater"] == 2) & (measurements["roi"] == "L1_trabecular")
    of = {number: measurements["participant_id"] == f"sub-{number}" for number in range(8)}
    measurements.loc[second & of[0], "value"] = np.inf
    measurements["flag"] = measurements["flag"].astype(object)
    measurements.loc[second & of[1], "flag"] = "few_voxels"
    measurements.loc[second & of[2], "flag"] = "few_voxels;missing:L1"
    measurements = measurements[~(second & of[3])]
    # Another mineral is another quantity.
    measurements.loc[second.reindex(measurements.index) & of[4], "unit"] = "mg/cm3 HA"
    table, _ = measurement_reproducibility(measurements, people, settings(), "L1-L3", 1)
    rows = table[table["comparison"] == "inter_rater"].set_index(["roi", "unit"])
    level = rows.loc[("L1_trabecular", "mg/cm3")]
    assert level[["n", "n_excluded", "n_flagged"]].tolist() == [4, 4, 1]
    assert rows.loc[("L1-L3_trabecular", "mg/cm3"), "n"] == 4
    assert rows.loc[("L1-L3_each_trabecular", "mg/cm3"), "n_sets"] == 20
    other = rows.loc[("L1_trabecular", "mg/cm3 HA")]
    assert other["n"] == 0 and np.isnan(other["icc21"])
    assert other["note"].startswith("fewer than 3 complete sets")


def test_identical_constant_and_absent_readings():
    measurements, people = cohort()
    one = measurements[measurements["session"] == "1"]
    copied = one.copy()
    first = one[(one["rater"] == 1) & (one["reading"] == 1)].set_index(["participant_id", "roi"])
    keys = pd.MultiIndex.from_frame(copied[["participant_id", "roi"]])
    copied["value"] = first["value"].reindex(keys).to_numpy()
    flat = copied.assign(metric="vbmd_sd", value=7.0)
    table, _ = measurement_reproducibility(
        pd.concat([copied, flat]), people, settings(repeat_sessions=[]), "L1-L3", 1
    )
    rows = table.set_index(["comparison", "variable", "roi"]).sort_index()
    same = rows.loc[("intra_rater", "vbmd_mean", "L1_trabecular")]
    assert (same["icc21"], same["icc21_low"], same["rms_sd"], same["lsc_high"]) == (1, 1, 0, 0)
    assert "all readings are identical" in same["note"]
    constant = rows.loc[("inter_rater", "vbmd_sd", "L1_trabecular")]
    assert np.isnan(constant["icc21"]) and constant["rms_sd"] == 0
    assert "the participants do not differ: no ICC" in constant["note"]
    assert set(table["comparison"]) == {"inter_rater", "intra_rater"}
    pair = copied[copied["participant_id"].isin(["sub-1", "sub-2"])]
    mixed = pd.concat([one[~one["participant_id"].isin(["sub-1", "sub-2"])], pair])
    table, _ = measurement_reproducibility(mixed, people, settings(), "L1-L3", 1)
    assert table["note"].str.contains("identical readings in 2 sets").sum() == 8
    some = one[one["participant_id"].isin([f"sub-{number}" for number in range(4)])]
    table, _ = measurement_reproducibility(some, people, settings(), "L1-L3", 1)
    each = table[table["roi"].str.contains("each")]
    assert each["note"].str.contains("fewer than 5 people to resample").all()
    assert each["rms_sd"].notna().all() and each["rms_sd_low"].isna().all()
    alone = one[(one["rater"] == 1) & (one["reading"] == 1)]
    empty, _ = measurement_reproducibility(alone, people, Reproducibility(), "L1-L4", 1)
    assert empty.empty and list(empty) == list(REPRODUCIBILITY_COLUMNS)
    assert measurement_reproducibility(one.iloc[:0], people, settings(), "L1-L3", 1)[0].empty
    with pytest.raises(ValueError, match="twice"):
        measurement_reproducibility(pd.concat([one, one]), people, settings(), "L1-L3", 1)


def test_three_scans_and_two_groups_of_them():
    measurements, people = cohort()
    base = measurements[(measurements["rater"] == 1) & (measurements["reading"] == 1)]
    third = base[base["session"] == "2"].assign(session="3")
    third = third.assign(value=third["value"] + 1)
    table, readings = measurement_reproducibility(
        pd.concat([base, third]), people, settings(repeat_sessions=[["1", "2", "3"]]), "L1-L3", 1
    )
    row = table.set_index("roi").loc["L2_trabecular"]
    assert (row["n_readings"], row["n"], row["df"]) == (3, 8, 16)
    assert np.isnan(row["bias"]) and "limits of agreement are of pairs" in row["note"]
    numbers = readings["scan_rescan"][0].numbers[:, :, 1]
    assert row["rms_sd"] == pytest.approx(np.sqrt(numbers.var(axis=1, ddof=1).mean()))
    # sub-0 lacks a second baseline scan: the second group counts for him, and nobody twice.
    later = pd.concat([base.assign(session=base["session"].map({"1": "3", "2": "4"})), base])
    lost = (later["participant_id"] == "sub-0") & (later["session"] == "2")
    placed = place_readings(later[~lost], people, "scan_rescan", [["1", "2"], ["3", "4"]])
    sessions = placed.groupby("participant_id")["session"].agg(set)
    assert sessions["sub-0"] == {"3", "4"} and sessions["sub-1"] == {"1", "2"}
    assert measurement_readings(placed).numbers.shape == (8, 2, 3)


def test_a_table_joined_column_by_column_is_placed_without_complaint():
    features, names = wide_features(6, 150)
    people = features[["participant_id", "session"]].drop_duplicates()
    pieces = features[[name for name in features if name not in names]].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        for name in names:
            pieces[name] = features[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        placed = place_readings(pieces, people, "inter_rater")
    expected = place_readings(features, people, "inter_rater")
    pd.testing.assert_frame_equal(placed[expected.columns], expected)


def test_the_session_that_was_read_again_counts():
    measurements, people = cohort()
    swapped = measurements.assign(session=measurements["session"].map({"1": "2", "2": "1"}))
    table, _ = measurement_reproducibility(swapped, people, settings(), "L1-L3", 1)
    assert (table.loc[table["comparison"] == "inter_rater", "n"] == 8).all()


def wide_features(n=30, p=40, seed=6, levels=()):
    rng = np.random.default_rng(seed)
    names = [f"original_glcm_f{number}" for number in range(p)]
    truth = rng.normal(5, 1, size=(n, p))
    tables = []
    for roi in ("L1-L3_trabecular", *(f"{level}_trabecular" for level in levels)):
        for rater in (1, 2):
            numbers = truth + 0.3 * rng.normal(size=truth.shape)
            keys = {"participant_id": [f"sub-{i:03d}" for i in range(n)], "session": None}
            keys |= {"rater": rater, "reading": 1, "roi": roi, "image": "vbmd", "flag": None}
            tables.append(
                pd.concat([pd.DataFrame(keys), pd.DataFrame(numbers, columns=names)], axis=1)
            )
    return pd.concat(tables, ignore_index=True), names


def test_features_equal_the_reference_column_by_column():
    features, names = wide_features(levels=LEVELS)
    features["wavelet-LLL_firstorder_Mean"] = np.nan
    features.loc[4, names[3]] = np.nan
    features.loc[7, "flag"] = "missing:L2"
    people = features[["participant_id", "session"]].drop_duplicates()
    table = feature_reproducibility(features, people, settings(), "L1-L3", 1)
    assert len(table) == 5 * len(names)
    pooled = features[features["roi"] == "L1-L3_trabecular"]
    first, second = (
        pooled[pooled["rater"] == r].set_index("participant_id")[names] for r in (1, 2)
    )
    kept = first.index != "sub-007"
    expected = icc_of_columns(first[kept], second[kept])
    found = table[table["roi"] == "L1-L3_trabecular"].set_index("variable")
    for column in ("icc21", "icc21_low", "icc31_high"):
        assert found[column].to_dict() == pytest.approx(expected[column].to_dict(), abs=1e-12)
    assert found["n"].to_dict() == expected["n"].to_dict()
    assert (found["n_excluded"] >= 1).all()
    each = table[table["roi"] == "L1-L3_each_trabecular"]
    assert (each["n_sets"] == 90).all() and each["icc21_low"].notna().all()
    with pytest.raises(ValueError, match="twice"):
        list(feature_readings(place_readings(pd.concat([features] * 2), people, "inter_rater")))


def test_1500_features_of_100_pairs_take_seconds(record):
    features, names = wide_features(100, 1500)
    features[names] = features[names].mask(
        np.random.default_rng(7).random((len(features), len(names))) < 0.02
    )
    features = features.copy()
    start = time.perf_counter()
    table = feature_reproducibility(features, features[["participant_id"]], settings(), "L1-L3", 1)
    seconds = time.perf_counter() - start
    record("Reproducibility", "1,500 features x 100 pairs, each with gaps", seconds, "s", "<= 10")
    assert len(table) == 1500 and table["n"].nunique() > 3
    assert seconds <= 10


def test_overlap_of_levels_and_of_people():
    rows = [
        ("sub-1", "1", "inter_rater", "seg_ct", "L1", 0.9),
        ("sub-1", "1", "inter_rater", "seg_ct", "L2", 0.0),
        ("sub-1", "2", "inter_rater", "seg_ct", "L1", 0.1),
        ("sub-2", None, "inter_rater", "seg_ct", "L1", 1.0),
    ]
    columns = ["participant_id", "session", "comparison", "image", "roi", "dice"]
    table = overlap_table(pd.DataFrame(rows, columns=columns)).set_index("roi")
    assert table.loc["L1", ["n", "mean", "min", "n_identical"]].tolist() == [2, 0.95, 0.9, 1]
    assert table.loc["L2", "n_one_sided"] == 1 and np.isnan(table.loc["L2", "sd"])
    assert table.loc["levels_mean", "mean"] == pytest.approx((0.45 + 1) / 2)
    assert overlap_table(pd.DataFrame(columns=columns)).empty


def test_tables_of_the_report():
    measurements, people = cohort()
    table, _ = measurement_reproducibility(measurements, people, settings(), "L1-L3", 1)
    table = table.rename(columns={"variable": "metric"})
    wanted = {("vbmd_mean", "L1-L3_trabecular")}
    agreement, error = reproducibility_tables(table, None, None, wanted, lambda name: "vBMD")
    assert [row[0].text for row in agreement.rows] == [
        "two raters",
        "one rater, twice",
        "repeated scans",
    ]
    row = table[(table["roi"] == "L1-L3_trabecular") & (table["comparison"] == "inter_rater")].iloc[
        0
    ]
    texts = [cell.text for cell in error.rows[0]]
    assert texts[1:4] == ["vBMD (mg/cm³)", "L1–L3 trabecular", "8"]
    assert texts[4].startswith(
        f"{row['rms_sd']:.{2 - int(np.floor(np.log10(row['rms_sd_high'])))}f} ("
    )
    expected = f"{row['icc21']:.3f} ({row['icc21_low']:.3f} to {row['icc21_high']:.3f})"
    assert agreement.rows[0][4].text == expected
    assert reproducibility_tables(table.iloc[:0], None, None, wanted) == []


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sessions", "words"),
    [
        ([["1"]], "two sessions or more"),
        ([["1", "2"], ["3", "4", "5"]], "same number"),
        ([["1", "2"], ["2", "3"]], "named twice"),
    ],
)
def test_repeated_sessions_that_make_no_sense(sessions, words):
    with pytest.raises(ValidationError, match=words):
        Reproducibility(repeat_sessions=sessions)


def test_repeated_sessions_of_nobody_stop_before_the_run(tmp_path):
    (tmp_path / "config").mkdir()
    rows = "participant_id\tsession\tdicom\nsub-01\t01\ta\nsub-01\t02\tb\n"
    (tmp_path / "config" / "subjects.tsv").write_text(rows)
    # YAML reads 01 as the number 1.
    content = {"statistics": {"reproducibility": {"repeat_sessions": [[1, 2]]}}}
    with pytest.raises(StudyError, match="nobody has session '1'.*has 01, 02"):
        check_study(tmp_path, content)
    content["statistics"]["reproducibility"]["repeat_sessions"] = [["01", "02"]]
    check_study(tmp_path, content)
    analysis = {"name": "a", "outcome": "x < 1", "clinical": ["age"]}
    analysis["radiomics"] = {"image": "vbmd", "reliability": ["scan_rescan"]}
    with pytest.raises(StudyError, match="needs statistics.reproducibility.repeat_sessions"):
        load_config({"analyses": [analysis]})
    analysis["radiomics"]["reliability"] = ["inter_rater", "inter_rater"]
    with pytest.raises(StudyError, match="twice"):
        load_config({"analyses": [analysis]})
