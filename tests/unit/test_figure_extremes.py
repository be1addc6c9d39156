"""Every figure with what a study may really bring: long names, many models, reasons and points."""

from __future__ import annotations

import os
import re
import string
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report_tables
from figure_checks import check_page, text_boxes
from matplotlib.colors import to_rgb
from nomogram_models import combined_model

from osteoflow.figures import style
from osteoflow.figures.agreement import draw_bland_altman, draw_truth
from osteoflow.figures.calibration import draw_calibration, panels_in_row
from osteoflow.figures.decision_curve import draw_decision_curve
from osteoflow.figures.drift import draw_drift
from osteoflow.figures.flow import draw_flow
from osteoflow.figures.lasso import draw_lasso
from osteoflow.figures.nomogram import draw_nomogram
from osteoflow.figures.nomogram_calibration import draw_nomogram_calibration
from osteoflow.figures.notice import draw_notice
from osteoflow.figures.roc import draw_roc
from osteoflow.figures.scatter import draw_scatter
from osteoflow.figures.stard import draw_stard
from osteoflow.model_names import in_sentence, model_name
from osteoflow.models.nomogram_document import nomogram_document
from osteoflow.settings.figures import Figures
from osteoflow.statistics.limits import bland_altman

SETTINGS = Figures()
MODELS = [
    "baseline_hu_l1l2l3l4_mean",
    "baseline_dxa_tscore",
    "clinical",
    "measurements",
    "radiomics",
    "radiomics_random_forest",
    "radiomics_gradient_boosting",
    "combined",
]
LONG = "Osteoporosis or osteopenia by quantitative CT (vBMD < 120 mg/cm³ K₂HPO₄) at any of L1–L4"
WORD = "Pneumonoultramicroscopicsilicovolcanoconiosis"


@pytest.fixture(scope="module")
def tables() -> dict:
    """The tables of an analysis with eight models."""
    found = report_tables.analysis()
    for name in ("predictions", "performance", "roc", "calibration"):
        table = found[name]
        parts = []
        for i, model in enumerate(MODELS):
            source = report_tables.MODELS[i % 3]
            parts.append(table[table["model"] == source].assign(model=model))
        found[name] = pd.concat(parts, ignore_index=True)
    curve = found["decision_curve"]
    parts = [curve[curve["strategy"].isin(["all", "none"])]]
    for i, model in enumerate(MODELS):
        rows = curve[curve["strategy"] == report_tables.MODELS[i % 3]]
        parts.append(rows.assign(strategy=model, net_benefit=rows["net_benefit"] - 0.004 * (7 - i)))
    found["decision_curve"] = pd.concat(parts, ignore_index=True)
    rows = []
    for i, a in enumerate(MODELS):
        for b in MODELS[:i]:
            tested = (0.1, 0.0164, 0.46, "Holm, 28 tests", "paired DeLong, hold-out")
            rows.append((a, b, 0.0004 * i, -0.0012, 0.0021, *tested))
            none = (np.nan, np.nan, np.nan, "", "none: differences of folds")
            rows.append((a, b, -0.2, -0.5, -0.1, *none))
    found["comparisons"] = pd.DataFrame(rows, columns=found["comparisons"].columns)
    found["summary"] = {**found["summary"], "models": MODELS, "outcome_label": LONG}
    return found


def keep(figure, name: str) -> None:
    """The figure as a file, to be looked at, where a folder is named for them."""
    folder = os.environ.get("OSTEOFLOW_FIGURES_SEEN")
    if folder:
        style.save(figure, Path(folder) / name, ["png"], 200, "")


def test_roc(tables):
    names = ("roc", "performance", "comparisons", "predictions")
    figure, caption = draw_roc(*(tables[n] for n in names), tables["summary"], SETTINGS)
    keep(figure, "roc")
    check_page(figure, 174)
    texts = [text for text, _ in text_boxes(figure)]
    assert any("Radiomics (gradient boosting): 0." in text for text in texts)
    # A difference of 0.0028 does not become 0.00, and of 28 pairs those with the last remain.
    assert "combined minus radiomics 0.003 (−0.001 to 0.002), p = 0.46" in caption
    assert "measurements minus clinical" not in caption and "comparisons.tsv" in caption
    some = tables["roc"][tables["roc"]["set"] == "cv"]
    figure, _ = draw_roc(some, *(tables[n] for n in names[1:]), tables["summary"], SETTINGS)
    keep(figure, "roc_one")
    check_page(figure, 85)


