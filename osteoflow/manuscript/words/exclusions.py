"""Who was left out, where and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Row, nothing
from osteoflow.manuscript.words.cells import note_of, outcome_words, reason_of, text_of
from osteoflow.wording import quantity, sentence, step_name

OUTCOMES = {
    "enrolled": "In the study",
    "absent": "Not acquired",
    "analysed": "Analysed",
    "reviewed": "Analysed, all regions reviewed",
    "level_rejected": "Analysed without a rejected region",
}


def exclusions(inputs: Inputs) -> ManuscriptTable:
    """Counts by modality, step and reason, then by outcome model."""
    flow, summaries = inputs.table("flow"), inputs.document("summaries")
    title = "Participants left out, by modality and reason"
    if flow.empty:
        return nothing(inputs.name, title, "Nobody is in the study.")
    rows = []
    enrolled = int(flow.loc[flow["outcome"] == "enrolled", "n"].max())
    for label in dict.fromkeys(flow["label"]):
        rows.append(Row((str(label),), section=True))
        part = flow[flow["label"] == label]
        whole = part.loc[part["outcome"] == "enrolled", "n"].sum()
        rows += [_flow_row(line, int(whole)) for line in part.to_dict("records")]
    for name, summary in summaries.items():
        rows += _analysis_rows(name, summary, inputs)
    columns = (Column("Participants", "left"), Column("n"), Column("%"))
    notes = (
        "A participant counts once for each modality, at the first step that left them out. "
        "Percentages are of the participants in the study; of an outcome model, of those modelled.",
    )
    title = f"{title} (n = {enrolled})"
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _flow_row(line: Mapping[str, Any], whole: int) -> Row:
    kind = str(line["outcome"])
    words = OUTCOMES.get(kind, "")
    if kind == "excluded":
        reason, step = note_of(line["reason"]), note_of(line["step"])
        words = f"Excluded: {reason or 'no reason given'}"
        words += f" ({step_name(step)})" if step else ""
    share = quantity("share", line["n"] / whole) if whole else ""
    return Row((words or kind, text_of(line["n"]), share), indent=1 + (kind == "excluded"))


def _analysis_rows(name: str, summary: Mapping[str, Any], inputs: Inputs) -> list[Row]:
    heading = f"Outcome model {name}: {outcome_words(dict(summary), inputs.study.label)}"
    rows = [Row((heading,), section=True)]
    reason = reason_of(dict(summary))
    if reason:
        return [*rows, Row((reason, "", ""), indent=1)]
    left = pd.DataFrame(summary.get("excluded", []))
    column = "reason" if "reason" in left else "message"
    reasons = Counter(note_of(text) for text in left.get(column, []))
    for text, n in sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])):
        rows.append(Row((f"Left out: {sentence(text, capital=False)[:-1]}", str(n), ""), indent=2))
    whole = int(summary["n"])
    rows.append(Row(("Modelled", str(whole), quantity("share", 1.0)), indent=1))
    for key, words in (("n_events", "with the event"), ("n_holdout", "held out")):
        n = summary.get(key)
        if n is not None and whole:
            rows.append(Row((f"of them {words}", str(n), quantity("share", n / whole)), indent=2))
    return rows
