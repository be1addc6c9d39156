"""The LASSO's path of coefficients and the cross-validation that chose its penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import fitted_size, outcome_of, penalised
from osteoflow.figures.style import (
    BLACK,
    CYCLE,
    GREY,
    LIGHT,
    VERMILION,
    legend_columns,
    look,
    new_figure,
    panel_title,
    plain,
    rasterised,
)
from osteoflow.settings.figures import Figures
from osteoflow.wording import (
    REGRESSIONS,
    count,
    feature_name,
    listing,
    number,
    quantity,
    significant,
)

NAMED = 2 * len(CYCLE)
# What the cross-validation minimises, where it is not the deviance per participant.
_DEVIANCE = {"continuous": "Squared error per participant", "survival": "Deviance per event"}
MARKS = {"lambda_min": "$\\lambda_{min}$", "lambda_1se": "$\\lambda_{1se}$"}


def draw_lasso(
    lasso_path: pd.DataFrame,
    lasso_cv: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
    penalty: str = "lambda_min",
) -> tuple[Figure, str]:
    """Coefficients and cross-validated deviance against the logarithm of the penalty.

    Parameters
    ----------
    lasso_path
        ``lambda``, ``feature``, ``coefficient`` (of standardised features); features that never
        enter may be left out.
    lasso_cv
        ``lambda``, ``deviance``, ``se``, ``n_nonzero``, ``mark`` (``lambda_min``, ``lambda_1se``,
        both joined by a comma, or empty).
    summary
        ``summary.json`` of the analysis.
    settings
        Sizes; the figure is two columns wide.
    penalty
        Which marked penalty the analysis takes; its features are coloured and named.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If the penalty taken is not marked.
    """
    marks = _marks(lasso_cv)
    if penalty not in marks:
        raise ValueError(f"the LASSO path has no {penalty}")
    path = lasso_path.pivot_table(index="lambda", columns="feature", values="coefficient")
    selected = _selected(path, marks[penalty])
    named = selected[:NAMED]
    columns = legend_columns([feature_name(name) for name in named], settings.double_column_mm)
    lines = int(np.ceil(len(named) / columns)) if named else 0
    with look():
        figure = new_figure(settings.double_column_mm, 68 + 3.6 * lines)
        left, right = figure.subplots(1, 2)
        handles = _path(left, path, named)
        panel_title(left, "a", "Coefficients")
        left.set_ylabel("Coefficient (per SD of the feature)")
        _deviance(right, lasso_cv)
        panel_title(right, "b", "Cross-validation")
        words = _DEVIANCE.get(summary.get("kind", "binary"), "Deviance per participant")
        right.set_ylabel(f"{words} (± SE)")
        for axes in (left, right):
            axes.set_xlabel("log λ")
            _mark(axes, marks)
            _counts(axes, lasso_cv)
        if named:
            figure.legend(
                handles,
                [plain(feature_name(name)) for name in named],
                loc="outside lower center",
                ncols=columns,
            )
    return figure, _caption(lasso_cv, marks, penalty, selected, path.shape[1], summary)


def _marks(lasso_cv: pd.DataFrame) -> dict[str, float]:
    found = {}
    for row in lasso_cv.itertuples():
        for mark in str(row.mark).split(","):
            if mark.strip() in MARKS:
                # itertuples renames the column ``lambda``, a keyword: it is the first one.
                found[mark.strip()] = float(lasso_cv.loc[row.Index, "lambda"])
    return found


def _selected(path: pd.DataFrame, penalty: float) -> list[str]:
    """Features with a coefficient at a penalty, the largest coefficient first."""
    if not len(path):
        return []
    chosen = path.iloc[int(np.argmin(np.abs(path.index.to_numpy(float) - penalty)))]
    return chosen[chosen != 0].abs().sort_values(ascending=False).index.tolist()


def _deviance(axes: Axes, lasso_cv: pd.DataFrame) -> None:
    axes.errorbar(
        np.log(lasso_cv["lambda"]),
        lasso_cv["deviance"],
        yerr=lasso_cv["se"],
        fmt="o",
        markersize=2,
        color=VERMILION,
        ecolor=LIGHT,
        elinewidth=0.7,
        capsize=0,
    )


def _path(axes: Axes, path: pd.DataFrame, named: list[str]) -> list[Any]:
    x = np.log(path.index.to_numpy(float))
    others = [name for name in path.columns if name not in named]
    axes.axhline(0, color=GREY, linewidth=0.5)
    if others:
        values = path[others].to_numpy()
        axes.plot(x, values, color=LIGHT, linewidth=0.5, rasterized=rasterised(values.size))
    handles = []
    for position, name in enumerate(named):
        style = "-" if position < len(CYCLE) else (0, (3, 1))
        handles += axes.plot(
            x, path[name], color=CYCLE[position % len(CYCLE)], linestyle=style, linewidth=1.0
        )
    return handles


def _mark(axes: Axes, marks: dict[str, float]) -> None:
    styles = {"lambda_min": (0, (4, 2)), "lambda_1se": (0, (1, 1.5))}
    same = len(set(marks.values())) < len(marks)
    for name, value in marks.items():
        axes.axvline(np.log(value), color=BLACK, linewidth=0.7, linestyle=styles[name], zorder=1)
        if same and name == "lambda_1se":
            continue
        text = " = ".join(MARKS[n] for n in marks) if same else MARKS[name]
        near_right = not same and value == max(marks.values())
        axes.annotate(
            text,
            (np.log(value), 1),
            xycoords=("data", "axes fraction"),
            xytext=(2 if near_right or same else -2, -1),
            textcoords="offset points",
            ha="left" if near_right or same else "right",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )


def _counts(axes: Axes, lasso_cv: pd.DataFrame) -> None:
    """Number of non-zero coefficients on a second axis above."""
    table = lasso_cv.sort_values("lambda")
    x = np.log(table["lambda"].to_numpy())
    picks = np.unique(np.linspace(0, len(x) - 1, min(7, len(x))).round().astype(int))
    above = axes.secondary_xaxis("top")
    above.set_xticks(x[picks], [str(int(n)) for n in table["n_nonzero"].to_numpy()[picks]])
    above.set_xlabel("Features with a non-zero coefficient", labelpad=3)
    above.spines["top"].set_visible(False)
    above.tick_params(length=0, pad=1)


def _caption(
    lasso_cv: pd.DataFrame,
    marks: dict[str, float],
    penalty: str,
    selected: list[str],
    n_features: int,
    summary: dict[str, Any],
) -> str:
    parts = []
    for name, value in marks.items():
        row = lasso_cv.loc[lasso_cv["lambda"] == value].iloc[0]
        parts.append(
            f"{name} = {significant(value, 3)} (log {number(np.log(value))}; "
            f"{count(int(row['n_nonzero']), 'feature')}; deviance "
            f"{quantity('deviance', row['deviance'])}, SE {quantity('deviance', row['se'])})"
        )
    names = listing([feature_name(name) for name in selected])
    learner = penalised(summary)
    chosen = f"{count(len(selected), 'feature')}" + (f": {names}" if selected else "")
    return (
        f"{learner[:1].upper()}{learner[1:]} {REGRESSIONS[summary.get('kind', 'binary')]} for "
        f"{outcome_of(summary)}, fitted to all training data ({fitted_size(summary)}), of whose "
        f"standardised features {n_features} enter the path. (a) Coefficients against the "
        "logarithm of the penalty; above, the number of non-zero ones; grey: not selected. (b) "
        "Cross-validated deviance with its standard error. "
        f"{listing(parts)}. The analysis takes {penalty}, which selects {chosen}."
    )
