"""The flow of one analysis: everybody counts once, at the first stage not reached."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from osteoflow.cohort.flow import cohort_flow
from osteoflow.cohort.stard import stard_flow
from osteoflow.figures.boxes import grouped
from osteoflow.figures.flow import draw_flow
from osteoflow.models.classification import classification
from osteoflow.models.out_of_fold import CrossValidated
from osteoflow.settings.figures import Figures
from osteoflow.subjects import Subject, SubjectsTable

IDS = [f"sub-{i:02d}" for i in range(1, 13)]
NOT_THE_OUTCOME = "outcome 'dxa_tscore <= -2.5' is missing"
NO_FEATURES = "no features of region L1-L4_trabecular in image vbmd"


def statuses(sessions=None) -> pd.DataFrame:
    """Everybody's CT and MRI went well, except as :func:`lose` says."""
    rows = []
    for person in IDS:
        for session in (sessions or {}).get(person, [None]):
            subject = person if session is None else f"{person}_ses-{session}"
            for modality, step, item in (
                ("ct", "convert", "ct"), ("ct", "segment", "ct"), ("ct", "segment", "ct_rater2"),
                ("ct", "calibrate_ct", "vbmd"), ("ct", "extract_radiomics", "vbmd"),
                ("ct", "extract_radiomics", "ct"),
                ("mri", "convert", "mri"), ("mri", "map_mri", "mri"),
                ("mri", "extract_radiomics", "pdff"),
            ):  # fmt: skip
                rows.append((subject, person, session, modality, step, item, "ok", ""))
    names = ["subject", "participant_id", "session", "modality", "step", "item", "status", "code"]
    return pd.DataFrame(rows, columns=names)


def lose(table, person, item, steps, code, status="excluded"):
    """A first step that excludes an item and later ones that pass it on."""
    for i, step in enumerate(steps):
        here = (table["participant_id"] == person) & (table["step"] == step)
        here &= table["item"].isin([item, "vbmd" if item == "ct" else item])
        table.loc[here, ["status", "code"]] = [status, code if i == 0 else ""]


def summary(excluded, n, image="vbmd", **more) -> dict:
    found = {"radiomics": {"image": image}, "n": n, "n_events": 4, "n_holdout": 3}
    found |= {"n_events_holdout": 2, "models": ["clinical", "combined"]}
    found["excluded"] = [{"participant_id": p, "reason": r} for p, r in excluded]
    return found | more


def calls() -> pd.DataFrame:
    y = np.array([1.0, 1, 0, 0, 0])
    p = {m: np.array([[0.9, 0.2, 0.6, 0.1, 0.5]] * 2)[:, :, None] for m in ("clinical", "combined")}
    cut = {"clinical": np.full((2, 5), 0.55), "combined": np.array([[0.5] * 5, [0.1] * 5])}
    held = (np.array([1.0, 0, 1]), {m: np.array([0.8, 0.8, 0.1]) for m in p})
    cv = CrossValidated(y, np.zeros((2, 5), int), p, cut)
    return classification(cv, held, {"clinical": 0.5, "combined": 0.9})


def reasons(flow, stage):
    return {row["reason"]: row["n"] for row in flow["lost"] if row["stage"] == stage}


def test_every_loss_stands_at_its_stage():
    table = statuses()
    lose(table, "sub-01", "ct", ["convert", "segment", "calibrate_ct", "extract_radiomics"],
         "missing_slice")  # fmt: skip
    lose(table, "sub-02", "vbmd", ["calibrate_ct", "extract_radiomics"], "phantom_not_found")
    lose(table, "sub-03", "vbmd", ["extract_radiomics"], "step_failed", "failed")
    # Neither scan nor reference test: the scan comes first.
    lose(table, "sub-04", "vbmd", ["calibrate_ct", "extract_radiomics"], "phantom_not_found")
    # A bad MRI is no matter of an analysis of the CT, nor is a second rater's mask.
    lose(table, "sub-05", "mri", ["convert", "map_mri"], "truncated_file")
    lose(table, "sub-06", "ct_rater2", ["segment"], "wrong_grid")
    excluded = [
        ("sub-01", NO_FEATURES),
        ("sub-02", NO_FEATURES),
        ("sub-03", NO_FEATURES),
        ("sub-04", NOT_THE_OUTCOME),
        ("sub-05", NOT_THE_OUTCOME),
        ("sub-06", "hold-out rule 'site == B' cannot be evaluated"),
        ("sub-07", "region L1-L4_trabecular lacks level L2 in image vbmd"),
        ("sub-08", "of the reliability set 'group == test', which is not modelled"),
    ]
    people = pd.DataFrame({"participant_id": IDS})
    flow = stard_flow(people, table, summary(excluded, 4), calls())
    assert reasons(flow, "no_index_test") == {
        "phantom not found": 2,
        "missing slice": 1,
        "step failed": 1,
        "region incomplete: a level is missing or was left out": 1,
    }
    assert reasons(flow, "no_reference_standard") == {
        "reference standard missing or inconclusive": 1
    }
    assert sum(reasons(flow, "not_modelled").values()) == 2
    steps = {row["reason"]: row["step"] for row in flow["lost"]}
    assert steps["missing slice"] == "convert" and steps["step failed"] == "extract_radiomics"
    assert (flow["eligible"], flow["index_test"], flow["reference_standard"]) == (12, 7, 6)
    assert flow["analysed"] == {"n": 4, "events": 4}
    assert flow["development"] == {"n": 1, "events": 2} and flow["holdout"]["n"] == 3
    assert flow["interval"] is None
    # An analysis of the CT image itself needs no phantom.
    of_ct = [(p, r) for p, r in excluded if p == "sub-04"]
    flow = stard_flow(people, table, summary(of_ct, 11, image="ct"), calls())
    assert reasons(flow, "no_reference_standard") == {
        "reference standard missing or inconclusive": 1
    }


