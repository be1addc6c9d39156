"""Cross-validated areas with permuted outcomes beside the observed ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from osteoflow.figures.model_tables import fitted_size, models_present, outcome_of
from osteoflow.figures.notice import draw_notice
from osteoflow.figures.style import (
    BLACK,
    GREY,
    PAGE_MM,
    legend_columns,
    look,
    model_style,
    new_figure,
    plain,
    rasterised,
    wrap,
)
from osteoflow.model_names import model_name
from osteoflow.models.permutation import in_text
from osteoflow.settings.figures import Figures
from osteoflow.wording import count, p_number, p_value, quantity

# Areas so close stand beside each other; rows are 1 high.
_BIN, _ROOM, _STEP = 0.015, 0.36, 0.13
_NAMES_MM, _ROW_MM = 24.0, 11.0


def draw_permutation(
    permutations: pd.DataFrame,
    permuted_scores: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Every permuted area as a point, one row per model, with the observed area as a bar.

    Parameters
    ----------
    permutations, permuted_scores
        The analysis's tables of these names.
    summary
        ``summary.json`` of the analysis.
    settings
        Sizes; one column wide.

    Returns
    -------
    figure, caption
        A notice where no outcome was permuted.
    """
    if permutations.empty:
        return draw_notice("No outcomes were permuted: there is no leakage check.", settings)
    models = models_present(permutations, summary)
    table = permutations.set_index("model")
    metric, chance = permutations["metric"].iloc[0], float(permutations["chance"].iloc[0])
    width = settings.single_column_mm
    with look():
        labels = ["Permuted outcomes", "Observed"]
        names = [_name_lines(model, table.loc[model]) for model in models]
        row = max(_ROW_MM, 3.2 * max(map(len, names)) + 2)
        columns = legend_columns(labels, width)
        height = row * len(models) + 14 + 3.8 * -(-len(labels) // columns)
        figure = new_figure(width, min(height, PAGE_MM))
        axes = figure.add_subplot()
        axes.axvline(chance, color=GREY, linestyle=(0, (1, 1.5)), linewidth=0.8)
        for place, model in enumerate(models):
            drawn = permuted_scores.loc[permuted_scores["model"] == model, "score"].to_numpy(
                dtype=float
            )
            _row(axes, place, drawn, float(table.loc[model, "observed"]), model, models)
        axes.set_yticks(range(len(models)), ["\n".join(map(plain, lines)) for lines in names])
        axes.tick_params(axis="y", length=0)
        axes.set(
            ylim=(len(models) - 0.5, -0.5),
            xlim=_limits(permutations, permuted_scores),
            xlabel=plain(f"Cross-validated {in_text(metric)}"),
        )
        axes.spines["left"].set_visible(False)
        observed = Line2D([], [], color=BLACK, linestyle="none", marker="|", markersize=8)
        observed.set_markeredgewidth(2.2)
        handles = [axes.collections[0], observed]
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)
    return figure, _caption(permutations, models, summary)


def _name_lines(model: str, row: pd.Series) -> list[str]:
    """What stands beside a model's row: its name, the observed value and p."""
    words = f"{quantity(row['metric'], row['observed'])}, {p_value(row['p'])}"
    return [*wrap(model_name(model), _NAMES_MM), *wrap(words, _NAMES_MM)]


def _caption(permutations: pd.DataFrame, models: list[str], summary: dict[str, Any]) -> str:
    table = permutations.set_index("model")
    metric = in_text(permutations["metric"].iloc[0])
    n = int(permutations["n_permutations"].min())
    told = " ".join(f"{model_name(name)}: {_told(table.loc[name])}" for name in models)
    return (
        f"Leakage check of the models of {outcome_of(summary)}: {fitted_size(summary)}. Points: "
        f"cross-validated {metric} of the whole pipeline with the outcome permuted between "
        f"participants ({count(n, 'time')}); bars: with the outcome as it is (mean over the "
        "repeats of the cross-validation); dotted: chance. "
        "p of each model's one-sided permutation test, not adjusted for their number, is never "
        f"below {p_number(1 / (1 + n))}. {told}"
    )


def _told(row: pd.Series) -> str:
    """The sentence of a model's row, inside a line that begins with its name."""
    text = str(row["sentence"])
    return text[:1].lower() + text[1:]


def _row(
    axes: Axes, place: int, permuted: np.ndarray, observed: float, model: str, models: list[str]
) -> None:
    many = rasterised(len(permuted) * len(models))
    axes.scatter(
        permuted, place + _beside(permuted), s=2 if many else 7, color=GREY, alpha=0.6,
        linewidths=0, rasterized=many,
    )  # fmt: skip
    color = model_style(model, place, models)["color"]
    axes.plot(
        [observed, observed], [place - 0.42, place + 0.42], linewidth=2.2,
        color=BLACK if color == GREY else color, solid_capstyle="butt",
    )  # fmt: skip


def _beside(values: np.ndarray) -> np.ndarray:
    """Heights at which near values stand beside each other, symmetric about 0."""
    heights = np.zeros(len(values))
    # R squared of a model that is worse than the mean is below 0, and so is its bin.
    bins, sizes = np.unique(np.floor(values / _BIN), return_counts=True)
    step = min(_STEP, 2 * _ROOM / max(int(sizes.max(initial=1)) - 1, 1))
    for number_of_bin in bins:
        members = np.flatnonzero(np.floor(values / _BIN) == number_of_bin)
        order = members[np.argsort(values[members], kind="stable")]
        heights[order] = step * (np.arange(len(members)) - (len(members) - 1) / 2)
    return heights


def _limits(permutations: pd.DataFrame, permuted_scores: pd.DataFrame) -> tuple[float, float]:
    """Range of all areas and chance, to the next tenth."""
    areas = np.concatenate(
        [permutations["observed"], permuted_scores["score"], permutations["chance"]]
    ).astype(float)
    low, high = np.floor(10 * areas.min() - 0.1) / 10, np.ceil(10 * areas.max() + 0.1) / 10
    if (permutations["chance"] == 0.5).all():  # areas and concordances
        return max(float(low), -0.02), min(float(high), 1.02)
    return float(low), min(float(high), 1.02)
