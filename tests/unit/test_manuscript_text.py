"""The words of a manuscript: true for the settings, every source listed, foreign text harmless."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from types import SimpleNamespace

import pandas as pd
import pytest
from manuscript_facts import CT, MASK, MRI, analysis_facts, flow, study, with_mri

from osteoflow.manuscript.text.checklists.answer import (
    AUTHOR,
    FILLED,
    NOT_APPLICABLE,
    PARTLY,
    STATUSES,
    Answer,
)
from osteoflow.manuscript.text.checklists.checklist import CHECKLISTS, fill, questions
from osteoflow.manuscript.text.checklists.registry import ANSWERS
from osteoflow.manuscript.text.checklists.results import confusion
from osteoflow.manuscript.text.checklists.score import Score, score
from osteoflow.manuscript.text.checklists.write import markdown, rows_of, write_checklist
from osteoflow.manuscript.text.citations import bibliography, cite, cited, references
from osteoflow.manuscript.text.facts import AnalysisFacts, Facts
from osteoflow.manuscript.text.load import count_features, count_left_out
from osteoflow.manuscript.text.markup import cell, code, plain, said, unmarked
from osteoflow.manuscript.text.methods import write_methods
from osteoflow.manuscript.text.outcome_models import comparison_words
from osteoflow.manuscript.text.segmentation import segmentation
from osteoflow.manuscript.text.shared import merged_steps
from osteoflow.manuscript.text.steps import known_steps, step_of, told
from osteoflow.resources import ROOT, read_resource, resource_path

HOSTILE = "Frac`ture | [@evil2020] <script>alert(1)</script> $x$ *b* _i_\n\n# Heading \u202e\x00"
SIZES = {"clear": 58, "metrics": 30, "tripod_ai": 52, "stard": 34}


def parse_bibtex(text: str) -> dict[str, dict[str, str]]:
    """Entries by key; raises on anything but whole entries with balanced braces."""
    entries, place = {}, 0
    while text[place:].strip():
        head = re.compile(r"\s*@(\w+)\{(\w+),\n").match(text, place)
        assert head, text[place : place + 60]
        fields, place = {"kind": head[1]}, head.end()
        while not (end := re.compile(r"\}\n").match(text, place)):
            name = re.compile(r"  (\w+) = \{").match(text, place)
            assert name, text[place : place + 60]
            start = place = name.end()
            depth = 1
            while depth:
                if text[place] == "\\":
                    place += 1
                depth += {"{": 1, "}": -1}.get(text[place], 0)
                place += 1
            assert text[place : place + 2] == ",\n"
            fields[name[1]] = text[start : place - 1]
            place += 2
        assert head[2] not in entries
        entries[head[2]] = fields
        place = end.end()
    return entries


def section(text: str, title: str) -> str:
    """One section of the methods; empty where it is left out."""
    found = re.search(rf"^## {title}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


# ---- sources ------------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [study(), with_mri(), study(analyses=[])])
def test_every_key_is_in_the_bibliography_and_the_reverse(facts):
    text, bib = write_methods(facts)
    entries = parse_bibtex(bib)
    assert set(entries) == set(cited(text)) == set(re.findall(r"@([a-z]\w+)", text))
    assert len(entries) >= 5
    assert all(e["author"] and e["title"] and e["year"].isdigit() for e in entries.values())


def test_the_whole_list_of_references_is_sound():
    rows = read_resource("references.tsv")
    assert [row["key"] for row in rows] == sorted({row["key"] for row in rows})
    entries = parse_bibtex(bibliography(references()))
    assert len(entries) == len(rows)
    for row in rows:
        assert re.fullmatch(r"[a-z]+\d{4}", row["key"])
        assert row["key"].endswith(row["year"])
        assert re.fullmatch(r"10\.\d{4,9}/\S+", row["doi"] or "10.1234/none")
        assert "et al" not in row["author"]
        authors = row["author"].split(" and ")
        assert len(set(authors)) == len(authors)
    sources = [path.read_text() for path in (ROOT / "osteoflow" / "manuscript").rglob("*.py")]
    told_of = "\n".join([*sources, resource_path("method_steps.tsv").read_text()])
    assert not [row["key"] for row in rows if row["key"] not in told_of]
    dois = [row["doi"] for row in rows if row["doi"]]
    assert len(set(dois)) == len(dois)


def test_titles_keep_their_capitals_and_specials_are_escaped():
    entries = parse_bibtex(bibliography(["bray2023", "cortes1995", "hand2001", "bagur2019"]))
    assert "{MAGORINO}" in entries["bray2023"]["title"]
    assert "{R2}" in entries["bray2023"]["title"]
    assert entries["bray2023"]["pages"] == "1173--1192"
    assert "{ROC}" in entries["hand2001"]["title"]
    assert entries["hand2001"]["doi"] == references()["hand2001"]["doi"]


def test_an_unknown_source_is_an_error():
    with pytest.raises(ValueError, match="nobody1900"):
        cite("nobody1900")
    with pytest.raises(ValueError, match="nobody1900"):
        bibliography(["nobody1900"])


def test_every_step_of_the_table_has_known_sources_and_a_part():
    for name, step in known_steps().items():
        assert step.part in ("data", "pipeline", "evaluation"), name
        cite(*step.cites)
    wanted = "combat mrmr elastic_net svm random_forest gradient_boosting optimism permutation "
    wanted += "sample_size ordinal cox delong nri idi decision_curve"
    assert all(known_steps()[name].cites for name in wanted.split())


# ---- truth --------------------------------------------------------------------------------------


def test_a_study_without_mri_has_no_word_of_it():
    text, bib = write_methods(study())
    for word in ("MRI", "fat fraction", "PDFF", "R2", "echo", "Tesla"):
        assert word not in text
    assert "yu2008" not in bib
    with_it, _ = write_methods(with_mri())
    assert "Multi-echo gradient-echo MRI was converted in 42 examinations" in with_it
    assert "[@yu2008; @hernando2008]" in with_it


def test_a_study_of_mri_alone_has_no_word_of_ct():
    facts = with_mri()
    facts = study(
        config={"analyses": [], "radiomics": {"images": {}}},
        analyses=[], recipes={}, n_features={}, ibsi="",
        flow=flow(mri=[("enrolled", "", "", 42), ("analysed", "", "", 42)]),
        methods={"pdff": facts.methods["pdff"]},
        scans={"mag": [MRI] * 42}, outlines={"mri": [MASK] * 42},
    )  # fmt: skip
    text, _ = write_methods(facts)
    for word in ("CT", "phantom", "HU", "bone mineral", "adiomic", "IBSI", "Prediction"):
        assert word not in text


def test_numbers_of_the_population_are_those_of_the_flow():
    text = section(write_methods(study())[0], "Study population and exclusions")
    assert text == (
        "The study comprised 42 participants. For CT (vBMD), 40 of 42 participants were analysed, "
        "1 had no such images and 1 was excluded (missing slice at conversion, n = 1)."
    )


def test_sessions_are_told_and_counted_as_such():
    people = pd.DataFrame({"participant_id": ["sub-01", "sub-01", "sub-02"]})
    text, _ = write_methods(study(people=people))
    assert "2 participants with 3 scan sessions" in text
    assert "40 of 42 scan sessions" in text


def test_levels_left_out_are_counted_with_the_rule_that_was_set():
    facts = study(left_out={"dense": 2, "fractured": 3, "metastasis*": 1})
    text = section(write_methods(facts)[0], "Study population and exclusions")
    assert "without 2 vertebrae with cement or metal, 3 vertebrae fractured and 1 vertebra" in text
    assert r"(metastasis\*)" in text
    assert "Genant grade 1 or more [@genant1993]" in text
    assert "Genant" not in write_methods(study(left_out={"dense": 2}))[0]


def test_left_out_levels_count_once_however_often_they_are_measured():
    rows = [
        ("sub-01", "L1_trabecular", 1, 1, "left_out:fractured"),
        ("sub-01", "L1_trabecular", 1, 1, "thick_slices;left_out:fractured"),
        ("sub-01", "L1_trabecular", 2, 1, "left_out:fractured"),
        ("sub-01", "L1-L2_trabecular", 1, 1, "left_out:L1 fractured"),
        ("sub-02", "L4", 1, 1, "left_out:dense"),
        ("sub-02", "L3", 1, 1, None),
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "roi", "rater", "reading", "flag"])
    assert count_left_out(table.assign(session=None)) == {"dense": 1, "fractured": 1}
    assert count_left_out(table.iloc[:0]) == {}


def test_features_are_counted_where_they_have_a_value():
    table = pd.DataFrame(
        {
            "image": ["vbmd", "vbmd", "pdff"],
            "original_glcm_Contrast": [1.0, None, None],
            "original_shape_Flatness": [None, 2.0, None],
            "original_ngtdm_Busyness": [None, None, None],
        }
    )
    assert count_features(table) == {"vbmd": 2}


def test_protocols_differ_with_their_numbers():
    other = CT | {"KVP": 100.0, "ManufacturerModelName": "CT 2"}
    text = section(write_methods(study(scans={"ct": [CT, CT, other]}))[0], "Imaging and conversion")
    assert (
        "CT was converted in 3 examinations, acquired on Maker CT 1 (n = 2) and Maker CT 2 (n = 1)"
        in text
    )
    assert "tube voltage 120 kV (n = 2) and 100 kV (n = 1)" in text
    assert "dcm2niix [@li2016]" in text


def test_images_given_in_bids_were_not_converted():
    facts = study(scans={"ct": [{**CT, "Source": "bids"}]})
    text, bib = write_methods(facts)
    assert "(BIDS) [@gorgolewski2016]" in text
    assert "dcm2niix" not in text + bib


def test_programs_are_named_with_version_and_paper():
    made = {**MASK, "OutlinedBy": "TotalSegmentator 2.18.0, task vertebrae_body"}
    facts = study(outlines={"ct": [made] * 30 + [MASK] * 11})
    (first, *_) = segmentation(facts)
    assert r"TotalSegmentator 2.18.0, task vertebrae\_body [@wasserthal2023; @isensee2021]" in first
    assert "in 30 examinations and given as masks in 11 examinations" in first
    facts = study(outlines={"mri": [{**made, "OutlinedBy": "SPINEPS 1.4, task t2w"}]})
    assert "[@moeller2024]" in segmentation(facts)[0]


@pytest.mark.parametrize(
    ("image", "way", "words"),
    [
        (
            "adc",
            "weighted log-linear fit over b = 0, 400 s/mm2",
            "over b = 0, 400 s/mm2 [@stejskal",
        ),
        ("adc", "ADC of the scanner", "the scanner's own reconstruction (taken as it is)."),
        ("t2", "one exponential, 8 echoes", "by a fit of one exponential (8 echoes)"),
        ("pdff", "fat fraction as the scanner made it", "by the scanner's own reconstruction"),
        (
            "sff",
            "two-point Dixon of complex echoes, ismrm spectrum; a signal fat fraction, no PDFF",
            "by two-point Dixon of complex echoes (ismrm spectrum) [@dixon1984].",
        ),
        (
            "pdff",
            "magnitude-only multi-peak fit under Rician noise, liver_hamilton spectrum, 6 echoes",
            "(liver hamilton spectrum, 6 echoes) [@bagur2019; @bray2023; @hamilton2011]",
        ),
    ],
)
def test_methods_of_maps_read_as_prose(image, way, words):
    text = section(write_methods(study(methods={image: [way]}))[0], "Quantitative maps")
    assert words in text
    assert "T2\\*" not in text


def test_a_review_is_told_with_its_numbers():
    review = pd.DataFrame(
        {"roi": ["L1", "L2", "L3", "all"], "rater": 1,
         "state": ["accepted", "rejected", "undecided", "accepted"]}
    )  # fmt: skip
    text, _ = write_methods(study(review=review))
    assert "2 of 3 outlined regions were reviewed by eye" in text
    assert "and 1 was rejected." in text
    undecided = review.assign(state="undecided")
    assert "reviewed" not in write_methods(study(review=undecided))[0]


def test_calibration_without_a_phantom_is_told_as_such():
    facts = study(
        config={"ct": {"calibration": "internal"}},
        methods={"vbmd": ["internal_calibration, air and fat, hydroxyapatite as by phantom"]},
    )
    text = section(write_methods(facts)[0], "Quantitative maps")
    assert "patient's own tissues" in text
    assert "[@michalski2020]" in text
    assert "rods" not in text


def test_classes_and_t_scores_are_told_where_they_are_made():
    cohort = {"classes": ["l1_hu"], "dxa": [{"column": "neck", "region": "femoral_neck",
                                              "device": "hologic"}]}  # fmt: skip
    text = section(write_methods(study(config={"cohort": cohort}))[0], "Quantitative maps")
    assert "cut-offs of the CT number of L1 at 120 kV (110 and 160 HU) [@pickhardt2013]" in text
    assert "T-scores by DXA of the femoral neck" in text
    assert "cut-offs" not in write_methods(study())[0].replace("Cut-off", "")


def test_filters_are_told_with_their_parameters():
    base = study()
    recipe = dict(base.recipes["vbmd"])
    recipe["filters"] = {**recipe["filters"], "log_sigma_mm": [2.0], "wavelet": "coif1"}
    text = section(write_methods(study(recipes={"vbmd": recipe}))[0], "Radiomics")
    assert "besides the unfiltered image" in text.lower()
    assert "sigma 2 mm" in text
    assert "coif1" in text
    assert "unfiltered image." in section(write_methods(base)[0], "Radiomics")


def test_statistics_tell_only_what_the_tables_hold():
    assert section(write_methods(study())[0], "Statistics") == ""
    table = pd.DataFrame(
        [("a", "fracture", "age", "Mann-Whitney U", 0.01, 0.01, "rank-biserial r")],
        columns=["name", "group", "variable", "test", "p", "p_fdr", "effect_name"],
    )
    text = section(write_methods(study(statistics={"comparisons": table}))[0], "Statistics")
    assert "between groups by `fracture`, Age (years) was compared by the Mann-Whitney U" in (
        text.replace("Between", "between")
    )
    assert "[@benjamini1995]" in text
    for word in ("correlation was", "Dice", "ICC"):
        assert word not in text


def test_agreement_names_the_comparisons_that_were_made():
    table = pd.DataFrame({"comparison": ["inter_rater", "inter_rater"], "n": [14, 12]})
    text = section(write_methods(study(statistics={"reproducibility": table}))[0], "Statistics")
    assert "between two raters (12 to 14 participants)" in text
    assert "repeated" not in text


# ---- models -------------------------------------------------------------------------------------


def test_steps_stand_in_the_order_of_the_summary():
    text = section(write_methods(study())[0], "Prediction models")
    names = re.findall(r"^\d+\. ([^:]+):", text, re.MULTILINE)
    assert names == [
        "Reliability filter", "Imputation", "Variance filter", "Scaling", "Redundancy filter",
        "LASSO", "Rad-score", "Logistic regression", "Cut-off",
    ]  # fmt: skip
    assert re.search(r"12 of them \(4 with the event; 30 % of the participants", text)
    assert "from the seed 7" in text


def test_steps_that_are_new_are_told_with_their_sources_or_alone():
    steps = {
        "sample_size": "120 participants by Riley's criteria",
        "combat": "features harmonised by site",
        "mrmr": "20 features",
        "svm_radial": "radial kernel",
        "a_new_idea": "with | a pipe and [@evil2020]",
        "optimism": "200 resamples",
        "holdout": "none",
    }
    item = analysis_facts(steps, n_holdout=0)
    text, bib = write_methods(study(analyses=[item]))
    models = section(text, "Prediction models")
    assert "Sample size: 120 participants by Riley's criteria [@riley2019; @riley2020]." in models
    assert "1. Harmonisation: features harmonised by site [@johnson2007]." in models
    assert "3. Svm radial: radial kernel [@cortes1995]." in models
    assert r"4. A new idea: with \| a pipe and \[\@evil2020\]." in models
    assert "Optimism: 200 resamples [@harrell1996; @efron1997]." in models
    assert "none of whom was held out" in models
    assert "evil2020" not in bib
    assert step_of("a_new_idea").cites == ()


def test_what_analyses_share_is_told_once_and_the_rest_under_their_names():
    first, second = analysis_facts(), analysis_facts({"lasso": "another", "holdout": "none"})
    second = AnalysisFacts("other", second.summary, second.tables)
    text = section(write_methods(study(analyses=[first, second]))[0], "Prediction models")
    assert text.count("he steps were fitted") == 1
    own = first.summary["methods"]["lasso"]
    assert f". LASSO: for `fracture`, {plain(own)}" in text
    assert "; for `other`, another [@tibshirani1996; @friedman2010]." in text
    # What is not a step of the other is said of the one alone, what both do of neither by name.
    assert ": for `fracture`, " in text.partition("LASSO")[0]
    assert text.count(told_measures := "Performance in cross-validation was described by") == 1
    assert f"For `fracture`, {told_measures.lower()}" not in text
    alike = AnalysisFacts("other", first.summary, first.tables)
    text = section(write_methods(study(analyses=[first, alike]))[0], "Prediction models")
    assert text.count("he steps were fitted") == 1


def test_steps_of_several_analyses_keep_their_order():
    steps = {
        "a": [("Filter", "x"), ("LASSO", "one")],
        "b": [("Filter", "x"), ("Harmonisation", "y"), ("LASSO", "two")],
        "c": [("Filter", "x"), ("LASSO", "two"), ("Cut-off", "z")],
    }
    assert merged_steps(steps) == [
        "Filter: x",
        "Harmonisation: for `b`, y",
        "LASSO: for `b` and `c`, two; for `a`, one",
        "Cut-off: for `c`, z",
    ]
    assert merged_steps({}) == []
    assert merged_steps({"a": [("Filter", "x"), ("LASSO", "y")],
                         "b": [("LASSO", "y"), ("Filter", "x")]}) is None  # fmt: skip


def test_analyses_with_steps_in_another_order_have_lists_of_their_own():
    first = analysis_facts({"imputation": "median", "lasso": "path"})
    steps = {"lasso": "path", "imputation": "median"}
    second = AnalysisFacts("other", {**first.summary, "methods": steps}, first.tables)
    first = AnalysisFacts(
        first.name,
        {**first.summary, "methods": {"imputation": "median", "lasso": "path"}},
        first.tables,
    )
    text = section(write_methods(study(analyses=[first, second]))[0], "Prediction models")
    assert (
        "For `fracture`, the steps were fitted in training data alone, in this order:\n\n1. I"
        in text
    )
    assert (
        "For `other`, the steps were fitted in training data alone, in this order:\n\n1. LASSO"
        in text
    )


def test_other_outcomes_need_no_events():
    item = analysis_facts({"ordinal": "proportional odds"}, kind="ordinal", n_events=None,
                          n_events_holdout=None)  # fmt: skip
    text = section(write_methods(study(analyses=[item]))[0], "Prediction models")
    assert "the ordinal outcome was" in text
    assert "event" not in text
    assert "[@mccullagh1980]" in text
    assert all(item.text for item in fill("clear", study(analyses=[item])))


def test_incorporation_bias_and_impossible_analyses_are_told():
    biased = analysis_facts(incorporation_bias=True)
    failed = AnalysisFacts("late", {"not_possible": "1 event: at least 5 are needed"})
    text = section(write_methods(study(analyses=[biased, failed]))[0], "Prediction models")
    assert "(incorporation bias)" in text
    assert "Analysis `late` was not possible: 1 event: at least 5 are needed." in text


# ---- foreign text -------------------------------------------------------------------------------


def test_foreign_text_stays_text():
    item = analysis_facts(outcome_label=HOSTILE, outcome=HOSTILE, warnings=[HOSTILE],
                          excluded=[{"participant_id": "sub-01", "reason": HOSTILE}])  # fmt: skip
    facts = study(
        analyses=[item],
        labels={"age": HOSTILE},
        scans={"ct": [CT | {"Manufacturer": HOSTILE, "ConvolutionKernel": HOSTILE}]},
    )
    text, bib = write_methods(facts)
    assert "evil2020" not in bib
    assert "evil2020" not in cited(text)
    assert "\x00" not in text
    assert "\u202e" not in text
    assert not re.search(r"^# Heading", text, re.MULTILINE)
    # An escaped backtick opens no code span.
    outside = re.sub(r"(?<!\\)`[^`\n]*`", "", text)
    assert not re.search(r"(?<!\\)<script", outside)
    assert not re.search(r"(?<!\\)\[@evil", outside)
    for name in CHECKLISTS:
        lines = [ln for ln in markdown(name, fill(name, facts)).splitlines() if ln[:1] == "|"]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b", r"a\_b"),
        ("x\n\ny", "x y"),
        ("50 % < 1 & more", r"50 % \< 1 & more"),
        ("[@a; @b]", r"\[\@a; \@b\]"),
        ("\\", "\\\\"),
    ],
)
def test_plain_escapes(text, shown):
    assert plain(text) == shown
    assert unmarked(plain(text)) == " ".join(text.split())


def test_code_and_cells():
    assert code("a `b` c") == "`a 'b' c`"
    assert code("\n") == ""
    assert cell("a | b") == r"a \| b"
    assert cell(plain("a | b")) == r"a \| b"
    assert unmarked("`a_b` and " + plain("c*")) == "a_b and c*"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("features were", "Features were."),
        ("vBMD: a", "vBMD: a."),
        ("methods.md has it", "methods.md has it."),
        ("config/x holds", "config/x holds."),
        ("yes", "Yes."),
    ],
)
def test_sentences_begin_with_a_capital_unless_a_name_does(text, shown):
    assert said(text) == shown


def test_nothing_stands_for_something_that_is_missing():
    for facts in (study(), with_mri(), study(analyses=[]), study(statistics={}, scans={})):
        text, _ = write_methods(facts)
        assert not re.search(r"\b(None|nan|n/a|TODO|XXX)\b|\{\w*\}|\(\)|  |\.\.| ,| \.", text)
        assert not re.search(r"^## .*\n+(?=^#)", text, re.MULTILINE)
        assert all(line == line.strip() for line in text.splitlines())


def test_the_text_is_the_same_every_time():
    assert write_methods(with_mri()) == write_methods(with_mri())


# ---- checklists ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKLISTS)
def test_checklists_have_all_items_in_order(name):
    items = questions(fill(name, study()))
    numbers = [int(re.match(r"\d+", item.number)[0]) for item in items]
    assert len(items) == SIZES[name]
    assert numbers == sorted(numbers)
    last = {"clear": 58, "metrics": 30, "tripod_ai": 27, "stard": 30}[name]
    assert sorted(set(numbers)) == list(range(1, last + 1))
    assert len({item.number for item in items}) == len(items)


@pytest.mark.parametrize("name", CHECKLISTS)
@pytest.mark.parametrize(
    "facts",
    [study(), with_mri(), study(analyses=[]), study(recipes={}, n_features={}, outlines={})],
    ids=["ct", "both", "no models", "no features"],
)
def test_every_item_is_answered_or_asks_for_something(name, facts):
    for item in fill(name, facts):
        assert item.answer.status in STATUSES
        assert item.text, item
        if item.answer.status in (PARTLY, AUTHOR):
            assert "Author: " in item.text, item
        else:
            assert "Author: " not in item.text
        if item.answer.status in (FILLED, PARTLY):
            assert item.answer.place
        assert "[@" not in item.text


def test_every_answer_is_asked_for_and_every_question_has_one():
    asked = set()
    for name in CHECKLISTS:
        asked |= {row["answer"] for row in _rows(name)}
    assert asked == set(ANSWERS)


def test_what_the_run_did_decides_the_status():
    def status(name: str, number: str, facts: Facts) -> str:
        return next(i.answer.status for i in fill(name, facts) if i.number == number)

    assert status("clear", "22", study()) == FILLED
    assert status("clear", "22", study(recipes={}, n_features={})) == NOT_APPLICABLE
    assert status("clear", "16", study()) == FILLED
    assert status("clear", "16", study(scans={"ct": [{**CT, "KVP": None}]})) == PARTLY
    assert status("metrics", "26", study()) == FILLED
    assert status("metrics", "26", study(analyses=[analysis_facts(n_holdout=0)])) == AUTHOR
    assert status("metrics", "27", study()) == AUTHOR
    assert status("metrics", "8", study()) == PARTLY
    made = {**MASK, "OutlinedBy": "TotalSegmentator 2.18.0, task total"}
    assert status("metrics", "8", study(outlines={"ct": [made]})) == FILLED
    assert status("metrics", "9", study()) == NOT_APPLICABLE
    assert status("metrics", "9", study(outlines={"ct": [made]})) == AUTHOR
    few = ["radiomics model: 9 events (or non-events, the fewer) for 107 candidate parameters"]
    assert status("metrics", "16", study()) == FILLED
    assert status("metrics", "16", study(analyses=[analysis_facts(warnings=few)])) == PARTLY
    unused = ["the reliability filter was not applied, in 3 of 5 outer training parts"]
    assert status("metrics", "14", study()) == FILLED
    assert status("metrics", "14", study(analyses=[analysis_facts(warnings=unused)])) == PARTLY
    assert status("tripod_ai", "21", study()) == FILLED
    assert status("stard", "23", study(analyses=[])) == NOT_APPLICABLE


def test_the_confusion_matrix_is_that_of_the_performance():
    # 4 events with a sensitivity of 0.75, 8 others with a specificity of 0.5.
    assert confusion(analysis_facts())[0] == (
        "clinical: 3 true and 4 false positive, 4 true and 1 false negative"
    )
    assert confusion(analysis_facts(n_holdout=0)) == []


def test_the_weights_of_metrics_and_its_score():
    items = fill("metrics", study())
    assert sum(item.weight for item in items) == pytest.approx(1)
    found = score(items)
    done = sum(i.weight for i in items if i.answer.status == FILLED)
    out = sum(i.weight for i in items if i.answer.status == NOT_APPLICABLE)
    # Automatic segmentation (9) and deep learning (17) do not apply here.
    assert out == pytest.approx(0.0225 + 0.02)
    assert found.filled == pytest.approx(100 * done / (1 - out))
    assert found.filled + found.open == pytest.approx(100)
    assert "27" in found.open_items
    assert found.category == "moderate"


@pytest.mark.parametrize(
    ("filled", "name"),
    [(0, "very low"), (19.9, "very low"), (20, "low"), (39.9, "low"), (40, "moderate")]
    + [(59.9, "moderate"), (60, "good"), (79.9, "good"), (80, "excellent"), (100, "excellent")]
    # The authors' calculator names the score that it prints.
    + [(59.94, "moderate"), (59.96, "good"), (79.99999999999999, "excellent")],
)
def test_the_categories_of_metrics(filled, name):
    assert Score(filled, 100 - filled, ()).category == name


def test_names_with_jr_and_an_address_with_brackets_reach_the_bibliography():
    entries = parse_bibtex(bibliography(["pencina2008", "brier1950"]))
    names = "D'Agostino, Sr., Ralph B. and D'Agostino, Jr., Ralph B."
    assert names in entries["pencina2008"]["author"]
    assert entries["brier1950"]["doi"] == "10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"


def test_statuses_are_checked():
    with pytest.raises(ValueError, match="status"):
        Answer("done", "x", "y")
    with pytest.raises(ValueError, match="place"):
        Answer(FILLED, "x")
    with pytest.raises(ValueError, match="reason"):
        Answer(NOT_APPLICABLE)


def test_checklists_are_written_in_three_formats_alike(tmp_path):
    from docx import Document

    items = fill("metrics", study())
    write_checklist("metrics", items, tmp_path)
    table = pd.read_csv(tmp_path / "checklist_metrics.tsv", sep="\t", dtype=str).fillna("")
    assert list(table["item"]) == [item.number for item in items]
    document = (tmp_path / "checklist_metrics.docx").read_bytes()
    texts = [c.text for row in Document(io.BytesIO(document)).tables[0].rows for c in row.cells]
    for row in rows_of(items):
        assert row["text"] in texts
    assert "Score of what the run fills" in (tmp_path / "checklist_metrics.md").read_text()
    write_checklist("metrics", items, tmp_path)
    assert (tmp_path / "checklist_metrics.docx").read_bytes() == document
    assert zipfile.ZipFile(io.BytesIO(document)).testzip() is None


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_pandoc_finds_every_source_and_no_foreign_markup(tmp_path):
    item = analysis_facts(outcome_label=HOSTILE, outcome=HOSTILE,
                          excluded=[{"participant_id": "sub-01", "reason": HOSTILE}])  # fmt: skip
    facts = study(analyses=[item], labels={"age": HOSTILE},
                  scans={"ct": [CT | {"Manufacturer": HOSTILE}]})  # fmt: skip
    text, bib = write_methods(facts)
    (tmp_path / "methods.md").write_text(text, encoding="utf-8")
    (tmp_path / "methods.bib").write_text(bib, encoding="utf-8")
    done = subprocess.run(
        ["pandoc", "--citeproc", "methods.md", "--to", "html"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.count('class="csl-entry"') == len(parse_bibtex(bib))
    assert re.findall(r"<(?:script|em|h1)\b[^>]*>", done.stdout.partition('id="refs"')[0]) == [
        '<h1 id="methods">', '<h1 id="references">'
    ]  # fmt: skip


def test_told_leaves_out_what_was_not_done():
    assert told({"holdout": "none", "nri": "", "lasso": "x."}, "data") == []
    assert told({"lasso": "x."}, "pipeline") == ["LASSO: x [@tibshirani1996; @friedman2010]"]


def _rows(name: str) -> list[dict[str, str]]:
    return {
        "clear": lambda: read_resource("checklist_clear.tsv"),
        "metrics": lambda: read_resource("checklist_metrics.tsv"),
        "tripod_ai": lambda: read_resource("checklist_tripod_ai.tsv"),
        "stard": lambda: read_resource("checklist_stard.tsv"),
    }[name]()


def test_differences_without_a_test_say_why():
    limits = "participant bootstrap, percentile limits"
    tests = [
        f"none: difference on the hold-out, {limits} (fewer than 10 events are held out)",
        f"none: difference in cross-validation (mean over test folds), {limits}",
    ]
    item = SimpleNamespace(rows=lambda name: pd.DataFrame({"test": tests}))
    assert comparison_words([item]) == [
        f"difference on the hold-out, {limits} (without a test: fewer than 10 events are held out)",
        f"difference in cross-validation (mean over test folds), {limits} (without a test)",
    ]
