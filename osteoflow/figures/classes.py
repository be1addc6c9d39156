"""Ordered classes: observed against predicted, and the ROC curve of each class against the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.model_tables import (
    SET_NAMES,
    drawn_sets,
    methods_of,
    models_present,
    outcome_of,
    performance_of,
    size_words,
)
from osteoflow.figures.panels import identity, paired_panels, roc_axes
from osteoflow.figures.style import (
    BLACK,
    BLUE,
    CYCLE,
    GREY,
    look,
    panel_title,
    plain,
    text_width,
    wrap,
)
from osteoflow.model_names import in_sentence
from osteoflow.settings.figures import Figures
from osteoflow.wording import number, quantity_estimate, sentence

_LINES = ("-", (0, (5, 1.5)), (0, (1.6, 1)), (0, (6, 1.2, 1.2, 1.2)))
_PANEL_MM, _LINE_MM = 72.0, 3.6
# Least side of the matrix, and room for a class's name beside it.
_SIDE_MM, _NAME_MM = 48.0, 24.0


def draw_classes(
    confusion: pd.DataFrame,
    roc: pd.DataFrame,
    performance: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """Confusion and one-against-rest ROC curves of the last model of an ordinal analysis.

    Parameters
    ----------
    confusion
        ``confusion.tsv``: ``model``, ``set``, ``repeat``, ``observed``, ``predicted``, ``n``.
    roc
        ``roc.tsv`` with the column ``class``.
    performance
        ``performance.tsv``.
    summary
        ``summary.json``; its ``classes`` are in order.
    settings
        Sizes; two columns wide, one row of panels per set.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If nothing was predicted.
    """
    sets = drawn_sets(confusion, "the table of confusions")
    model = models_present(confusion, summary)[-1]
    classes = [str(name) for name in summary["classes"]]
    words = []
    with look():
        height = _PANEL_MM + _LINE_MM * len(classes)
        figure, pairs = paired_panels(sets, height, settings)
        for name, letters, left, right, room in pairs:
            rows = confusion[(confusion["set"] == name) & (confusion["model"] == model)]
            counts = mean_counts(rows, classes)
            n = size_words(round(counts.sum()))
            _matrix(left, counts, classes)
            panel_title(left, letters[0], f"{SET_NAMES[name]} ({n})", room)
            curves = roc[(roc["set"] == name) & (roc["model"] == model)]
            _curves(right, curves, performance, model, name, classes)
            panel_title(right, letters[1], f"{SET_NAMES[name]}: one against rest", room)
            words.append(
                _words(letters, f"{SET_NAMES[name]} ({n})", name, performance, model, rows)
            )
    caption = (
        f"Predicted classes of {outcome_of(summary)} by the {in_sentence(model)} model. Left: "
        "share of the participants of each observed class, in brackets their number; right: ROC "
        f"curve of each class against all others. {' '.join(words)}"
    )
    return figure, caption


def mean_counts(rows: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Participants by observed (rows) and predicted class, averaged over repeats."""
    table = rows.astype({"observed": str, "predicted": str}).pivot_table(
        index="observed", columns="predicted", values="n", aggfunc="mean", fill_value=0.0
    )
    return table.reindex(index=classes, columns=classes, fill_value=0.0).to_numpy(dtype=float)


def _matrix(axes: Axes, counts: np.ndarray, classes: list[str]) -> None:
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    axes.set_aspect("equal")
    k = len(classes)
    for i in range(k):
        for j in range(k):
            # A shade of one colour, dark where many are; the number says how many.
            axes.add_patch(_square(j, i, alpha=0.7 * share[i, j], correct=i == j))
            axes.text(
                *(j + 0.5, i + 0.5, f"{number(100 * share[i, j], 0)} %\n({_count(counts[i, j])})"),
                ha="center",
                va="center",
            )
    upright = max(text_width(name) for name in classes) < _SIDE_MM / k
    names = [plain("\n".join(wrap(name, _NAME_MM))) for name in classes]
    middle = np.arange(k) + 0.5
    axes.set_xticks(middle, names, rotation=0 if upright else 90)
    axes.set_yticks(middle, names)
    axes.set(xlim=(0, k), ylim=(k, 0), xlabel="Predicted", ylabel="Observed")
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _square(x: int, y: int, alpha: float, correct: bool) -> Any:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    return Rectangle(
        (x, y), 1, 1, facecolor=to_rgba(BLUE, alpha), edgecolor=BLACK if correct else GREY,
        linewidth=1.0 if correct else 0.4, zorder=2 if correct else 1, clip_on=False,
    )  # fmt: skip


def _count(value: float) -> str:
    return str(round(value)) if abs(value - round(value)) < 1e-9 else number(value, 1)


def _curves(
    axes: Axes, curves: pd.DataFrame, performance: pd.DataFrame, model: str, name: str,
    classes: list[str],
) -> None:  # fmt: skip
    identity(axes)
    for place, one in enumerate(classes):
        rows = curves[curves["class"].astype(str) == one]
        if rows.empty:
            continue
        area = performance_of(performance, model, name, f"auc_{one}")
        axes.plot(
            rows["fpr"], rows["tpr"], color=CYCLE[place % len(CYCLE)],
            linestyle=_LINES[place % len(_LINES)], clip_on=False, zorder=3,
            label=plain(f"{one}: {quantity_estimate('auc', area.value, area.low, area.high)}"),
        )  # fmt: skip
    axes.set_aspect("equal")
    roc_axes(axes)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), title="AUC (95 % interval)",
        alignment="left",
    )  # fmt: skip


def _words(
    letters: tuple[str, str],
    title: str,
    name: str,
    performance: pd.DataFrame,
    model: str,
    rows: pd.DataFrame,
) -> str:
    def said(metric: str) -> str:
        found = performance_of(performance, model, name, metric)
        return quantity_estimate(metric, found.value, found.low, found.high)

    averaged = ", counts averaged over repeats" if rows["repeat"].max() > 1 else ""
    return sentence(
        f"({letters[0]}, {letters[1]}) {title}{averaged}: weighted kappa "
        f"{said('kappa_quadratic')} with quadratic and {said('kappa_linear')} with linear weights, "
        f"ordered concordance {said('c_index')}, Hand-Till area {said('auc_hand_till')}; areas: "
        f"{methods_of(performance, name, 'auc_hand_till')}"
    )
