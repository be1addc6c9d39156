"""The configuration: defaults, mistakes in words, and files made from the model."""

import json

import pytest
import yaml

from osteoflow.config import Config, canonical, digest, load_config
from osteoflow.config_files import config_template, reference_page, schema_text, write_study_files
from osteoflow.errors import StudyError
from osteoflow.radiomics.page import feature_page
from osteoflow.resources import ROOT
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.cohort import Summary


def problems(content):
    with pytest.raises(StudyError) as caught:
        load_config(content)
    return caught.value.problems


def test_unknown_keys_name_the_nearest_known_one_at_any_depth():
    found = problems(
        {
            "mri": {"spectrm": "ismrm"},
            "radiomics": {"images": {"ct": {"settings": "hu", "levls": ["L1"]}}},
            "segmentatoin": {},
        }
    )
    assert "config: unknown key 'mri.spectrm' (did you mean 'spectrum'?)" in found
    assert "config: unknown key 'radiomics.images.ct.levls' (did you mean 'levels'?)" in found
    assert "config: unknown key 'segmentatoin' (did you mean 'segmentation'?)" in found
    assert len(found) == 3


def test_values_out_of_range_name_their_place():
    (found,) = problems({"segmentation": {"erosion_mm": -1}})
    assert found.startswith("config: segmentation.erosion_mm:")


def test_analysis_needs_an_extracted_image():
    analysis = {
        "name": "a",
        "outcome": "fracture",
        "clinical": ["age"],
        "radiomics": {"image": "ct"},
    }
    (found,) = problems({"analyses": [analysis]})
    assert "no features are extracted from image 'ct'" in found
    analysis["radiomics"] = {"image": "pdff"}
    (found,) = problems({"analyses": [analysis, analysis]})
    assert found == "config: analyses: used more than once: a"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"radiomics": {"image": "pdff", "l1_ratio": 0.5}}, "radiomics.l1_ratio belongs to the"),
        (
            {
                "radiomics": {"image": "pdff", "learners": ["svm", "random_forest"]},
                "clinical": [],
                "penalty": "lambda_1se",
            },
            "penalty belongs to the learners lasso and elastic_net, and this analysis has only svm",
        ),
        ({"penalty": "lambda_min"}, "this analysis has none: leave it out"),
    ],
)
def test_settings_that_no_learner_reads_are_refused(changes, words):
    analysis = {"name": "a", "outcome": "fracture", "clinical": ["age"]} | changes
    images = {"radiomics": {"images": {"pdff": {"settings": "pdff", "levels": ["L1"]}}}}
    (found,) = problems({"analyses": [analysis], **images})
    assert found.startswith("config: analyses.a: ") and words in found


def test_settings_that_a_learner_reads_are_taken_and_survive_a_dump():
    images = {"radiomics": {"images": {"pdff": {"settings": "pdff", "levels": ["L1"]}}}}
    features = {"image": "pdff", "learners": ["lasso", "elastic_net"], "l1_ratio": 0.2}
    given = {"name": "a", "outcome": "fracture", "radiomics": features, "penalty": "lambda_1se"}
    (read,) = load_config({"analyses": [given], **images}).analyses
    assert read.radiomics.l1_ratio == 0.2 and read.penalty == "lambda_1se"
    # The workflow hands all settings to the step, those left to their defaults as well.
    plain = Analysis(name="a", outcome="fracture", clinical=["age"])
    assert Analysis(**plain.model_dump(mode="json")) == plain


def test_summary_columns():
    assert Summary(metric="vbmd_mean", levels=["L1", "L2"]).column == "vbmd_l1l2_mean"


def test_metrics_and_levels_are_known_and_named_once():
    summaries = [{"metric": "vbmd_men", "levels": ["L1"]}, {"metric": "hu_mean", "levels": []}]
    found = problems({"cohort": {"summaries": summaries}})
    assert "unknown metric 'vbmd_men' (did you mean 'vbmd_mean'?)" in found[0]
    assert found[1].startswith("config: cohort.summaries.1.levels")
    twice = {"pdff": {"settings": "pdff", "levels": ["L1", "L1"]}}
    (found,) = problems({"radiomics": {"images": twice}})
    assert "a level is named twice" in found
    assert problems({"segmentation": {"erosion_mm": 0}})


def test_one_figure_per_pair():
    pair = {"x": "T-score (L1-L4)", "y": "age"}
    found = problems({"statistics": {"correlations": [pair, pair | {"method": "pearson"}]}})
    assert "correlation_T_score_L1_L4_age" in found[0]


def test_canonical_json_does_not_depend_on_order():
    assert canonical({"b": 1, "a": [2]}) == '{"a":[2],"b":1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


def test_template_holds_the_defaults():
    assert load_config(yaml.safe_load(config_template())) == Config()


def test_init_writes_two_files_and_never_overwrites(tmp_path):
    written = write_study_files(tmp_path / "study")
    assert [path.name for path in written] == ["config.yaml", "subjects.tsv"]
    written[0].write_text("mine")
    with pytest.raises(StudyError):
        write_study_files(tmp_path / "study")
    assert written[0].read_text() == "mine"


def test_generated_files_are_up_to_date():
    schema = ROOT / "config" / "schemas" / "config.schema.json"
    assert json.loads(schema.read_text()) == json.loads(schema_text())
    page = ROOT / "docs" / "reference" / "config.md"
    assert page.read_text(encoding="utf-8") == reference_page()
    page = ROOT / "docs" / "reference" / "radiomics-features.md"
    assert page.read_text(encoding="utf-8") == feature_page()


def test_mistakes_in_a_list_are_found_by_the_entry_s_name():
    analyses = [
        {"name": "first", "outcome": "fracture", "clinical": ["age"]},
        {"name": "second", "outcome": "fracture", "clinical": ["age"], "outer_folds": 1},
        {"outcome": "fracture", "clinical": ["age"], "learner": "lasso"},
    ]
    with pytest.raises(StudyError) as error:
        load_config({"study": {"title": "t"}, "analyses": analyses})
    found = "\n".join(error.value.problems)
    assert "config: analyses.second.outer_folds: " in found
    assert "config: analyses.2.name: " in found
    assert "config: unknown key 'analyses.2.learner'" in found