@pytest.mark.parametrize("n", [1, 4, 5, 8])
def test_calibration(tables, n):
    table = tables["calibration"]
    table = table[table["model"].isin(MODELS[-n:])]
    figure, _ = draw_calibration(
        table, tables["performance"], tables["predictions"], tables["summary"], SETTINGS
    )
    keep(figure, f"calibration_{n}")
    check_page(figure, 85 if n == 1 else 174)
    assert len(figure.axes) == 4 * n
    # Rows are as even as can be, and one panel never stands alone under others.
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    rows = Counter(round(axes.get_position().y0, 3) for axes in panels)
    in_row = panels_in_row(n)
    assert sorted(rows.values()) == sorted([in_row, n - in_row] * 2 if n > in_row else [n] * 2)
    letters = [re.search(r"\\bf\{(\w*)\}", axes.get_title(loc="left"))[1] for axes in panels]
    assert letters == list(string.ascii_lowercase[: 2 * n])
    for axes in panels:
        assert "intercept −0.11" in axes.get_title(loc="left")
    assert figure.get_size_inches()[1] * 25.4 <= style.PAGE_MM


def test_rows_of_panels_are_even():
    assert [panels_in_row(n) for n in range(1, 11)] == [1, 2, 3, 4, 5, 3, 4, 4, 5, 5]


def test_decision_curve(tables):
    table = tables["decision_curve"]
    for name, rows in (("both", table), ("one", table[table["set"] == "cv"])):
        figure, _ = draw_decision_curve(rows, tables["predictions"], tables["summary"], SETTINGS)
        keep(figure, f"decision_{name}")
        check_page(figure, 174 if name == "both" else 85)


def test_lasso_with_many_features(tables):
    rng = np.random.default_rng(0)
    cv = tables["lasso_cv"]
    names = [f"wavelet-LLH_glrlm_LongRunHighGrayLevelEmphasisOfNumber{i:03d}" for i in range(400)]
    strength = np.linspace(0, 1, len(cv))
    path = pd.concat(
        pd.DataFrame(
            {"lambda": cv["lambda"], "feature": name, "coefficient": rng.normal() * strength}
        )
        for name in names
    )
    figure, _ = draw_lasso(path, cv, tables["summary"], SETTINGS)
    keep(figure, "lasso")
    check_page(figure, 174)


def nomogram_of_twelve() -> dict:
    rng = np.random.default_rng(1)
    n = 300
    table = pd.DataFrame({f"c{i}": rng.normal(50 * i, 3 + i, n) for i in range(9)})
    table["idle"] = rng.normal(0, 1, n)
    table["treatment"] = rng.choice(
        ["none", "alendronate", "zoledronate", "denosumab", "teriparatide", "romosozumab",
         "raloxifene (selective oestrogen receptor modulator)", "abaloparatide"], n
    )  # fmt: skip
    scores = rng.normal(0, 1, n)
    eta = scores + 0.1 * (table["c1"] - 50) - 0.05 * (table["c8"] - 400)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    labels = {f"c{i}": f"Predictor with a long name, number {i} (mg/cm³ K₂HPO₄)" for i in range(8)}
    labels["c8"] = WORD
    return nomogram_document(combined_model(table, y, scores), table, labels)


@pytest.fixture(scope="module")
def chart() -> dict:
    return nomogram_of_twelve()


def test_nomogram_of_twelve(tables, chart):
    figure, _ = draw_nomogram(chart, tables["summary"], SETTINGS)
    keep(figure, "nomogram")
    check_page(figure, 174)
    # Every treatment is named; a name wider than its place is broken, not lost.
    shown = " ".join(text for text, _ in text_boxes(figure)).replace("\n", "")
    for word in ("zoledronate", "abaloparatide", "raloxifene"):
        assert word in shown


def test_nomogram_calibration(tables):
    at = np.linspace(0.02, 0.97, 50)
    curve = pd.DataFrame({"predicted": at, "apparent": at + 0.05, "corrected": at**0.5})
    found = {"mean_absolute_error": 0.0712, "error_90": 0.13, "n": 9000, "resamples": 1000}
    found |= {"failed": 3, "penalised": 1}
    figure, caption = draw_nomogram_calibration(curve, found, tables["summary"], SETTINGS)
    keep(figure, "nomogram_calibration")
    check_page(figure, 85)
    assert "Mean absolute error 0.071" in caption and "997 resamples" in caption
    assert "3 resamples could not be fitted. 1 resample had separated" in caption
    assert len(figure.axes[0].lines) == 4
    figure, caption = draw_nomogram_calibration(curve.iloc[:0], found, tables["summary"], SETTINGS)
    check_page(figure, 85)
    assert "too few or too alike" in caption


