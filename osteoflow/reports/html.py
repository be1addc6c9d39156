"""HTML from templates: escaping, and tables of numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from osteoflow.wording import DASH, NOT_ESTIMABLE, number, p_number, quantity, region_name

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = {
    "participant_id": "Participant",
    "session": "Session",
    "modality": "Modality",
    "step": "Step",
    "code": "Reason",
    "message": "Finding",
    "hint": "What to do",
    "name": "Comparison",
    "variable": "Variable",
    "group": "Group",
    "summary": "Summary",
    "test": "Test",
    "statistic": "Statistic",
    "p": "p",
    "p_fdr": "p (FDR)",
    "p_adjusted": "p (adjusted)",
    "correction": "Correction",
    "effect": "Effect",
    "effect_name": "Effect size",
    "effect_low": "95 % low",
    "effect_high": "95 % high",
    "n": "n",
    "x": "x",
    "y": "y",
    "method": "Method",
    "covariates": "Given",
    "r": "Coefficient",
    "ci_low": "95 % low",
    "ci_high": "95 % high",
    "kind": "Kind",
    "image": "Image",
    "roi": "Region",
    "model": "Model",
    "set": "Set",
    "metric": "Measure",
    "value": "Value",
    "model_a": "Model A",
    "model_b": "Model B",
    "difference": "Difference in AUC",
    "z": "z",
    "feature": "Feature",
    "frequency": "Selected in folds",
    "coefficient": "Coefficient",
    "icc": "ICC(2,1)",
    "icc_low": "95 % low",
    "n_in": "Features in",
    "n_out": "Features out",
    "unit": "Unit",
    "scan_model": "Scan model",
    "meaning": "Compared as",
    "n_missing": "Not measured",
    "mean_absolute_error": "Mean |error|",
    "mean_error": "Mean error",
    "sd_error": "SD of error",
    "max_absolute_error": "Largest |error|",
    "limit": "Limit",
    "met": "Met",
    "n_voxels": "Voxels",
    "flag": "Flag",
    "rater": "Rater",
    "dice": "Dice",
    "smd": "SMD",
    "note": "Note",
    "level": "Level",
    "missing": "Missing",
    "df": "df",
}
P_COLUMNS = {"p", "p_fdr", "p_holm", "p_adjusted", "p-value", "p value"}
# What a column holds whose numbers have decimals of their own.
QUANTITIES = {
    **dict.fromkeys(("icc", "icc_low"), "icc"),
    **dict.fromkeys(("r", "rho"), "correlation"),
    **dict.fromkeys(("effect", "effect_low", "effect_high"), "effect"),
    **dict.fromkeys(("statistic", "z"), "statistic"),
}
WHOLE_COLUMNS = {"n", "n_in", "n_out", "n_missing", "n_voxels", "rater", "missing", "n_events"}
GROUP_SIZE = re.compile(r"n_\d+")


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, and whether it lines up as a number."""

    text: str
    numeric: bool = False


@dataclass(frozen=True)
class HtmlTable:
    """A table ready for the template."""

    caption: str
    headings: list[Cell]
    rows: list[list[Cell]]
    note: str = ""


def make_table(
    table: pd.DataFrame,
    caption: str,
    *,
    headings: Mapping[str, str] | None = None,
    label: Callable[[str], str] | None = None,
    label_columns: tuple[str, ...] = ("variable", "x", "y"),
    digits: Mapping[str, int] | None = None,
    note: str = "",
) -> HtmlTable:
    """Cells of a table as text; missing values as an en dash.

    Parameters
    ----------
    table
        Any table; all of its rows and columns are shown.
    caption
        What it shows.
    headings
        Column -> heading, before those of :data:`HEADINGS`; others show the column's name.
    label
        Names of variables for the cells of ``label_columns``.
    digits
        Decimals of a column; others get those of :mod:`osteoflow.wording`, counts none.
    """
    # A subject's page has no such table, and each page is made by a process of its own.
    import pandas as pd

    names = {**HEADINGS, **(headings or {})}
    digits = digits or {}
    columns = [str(column) for column in table.columns]
    numeric = {
        column: pd.api.types.is_numeric_dtype(table[column])
        and not pd.api.types.is_bool_dtype(table[column])
        for column in table.columns
    }
    cells = []
    for row in table.itertuples(index=False):
        line = []
        for column, value in zip(columns, row, strict=True):
            if label is not None and column in label_columns and isinstance(value, str):
                line.append(Cell(label(value)))
            else:
                text = cell_text(value, column, digits.get(column))
                line.append(Cell(text, numeric.get(column, False)))
        cells.append(line)
    return HtmlTable(
        caption,
        [Cell(_heading(column, names), numeric.get(column, False)) for column in columns],
        cells,
        note,
    )


def _heading(column: str, names: Mapping[str, str]) -> str:
    """Heading of a column; ``summary_2`` becomes ``Summary 2``."""
    stem, _, number_ = column.rpartition("_")
    if column not in names and number_.isdigit() and stem in names:
        return f"{names[stem]} {number_}"
    return names.get(column, column)


def _is_whole(column: str) -> bool:
    """Whether a column holds counts."""
    return column in WHOLE_COLUMNS or GROUP_SIZE.fullmatch(column) is not None


def cell_text(value: object, column: str = "", digits: int | None = None) -> str:
    """One value as text."""
    if is_missing(value):
        return DASH
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, Integral) or (_is_whole(column) and isinstance(value, Real)):
        return number(float(value), 0)
    if isinstance(value, Real):
        if column in P_COLUMNS:
            return p_number(float(value))
        if digits is not None:
            return number(float(value), digits)
        text = quantity(QUANTITIES.get(column, column), float(value))
        return DASH if text == NOT_ESTIMABLE else text
    if column == "roi":
        return region_name(str(value))
    if column == "covariates":
        return ", ".join(part.strip() for part in str(value).split(","))
    return str(value)


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: None, pandas' NA (which has no truth), or no number."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, Real) and value != value  # noqa: PLR0124


def given(table: pd.DataFrame | None) -> bool:
    """Whether a table is there and has rows."""
    return table is not None and not table.empty


@cache
def environment() -> Environment:
    """Templates with everything escaped: names in images' headers are foreign text."""
    return Environment(
        loader=PackageLoader("osteoflow.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
