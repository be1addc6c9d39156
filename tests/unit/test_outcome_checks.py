"""What is told of analyses before anything is computed, beside what the models then do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from judged_tables import BASIC, ORDINAL, SURVIVAL, N, columns, told, written

from osteoflow.cli import main
from osteoflow.cohort.assemble import participants_table
from osteoflow.config import load_config
from osteoflow.io.tables import read_table, write_table
from osteoflow.models.dataset import assemble
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.binary import BinaryKind
from osteoflow.models.kinds.run import kind_of
from osteoflow.models.kinds.survival import SurvivalKind
from osteoflow.models.set_aside import hold_out
from osteoflow.settings.analysis import Analysis
from osteoflow.study_columns import agreement_problems, analysis_warnings
from osteoflow.subjects import SubjectsTable


@pytest.fixture
def subjects(tmp_path):
    """Writes and reads a table, see :func:`judged_tables.written`."""
    return partial(written, tmp_path)


def fitted(table: SubjectsTable, tmp_path, **settings: object) -> str:
    """Why the models of the same analysis are refused, or "" if they are not.

    As in a run: through the table on disk.
    """
    analysis = Analysis(**BASIC | settings)
    measurements = pd.DataFrame(columns=["participant_id", "session", "rater", "reading"])
    write_table(tmp_path / "people.tsv", participants_table(table, measurements, []))
    people = read_table(tmp_path / "people.tsv")
    rng = np.random.default_rng(0)
    try:
        data = assemble(people, pd.DataFrame(), analysis)
        kind = BinaryKind() if analysis.kind == "binary" else kind_of(analysis)
        if analysis.kind == "survival":
            kind = SurvivalKind(analysis.horizon)
            data = replace(data, outcome=np.column_stack([data.time, data.outcome]))
        hold_out(kind, data, analysis, rng)
    except AnalysisError as error:
        return str(error)
    return ""


ALL_SOUND = [
    {},
    {"outcome": "dxa_tscore <= -2.5"},
    {"holdout_rule": "site == B"},
    {**ORDINAL, "outcome": "grade"},
    {**ORDINAL, "outcome": "genant", "cuts": [0.5, 1.5]},
    {"kind": "continuous", "outcome": "dxa_tscore"},
    {**SURVIVAL, "horizon": 3},
    {**SURVIVAL, "holdout_rule": "site == B", "horizon": 3},
]


@pytest.mark.parametrize("settings", ALL_SOUND)
def test_sound_analyses_pass_both(subjects, tmp_path, settings):
    table = subjects(columns())
    assert told(table, **settings) == ([], [])
    assert fitted(table, tmp_path, **settings) == ""


MISTAKES = {
    "undeclared class": (
        {"grade": ["low", "middle", "hihg"] * 20},
        {**ORDINAL, "outcome": "grade"},
        "analyses.a.outcome: column 'grade' has classes that are not declared: 'hihg' "
        "(20 participants, did you mean 'high'?)",
    ),
    "numbers without cuts": (
        {},
        {"kind": "ordinal", "classes": ["0", "1", "2"], "outcome": "genant"},
        "analyses.a.outcome: column 'genant' holds numbers: give cuts between the classes "
        "(for these: cuts: [0.5, 1.5])",
    ),
    "hold-out nobody": (
        {},
        {"holdout_rule": "site == b"},
        "analyses.a.holdout_rule: hold-out rule 'site == b' names nobody (nobody has 'b' in column "
        "'site', did you mean 'B'?)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_refused_by_both(subjects, tmp_path, case):
    changes, settings, words = MISTAKES[case]
    table = subjects(columns(**changes))
    problems, _ = told(table, **settings)
    assert problems == [f"config: {words}"]
    assert fitted(table, tmp_path, **settings)


SHORT = {
    "one class": (
        {"fracture": ["0"] * N}, {},
        ["the outcome has one class only: none of 60 participants is an event"],
    ),
    "rule of one class": (
        {}, {"outcome": "dxa_tscore <= 25"},
        ["the outcome has one class only: none of 60 participants is a non-event"],
    ),
    # Of six events a random hold-out of 30 % takes two.
    "few events": (
        {"fracture": ["1"] * 6 + ["0"] * 54}, {},
        ["4 participants with events in the training data do not suffice for 5 folds"],
    ),
    "few events held out": (
        {"fracture": ["1"] * 14 + ["0"] * 46}, {"holdout_fraction": 0.1},
        ["1 event in the hold-out: at least 2 are needed"],
    ),
    "few events outside the rule": (
        {"fracture": ["1"] * 8 + ["0"] * 52, "site": ["B"] * 5 + ["A"] * 50 + ["B"] * 5},
        {"holdout_rule": "site == B"},
        ["3 participants with events in the training data do not suffice for 5 folds"],
    ),
    "missing rows are ignored": (
        {"fracture": ["1"] * 4 + ["n/a"] * 26 + ["0"] * 30}, {"holdout_fraction": 0},
        ["4 participants with events in the training data do not suffice for 5 folds"],
    ),
    "a year that is still to come": (
        {"year": ["2025"] * N}, {"holdout_rule": "year >= 2026"},
        ["hold-out rule 'year >= 2026' names nobody"],
    ),
    "nobody is left to train on": (
        {}, {"holdout_rule": "site != C"},
        ["the hold-out leaves nobody to train on"],
    ),
    "a class that nobody has": (
        {"grade": ["low", "middle"] * 30}, {**ORDINAL, "outcome": "grade"},
        ["no participant of the training data is of class 'high': leave it out of classes, or "
         "join it with its neighbour"],
    ),
    "cuts that leave a class empty": (
        {}, {**ORDINAL, "outcome": "dxa_tscore", "cuts": [-2.5, 25]},
        ["no participant of the training data is of class 'high': leave it out of classes, or "
         "join it with its neighbour"],
    ),
    "a small class": (
        {"grade": ["low", "middle"] * 27 + ["high"] * 6}, {**ORDINAL, "outcome": "grade"},
        ["4 participants of class 'high' in the training data do not suffice for 5 folds"],
    ),
    "nobody with the event": (
        {"fracture": ["0"] * N}, SURVIVAL,
        ["no participant of the training data has the event"],
    ),
    "few with the event": (
        {"fracture": ["1"] * 4 + ["0"] * 56}, {**SURVIVAL, "holdout_fraction": 0},
        ["4 participants with events in the training data do not suffice for 5 folds"],
    ),
    "a late horizon": (
        {}, {**SURVIVAL, "horizon": 30},
        ["nobody of a part of the data is followed beyond the horizon 30 (longest time 6.9): "
         "choose an earlier one"],
    ),
    "constant": (
        {"dxa_tscore": ["-2.5"] * N}, {"kind": "continuous", "outcome": "dxa_tscore"},
        ["the outcome is constant in the training data"],
    ),
    "few of a quantity": (
        {"dxa_tscore": ["-1", "-2"] * 7 + ["n/a"] * 46},
        {"kind": "continuous", "outcome": "dxa_tscore", "holdout_fraction": 0},
        ["14 participants in the training data do not suffice for 5 folds of 3 or more"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHORT)
def test_participants_who_do_not_suffice_are_told_before(subjects, tmp_path, case):
    """The very sentence of the models, and the study itself is not refused."""
    changes, settings, words = SHORT[case]
    table = subjects(columns(**changes))
    problems, warnings = told(table, **settings)
    assert problems == []
    assert warnings == [f"analyses.a cannot be fitted: {text}" for text in words]
    assert fitted(table, tmp_path, **settings) in words


def test_times_that_are_not_above_0_are_told(subjects, tmp_path):
    table = subjects(columns(years=["0", "-1"] + [f"{1 + i / 10:.1f}" for i in range(58)]))
    problems, warnings = told(table, **SURVIVAL)
    assert problems == []
    assert warnings == [
        "analyses.a.time: 2 participants whose 'years' is 0 or negative are left out"
    ]
    assert fitted(table, tmp_path, **SURVIVAL) == ""


def test_a_site_that_is_still_to_come_is_no_mistake(subjects, tmp_path):
    table = subjects(columns(site=["A"] * N))
    problems, (warning,) = told(table, holdout_rule="site == external")
    assert problems == []
    assert warning == (
        "analyses.a cannot be fitted: hold-out rule 'site == external' names nobody (nobody has "
        "'external' in column 'site', it holds A)"
    )
    assert fitted(table, tmp_path, holdout_rule="site == external")
    # Whoever's year is not known yet may be one of those to train on.
    table = subjects(columns(year=["2026"] + ["n/a"] * (N - 1)))
    problems, warnings = told(table, holdout_rule="year >= 2026")
    assert problems == [] and len(warnings) == 1


def test_reliability_sets_that_name_nobody_or_everybody(subjects):
    table = subjects(columns())
    for rule, words in (
        (
            "site == C",
            "the reliability set 'site == C' names nobody (nobody has 'C' in column 'site', "
            "it holds A, B)",
        ),
        ("age > 90 and site == A", "names nobody"),
        ("age > 0", "names everybody, and nobody is left to be modelled"),
    ):
        problems, (warning,) = told(table, radiomics={"image": "vbmd", "reliability_set": rule})
        assert problems == []
        assert warning.startswith("analyses.a cannot be fitted: ") and warning.endswith(words)
    (problem,), _ = told(table, radiomics={"image": "vbmd", "reliability_set": "site > 1"})
    assert problem == (
        "config: analyses.a.radiomics.reliability_set: column 'site' holds text, not numbers, "
        "which '>' needs"
    )


def test_a_reliability_set_takes_participants_away(subjects):
    # 30 events, of which 26 serve reliability alone.
    site = ["T" if i % 2 and i < 52 else "A" for i in range(N)]
    _, warnings = told(
        subjects(columns(site=site)),
        radiomics={"image": "vbmd", "reliability_set": "site == T"},
        holdout_fraction=0,
    )
    assert [text.partition(": ")[2] for text in warnings] == [
        "4 participants with events in the training data do not suffice for 5 folds"
    ]


def test_measured_columns_are_not_judged(subjects):
    table = subjects(columns(fracture=["0"] * N))
    for settings in (
        {"outcome": "vbmd_l1l2_mean < 80"},
        {"outcome": "dxa_tscore <= -2.5", "holdout_rule": "vbmd_l1l2_mean < 80"},
        {"outcome": "dxa_tscore <= 25 and vbmd_l1l2_mean < 80"},
    ):
        given = {"name": "a", "clinical": ["age"], **settings}
        summary = {"metric": "vbmd_mean", "levels": ["L1", "L2"]}
        config = load_config({"analyses": [given], "cohort": {"summaries": [summary]}})
        assert agreement_problems(config, table) == []
        assert analysis_warnings(config, table) == []


def test_what_other_checks_name_is_not_told_twice(subjects):
    table = subjects(columns(grade=["n/a"] * N))
    for settings, words in (
        ({**ORDINAL, "outcome": "site == A"}, "an outcome of kind ordinal is a column, not a rule"),
        ({"outcome": "fractures"}, "unknown column 'fractures' (did you mean 'fracture'?)"),
        ({**SURVIVAL, "time": "site"}, "analyses.a.time: column 'site' holds text, not numbers"),
        ({**ORDINAL, "outcome": "site", "cuts": [1, 2]}, "column 'site' holds text, not numbers"),
        ({"kind": "continuous", "outcome": "site"}, "column 'site' holds text, not numbers"),
    ):
        (problem,), warnings = told(table, **settings)
        assert problem.endswith(words)
        assert warnings == []
    # A column that nobody has a value in.
    assert told(table, **ORDINAL, outcome="grade") == ([], [])


def test_a_check_warns_before_anything_runs(tmp_path, capsys):
    (tmp_path / "config").mkdir()
    table = "participant_id\tdicom\tage\tfracture\n01\traw/a\t60\t0\n02\traw/b\t70\t1\n"
    config = (
        "analyses: [{name: fracture, outcome: fracture, clinical: [age], holdout_fraction: 0}]\n"
    )
    (tmp_path / "config" / "subjects.tsv").write_text(table, encoding="utf-8")
    (tmp_path / "config" / "config.yaml").write_text(config, encoding="utf-8")
    assert main(["check", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [
        "No mistakes found: 2 rows in config/subjects.tsv.",
        "Warning: analyses.fracture cannot be fitted: 1 participant with events in the training "
        "data does not suffice for 5 folds",
        "Warning: analyses.fracture cannot be fitted: 1 participant with non-events in the "
        "training data does not suffice for 5 folds",
    ]


def test_the_first_session_counts(subjects, tmp_path):
    """Six participants with two sessions: events of the second do not count, in neither."""
    cells = {"age": ["60", "61"] * 6, "fracture": ["0", "1"] * 6}
    table = subjects(cells, [f"{i // 2}\t{1 + i % 2}" for i in range(12)])
    _, (warning,) = told(table)
    assert warning.endswith("one class only: none of 6 participants is an event")
    assert fitted(table, tmp_path) == warning.partition("cannot be fitted: ")[2]


def test_both_agree_on_random_tables(subjects, tmp_path, record):
    """Whatever the cells: what is told before is what the models do, and the reverse."""
    rng = np.random.default_rng(7)
    n_told = 0
    for _ in range(60):
        n = int(rng.integers(8, 40))

        def cells(values: list[str], n: int = n) -> list[str]:
            return rng.choice(values, n, p=_shares(rng, len(values))).tolist()

        table = subjects(
            {
                "age": [str(50 + i) for i in range(n)],
                "fracture": cells(["0", "1", "n/a"]),
                "years": cells(["1", "2", "3.5", "n/a"]),
                "grade": cells(["low", "middle", "high"]),
                "genant": cells(["0", "1", "2", "n/a"]),
                "site": cells(["A", "B", "n/a"]),
            }
        )
        options = {"outer_folds": 2, "inner_folds": int(rng.integers(2, 4))}
        options["holdout_fraction"] = float(rng.choice([0, 0.1, 0.3, 0.5]))
        for settings in (
            options,
            {**options, "outcome": "genant >= 1 and site == A"},
            {**options, "holdout_rule": "site == B"},
            {**options, **ORDINAL, "outcome": "grade"},
            {**options, **SURVIVAL, "horizon": 2, "holdout_rule": "site == B"},
            {**options, **SURVIVAL},
            {**options, **ORDINAL, "outcome": "genant", "cuts": [1, 1.5], "holdout_rule":
                "site == A"},
            {**options, "kind": "continuous", "outcome": "genant", "holdout_rule": "site != A"},
        ):  # fmt: skip
            problems, warnings = told(table, **settings)
            why = fitted(table, tmp_path, **settings)
            chance = ("is earlier than another's time", "followed beyond the horizon")
            if not problems + warnings and any(text in why for text in chance):
                # Who is drawn for the hold-out, with the times, shows only when they are drawn.
                assert settings["kind"] == "survival"
                assert options["holdout_fraction"] > 0
                assert "holdout_rule" not in settings
                continue
            assert bool(problems or warnings) == bool(why), (settings, problems, warnings, why)
            reasons = [text.partition(": ")[2] for text in warnings]
            if why.startswith("no participant has both"):
                why = "no participant of the table has the outcome and what its time and rules need"
            assert problems or not why or any(text.startswith(why) for text in reasons)
            n_told += bool(why)
    assert 100 < n_told < 460
    record(
        "Checks before a run", "analyses of random tables that are refused", n_told, "", "of 480"
    )


def _shares(rng: np.random.Generator, k: int) -> np.ndarray:
    return rng.dirichlet(np.full(k, 0.6))


JUDGED = """
from osteoflow.config import load_config
from osteoflow.study_columns import agreement_problems, analysis_warnings
from osteoflow.subjects import Subject, SubjectsTable
import osteoflow.study, sys
cells = {"age": "60", "fracture": "0", "years": "0", "grade": "low"}
table = SubjectsTable((Subject("sub-1", "sub-1", "", {}, cells),), tuple(cells))
shared = {"clinical": ["age"], "classes": ["low", "middle", "high"]}
config = load_config({"analyses": [
    {"name": "a", "outcome": "fracture", "clinical": ["age"], "holdout_rule": "grade == Low"},
    {"name": "b", "kind": "ordinal", "outcome": "grade", **shared},
    {"name": "c", "kind": "survival", "outcome": "fracture", "time": "years", "clinical": ["age"]},
    {"name": "d", "kind": "continuous", "outcome": "years", "clinical": ["age"]},
]})
assert len(agreement_problems(config, table)) == 1
assert len(analysis_warnings(config, table)) >= 3
"""


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        (JUDGED, ("pandas", "scipy.stats", "sklearn")),
        ("import sys, osteoflow.models.outcome_checks", ("numpy", "pandas", "scipy", "sklearn")),
        ("import sys, osteoflow.study", ("osteoflow.models.outcome_checks", "pandas")),
    ],
)
def test_judging_analyses_loads_nothing_heavy(code, heavy):
    code += f"\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
