"""Training and hold-out participants of an analysis side by side."""

from __future__ import annotations

from osteoflow.figures.model_tables import SET_NAMES
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import ManuscriptTable, nothing
from osteoflow.manuscript.words.cells import model_title, reason_of, size_words
from osteoflow.manuscript.words.characteristics import worded_table1
from osteoflow.statistics.sessions import one_row_per_participant

TRAINING = "Training"
# A name that no column of a study has.
_SET = "_set_of_the_analysis"


def training_and_hold_out(inputs: Inputs) -> ManuscriptTable:
    """Characteristics of both, with the tests of Table 1: does the hold-out resemble the rest?"""
    summary, label = inputs.document("summary"), inputs.study.label
    title = "Characteristics of the training and hold-out participants"
    reason = reason_of(summary)
    predictions = inputs.table("predictions")
    held = not predictions.empty and (predictions["set"] == "holdout").any()
    if reason or not held:
        named = model_title(title, summary, label)
        return nothing(inputs.name, named, reason or "Nobody was held out.")
    # Loads scipy and tableone, which no other table needs.
    from osteoflow.statistics.table1 import table1

    people, notes = one_row_per_participant(inputs.table("participants"))
    sets = predictions.drop_duplicates("participant_id").set_index("participant_id")["set"]
    names = sets.map({"cv": TRAINING, "holdout": SET_NAMES["holdout"]})
    people = people.assign(**{_SET: people["participant_id"].astype(str).map(names)})
    people = people[people[_SET].notna()]
    study = inputs.study
    labels = {name: label(name) for name in study.variables}
    made = table1(
        people,
        study.variables,
        _SET,
        study.nonnormal,
        labels,
        tests=study.tests,
        seed=int(summary["seed"]),
    )
    about = {
        **made.document,
        "groups": sorted(made.document["groups"], key=lambda name: name != TRAINING),
        "notes": notes,
    }
    title = model_title(title, summary, label, size_words(summary["n"], summary.get("n_events")))
    return worded_table1(inputs.name, title, made.table, about, "Participants")
