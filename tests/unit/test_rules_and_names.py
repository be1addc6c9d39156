"""Rules and names: cells and tables judge them alike, and mistakes say what to write instead."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pandas as pd
import pytest
from judged_tables import SURVIVAL, columns, told, written

from osteoflow.cohort.assemble import participants_table
from osteoflow.config import load_config
from osteoflow.errors import StudyError
from osteoflow.io.tables import read_table, write_table
from osteoflow.models.outcome_values import outcome_values
from osteoflow.settings.analysis import Analysis
from osteoflow.statistics.rules import evaluate_rule, unknown_column, verdicts
from osteoflow.study_columns import first_rows


@pytest.fixture
def subjects(tmp_path):
    """Writes and reads a table, see :func:`judged_tables.written`."""
    return partial(written, tmp_path)


@pytest.mark.parametrize(
    "rule",
    ["age >= 60", "site == A", "site != A and age < 70", "flag == True", "fracture", "age == 61",
     "mixed == 2", "age != 61 and fracture == 1"],
)  # fmt: skip
def test_rules_of_cells_and_of_tables_are_one(subjects, tmp_path, rule):
    table = subjects(
        {
            "age": ["59", "60", "61.0", "n/a", "6.1e1"],
            "site": ["A", "", "B", "A", "A"],
            "flag": ["true", "false", "n/a", "true", "false"],
            "fracture": ["0", "1", "1", "n/a", "0"],
            "mixed": ["2", "2.0", "x", "y", "z"],
        }
    )
    measurements = pd.DataFrame(columns=["participant_id", "session", "rater", "reading"])
    write_table(tmp_path / "people.tsv", participants_table(table, measurements, []))
    people = read_table(tmp_path / "people.tsv")
    expected = evaluate_rule(rule, people)
    found = verdicts(rule, first_rows(table))
    assert [None if np.isnan(value) else value for value in expected] == found


def test_numbers_and_times_are_series_of_the_table():
    people = pd.read_csv(io.StringIO("fracture,years\n1,2.5\n0,inf\n,3\n"), index_col=False)
    people.index = ["x", "y", "z"]
    outcome, time = outcome_values(Analysis(name="a", clinical=["age"], **SURVIVAL), people)
    assert outcome.index.tolist() == time.index.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(outcome, [1, 0, np.nan])
    np.testing.assert_array_equal(time, [2.5, np.nan, 3])


DEMO = ["age", "sex", "bmi", "height", "fracture", "dxa_tscore", "site", "vbmd_l1l2_mean",
        "vbmd_l3_mean", "hu_l1l2_mean", "pdff_l1l2l3l4_mean", "menopause_age"]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"),
    [("tscore", "dxa_tscore"), ("T-score", "dxa_tscore"), ("fractures", "fracture"),
     ("Fracture", "fracture"), ("fractrue", "fracture"), ("vbmd_l1_mean", "vbmd_l1l2_mean"),
     ("pdff_mean", "pdff_l1l2l3l4_mean"), ("agee", "age"), ("ages", "age"), ("sexx", "sex"),
     ("sites", "site"), ("BMI", "bmi")],
)  # fmt: skip
def test_the_column_that_was_meant_is_suggested(name, meant):
    assert unknown_column(name, DEMO).startswith(f"unknown column '{name}' (did you mean '{meant}'")


@pytest.mark.parametrize("name", ["weight", "smoker", "scanner", "time", "fat", "stage", "q"])
def test_another_word_is_not_suggested(name):
    assert unknown_column(name, DEMO).endswith(f"(known: {', '.join(sorted(DEMO))})")


def test_a_rule_that_the_cells_allow_is_suggested(subjects):
    table = subjects(columns())
    for outcome, words in (
        ("site", "but holds A, B; write a rule such as 'site == B'"),
        ("age", "but holds 50 to 79; write a rule such as 'age >= 65'"),
        ("genant", "but holds 0, 1, 2; write a rule such as 'genant >= 1'"),
    ):
        (problem,), _ = told(table, outcome=outcome, clinical=["years"])
        assert problem.endswith(f"column '{outcome}' must hold 0 and 1 to be used alone, {words}")


@pytest.mark.parametrize(
    ("name", "instead"),
    [("Fracture-Risk", "fracture_risk"), ("5 years", "years_5"), ("Größe", "grosse"),
     ("_low", "low"), ("hüft_bmd", "huft_bmd"), ("2024", None), ("", None)],
)  # fmt: skip
def test_names_are_explained(name, instead):
    with pytest.raises(StudyError) as caught:
        load_config({"analyses": [{"name": name, "outcome": "fracture", "clinical": ["age"]}]})
    (problem,) = caught.value.problems
    assert (
        f"the name '{name}' may hold small letters from a to z, digits and underscores" in problem
    )
    assert ("write" in problem) == (instead is not None)
    assert instead is None or f"; write '{instead}', for instance" in problem
    if instead is not None:
        Analysis(name=instead, outcome="fracture", clinical=["age"])
