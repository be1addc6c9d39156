"""Declared mixed models: vertebrae within participants, from the long table of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from osteoflow.io.tables import of_reading
from osteoflow.statistics.comparison import level_text
from osteoflow.statistics.mixed import MixedFit, fit_mixed, joint_test
from osteoflow.statistics.rules import evaluate_rule, holds_numbers, parse_rule, unknown_column
from osteoflow.statistics.sessions import session_keys

if TYPE_CHECKING:
    from osteoflow.settings.statistics import MixedModel

EFFECT_COLUMNS = (
    *("name", "term", "contrast", "estimate", "error", "ci_low", "ci_high"),
    *("test", "statistic", "df", "df_error", "p"),
)
MODEL_COLUMNS = (
    *("name", "metric", "unit", "roi", "fixed", "n_participants", "n_observations"),
    *("n_without_measurement", "n_without_fixed", "n_levels_left_out"),
    *("variance_participant", "variance_residual", "icc", "icc_low", "icc_high"),
    *("criterion", "singular", "method", "note"),
)
METHOD = "REML, random intercept per participant; t and F with Satterthwaite's df"
SINGULAR = (
    "singular fit: participants do not differ beyond the fixed effects, and the model is an "
    "ordinary regression with its own degrees of freedom"
)


@dataclass
class _Design:
    """Columns of the design: which term each belongs to, and what it contrasts."""

    terms: list[str] = field(default_factory=lambda: ["intercept"])
    contrasts: list[str] = field(default_factory=lambda: [""])
    columns: list[np.ndarray] = field(default_factory=list)

    def add(self, term: str, contrast: str, column: np.ndarray) -> None:
        self.terms.append(term)
        self.contrasts.append(contrast)
        self.columns.append(column.astype(float))

    def add_levels(self, term: str, values: pd.Series, levels: Sequence[str]) -> None:
        """A category: each level against the first."""
        for level in levels[1:]:
            self.add(term, f"{level} − {levels[0]}", (values == level).to_numpy())

    def names(self) -> list[str]:
        """Each column by its term; of a category with the levels that it contrasts."""
        return [
            term if contrast in ("", "per unit", "1 − 0") else f"{term} ({contrast})"
            for term, contrast in zip(self.terms, self.contrasts, strict=True)
        ]

    def matrix(self, n: int) -> np.ndarray:
        return np.column_stack([np.ones(n), *self.columns])


def mixed_tables(
    measurements: pd.DataFrame, people: pd.DataFrame, models: Sequence[MixedModel]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fixed effects and variances of every declared model.

    Parameters
    ----------
    measurements
        The long table; the first reading of rater 1 of the sessions in ``people`` is used, without
        levels that were left out (``left_out:`` in their flag).
    people
        One row per participant.
    models
        What the study declares.

    Returns
    -------
    effects, models
        :data:`EFFECT_COLUMNS` (one row per coefficient, and an F test of each term with several)
        and :data:`MODEL_COLUMNS` (one row per model). A model that cannot be fitted has its reason
        in ``note`` and no effects.

    Raises
    ------
    ValueError
        For unknown columns.
    """
    effects: list[dict[str, Any]] = []
    rows = []
    for item in models:
        found, about = _model(of_reading(measurements), people, item)
        effects += found
        rows.append(about)
    return (
        pd.DataFrame(effects, columns=list(EFFECT_COLUMNS)),
        pd.DataFrame(rows, columns=list(MODEL_COLUMNS)),
    )


