"""Two measurements of the same participants against each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from osteoflow.figures.notice import draw_notice
from osteoflow.figures.panels import band
from osteoflow.figures.style import BLACK, BLUE, look, new_figure, plain, rasterised, wrap
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, listing, p_value, quantity, quantity_interval, significant

_MIN_POINTS = 3


def draw_scatter(
    table: pd.DataFrame,
    x: str,
    y: str,
    settings: Figures,
    label: Callable[[str], str] = str,
    correlations: pd.DataFrame | None = None,
) -> tuple[Figure, str]:
    """Two measurements of the same participants with the least-squares line and its 95 % band.

    Parameters
    ----------
    table
        One row per participant; rows with a missing value are left out and counted.
    x, y
        Columns.
    settings
        Sizes; one column wide.
    label
        Name of a column with its unit.
    correlations
        ``correlations.tsv``; its rows of these two columns are quoted above the panel.

    Returns
    -------
    figure, caption
        A notice with the reason where there are fewer than three complete participants, or all
        have the same ``x``.
    """
    complete = table[[x, y]].dropna().astype(float)
    problem = _no_line(complete, len(table), label)
    if problem:
        return draw_notice(problem, settings)
    with look():
        figure = new_figure(settings.single_column_mm, 0.86 * settings.single_column_mm)
        axes = figure.add_subplot()
        slope, intercept, limits = _least_squares(complete[x].to_numpy(), complete[y].to_numpy())
        grid = np.linspace(complete[x].min(), complete[x].max(), 100)
        band(axes, grid, *limits(grid), BLUE)
        axes.plot(grid, intercept + slope * grid, color=BLUE)
        many = rasterised(len(complete))
        size, alpha = (2, 0.35) if many else (10, 0.75)
        axes.scatter(
            complete[x], complete[y], s=size, color=BLACK, alpha=alpha, linewidths=0,
            rasterized=many,
        )  # fmt: skip
        along = settings.single_column_mm - 16
        axes.set_xlabel(plain("\n".join(wrap(label(x), along))))
        axes.set_ylabel(plain("\n".join(wrap(label(y), 0.7 * along))))
        short, long = _correlation_words(correlations, x, y, label)
        room = settings.single_column_mm - 14
        lines = [line for text in short for line in wrap(text, room)]
        axes.set_title(plain("\n".join(lines)), fontsize=7, linespacing=1.3)
    left_out = len(table) - len(complete)
    caption = (
        f"{label(y)} against {label(x)} in {count(len(complete), 'participant')}"
        + (f" ({left_out} without both values left out)" if left_out else "")
        + f". Line: least squares, slope {significant(slope, 3)}, intercept "
        f"{significant(intercept, 3)}, with the 95 % interval of the mean. " + " ".join(long)
    )
    return figure, caption.strip()


def _no_line(complete: pd.DataFrame, n: int, label: Callable[[str], str]) -> str:
    """Why the complete rows of ``n`` participants allow no line; "" where they do."""
    x, y = complete.columns
    if len(complete) < _MIN_POINTS:
        return (
            f"{label(y)} against {label(x)}: {len(complete)} of {count(n, 'participant')} "
            f"have both values, fewer than the {_MIN_POINTS} that a line needs."
        )
    if complete[x].nunique() < 2:
        return (
            f"{label(y)} against {label(x)}: all {count(len(complete), 'participant')} with both "
            f"values have the same {bare(label(x))}."
        )
    return ""


def _least_squares(x: np.ndarray, y: np.ndarray) -> tuple[float, float, Callable]:
    """Line and 95 % interval of the mean response (Student's t)."""
    n = len(x)
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - intercept - slope * x
    spread = np.sqrt((residual**2).sum() / (n - 2))
    t = stats.t.ppf(0.975, n - 2)
    sxx = ((x - x.mean()) ** 2).sum()

    def limits(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = t * spread * np.sqrt(1 / n + (grid - x.mean()) ** 2 / sxx)
        return intercept + slope * grid - half, intercept + slope * grid + half

    return float(slope), float(intercept), limits


def _correlation_words(
    correlations: pd.DataFrame | None, x: str, y: str, label: Callable[[str], str]
) -> tuple[list[str], list[str]]:
    """Short lines for the figure and sentences for the caption."""
    short, long = [], []
    if correlations is None or correlations.empty:
        return short, long
    pair = correlations[
        ((correlations["x"] == x) & (correlations["y"] == y))
        | ((correlations["x"] == y) & (correlations["y"] == x))
    ]
    for row in pair.to_dict("records"):
        given = row["covariates"] if isinstance(row["covariates"], str) else ""
        names = [name.strip() for name in given.split(",") if name.strip()]
        symbol = "ρ" if row["method"] == "spearman" else "r"
        partial = "partial " if names else ""
        value = quantity("correlation", row["r"])
        limits = quantity_interval("correlation", row["ci_low"], row["ci_high"])
        short.append(
            f"{partial}{symbol} = {value} ({limits}), adjusted {p_value(row['p_fdr'])}, "
            f"n = {row['n']}"
            + (f", given {listing([bare(label(name)) for name in names])}" if names else "")
        )
        long.append(
            f"{'Partial ' if names else ''}{row['method'].capitalize()} correlation"
            + (f" given {listing([bare(label(name)) for name in names])}" if names else "")
            + f": {symbol} = {value} (95 % interval {limits}), {p_value(row['p'])}, adjusted "
            f"{p_value(row['p_fdr'])}, n = {row['n']}."
        )
    if long:
        n = int(correlations["p"].notna().sum())
        long.append(
            "p by Student's t, adjusted after Benjamini and Hochberg over "
            f"{count(n, 'declared correlation')}."
        )
    return short, long


def bare(label: str) -> str:
    """A label without the unit in brackets at its end."""
    return label.rpartition(" (")[0] if label.endswith(")") and " (" in label else label
