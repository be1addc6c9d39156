"""Figures and report of ordered classes and quantities, also with long names and few people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from figure_checks import check_page, text_boxes
from outcome_cohort import BASE, CLASSES, CONTINUOUS, ORDINAL, cohort

from osteoflow.figures.classes import draw_classes, mean_counts
from osteoflow.figures.lasso import draw_lasso
from osteoflow.figures.model_tables import first_model
from osteoflow.figures.of_analysis import DRAW, draw_of_analysis
from osteoflow.figures.of_kind import FIGURES_OF_KIND, all_figures, model_figures
from osteoflow.figures.predicted import draw_predicted, mean_predictions
from osteoflow.models.analyse import run
from osteoflow.reports.analysis import AnalysisReport, describe_analysis
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.figures import Figures

SETTINGS = Figures()


@pytest.fixture(scope="module")
def ordinal():
    return run(*cohort(), Analysis.model_validate(BASE | ORDINAL), seed=3)


@pytest.fixture(scope="module")
def continuous():
    about = BASE | CONTINUOUS | {"outcome_label": "vBMD of L1–L2 (mg/cm³)"}
    return run(*cohort(), Analysis.model_validate(about), seed=3)


def _classes(result, summary=None):
    names = ("confusion", "roc", "performance")
    return draw_classes(
        *(result.tables[name] for name in names), summary or result.documents["summary"], SETTINGS
    )


def test_figure_of_classes(ordinal):
    figure, caption = _classes(ordinal)
    check_page(figure, SETTINGS.double_column_mm)
    rows = ordinal.tables["confusion"]
    rows = rows[(rows["set"] == "holdout") & (rows["model"] == "combined")]
    counts = mean_counts(rows, CLASSES)
    shown = [text for text, _ in text_boxes(figure) if "%\n" in text]
    assert len(shown) == 18
    assert f"({int(counts[0, 0])})" in shown[9]
    share = counts[0] / counts[0].sum()
    assert shown[9].startswith(f"{100 * share[0]:.0f} %")
    assert "weighted kappa" in caption
    assert "Hold-out" in caption


def test_figure_of_many_long_classes():
    names = ["Pneumonoultramicroscopic", "osteopenia of uncertain cause", "normal", "high", "e"]
    rows = [("combined", "cv", 1, a, b, 3 if a == b else 1) for a in names for b in names]
    confusion = pd.DataFrame(rows, columns=["model", "set", "repeat", "observed", "predicted", "n"])
    grid = np.linspace(0, 1, 11)
    roc = pd.concat(
        pd.DataFrame({"model": "combined", "set": "cv", "class": name, "fpr": grid, "tpr": grid})
        for name in names
    )
    performance = pd.DataFrame(
        [("combined", "cv", f"auc_{name}", 0.5, 0.4, 0.6, "m") for name in names],
        columns=["model", "set", "metric", "value", "ci_low", "ci_high", "method"],
    )
    summary = {"classes": dict.fromkeys(names, 7), "models": ["combined"], "outcome": "grade"}
    figure, caption = draw_classes(confusion, roc, performance, summary, SETTINGS)
    check_page(figure, SETTINGS.double_column_mm)
    assert "not estimable" in caption  # measures that the table lacks
    with pytest.raises(ValueError, match="is empty"):
        draw_classes(confusion.head(0), roc, performance, summary, SETTINGS)


def test_figure_of_predictions(continuous):
    tables, summary = continuous.tables, continuous.documents["summary"]
    figure, caption = draw_predicted(
        tables["predictions"], tables["performance"], summary, SETTINGS
    )
    check_page(figure, SETTINGS.double_column_mm)
    points = mean_predictions(tables["predictions"], "combined", "holdout")
    scatter, differences = figure.axes[2], figure.axes[3]
    drawn = scatter.collections[0].get_offsets()
    assert np.asarray(drawn) == pytest.approx(points[["outcome", "prediction"]].to_numpy())
    gap = (points["prediction"] - points["outcome"]).to_numpy()
    assert np.asarray(differences.collections[0].get_offsets())[:, 1] == pytest.approx(gap)
    assert "bias" in caption
    assert "mean over repeats" in caption


def test_figure_of_equal_predictions_and_a_huge_unit():
    n = 5
    predictions = pd.DataFrame(
        {"participant_id": [f"p{i}" for i in range(n)], "set": "holdout", "model": "clinical",
         "repeat": 0, "fold": 0, "outcome": np.linspace(1e6, 2e6, n), "prediction": 1.5e6}
    )  # fmt: skip
    performance = pd.DataFrame(
        [("clinical", "holdout", m, v, np.nan, np.nan, "m")
         for m, v in {"r2": 0.0, "rmse": 3.5e5, "bias": 0.0, "limit_low": -7.7e5,
                      "limit_high": 7.7e5}.items()],
        columns=["model", "set", "metric", "value", "ci_low", "ci_high", "method"],
    )  # fmt: skip
    label = "A quantity with a name that is far too long for the axis that it belongs to (mg/cm³)"
    summary = {"outcome_label": label, "models": ["clinical"]}
    figure, _ = draw_predicted(predictions, performance, summary, SETTINGS)
    check_page(figure, SETTINGS.double_column_mm)


def test_path_figure_names_the_model(ordinal, continuous):
    for result, words in ((ordinal, "proportional-odds"), (continuous, "linear regression")):
        path, cv = (first_model(result.tables[name]) for name in ("lasso_path", "lasso_cv"))
        figure, caption = draw_lasso(path, cv, result.documents["summary"], SETTINGS)
        assert f"LASSO {words}" in caption
        check_page(figure, SETTINGS.double_column_mm)


def test_every_kind_has_figures_and_impossible_ones_a_notice(ordinal):
    kinds = Analysis.model_json_schema()["properties"]["kind"]["enum"]
    assert set(FIGURES_OF_KIND) == set(kinds)
    assert set(model_figures(Analysis.model_validate(BASE | ORDINAL))) <= set(DRAW)
    assert set(DRAW) <= set(all_figures())
    _, caption = draw_of_analysis(
        "classes", {}, {"not_possible": "too few"}, SETTINGS, "lambda_min"
    )
    assert caption == "This analysis was not possible: too few."


def test_report_of_both_kinds(ordinal, continuous):
    shown = describe_analysis(
        AnalysisReport("o", ordinal.documents["summary"], ordinal.tables), str
    )
    captions = [table.caption for table in shown["tables"]]
    assert "Differences between models" in captions
    assert "Checks of what the models presume (training data)" in captions
    assert any(caption.startswith("Observed (rows) and predicted") for caption in captions)
    assert "osteoporosis" in shown["facts"]["Participants"]
    assert not any("AUC between" in caption for caption in captions)
    shown = describe_analysis(
        AnalysisReport("c", continuous.documents["summary"], continuous.tables), str
    )
    text = str(shown["tables"])
    assert "R²" in text
    assert "Upper limit of agreement" in text
    assert "mean " in shown["facts"]["Hold-out"]