def _model(
    measurements: pd.DataFrame, people: pd.DataFrame, item: MixedModel
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the effects of one model, and its row of variances."""
    rows, left_out = _observations(measurements, people, item)
    fixed = _fixed_columns(people, item)
    joined = rows.join(fixed, on="key")
    complete = joined[item.columns].notna().all(axis=1)
    data = joined[complete]
    units = sorted(set(rows["unit"].dropna().astype(str)))
    about: dict[str, Any] = {
        "name": item.name,
        "metric": item.metric,
        "unit": "; ".join(units),
        "roi": ", ".join(f"{level}_{item.voi}" for level in item.levels),
        "fixed": "; ".join(item.fixed),
        "n_participants": data["key"].nunique(),
        "n_observations": len(data),
        "n_without_measurement": len(people) - rows["key"].nunique(),
        "n_without_fixed": joined.loc[~complete, "key"].nunique(),
        "n_levels_left_out": left_out,
        "method": METHOD,
        "note": "",
    }
    if len(units) > 1:
        return [], {**about, "note": "the measurements have different units"}
    if data.empty:
        return [], {**about, "note": "nobody has the measurement and all fixed effects"}
    try:
        design, notes = _design(data, item)
        x, y = design.matrix(len(data)), data["value"].to_numpy(dtype=float)
        fit = fit_mixed(x, y, data["key"], design.names())
    except ValueError as error:
        return [], {**about, "note": str(error)}
    about |= {
        "variance_participant": fit.variance_participant,
        "variance_residual": fit.variance_residual,
        "icc": fit.icc,
        "icc_low": fit.icc_low,
        "icc_high": fit.icc_high,
        "criterion": fit.criterion,
        "singular": "yes" if fit.singular else "no",
        "note": "; ".join([*notes, *([SINGULAR] if fit.singular else [])]),
    }
    effects = _effect_rows(item.name, design, fit)
    for term in dict.fromkeys(design.terms):
        places = [place for place, name in enumerate(design.terms) if name == term]
        if len(places) > 1:
            joint = joint_test(x, y, data["key"], places)
            row = {"name": item.name, "term": term, "contrast": "all", "test": "F"}
            row |= {"statistic": joint.statistic, "df": joint.df, "df_error": joint.df_error}
            effects.append({**row, "p": joint.p})
    order = {term: place for place, term in enumerate(dict.fromkeys(design.terms))}
    return sorted(effects, key=lambda row: order[row["term"]]), about


def _observations(
    measurements: pd.DataFrame, people: pd.DataFrame, item: MixedModel
) -> tuple[pd.DataFrame, int]:
    """Measured levels (key, level, value, unit) and how many were left out."""
    regions = {f"{level}_{item.voi}": level for level in item.levels}
    use = (measurements["metric"] == item.metric) & measurements["roi"].isin(regions)
    rows = measurements[use]
    rows = rows.assign(key=session_keys(rows).astype(object), level=rows["roi"].map(regions))
    rows = rows[rows["key"].isin(set(session_keys(people))) & rows["value"].notna()]
    flags = rows["flag"].astype(object).where(rows["flag"].notna(), "").astype(str)
    out = flags.str.contains("left_out:", regex=False).astype(bool)
    return rows.loc[~out, ["key", "level", "value", "unit"]], int(out.sum())


def _fixed_columns(people: pd.DataFrame, item: MixedModel) -> pd.DataFrame:
    """Columns and rules of the model by participant; texts stay texts."""
    found = {}
    for text in item.columns:
        part = parse_rule(text)[0]
        if part.sign is not None:
            found[text] = evaluate_rule(text, people).map({0.0: "no", 1.0: "yes"})
        elif text not in people.columns:
            raise ValueError(unknown_column(text, people.columns))
        elif holds_numbers(people[text]):
            found[text] = people[text].astype(float)
        else:
            found[text] = people[text].map(level_text, na_action="ignore")
    return pd.DataFrame(found, index=people.index).set_axis(session_keys(people).astype(object))


def _design(data: pd.DataFrame, item: MixedModel) -> tuple[_Design, list[str]]:
    """Design of the fixed effects; sentences about levels that nobody has."""
    design, notes = _Design(), []
    for text in item.fixed:
        if text == "level":
            present = [level for level in item.levels if (data["level"] == level).any()]
            absent = [level for level in item.levels if level not in present]
            if absent:
                notes.append(f"not measured in anybody: {', '.join(absent)}")
            design.add_levels("level", data["level"], present)
        elif holds_numbers(data[text]):
            two = set(data[text].unique()) <= {0.0, 1.0}
            design.add(text, "1 − 0" if two else "per unit", data[text].to_numpy())
        else:
            levels = sorted(data[text].unique())
            if len(levels) < 2:
                raise ValueError(f"'{text}' does not vary")
            design.add_levels(text, data[text], levels)
    return design, notes


def _effect_rows(name: str, design: _Design, fit: MixedFit) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "term": term,
            "contrast": contrast,
            "estimate": fit.estimate[place],
            "error": fit.error[place],
            "ci_low": fit.low[place],
            "ci_high": fit.high[place],
            "test": "t",
            "statistic": fit.statistic[place],
            "df": 1,
            "df_error": fit.df[place],
            "p": fit.p[place],
        }
        for place, (term, contrast) in enumerate(zip(design.terms, design.contrasts, strict=True))
    ]