def flow_of_thirty(modalities: int) -> pd.DataFrame:
    rows = []
    labels = ["CT: vBMD", "MRI: fat fraction", "MRI: T2", "MRI: ADC"]
    for m in range(modalities):
        head = (f"m{m}", labels[m])
        rows.append((*head, "enrolled", "", "", "", 12345))
        rows.append((*head, "absent", "", "", "not acquired", 7))
        for i in range(30):
            reason = WORD if i == 3 else f"reason number {i} with several words, of some length"
            rows.append((*head, "excluded", "calibrate_ct", f"r{i}", reason, 30 - i))
        rows.append((*head, "analysed", "", "", "", 11873))
        rows.append((*head, "reviewed", "", "", "", 400))
        rows.append((*head, "level_rejected", "", "", "", 31))
    columns = ["modality", "label", "outcome", "step", "code", "reason", "n"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(("modalities", "analyses"), [(1, 1), (2, 3), (4, 5), (2, 9)])
def test_flow_with_thirty_reasons(tables, modalities, analyses):
    flow = flow_of_thirty(modalities)
    figure, caption = draw_flow(flow, SETTINGS, [tables["summary"]] * analyses)
    keep(figure, f"flow_{modalities}_{analyses}")
    check_page(figure, 174)
    texts = " ".join(text for text, _ in text_boxes(figure)).split()
    assert "other" in texts and "(n = 465)" in " ".join(texts)
    assert "1 reason number 29" in caption
    assert figure.get_size_inches()[1] * 25.4 <= style.PAGE_MM


def stard(held: bool, kinds: int = 30) -> dict:
    lost = [
        {"stage": "no_index_test", "reason": f"reason number {i}: {WORD}", "step": "convert"}
        | {"n": 40 - i}
        for i in range(kinds)
    ]
    lost += [
        {"stage": "no_reference_standard", "reason": "reference standard missing or inconclusive",
         "step": "", "n": 12},
        {"stage": "not_modelled", "reason": "hold-out rule 'site == B' cannot be evaluated",
         "step": "", "n": 3},
    ]  # fmt: skip
    return {
        "eligible": 12345,
        "further_sessions": 17,
        "lost": lost,
        "index_test": 11580,
        "reference_standard": 11568,
        "analysed": {"n": 11565, "events": 4000},
        "development": {"n": 8000, "events": 2800},
        "holdout": {"n": 3565, "events": 1200} if held else None,
        "interval": {
            "column": "reference_interval_days", "n": 11000, "missing": 565, "median": 12.5,
            "min": -30.0, "max": 364.0,
        },
        "results": {
            "model": "combined", "set": "holdout" if held else "cv", "repeats": 5,
            "threshold": [0.31, 0.44], "true_positive": 900, "false_positive": 400,
            "false_negative": 300, "true_negative": 1965,
        },
    }  # fmt: skip


@pytest.mark.parametrize("held", [True, False])
def test_stard(tables, held):
    figure, caption = draw_stard(stard(held), tables["summary"], SETTINGS)
    keep(figure, f"stard_{held}")
    check_page(figure, 174)
    shown = " ".join(text for text, _ in text_boxes(figure))
    assert "median 12.5 [range −30 to 364]" in shown.replace("\n", " ")
    assert "Index test positive n = 1300" in shown and "event: 900" in shown
    assert ("first of 5 repeats" in caption) != held
    bare = stard(held, 0) | {"results": None, "interval": None, "lost": [], "further_sessions": 0}
    figure, caption = draw_stard(bare, tables["summary"], SETTINGS)
    check_page(figure, 174)
    assert "Positive:" not in caption
    for part in ("analysed", "development", "holdout"):  # an outcome that is no event
        bare[part] = bare[part] and {**bare[part], "events": None}
    figure, _ = draw_stard(bare, tables["summary"], SETTINGS)
    assert "event" not in " ".join(text for text, _ in text_boxes(figure))


def test_scatter_of_ten_thousand(tmp_path):
    rng = np.random.default_rng(2)
    x = rng.normal(100, 30, 10_000)
    table = pd.DataFrame({"x": x, "y": 0.3 * x + rng.normal(0, 8, 10_000)})
    names = ["x", "y", "method", "covariates", "n", "r", "ci_low", "ci_high", "p"]
    found = pd.DataFrame(
        [["x", "y", "spearman", "age,sex,bmi,site", 10_000, 0.7, 0.69, 0.71, 0, 0]],
        columns=[*names, "p_fdr"],
    )
    label = {"x": "Proton density fat fraction of trabecular bone of the lumbar spine, L1–L4 (%)"}
    figure, _ = draw_scatter(table, "x", "y", SETTINGS, lambda n: label.get(n, n), found)
    keep(figure, "scatter")
    check_page(figure, 85)
    assert figure.axes[0].collections[-1].get_rasterized()
    pdf, svg, *_ = style.save(figure, tmp_path / "s", ["pdf", "svg"], 300, "")
    # Points are pixels inside; text stays text with its font, or outlines that need none.
    for path in (pdf, svg):
        assert path.stat().st_size < 600_000
    assert b"/FontFile2" in pdf.read_bytes() and b"/Type3" not in pdf.read_bytes()
    assert "font-family" not in svg.read_text()


def agreement_tables(n: int, panels: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(4)
    limits, points = [], []
    for i in range(panels):
        key = {"comparison": "inter_rater", "image": f"image{i}", "roi": "L1-L4_trabecular"}
        key |= {"variable": f"v{i}", "unit": "mg/cm³ K2HPO4"}
        mean, difference = rng.normal(10.0 ** (i - 2), 10.0 ** (i - 3), n), rng.normal(0, 1, n)
        difference *= 10.0 ** (i - 4)
        found = bland_altman(mean - difference / 2, mean + difference / 2)._asdict()
        limits.append(key | {"n": n} | found)
        points.append(pd.DataFrame(key | {"mean": mean, "difference": difference}))
    return pd.DataFrame(limits), pd.concat(points, ignore_index=True)


@pytest.mark.parametrize("panels", [1, 2, 3, 5])
def test_bland_altman(panels):
    limits, points = agreement_tables(10_000 if panels == 1 else 40, panels)
    figure, _ = draw_bland_altman(
        limits, points, SETTINGS, lambda name: f"Apparent proton density fat fraction, {name}"
    )
    keep(figure, f"bland_altman_{panels}")
    check_page(figure, 85 if panels == 1 else 174)
    if panels == 1:
        assert figure.axes[0].collections[-1].get_rasterized()


def test_truth():
    rng = np.random.default_rng(5)
    rows = [
        (metric, model, t, t + rng.normal())
        for metric in ("a", "b", "c")
        for model in ("matched", "cupping_artefact", "metal_artefact", "noise_and_motion", "other")
        for t in rng.uniform(0, 100, 800)
    ]
    table = pd.DataFrame(rows, columns=["metric", "scan_model", "truth", "measured"])
    summary = pd.DataFrame(columns=["n"])
    figure, _ = draw_truth(table, summary, SETTINGS, lambda m: f"Fat fraction of marrow, {m} (%)")
    keep(figure, "truth")
    check_page(figure, 174)


def test_drift():
    day = np.arange(0, 400, 7.0)
    parts = [
        pd.DataFrame({
            "series": i, "day": day, "change": 0.01 * np.sin(day / 40), "limit": 0.015,
            "state": "in_control", "scanner": "Manufacturer Somatom Definition Edge Plus 64",
            "kvp": 120.0, "kernel": "Br40d with iterative reconstruction", "trend": np.nan,
        })
        for i in range(3)
    ]  # fmt: skip
    figure, _ = draw_drift(pd.concat(parts), SETTINGS)
    keep(figure, "drift")
    check_page(figure, 85)


def test_notice():
    text = f"This analysis was not possible: {'too few events, ' * 20}{WORD * 3}."
    figure, _ = draw_notice(text, SETTINGS)
    keep(figure, "notice")
    check_page(figure, 85)


def test_names_of_models():
    assert [model_name(name) for name in MODELS] == [
        "HU L1–L4 alone", "DXA T-score alone", "Clinical", "Measurements", "Radiomics",
        "Radiomics (random forest)", "Radiomics (gradient boosting)", "Combined",
    ]  # fmt: skip
    assert model_name("baseline_hu", {"hu": "Mean HU"}) == "Mean HU alone"
    assert in_sentence("radiomics_svm") == "radiomics (SVM)"
    assert in_sentence("baseline_hu_mean") == "HU alone"
    assert in_sentence("baseline_vbmd_mean") == "vBMD alone"


def test_every_model_has_a_line_of_its_own():
    known = [*style.MODEL_STYLES, "baseline_a", "baseline_b", "baseline_c", "baseline_d"]
    styles = [style.model_style(name, i, known) for i, name in enumerate(known)]
    assert len({(s["color"], str(s["linestyle"])) for s in styles}) == len(known)
    # The same whatever is drawn beside it.
    assert style.model_style("radiomics_svm", 0) == style.model_style("radiomics_svm", 5, known)
    # Those that look alike without red-green vision differ in their dashes.
    for i, a in enumerate(styles):
        for b in styles[:i]:
            if distance(a["color"], b["color"]) < 0.12:
                assert a["linestyle"] != b["linestyle"], (a, b)


def distance(a: str, b: str) -> float:
    """Distance of two colours to a deuteranope (Viénot et al., Color Res Appl 1999;24:243)."""
    lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714],
                    [0.0299566, 0.184309, 1.46709]])  # fmt: skip
    blind = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    seen = np.linalg.inv(lms) @ blind @ lms
    first, second = (seen @ (np.array(to_rgb(c)) ** 2.2) for c in (a, b))
    return float(np.abs(first.clip(0, 1) ** (1 / 2.2) - second.clip(0, 1) ** (1 / 2.2)).max())
