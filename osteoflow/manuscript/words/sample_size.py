"""Sample size of each model: what there is, and what the formulae ask for."""

from __future__ import annotations

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Row, nothing
from osteoflow.manuscript.words.cells import (
    model_name,
    model_title,
    of_events,
    reason_of,
    text_of,
)
from osteoflow.manuscript.words.kinds import training_words
from osteoflow.models.sample_size import ENOUGH_EVENTS
from osteoflow.wording import DASH, listing, quantity, significant

_NEEDED = ("shrinkage", "optimism", "overall")


def sample_size(inputs: Inputs) -> ManuscriptTable:
    """Participants, candidate parameters and the sizes that each criterion asks for."""
    table, summary = inputs.table("sizes"), inputs.document("summary")
    what, label = "Sample size of the outcome models", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "No model was fitted.")
    with_sizes = bool(table["n_required"].notna().any())
    with_events = bool(table["n_events"].notna().any())
    rows = []
    for line in table.to_dict("records"):
        each = line["events_per_parameter"]
        cells = [
            model_name(line["model"], label),
            of_events(line["n"], line["n_events"]),
            text_of(line["candidate_parameters"]),
            significant(each, 2) if each == each else DASH,  # noqa: PLR0124
        ]
        if with_sizes:
            cells += [text_of(line[f"n_{name}"]) for name in (*_NEEDED, "required")]
        rows.append(Row((*cells, text_of(line["sufficient"]).capitalize())))
    over = "Participants needed"
    sizes = [Column(name.capitalize(), over=over) for name in (*_NEEDED, "all three")]
    columns = (
        *(Column("Model", "left"), Column("n (events)" if with_events else "n")),
        *(Column("Candidate parameters"), Column("Per parameter")),
        *(sizes if with_sizes else []),
        Column("Enough"),
    )
    title = model_title(what, summary, label, training_words(summary))
    notes = [
        "Candidate parameters: before any selection; a Rad-score counts with all the features that "
        f"it was chosen from. {_per_parameter(str(summary.get('kind', 'binary')))}"
    ]
    if with_sizes:
        known = table["anticipated_r2"].dropna()
        r2 = listing([quantity("r2", value) for value in dict.fromkeys(known)])
        notes.append(
            "Participants needed by Riley et al. (BMJ 2020;368:m441): coefficients shrunk by at "
            "most 10 % (shrinkage), R² optimistic by at most 0.05 (optimism), the overall outcome "
            f"estimated precisely (overall); anticipated R² {r2}. The formulae are for unpenalised "
            "models of all candidates: a lower bound where features are selected."
        )
    else:
        notes.append(f"Enough: {ENOUGH_EVENTS} or more per parameter.")
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), tuple(notes))


def _per_parameter(kind: str) -> str:
    return {
        "continuous": "Per parameter: participants.",
        "ordinal": "Per parameter: of the effective sample size, n (1 − sum of the cubed shares "
        "of the classes).",
        "survival": "Per parameter: events.",
    }.get(kind, "Per parameter: events or non-events, whichever are fewer.")
