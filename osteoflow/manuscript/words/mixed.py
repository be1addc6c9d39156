"""Declared mixed models: fixed effects as rows, variances and the ICC below."""

from __future__ import annotations

from typing import Any

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Row, nothing
from osteoflow.manuscript.words.cells import (
    NOT_POSSIBLE,
    bare,
    df_cell,
    estimate_cell,
    note_of,
    rule_words,
    title_of,
    value_cell,
)
from osteoflow.statistics.rules import parse_rule
from osteoflow.wording import (
    DASH,
    count,
    listing,
    p_number,
    quantity_estimate,
    region_name,
    sentence,
    unit_name,
)

_JOINT = "all"


def mixed_model(inputs: Inputs) -> ManuscriptTable:
    """Estimates of one model with limits, degrees of freedom and p."""
    effects, models = inputs.table("effects"), inputs.table("models")
    named = f"Linear mixed model: {title_of(inputs.about)}"
    about = models[models["name"] == inputs.about] if len(models) else models
    if about.empty:
        return nothing(inputs.name, named, "No model was fitted.")
    fit = about.iloc[0].to_dict()
    own = effects[effects["name"] == inputs.about] if len(effects) else effects
    if own.empty:
        reason = note_of(fit.get("note")) or "no model was fitted"
        return nothing(inputs.name, named, NOT_POSSIBLE + sentence(reason, capital=False))
    rows = []
    for term, part in own.groupby("term", sort=False):
        rows += _term(str(term), part, inputs)
    columns = (
        *(Column("Fixed effect", "left"), Column("Estimate (95 % CI)"), Column("SE")),
        *(Column("t or F"), Column("df"), Column("p")),
    )
    unit = unit_name(fit["unit"])
    metric = bare(inputs.study.metric(fit["metric"]))[0] + (f" ({unit})" if unit else "")
    regions = _regions(str(fit["roi"]).split(", "))
    n = count(int(fit["n_participants"]), "participant")
    n += f", {count(int(fit['n_observations']), 'measurement')}"
    title = f"Linear mixed model of {metric} of {regions} ({n}; REML)"
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), _notes(fit, unit))


def _regions(names: list[str]) -> str:
    """``L1_trabecular``, ``L2_trabecular`` -> ``L1 and L2, trabecular``."""
    levels = [name.partition("_")[0] for name in names]
    volumes = {name.partition("_")[2] for name in names}
    if len(volumes) != 1:
        return listing([region_name(name) for name in names])
    return f"{listing(levels)}, {region_name(volumes.pop())}"


def _term(term: str, part: pd.DataFrame, inputs: Inputs) -> list[Row]:
    """One row; of a category of several levels the joint test, and its contrasts set in."""
    name = _name(term, inputs)
    lines = part.to_dict("records")
    joint = [line for line in lines if line["contrast"] == _JOINT]
    contrasts = [line for line in lines if line["contrast"] != _JOINT]
    if not joint:
        return [_row(_single(name, line), line) for line in contrasts]
    rows = [_row(bare(name)[0], line) for line in joint]
    return rows + [_row(str(line["contrast"]), line, 1) for line in contrasts]


def _name(term: str, inputs: Inputs) -> str:
    if term in ("intercept", "level"):
        return {"intercept": "Intercept", "level": "Level"}[term]
    ruled = parse_rule(term)[0].sign is not None
    label = inputs.study.label
    return rule_words(term, label) if ruled else label(term)


def _single(name: str, line: dict[str, Any]) -> str:
    """``Age (years)`` per unit; ``Sex: M − F``."""
    contrast = note_of(line["contrast"])
    return f"{bare(name)[0]}: {contrast}" if contrast not in ("", "per unit") else name


def _row(name: str, line: dict[str, Any], indent: int = 0) -> Row:
    """The numbers of a coefficient, or of the F test of several."""
    statistic = value_cell("statistic", line["statistic"])
    df = df_cell(line["df_error"])
    if line["test"] == "F":
        df = f"{df_cell(line['df'])}, {df}"
    cells = (
        name,
        estimate_cell("coefficient", line["estimate"], line["ci_low"], line["ci_high"]),
        value_cell("coefficient", line["error"]),
        f"{line['test']} = {statistic}" if statistic != DASH else DASH,
        df,
        p_number(line["p"]),
    )
    return Row(cells, indent=indent)


def _notes(fit: dict[str, Any], unit: str) -> tuple[str, ...]:
    """How it was fitted, its variances, and who is not in it."""
    notes = [
        f"{sentence(str(fit['method']))} Intervals by Student's t; p: two-sided, not adjusted. "
        "Quantities: per unit, which stands in brackets; categories: the first level named less "
        "the second, with an F test of all contrasts together where there are several."
    ]
    squared = f" (squares of {unit})" if unit else ""
    spread = [
        value_cell("variance", fit[f"variance_{part}"]) for part in ("participant", "residual")
    ]
    words = f"Variance{squared}: between participants {spread[0]}, residual {spread[1]}."
    icc = quantity_estimate("icc", fit["icc"], fit["icc_low"], fit["icc_high"])
    notes.append(f"{words} ICC, given the fixed effects (95 % CI): {icc}.")
    out = [
        (int(fit["n_without_measurement"]), "participant", "without the measurement"),
        (int(fit["n_without_fixed"]), "participant", "without all fixed effects"),
        (int(fit["n_levels_left_out"]), "vertebra", "excluded by itself"),
    ]
    said = [
        f"{count(n, noun, 'vertebrae' if noun == 'vertebra' else None)} {words}"
        for n, noun, words in out
        if n
    ]
    if said:
        notes.append(f"Left out: {listing(said)}.")
    note = note_of(fit.get("note"))
    return (*notes, *([sentence(note)] if note else []))
