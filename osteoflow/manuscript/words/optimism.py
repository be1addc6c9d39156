"""Performance corrected for the optimism of judging models on the data that made them."""

from __future__ import annotations

import pandas as pd

from osteoflow.figures.model_tables import models_present
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Row, nothing
from osteoflow.manuscript.words.cells import (
    estimate_cell,
    model_name,
    model_title,
    reason_of,
    value_cell,
)
from osteoflow.manuscript.words.kinds import training_words
from osteoflow.wording import DASH, count, measure_name

_BOOTSTRAP, _PLUS = "bootstrap", ".632+"


def optimism(inputs: Inputs) -> ManuscriptTable:
    """Apparent and corrected values of every model, a section for each measure."""
    table, summary = inputs.table("optimism"), inputs.document("summary")
    what, label = "Performance corrected for optimism", inputs.study.label
    reason = reason_of(summary)
    if reason or table.empty:
        named = model_title(what, summary, label)
        return nothing(inputs.name, named, reason or "The models were not fitted on resamples.")
    found = table.set_index(["metric", "model", "method"]).sort_index()
    rows = []
    for metric in dict.fromkeys(table["metric"]):
        rows.append(Row((measure_name(metric),), section=True))
        own = table[table["metric"] == metric]
        for model in models_present(own, summary):
            rows.append(_model(metric, model_name(model, label), found.loc[(metric, model)]))
    columns = (
        *(Column("Model", "left"), Column("Apparent"), Column("Optimism")),
        *(Column("Corrected (95 % CI)"), Column(".632+")),
    )
    times, defined = int(table["n_resamples"].max()), int(table["n_defined"].min())
    failed = f" A value rests on {defined} of them or more." if defined < times else ""
    notes = (
        "Apparent: of the final models on their own training rows. Optimism: mean over resamples "
        "of participants, in each of which the whole pipeline is fitted again, of the value on the "
        "resample less that on the original rows. Corrected: apparent less optimism, with the "
        "percentiles of the resamples' values shifted by the optimism as limits (Noma et al., Stat "
        "Med 2021;40:5691; somewhat narrow in small samples). .632+: Efron and Tibshirani, with "
        f"participants that a resample did not draw.{failed}",
    )
    title = model_title(
        what, summary, label, training_words(summary), count(times, "bootstrap resample")
    )
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _model(metric: str, name: str, by_method: pd.DataFrame) -> Row:
    cells = [name, DASH, DASH, DASH, DASH]
    if _BOOTSTRAP in by_method.index:
        row = by_method.loc[_BOOTSTRAP]
        limits = (row[key] for key in ("corrected", "ci_low", "ci_high"))
        cells[1] = value_cell(metric, row["apparent"])
        cells[2] = value_cell(metric, row["optimism"])
        cells[3] = estimate_cell(metric, *limits)
    if _PLUS in by_method.index:
        row = by_method.loc[_PLUS]
        cells[4] = value_cell(metric, row["corrected"])
        if cells[1] == DASH:
            cells[1] = value_cell(metric, row["apparent"])
    return Row(tuple(cells), indent=1)
