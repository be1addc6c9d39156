"""Analyses of clinical columns or of features alone: what is written of them is true of them."""

from __future__ import annotations

import copy

import manuscript_study
import pytest
from manuscript_facts import study

from osteoflow.figures.nomogram import draw_nomogram
from osteoflow.figures.nomogram_calibration import draw_nomogram_calibration
from osteoflow.io.tables import write_table
from osteoflow.io.volume import write_json
from osteoflow.io.whole import write_text
from osteoflow.manuscript.builders import build_table
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.text.checklists.answer import AUTHOR, PARTLY
from osteoflow.manuscript.text.checklists.evaluation import nonradiomic
from osteoflow.manuscript.text.checklists.models import model_selection
from osteoflow.manuscript.text.checklists.openness import specification
from osteoflow.manuscript.text.checklists.results import interpretability
from osteoflow.manuscript.text.facts import AnalysisFacts
from osteoflow.manuscript.text.load import MODEL_TABLES, load_analysis
from osteoflow.manuscript.text.methods import write_methods
from osteoflow.models.fit_warnings import HARMONISED_SIGNATURE
from osteoflow.models.validate import run_analysis
from osteoflow.reports.calculator import render_calculator
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.figures import Figures


def analysed(**changes):
    settings = manuscript_study._analysis("alone", **changes)
    settings = {key: value for key, value in settings.items() if value is not None}
    people, features = manuscript_study.cohort(90)
    return run_analysis(people, features, Analysis.model_validate(settings), 3)


@pytest.fixture(scope="module")
def clinical():
    return analysed(radiomics=None)


@pytest.fixture(scope="module")
def radiomic():
    return analysed(clinical=None)


def test_a_nomogram_of_clinical_columns_speaks_of_their_model(clinical):
    document, summary = clinical.documents["nomogram"], clinical.documents["summary"]
    assert document["model"] == "clinical"
    _, caption = draw_nomogram(document, summary, Figures())
    assert caption.startswith("Nomogram of the clinical logistic model")
    table = clinical.tables["nomogram_calibration"]
    _, caption = draw_nomogram_calibration(table, document["calibration"], summary, Figures())
    assert "the model was fitted again. Bar on the axis" in caption
    assert "Rad-score" not in caption and "combined" not in caption


def test_its_calculator_tells_how_that_model_was_tested(clinical):
    page = render_calculator(
        clinical.documents["nomogram"],
        clinical.documents["summary"],
        clinical.tables["performance"],
    )
    assert "(clinical model)" in page and "in the hold-out (" in page
    assert "Neither validated" not in page
    assert "radiomic" not in page and "Rad-score" not in page


@pytest.mark.parametrize("harmonised", [True, False])
def test_a_calculator_tells_of_a_harmonised_signature(clinical, harmonised):
    nomogram = copy.deepcopy(clinical.documents["nomogram"])
    nomogram["predictors"][0]["name"] = "rad_score"
    summary = clinical.documents["summary"]
    told = [*summary["warnings"], *([HARMONISED_SIGNATURE] if harmonised else [])]
    page = render_calculator(
        nomogram, {**summary, "warnings": told}, clinical.tables["performance"]
    )
    assert ("harmonised between the sites" in page) == harmonised


def test_features_alone_have_no_nomogram_and_a_text_all_the_same(radiomic, tmp_path):
    assert "nomogram" not in radiomic.documents
    folder = tmp_path / "models" / "alone"
    write_json(folder / "summary.json", radiomic.documents["summary"])
    for name in MODEL_TABLES:
        write_table(folder / f"{name}.tsv", radiomic.tables[name])
    # As the step that fits models leaves it.
    write_text(folder / "nomogram.json", "")
    facts = load_analysis(tmp_path, "alone")
    assert facts.possible and not facts.nomogram
    page = render_calculator(None, facts.summary, radiomic.tables["performance"])
    assert "no logistic model of several predictors" in page


def test_checklists_speak_of_features_only_where_there_are_some(clinical, radiomic):
    def answers(result):
        tables = {name: result.tables[name] for name in MODEL_TABLES}
        item = AnalysisFacts("alone", result.documents["summary"], tables)
        facts = study(analyses=[item])
        return [ask(facts) for ask in (specification, interpretability, nonradiomic)]

    model, explained, compared = answers(clinical)
    assert "Rad-score" not in model.fact and "feature" not in explained.fact
    # A comparison with models of features is none without such models.
    assert compared.status == PARTLY
    model, explained, compared = answers(radiomic)
    assert "the Rad-score as a formula" in model.fact
    assert "frequency of selection of every feature" in explained.fact
    assert compared.status == AUTHOR


def test_text_and_checklists_call_models_as_figures_do(clinical):
    models = ["baseline_pdff_l1l2_mean", "clinical", "radiomics_svm"]
    item = AnalysisFacts("alone", {**clinical.documents["summary"], "models": models})
    facts = study(analyses=[item])
    names = "PDFF L1–L2 alone, clinical and radiomics (SVM)"
    assert f"models: {names}." in write_methods(facts)[0]
    assert names in model_selection(facts).fact
    assert "PDFF L1–L2 alone and clinical" in nonradiomic(facts).fact


def test_the_table_of_features_says_that_there_are_none(clinical):
    contents = {"summary": clinical.documents["summary"]}
    contents |= {name: clinical.tables[name] for name in ("selection", "filters")}
    table = build_table("selected_features", Inputs("selected_features_alone", "alone", contents))
    assert table.empty and table.rows[0].cells == ("The analysis has no radiomic features.",)
