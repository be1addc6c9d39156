"""ROC curves: averaged over the folds of a cross-validation, and on the hold-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from osteoflow.figures.model_tables import (
    SET_NAMES,
    drawn_sets,
    methods_of,
    models_present,
    outcome_of,
    performance_of,
    set_size,
)
from osteoflow.figures.panels import (
    band,
    identity,
    in_brackets,
    panel_letter,
    placed_axes,
    roc_axes,
    width_for,
)
from osteoflow.figures.style import (
    MM_PER_POINT,
    look,
    model_style,
    new_figure,
    panel_title,
    plain,
    text_width,
    wrap,
)
from osteoflow.model_names import in_sentence, model_name
from osteoflow.settings.figures import Figures
from osteoflow.wording import listing, p_value, quantity_estimate, sentence

# Room around the square panels, so that their sides are equal whatever stands beneath.
LEFT_MM, RIGHT_MM, TOP_MM, LABELS_MM, LINE_MM = 11.5, 3.0, 5.5, 10.0, 3.6
OUTDENT_MM = 9.0
HANDLE_MM = 9.5
_MIDDLE = 0.42
# Beyond so many pairs of models, the figure and its caption compare the last model alone.
MOST_PAIRS = 6


def draw_roc(
    roc: pd.DataFrame,
    performance: pd.DataFrame,
    comparisons: pd.DataFrame,
    predictions: pd.DataFrame,
    summary: dict[str, Any],
    settings: Figures,
) -> tuple[Figure, str]:
    """ROC curves of all models, one panel per set, AUC with its interval beneath.

    Pooling out-of-fold probabilities would bias a cross-validated AUC, so that panel shows the
    vertical average of the folds' curves; tests between models are DeLong's and belong to the
    hold-out alone (DeLong et al., Biometrics 1988).

    Parameters
    ----------
    roc, performance, comparisons, predictions
        The analysis's tables of these names.
    summary
        ``summary.json`` of the analysis.
    settings
        Sizes; one panel is one column wide, two panels two columns.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If there is no curve.
    """
    sets = drawn_sets(roc, "the table of ROC curves")
    width = width_for(len(sets), settings)
    models = models_present(roc, summary)
    panel = width / len(sets)
    side = panel - LEFT_MM - RIGHT_MM
    room = side + OUTDENT_MM
    shown = {name: shown_differences(comparisons, name, models) for name in sets}
    beneath = {name: _Beneath.of(performance, shown[name], models, name, room) for name in sets}
    lines = max(found.lines for found in beneath.values())
    caption = [f"ROC curves for {outcome_of(summary)}."]
    height = TOP_MM + side + LABELS_MM + LINE_MM * lines + RIGHT_MM
    with look():
        figure = new_figure(width, height, layout=None)
        for position, name in enumerate(sets):
            at = (position * panel + LEFT_MM, TOP_MM, side, side)
            axes = placed_axes(figure, at, (width, height))
            letter = panel_letter(position, len(sets))
            size = set_size(predictions, name)
            panel_title(axes, letter, f"{SET_NAMES[name]} ({size.words})")
            _curves(axes, roc[roc["set"] == name], models)
            _legend(axes, beneath[name], models, side)
            caption.append(
                _panel_caption(letter, name, performance, comparisons, models, predictions)
            )
    return figure, " ".join(caption)


def _curves(axes: Axes, roc: pd.DataFrame, models: list[str]) -> None:
    identity(axes)
    for position, model in enumerate(models):
        rows = roc[roc["model"] == model]
        style = model_style(model, position, models)
        axes.plot(rows["fpr"], rows["tpr"], **style, clip_on=False, zorder=3)
        # Three overlapping bands cannot be read: only the last model's, the combined one, is shown.
        if position == len(models) - 1 and rows["tpr_low"].notna().any():
            band(axes, rows["fpr"], rows["tpr_low"], rows["tpr_high"], style["color"])
    roc_axes(axes)


@dataclass(frozen=True)
class _Beneath:
    """What stands beneath a panel: a legend entry for each model, and lines on differences."""

    entries: list[str]
    differences: list[str]

    @property
    def lines(self) -> int:
        return 1 + sum(text.count("\n") + 1 for text in self.entries) + len(self.differences)

    @staticmethod
    def of(
        performance: pd.DataFrame,
        differences: pd.DataFrame,
        models: list[str],
        name: str,
        room: float,
    ) -> _Beneath:
        entries = []
        for model in models:
            auc = performance_of(performance, model, name, "auc")
            text = f"{model_name(model)}: {quantity_estimate('auc', auc.value, auc.low, auc.high)}"
            entries.append("\n".join(wrap(text, room - HANDLE_MM)))
        texts = []
        if len(differences):
            texts += wrap("Difference in AUC (95 % interval)", room)
            if name == "holdout":
                tested = f"Paired DeLong test{_adjusted(differences)}"
                texts += wrap(tested if _tested(differences) else "Not tested", room)
        for row in differences.itertuples():
            pair = f"{model_name(row.model_a)} − {in_sentence(row.model_b)}:"
            numbers = _difference(row, _tested(differences))
            if text_width(f"{pair} {numbers}") <= room:
                texts.append(f"{pair} {numbers}")
                continue
            # The numbers stay in one piece.
            first, *rest = wrap(pair, room)
            texts += [first, *(f"   {line}" for line in [*rest, numbers])]
        return _Beneath(entries, texts)


def _legend(axes: Axes, beneath: _Beneath, models: list[str], side: float) -> None:
    """AUCs (and on the hold-out the tests) beneath the panel, where no curve can run into them."""

    def write(line: int, text: str, indent: float = 0.0) -> None:
        drop = (LABELS_MM + LINE_MM * line) / MM_PER_POINT
        axes.annotate(
            plain(text),
            (0, 0),
            xycoords="axes fraction",
            xytext=((indent - OUTDENT_MM) / MM_PER_POINT, -drop),
            textcoords="offset points",
            va="top",
        )

    write(0, "AUC (95 % interval)")
    line = 1
    for position, (model, text) in enumerate(zip(models, beneath.entries, strict=True)):
        # The sample lies at the middle of its line of text.
        y = -(LABELS_MM + LINE_MM * (line + _MIDDLE)) / side
        ends = [-OUTDENT_MM / side, (HANDLE_MM - 2.0 - OUTDENT_MM) / side]
        style = model_style(model, position, models)
        axes.add_line(Line2D(ends, [y, y], transform=axes.transAxes, clip_on=False, **style))
        for part in text.split("\n"):
            write(line, part, HANDLE_MM)
            line += 1
    for text in beneath.differences:
        write(line, text)
        line += 1


def differences_of(comparisons: pd.DataFrame, name: str) -> pd.DataFrame:
    """Comparisons of one set: those tested on the hold-out, or the differences between folds.

    Only a frozen model on people it has never seen is tested; differences of fold-averaged areas
    come with an interval alone.
    """
    if comparisons.empty:
        return comparisons
    held = comparisons["test"].str.contains("hold-out")
    return comparisons[held if name == "holdout" else ~held]


def shown_differences(comparisons: pd.DataFrame, name: str, models: list[str]) -> pd.DataFrame:
    """Comparisons of one set between models drawn; of many, those with the last model."""
    found = differences_of(comparisons, name)
    if found.empty:
        return found
    found = found[found["model_a"].isin(models) & found["model_b"].isin(models)]
    if len(found) <= MOST_PAIRS:
        return found
    return found[(found["model_a"] == models[-1]) | (found["model_b"] == models[-1])]


def _tested(differences: pd.DataFrame) -> bool:
    """Whether any of these comparisons has a test: none in cross-validation, or of few events."""
    return bool(differences["p_adjusted"].notna().any())


def _difference(row: Any, tested: bool) -> str:
    """A difference with its interval; among tested ones with p, adjusted over all comparisons."""
    text = quantity_estimate("auc", row.difference, row.ci_low, row.ci_high)
    if not tested:
        return text
    return f"{text}, {p_value(row.p_adjusted) if pd.notna(row.p_adjusted) else 'not tested'}"


def _adjusted(differences: pd.DataFrame) -> str:
    """How p values of these comparisons are adjusted: ``; p adjusted: Holm, 3 tests``."""
    words = [
        word for word in pd.unique(differences["correction"]) if isinstance(word, str) and word
    ]
    return f"; p adjusted: {listing(words)}" if words else ""


def _panel_caption(
    letter: str,
    name: str,
    performance: pd.DataFrame,
    comparisons: pd.DataFrame,
    models: list[str],
    predictions: pd.DataFrame,
) -> str:
    size = set_size(predictions, name)
    aucs = []
    for model in models:
        auc = performance_of(performance, model, name, "auc")
        words = quantity_estimate("auc", auc.value, auc.low, auc.high)
        aucs.append(f"{in_sentence(model)} {words}")
    start = in_brackets(letter)
    method = methods_of(performance, name, "auc")
    if name == "cv":
        text = (
            f"{start}Nested cross-validation split by participant ({size.words}; {size.scheme}): "
            "average of the folds' curves at equal false-positive fraction; band: interval of the "
            f"{in_sentence(models[-1])} model's sensitivity. AUC (95 % interval): {listing(aucs)}."
        )
    else:
        text = (
            f"{start}Hold-out participants, never used in fitting ({size.words}). "
            f"AUC (95 % interval): {listing(aucs)}."
        )
    if method:
        text += f" AUC and interval: {sentence(method, capital=False)}"
    differences = shown_differences(comparisons, name, models)
    if len(differences):
        words = "; ".join(
            str(word).removeprefix("none: ") for word in pd.unique(differences["test"])
        )
        pairs = [
            f"{in_sentence(row.model_a)} minus {in_sentence(row.model_b)} "
            f"{_difference(row, _tested(differences))}"
            for row in differences.itertuples()
        ]
        text += f" Differences in AUC ({words}{_adjusted(differences)}): {'; '.join(pairs)}."
        if len(differences) < len(differences_of(comparisons, name)):
            text += " Further pairs of models are in comparisons.tsv."
    return text
