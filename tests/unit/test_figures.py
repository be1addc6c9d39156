"""Figures: nothing overlaps or leaves the page, files are reproducible, captions tell numbers."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import report_tables
from figure_checks import check_page, text_boxes
from PIL import Image

from osteoflow import wording
from osteoflow.cohort.flow import count_flow
from osteoflow.figures import style
from osteoflow.figures.agreement import draw_bland_altman, draw_truth
from osteoflow.figures.calibration import draw_calibration
from osteoflow.figures.decision_curve import draw_decision_curve
from osteoflow.figures.flow import draw_flow
from osteoflow.figures.lasso import draw_lasso
from osteoflow.figures.nomogram import draw_nomogram
from osteoflow.figures.roc import draw_roc
from osteoflow.figures.scatter import draw_scatter
from osteoflow.reports.calculator import calculator_content
from osteoflow.reports.truth import compare_truth, quantity_label
from osteoflow.settings.figures import Figures
from osteoflow.statistics.limits import bland_altman

SETTINGS = Figures()


@pytest.fixture(scope="module")
def tables() -> dict:
    return report_tables.analysis()


def statuses() -> pd.DataFrame:
    rows = []
    for i in range(1, 11):
        for step, modality in (
            ("convert", "ct"),
            ("calibrate_ct", "ct"),
            ("convert", "mri"),
            ("map_mri", "mri"),
        ):
            rows.append([f"sub-{i:02d}", step, modality, "ok", ""])
    table = pd.DataFrame(rows, columns=["subject", "step", "modality", "status", "code"])

    def put(subject: str, step: str, modality: str, status: str, code: str) -> None:
        here = (table["subject"] == subject) & (table["step"] == step)
        table.loc[here & (table["modality"] == modality), ["status", "code"]] = [status, code]

    put("sub-01", "convert", "ct", "excluded", "missing_slice")
    put("sub-01", "calibrate_ct", "ct", "excluded", "")
    put("sub-02", "calibrate_ct", "ct", "excluded", "phantom_not_found")
    put("sub-03", "calibrate_ct", "ct", "excluded", "phantom_not_found")
    put("sub-04", "convert", "mri", "absent", "")
    put("sub-04", "map_mri", "mri", "absent", "")
    return table


MODALITIES = {"ct": "CT: vBMD and radiomics", "mri": "MRI: PDFF, R2* and radiomics"}


def bland_altman_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(3)
    rows, points = [], []
    for image, variable, unit, mean in (
        ("vbmd", "vbmd_mean", "mg/cm³", 100.0),
        ("pdff", "pdff_mean", "%", 45.0),
        ("r2star", "r2star_mean", "1/s", 120.0),
    ):
        difference = rng.normal(0.01 * mean, 0.02 * mean, 14)
        key = {"comparison": "inter_rater", "image": image, "roi": "L1-L4_trabecular"}
        key |= {"variable": variable, "unit": unit}
        centre = rng.normal(mean, 9, 14)
        limits = bland_altman(centre - difference / 2, centre + difference / 2)._asdict()
        rows.append(key | {"n": 14} | limits)
        people = {"participant_id": [f"{i}" for i in range(14)]}
        points.append(pd.DataFrame(key | people | {"mean": centre, "difference": difference}))
    return pd.DataFrame(rows), pd.concat(points, ignore_index=True)


def truth_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(4)
    truth, measured = [], []
    for i in range(6):
        model = "matched" if i < 4 else "cupping"
        for level in ("L1", "L2"):
            value = rng.uniform(60, 150)
            truth.append([f"sub-{i}", level, "vbmd_apparent", value, "mg/cm3 K2HPO4", model])
            measured.append(
                [f"sub-{i}", 1, f"{level}_trabecular", "vbmd_mean", value + 2, "mg/cm3 K2HPO4"]
            )
    return compare_truth(
        pd.DataFrame(
            measured, columns=["participant_id", "rater", "roi", "metric", "value", "unit"]
        ),
        pd.DataFrame(
            truth, columns=["participant_id", "roi", "metric", "value", "unit", "scan_model"]
        ),
    )


def test_nomogram_places_every_label_apart(tables):
    figure, caption = draw_nomogram(tables["nomogram"], tables["summary"], SETTINGS)
    check_page(figure, 174)
    texts = [text for text, _ in text_boxes(figure)]
    # All categories survive; numbers are thinned but the ends of the idle predictor remain.
    assert {"Site A", "Site B", "University hospital C", "D", "18", "40"} <= set(texts)
    assert "−3" in texts and "100" in texts
    assert "13.9 points correspond to one unit" in caption
    assert "incorporation bias" in caption


def test_nomogram_says_whose_probabilities_it_gives(tables):
    summary = tables["summary"]
    _, caption = draw_nomogram(tables["nomogram"], summary, SETTINGS)
    assert "prevalence" not in caption
    n = summary["n"] - summary["n_holdout"]
    events = summary["n_events"] - summary["n_events_holdout"]
    _, caption = draw_nomogram(tables["nomogram"], summary | {"prevalence": 0.04}, SETTINGS)
    assert f"hold where {100 * events / n:.3g} % have the event" in caption
    assert "declared prevalence of 4 %" in caption
    content = calculator_content(
        tables["nomogram"] | {"predictors": [], "linear_model": {"method": "ml"}},
        summary | {"prevalence": 0.04, "incorporation_bias": False},
        pd.DataFrame(),
    )
    (warning,) = content["warnings"]
    assert warning in caption


def test_nomogram_of_separated_classes_says_that_its_interval_is_approximate(tables):
    nomogram, summary = tables["nomogram"], tables["summary"]
    for method, told in (("ml", False), ("firth", True)):
        given = nomogram | {"predictors": [], "linear_model": {"method": method}}
        statements = " ".join(calculator_content(given, summary, pd.DataFrame())["statements"])
        assert ("It is approximate" in statements) == told
        assert "Wald" in statements
        given = nomogram | {"linear_model": {"method": method}}
        _, caption = draw_nomogram(given, summary, SETTINGS)
        assert (
            "Wald intervals that the calculator gives with it are approximate" in caption
        ) == told


def test_nomogram_probability_stands_at_its_total_points(tables):
    nomogram = tables["nomogram"]
    figure, _ = draw_nomogram(nomogram, tables["summary"], SETTINGS)
    texts = figure.axes[0].texts  # the points axis is drawn first
    left, right = (
        next(text for text in texts if text.get_text() == value).get_position()[0]
        for value in ("0", "100")
    )
    item = next(p for p in nomogram["probability"] if p["probability"] == 0.5)
    expected = left + item["total_points"] / nomogram["total_points"]["max"] * (right - left)
    half = [text for text in texts if text.get_text() == "0.5"]
    assert min(abs(text.get_position()[0] - expected) for text in half) < 1e-6


def test_nomogram_without_effect_is_refused(tables):
    empty = {**tables["nomogram"], "predictors": []}
    with pytest.raises(ValueError, match="at least one predictor"):
        draw_nomogram(empty, tables["summary"], SETTINGS)


def test_roc_two_panels_and_its_numbers(tables):
    figure, caption = draw_roc(
        tables["roc"],
        tables["performance"],
        tables["comparisons"],
        tables["predictions"],
        tables["summary"],
        SETTINGS,
    )
    check_page(figure, 174)
    assert len(figure.axes) == 2
    combined = tables["performance"].query("model == 'combined' and metric == 'auc'")
    for value in combined["value"]:
        assert f"combined {value:.3f} (" in caption
    assert "80 participants" in caption and "5 folds, 2 repeats" in caption
    assert "combined minus clinical 0.090 (−0.020 to 0.200), p = 0.330" in caption
    assert "(paired DeLong on the hold-out; p adjusted: Holm, 3 tests)" in caption
    shown = " ".join(text for text, _ in text_boxes(figure))
    assert "Paired DeLong test; p adjusted: Holm, 3 tests" in shown
    assert "p = 0.330" in shown and "p = 0.110" not in shown + caption
    # Differences between folds have an interval but no test.
    assert "combined minus clinical 0.050 (−0.040 to 0.140)." in caption
    # The drawn hold-out curve is the table's, point by point.
    curve = tables["roc"].query("model == 'combined' and set == 'holdout'")
    drawn = [line.get_xydata() for line in figure.axes[1].lines]
    assert any(np.array_equal(xy, curve[["fpr", "tpr"]]) for xy in drawn)


def test_roc_tells_tests_from_differences_that_have_none(tables):
    names = ("roc", "performance", "comparisons", "predictions")
    found = {name: tables[name] for name in names}
    held = found["comparisons"]["test"].str.contains("hold-out")
    few = "difference on the hold-out (fewer than 10 events or non-events are held out)"
    none = {
        "z": np.nan,
        "p": np.nan,
        "p_adjusted": np.nan,
        "correction": "",
        "test": f"none: {few}",
    }
    for rows, words in ((held, "Not tested"), (held & (np.arange(len(held)) == 0), "Paired")):
        changed = found["comparisons"].copy()
        changed.loc[rows, list(none)] = list(none.values())
        figure, caption = draw_roc(
            *(found | {"comparisons": changed}).values(), tables["summary"], SETTINGS
        )
        check_page(figure, 174)
        shown = [text for text, _ in text_boxes(figure)]
        assert any(text.startswith(words) for text in shown)
        assert few in caption
        if rows.sum() == 1:
            assert "combined minus clinical 0.090 (−0.020 to 0.200), not tested;" in caption
            assert "p adjusted: Holm, 3 tests" in caption and "p = 0.740" in caption
        else:
            assert "Holm" not in caption and " p = " not in caption
            assert not any("DeLong" in text for text in shown)


def test_roc_longest_differences_fit(tables):
    comparisons = tables["comparisons"].assign(
        model_a="combined",
        model_b="radiomics",
        difference=-0.2,
        ci_low=-0.5,
        ci_high=-0.1,
        p_adjusted=0,
    )
    figure, caption = draw_roc(
        tables["roc"],
        tables["performance"],
        comparisons,
        tables["predictions"],
        tables["summary"],
        SETTINGS,
    )
    check_page(figure, 174)
    assert "−0.200 (−0.500 to −0.100), p < 0.001" in caption


def test_roc_without_hold_out_is_one_column(tables):
    cv = tables["roc"][tables["roc"]["set"] == "cv"]
    figure, caption = draw_roc(
        cv,
        tables["performance"],
        tables["comparisons"].iloc[:0],
        tables["predictions"],
        tables["summary"],
        SETTINGS,
    )
    check_page(figure, 85)
    assert "DeLong" not in caption


@pytest.mark.parametrize("penalty", ["lambda_min", "lambda_1se"])
def test_lasso(tables, penalty):
    figure, caption = draw_lasso(
        tables["lasso_path"], tables["lasso_cv"], tables["summary"], SETTINGS, penalty
    )
    check_page(figure, 174)
    cv, path = tables["lasso_cv"], tables["lasso_path"]
    value = cv.loc[cv["mark"] == penalty, "lambda"].iloc[0]
    n = int((path.loc[path["lambda"] == value, "coefficient"] != 0).sum())
    assert f"The analysis takes {penalty}, which selects {n} features" in caption
    assert wording.significant(value, 3) in caption


def test_an_elastic_net_is_not_called_a_lasso(tables):
    summary = {**tables["summary"]}
    summary["radiomics"] = {"learners": {"radiomics": {"learner": "elastic_net"}}}
    _, caption = draw_lasso(tables["lasso_path"], tables["lasso_cv"], summary, SETTINGS)
    assert caption.startswith("Elastic net logistic regression for") and "LASSO" not in caption


def test_lasso_marks_share_one_penalty_or_are_missing(tables):
    cv = tables["lasso_cv"].copy()
    best = cv.index[cv["mark"] == "lambda_min"][0]
    cv["mark"] = ""
    cv.loc[best, "mark"] = "lambda_min,lambda_1se"
    figure, caption = draw_lasso(tables["lasso_path"], cv, tables["summary"], SETTINGS)
    check_page(figure, 174)
    assert "lambda_min = " in caption and "lambda_1se = " in caption
    cv["mark"] = ""
    with pytest.raises(ValueError, match="no lambda_min"):
        draw_lasso(tables["lasso_path"], cv, tables["summary"], SETTINGS)


@pytest.mark.parametrize("keep", [None, 0])
def test_lasso_that_selects_nothing(tables, keep):
    path, cv = tables["lasso_path"].iloc[:keep].copy(), tables["lasso_cv"]
    path["coefficient"] = 0.0
    figure, caption = draw_lasso(path, cv, tables["summary"], SETTINGS)
    check_page(figure, 174)
    assert caption.endswith("which selects 0 features.")


def test_calibration_and_decision_curve(tables):
    figure, caption = draw_calibration(
        tables["calibration"],
        tables["performance"],
        tables["predictions"],
        tables["summary"],
        SETTINGS,
    )
    check_page(figure, 174)
    assert len(figure.axes) == 12
    assert "slope 0.84 (0.41 to 1.32), intercept −0.11 (−0.60 to 0.35)" in caption
    # Beneath, predictions of all repeats, a participant's together counting once.
    bars = [line for up in figure.axes[1].collections for line in up.get_segments()]
    heights = np.array([line[1][1] for line in bars])
    people = tables["predictions"].query("set == 'cv'").drop_duplicates("participant_id")
    events = people["outcome"].sum()
    assert heights[heights > 0].sum() == pytest.approx(events)
    assert -heights[heights < 0].sum() == pytest.approx(len(people) - events)
    first = tables["predictions"].query("set == 'cv' and model == 'clinical' and outcome == 1")
    drawn = np.histogram(first["probability"], np.linspace(0, 1, len(bars) // 2 + 1))[0] / 2
    np.testing.assert_allclose(heights[: len(drawn)], drawn)
    figure, caption = draw_decision_curve(
        tables["decision_curve"], tables["predictions"], tables["summary"], SETTINGS
    )
    check_page(figure, 174)
    table = tables["decision_curve"]
    people = tables["predictions"].query("set == 'cv'").drop_duplicates("participant_id")
    at = table[table["set"] == "cv"]
    nearest = (at["threshold"] - people["outcome"].mean()).abs()
    at = at[nearest == nearest.min()]
    value = at.loc[at["strategy"] == "combined", "net_benefit"].iloc[0]
    assert f"combined {value:.3f}" in caption.replace("−", "-")


def test_bland_altman():
    limits, points = bland_altman_tables()
    for n, width in ((3, 174), (2, 174), (1, 85)):
        figure, caption = draw_bland_altman(limits.iloc[:n], points, SETTINGS)
        check_page(figure, width)
        assert len(figure.axes) == n
        assert [a.get_ylabel()[:17] for a in figure.axes] == ["Rater 2 − rater 1"] * n
    row = limits.iloc[0]
    assert f"bias {row['bias']:.2f} mg/cm³" in caption
    assert "proportional bias" not in caption
    scans = limits.assign(comparison="scan_rescan", slope=0.31, slope_p=0.012)
    figure, caption = draw_bland_altman(scans, points, SETTINGS)
    assert figure.axes[0].get_xlabel() == "Mean of both scans (mg/cm³)"
    assert "proportional bias: 0.31 per unit of the mean, p = 0.012" in caption
    with pytest.raises(ValueError, match="too many values"):
        draw_bland_altman(pd.concat([limits, scans]), points, SETTINGS)
    with pytest.raises(ValueError, match="not 0"):
        draw_bland_altman(limits.iloc[:0], points, SETTINGS)


def test_truth_figure():
    per_vertebra, summary = truth_tables()
    figure, caption = draw_truth(per_vertebra, summary, SETTINGS, quantity_label)
    check_page(figure, 85)
    assert "vBMD, apparent (mg/cm³), matched (8 vertebrae): mean absolute error 2.00" in caption
    assert "(limit 3: met)" in caption and "cupping (4 vertebrae)" in caption


def test_scatter_line_is_least_squares():
    x = np.arange(10.0)
    table = pd.DataFrame({"x": x, "y": 2 * x + 1 + np.tile([0.5, -0.5], 5)})
    table.loc[10] = [3.0, np.nan]
    correlations = pd.DataFrame(
        [
            ["y", "x", "spearman", None, 10, 0.99, 0.95, 1.0, 1e-9, 2e-9],
            ["y", "x", "spearman", "age,sex", 10, -0.5, -0.8, 0.1, 0.2, 0.25],
        ],
        columns=["x", "y", "method", "covariates", "n", "r", "ci_low", "ci_high", "p", "p_fdr"],
    )
    figure, caption = draw_scatter(table, "x", "y", SETTINGS, str, correlations)
    check_page(figure, 85)
    slope, intercept = np.polyfit(x, table["y"][:10], 1)
    assert f"slope {slope:.2f}, intercept {intercept:.2f}" in caption
    assert "10 participants (1 without both values left out)" in caption
    assert "ρ = 0.99 (95 % interval 0.95 to 1.00), p < 0.001, adjusted p < 0.001, n = 10" in caption
    assert "p = 0.200, adjusted p = 0.250" in caption
    assert "Benjamini and Hochberg over 2 declared correlations" in caption
    assert "Partial Spearman correlation given age and sex: ρ = −0.50" in caption


def test_scatter_without_a_line_is_a_notice():
    table = pd.DataFrame({"x": [1.0, 2, 3, 4], "y": [1.0, 2, np.nan, np.nan]})
    figure, caption = draw_scatter(table, "x", "y", SETTINGS, lambda name: f"Value {name} (mm)")
    check_page(figure, 85)
    assert caption == (
        "Value y (mm) against Value x (mm): 2 of 4 participants have both values, fewer than the "
        "3 that a line needs."
    )
    assert draw_scatter(table.iloc[:0], "x", "y", SETTINGS)[1].startswith("y against x: 0 of 0")
    flat = table.assign(x=5.0, y=table["x"])
    figure, caption = draw_scatter(flat, "x", "y", SETTINGS)
    check_page(figure, 85)
    assert caption == "y against x: all 4 participants with both values have the same x."
    three = draw_scatter(flat.assign(x=[1.0, 2, 3, np.nan]), "x", "y", SETTINGS)[1]
    assert "in 3 participants (1 without both values left out)" in three


def test_flow_counts_each_participant_once():
    flow = count_flow(statuses(), MODALITIES)
    n = flow.set_index(["modality", "outcome", "code"])["n"]
    assert n["ct", "enrolled", ""] == 10
    assert n["ct", "excluded", "missing_slice"] == 1
    assert n["ct", "excluded", "phantom_not_found"] == 2
    assert n["ct", "analysed", ""] == 7
    assert n["mri", "absent", ""] == 1 and n["mri", "analysed", ""] == 9
    lost = flow[flow["outcome"].isin(["absent", "excluded", "analysed"])]
    assert (lost.groupby("modality")["n"].sum() == 10).all()
    with pytest.raises(ValueError, match="unknown status: lost"):
        count_flow(statuses().assign(status="lost"), MODALITIES)


def test_flow_figure(tables):
    flow = count_flow(statuses(), MODALITIES)
    figure, caption = draw_flow(flow, SETTINGS, [tables["summary"]])
    check_page(figure, 174)
    assert "7 analysed; not analysed: 1 missing slice and 2 phantom not found" in caption
    figure, _ = draw_flow(flow[flow["modality"] == "mri"], SETTINGS)
    check_page(figure, 174)


def test_files_of_an_unwanted_format_are_removed(tmp_path):
    from matplotlib.figure import Figure

    from osteoflow.figures.style import save_as_wanted

    png = tmp_path / "roc.png"
    save_as_wanted(Figure(), png, Figures(formats=["pdf", "svg"]), "Both.")
    save_as_wanted(Figure(), png, Figures(formats=["pdf"]), "One.")
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["roc.pdf", "roc.png", "roc.rst"]


def test_saved_files_are_exact_and_equal(tmp_path):
    table = pd.DataFrame({"x": np.arange(5.0), "y": np.arange(5.0) ** 2})
    for folder in ("a", "b"):
        figure, _ = draw_scatter(table, "x", "y", SETTINGS)
        written = style.save(
            figure, tmp_path / folder / "s", ["pdf", "png", "svg"], 300, "R2* of a_b, {{ x }}"
        )
        assert [path.name for path in written] == ["s.pdf", "s.png", "s.svg", "s.rst"]
    for kind in ("pdf", "png", "svg", "rst"):
        first, second = ((tmp_path / f / f"s.{kind}").read_bytes() for f in "ab")
        assert first == second, kind
    with Image.open(tmp_path / "a" / "s.png") as picture:
        assert picture.width == pytest.approx(85 / 25.4 * 300, abs=1)
    pdf = (tmp_path / "a" / "s.pdf").read_bytes()
    assert b"/Subtype /Type0" in pdf or b"/FontFile2" in pdf
    assert b"/Type3" not in pdf and b"CreationDate" not in pdf
    assert (tmp_path / "a" / "s.rst").read_text() == "R2\\* of a\\_b, \\{\\{ x \\}\\}\n"
    with pytest.raises(ValueError, match="not as 'gif'"):
        style.save(figure, tmp_path / "s", ["gif"], 300, "")
    assert not list(tmp_path.rglob(".*"))


def test_settings_of_matplotlib_stay_untouched():
    before = dict(mpl.rcParams)
    draw_scatter(pd.DataFrame({"x": [0, 1, 2.0], "y": [1, 0, 1.0]}), "x", "y", SETTINGS)
    assert dict(mpl.rcParams) == before


def test_words():
    assert wording.number(-0.001) == "0.00" and wording.number(-1.5, 1) == "−1.5"
    assert wording.number(float("nan")) == "not estimable"
    assert wording.significant(1234.567) == "1235" and wording.significant(0.012345, 3) == "0.0123"
    assert wording.significant(100.0) == "100" and wording.significant(2.5e-7, 3) == "2.5 × 10⁻⁷"
    assert wording.p_value(0.0004) == "p < 0.001" and wording.p_value(0.0996) == "p = 0.100"
    assert wording.p_value(0.0123) == "p = 0.012" and wording.p_value(0.9995) == "p > 0.999"
    assert wording.interval(-1, 0.5) == "−1.00 to 0.50"
    assert wording.listing(["a", "b", "c"]) == "a, b and c" and wording.listing([]) == ""
    assert wording.feature_name("original_glcm_JointEnergy") == "GLCM JointEnergy"
    assert wording.feature_name("wavelet-LLH_firstorder_Mean") == "First-order Mean (wavelet-LLH)"
    assert wording.feature_name("age") == "age"


def test_wrap_keeps_every_character_within_the_width():
    text = "A short line with anexceptionallylongwordwithoutanyspaceinside it"
    lines = style.wrap(text, 20)
    assert all(style.text_width(line) <= 20 for line in lines)
    assert re.sub(r"\s", "", "".join(lines)) == text.replace(" ", "")
