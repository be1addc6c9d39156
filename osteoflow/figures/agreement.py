"""Agreement: Bland-Altman plots of readings, and measurements against a simulation's truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from osteoflow.figures.panels import (
    AGREEMENT_LINES,
    LETTERS,
    agreement_bands,
    agreement_line,
    frame_differences,
    in_brackets,
    no_difference,
    panel_letter,
    width_for,
)
from osteoflow.figures.style import (
    BLUE,
    CYCLE,
    GREY,
    MARKERS,
    look,
    new_figure,
    panel_title,
    plain,
    rasterised,
)
from osteoflow.settings.figures import Figures
from osteoflow.wording import (
    count,
    interval,
    limits_decimals,
    number,
    p_value,
    quantity,
    significant,
    unit_name,
)

# What is compared: in the caption, on the axis of means and on that of differences.
COMPARED = {
    "inter_rater": ("two raters' masks", "Mean of both raters", "Rater 2 − rater 1"),
    "intra_rater": (
        "one rater's first and second masks",
        "Mean of both outlines",
        "Second − first",
    ),
    "scan_rescan": ("two scans of the same people", "Mean of both scans", "Second − first"),
}
NOT_ASSESSED = {
    "inter_rater": "No second rater of three participants: agreement was not assessed.",
    "intra_rater": "No repeated outlines of three participants: agreement was not assessed.",
    "scan_rescan": "No two scans of three participants: agreement was not assessed.",
}


def draw_bland_altman(
    limits: pd.DataFrame,
    points: pd.DataFrame,
    settings: Figures,
    label: Callable[[str], str] = str,
) -> tuple[Figure, str]:
    """Difference between two readings against their mean (Bland and Altman, Lancet 1986).

    Parameters
    ----------
    limits
        Rows of ``bland_altman.tsv`` of one comparison: one panel per image, region and variable.
    points
        ``bland_altman_points.tsv``.
    settings
        Sizes: one panel is one column wide, more are two columns wide.
    label
        Name of a variable without its unit, for axes and caption.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        Without rows, with more panels than letters, or with several comparisons.
    """
    if not 0 < len(limits) <= len(LETTERS):
        raise ValueError(f"a Bland-Altman figure has 1 to {len(LETTERS)} panels, not {len(limits)}")
    (comparison,) = limits["comparison"].unique()
    n_columns = 2 if len(limits) in (2, 4) else min(len(limits), 3)
    n_rows = -(-len(limits) // n_columns)
    width = width_for(len(limits), settings)
    height = (0.92 if n_columns == 3 else 0.72) * width / n_columns
    words = []
    with look():
        figure = new_figure(width, n_rows * (height + 4))
        for position, row in enumerate(limits.to_dict("records")):
            axes = figure.add_subplot(n_rows, n_columns, position + 1)
            same = np.logical_and.reduce(
                [points[key] == row[key] for key in ("image", "roi", "variable")]
            )
            letter = panel_letter(position, len(limits))
            name = label(row["variable"])
            _bland_altman_panel(axes, points[same], row)
            panel_title(axes, letter, name, width / n_columns - 19)
            words.append(in_brackets(letter) + _agreement_words(name, row))
    return figure, _agreement_caption(comparison, words)


def _agreement_words(name: str, row: dict) -> str:
    """Bias and limits of agreement of one panel, each with its interval."""
    unit = unit_name(row["unit"], difference=True)
    digits = limits_decimals(row["loa_low"], row["loa_high"])
    return (
        f"{name}, {_region(row['roi'])} (n = {row['n']}): bias "
        f"{number(row['bias'], digits)} {unit} (95 % interval "
        f"{interval(row['bias_low'], row['bias_high'], digits)}), limits of agreement "
        f"{interval(row['loa_low'], row['loa_high'], digits)} {unit} (95 % intervals "
        f"{interval(row['loa_low_low'], row['loa_low_high'], digits)} and "
        f"{interval(row['loa_high_low'], row['loa_high_high'], digits)}){_trend(row)}"
    )


def _agreement_caption(comparison: str, words: list[str]) -> str:
    return (
        f"Bland-Altman plots of {COMPARED[comparison][0]}. Solid line: mean difference, with its "
        "95 % interval as a band; dashed lines: limits of agreement (mean difference ± 1.96 SD) "
        "with their exact 95 % intervals as grey bands. "
        f"{'; '.join(words)}."
    )


def _trend(row: dict) -> str:
    """The slope of the differences on the means, where it is not chance."""
    if not row["slope_p"] < 0.05:
        return ""
    slope, p = significant(row["slope"], 2), p_value(row["slope_p"])
    return f", proportional bias: {slope} per unit of the mean, {p} (Pitman's test, not adjusted)"


def _region(roi: str) -> str:
    """``L1-L4_trabecular`` -> ``trabecular bone of L1-L4``."""
    level, _, compartment = roi.partition("_")
    return f"{compartment} bone of {level}" if compartment else f"vertebra {level}"


def _bland_altman_panel(axes: Axes, points: pd.DataFrame, row: dict) -> None:
    agreement_bands(
        axes,
        (row["bias_low"], row["bias_high"]),
        [(row[f"{limit}_low"], row[f"{limit}_high"]) for limit in ("loa_low", "loa_high")],
    )
    no_difference(axes)
    many = rasterised(len(points))
    axes.scatter(
        points["mean"], points["difference"], s=3 if many else 9, color=BLUE, linewidths=0,
        zorder=3, rasterized=many,
    )  # fmt: skip
    digits = limits_decimals(row["loa_low"], row["loa_high"])
    for key, style in zip(("bias", "loa_low", "loa_high"), AGREEMENT_LINES, strict=True):
        agreement_line(axes, row[key], digits, style)
    reach = max(
        abs(row["loa_low_low"]), abs(row["loa_high_high"]), float(points["difference"].abs().max())
    )
    frame_differences(axes, reach)
    _, of_means, of_differences = COMPARED[row["comparison"]]
    axes.set_xlabel(plain(f"{of_means} ({unit_name(row['unit'])})"))
    axes.set_ylabel(plain(f"{of_differences} ({unit_name(row['unit'], difference=True)})"))


def draw_truth(
    per_vertebra: pd.DataFrame,
    summary: pd.DataFrame,
    settings: Figures,
    label: Callable[[str], str] = str,
) -> tuple[Figure, str]:
    """Measured against simulated values, one panel per quantity, by model of the scan.

    Parameters
    ----------
    per_vertebra, summary
        From :func:`osteoflow.reports.truth.compare_truth`.
    settings
        Sizes; the figure is two columns wide, two panels in a row.
    label
        Name of a metric with its unit.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        If nothing was measured.
    """
    measured = per_vertebra.dropna(subset=["measured", "truth"])
    if measured.empty:
        raise ValueError("no measured vertebra has a simulated truth")
    metrics = [str(name) for name in pd.unique(measured["metric"])]
    models = sorted(pd.unique(measured["scan_model"]), key=lambda name: (name != "matched", name))
    n_columns = min(len(metrics), 2)
    n_rows = -(-len(metrics) // n_columns)
    width = width_for(n_columns, settings)
    panel = width / n_columns
    with look():
        figure = new_figure(width, n_rows * 0.86 * panel + 8)
        handles = {}
        for position, metric in enumerate(metrics):
            axes = figure.add_subplot(n_rows, n_columns, position + 1)
            rows = measured[measured["metric"] == metric]
            handles |= _truth_panel(axes, rows, models)
            letter = panel_letter(position, len(metrics))
            panel_title(axes, letter, label(metric), panel - 17)
            axes.set(xlabel="Simulated", ylabel="Measured")
        ordered = [name for name in models if name in handles]
        figure.legend(
            [handles[name] for name in ordered],
            [plain(_model_words(name)) for name in ordered],
            loc="outside lower center",
            ncols=min(len(ordered), 4),
        )
    return figure, _truth_caption(summary, label)


def _truth_panel(axes: Axes, rows: pd.DataFrame, models: list[str]) -> dict[str, Any]:
    """Measured against simulated values of one quantity; the points drawn, by model."""
    low = min(rows["truth"].min(), rows["measured"].min())
    high = max(rows["truth"].max(), rows["measured"].max())
    pad = 0.05 * (high - low) or 1.0
    span = (low - pad, high + pad)
    axes.plot(span, span, color=GREY, linewidth=0.6)
    handles = {}
    for index, model in enumerate(models):
        some = rows[rows["scan_model"] == model]
        if some.empty:
            continue
        handles[model] = axes.scatter(
            some["truth"],
            some["measured"],
            s=11 if model == "matched" else 13,
            marker=MARKERS[index % len(MARKERS)],
            facecolors="none" if model == "matched" else CYCLE[index % len(CYCLE)],
            edgecolors=GREY if model == "matched" else CYCLE[index % len(CYCLE)],
            linewidths=0.6,
            zorder=2 if model == "matched" else 3,
            rasterized=rasterised(len(rows)),
        )
    axes.set(xlim=span, ylim=span, aspect="equal")
    return handles


def _model_words(name: str) -> str:
    return "Scan follows the fitted model" if name == "matched" else name.replace("_", " ")


def _truth_caption(summary: pd.DataFrame, label: Callable[[str], str]) -> str:
    words = []
    for row in summary.to_dict("records"):
        if not row["n"]:
            continue
        text = (
            f"{label(row['metric'])}, {row['scan_model'].replace('_', ' ')} "
            f"({count(int(row['n']), 'vertebra', 'vertebrae')}): mean absolute error "
            f"{quantity('error', row['mean_absolute_error'])}, mean error "
            f"{quantity('error', row['mean_error'])}"
        )
        if pd.notna(row["limit"]):
            text += f" (limit {row['limit']:g}: {'met' if row['met'] else 'not met'})"
        words.append(text)
    return (
        "Measured against simulated values per vertebra; line: identity. Scans marked with another "
        "name than the fitted model's break it on purpose and are reported apart. "
        f"{'; '.join(words)}. Accuracy on simulated scans is not clinical accuracy."
    )