def test_several_images_and_none():
    table = statuses()
    lose(table, "sub-05", "mri", ["convert"], "truncated_file")
    table = table[~((table["participant_id"] == "sub-06") & (table["modality"] == "mri"))]
    excluded = [("sub-05", "no features of region r in image pdff")]
    excluded += [("sub-06", "no features of region r in image pdff")]
    people = pd.DataFrame({"participant_id": IDS})
    flow = stard_flow(people, table, summary(excluded, 10, image="vbmd, pdff"), calls())
    assert reasons(flow, "no_index_test") == {"truncated file": 1, "scan not acquired": 1}
    bare = summary([("sub-05", "time 'months' is not above 0")], 11) | {"radiomics": None}
    flow = stard_flow(people, table, bare, pd.DataFrame())
    assert len(reasons(flow, "no_reference_standard")) == 1 and flow["results"] is None


def test_sessions_count_once_and_numbers_add_up():
    sessions = {"sub-01": ["1", "2"], "sub-02": ["1", "2"]}
    table = statuses(sessions)
    # What happened to the second session is no matter: the first one counts.
    lose(table[table["session"] == "2"], "sub-01", "ct", ["convert"], "missing_slice")
    people = pd.DataFrame({"participant_id": ["sub-01", "sub-01", "sub-02", "sub-02", *IDS[2:]]})
    words = "session 2 is not used: each participant counts once, with session 1"
    excluded = [("sub-01", words), ("sub-02", words), ("sub-02", NOT_THE_OUTCOME)]
    flow = stard_flow(people, table, summary(excluded, 11), calls())
    assert (flow["eligible"], flow["further_sessions"]) == (12, 2)
    assert flow["index_test"] - flow["reference_standard"] == 1
    with pytest.raises(ValueError, match="12 participants less 1 excluded are not the 9 analysed"):
        stard_flow(people, table, summary(excluded, 9), calls())


def test_interval_is_that_of_those_analysed():
    days = [400.0, *np.arange(-2.0, 8.0), np.nan]
    people = pd.DataFrame({"participant_id": IDS, "reference_interval_days": days})
    flow = stard_flow(people, statuses(), summary([("sub-01", NOT_THE_OUTCOME)], 11), calls())
    assert flow["interval"] == {
        "column": "reference_interval_days",
        **{"n": 10, "missing": 1, "median": 2.5, "min": -2.0, "max": 7.0},
    }
    people["reference_interval_days"] = np.nan
    flow = stard_flow(people, statuses(), summary([], 12), calls())
    assert flow["interval"]["missing"] == 12 and flow["interval"]["median"] is None


def test_results_are_the_last_models():
    table = calls().set_index(["model", "set", "repeat"])
    names = ["true_positive", "false_positive", "false_negative", "true_negative"]
    assert table.loc[("clinical", "cv", 1), names].tolist() == [1, 1, 1, 2]
    # A probability that equals the cut-off is positive, as in sensitivity and specificity.
    assert table.loc[("combined", "cv", 1), names].tolist() == [1, 2, 1, 1]
    assert table.loc[("combined", "cv", 2), names].tolist() == [2, 3, 0, 0]
    assert table.loc[("combined", "holdout", 0), names].tolist() == [0, 0, 2, 1]
    people = pd.DataFrame({"participant_id": IDS})
    found = stard_flow(people, statuses(), summary([], 12), calls())["results"]
    assert (found["model"], found["set"], found["threshold"]) == ("combined", "holdout", [0.9, 0.9])
    only = calls().query("set == 'cv'")
    found = stard_flow(people, statuses(), summary([], 12), only)["results"]
    assert (found["set"], found["repeats"], found["false_positive"]) == ("cv", 2, 2)


def test_reasons_are_grouped_but_never_one_alone():
    rows = [("a", 1), ("b", 5), ("c", 2), ("d", 2)]
    assert grouped(rows, 4) == ["5 b", "2 c", "2 d", "1 a"]
    assert grouped(rows, 3) == ["5 b", "2 c", "3 for 2 other reasons"]


def test_flow_of_sessions_says_how_many_participants():
    sessions = [("sub-01", "1"), ("sub-01", "2"), ("sub-02", "1")]
    table = SubjectsTable(tuple(Subject(f"{p}_ses-{s}", p, s, {}) for p, s in sessions), ())
    rows = statuses({"sub-01": ["1", "2"], "sub-02": ["1"]})
    flow = cohort_flow(rows[rows["participant_id"].isin(["sub-01", "sub-02"])], table)
    assert flow.loc[flow["outcome"] == "participants", "n"].tolist() == [2]
    _, caption = draw_flow(flow, Figures())
    assert caption.startswith("Flow of 3 scan sessions of 2 participants through the study")
