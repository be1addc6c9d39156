"""Phantom scans over time: does a scanner's calibration hold still?"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from osteoflow.figures.panels import LETTERS, in_brackets, panel_letter
from osteoflow.figures.style import BLACK, GREY, VERMILION, look, new_figure, panel_title, plain
from osteoflow.settings.figures import Figures
from osteoflow.wording import quantity, quantity_interval


def draw_drift(scans: pd.DataFrame, settings: Figures) -> tuple[Figure, str]:
    """Change of the calibration at 100 mg/cm3, one panel per scanner, voltage and kernel.

    Parameters
    ----------
    scans
        ``ct_drift.tsv``.
    settings
        Sizes.

    Returns
    -------
    figure, caption

    Raises
    ------
    ValueError
        Without rows, or with more series than letters.
    """
    groups = list(scans.groupby("series", sort=True))
    if not 0 < len(groups) <= len(LETTERS):
        raise ValueError(f"a figure of drift has 1 to {len(LETTERS)} panels, not {len(groups)}")
    width = settings.single_column_mm
    words = []
    with look():
        figure = new_figure(width, 0.55 * width * len(groups))
        for position, (_, own) in enumerate(groups):
            axes = figure.add_subplot(len(groups), 1, position + 1)
            change, limit = 100 * own["change"], 100 * own["limit"]
            out = own["state"] == "out_of_control"
            axes.fill_between(own["day"], -limit, limit, step="mid", color=GREY, alpha=0.2, lw=0)
            axes.axhline(0, color=GREY, lw=0.6)
            axes.plot(own["day"], change, color=BLACK, marker="o", lw=0.8)
            axes.plot(own["day"][out], change[out], color=VERMILION, marker="s", ls="none", ms=5)
            axes.set_xlim(-5, max(own["day"].max(), 25) + 5)
            axes.set_xlabel("Days since the first phantom scan")
            axes.set_ylabel(plain("Change at 100 mg/cm³ (%)"))
            first = own.iloc[0]
            letter = panel_letter(position, len(groups))
            name = f"{first['scanner']}, {first['kvp']:g} kV, {first['kernel']}"
            panel_title(axes, letter, name, width - 18)
            text = f"{in_brackets(letter)}{name} (n = {len(own)}): {out.sum()} out"
            if pd.notna(first["trend"]):
                limits = quantity_interval("trend", first["trend_low"], first["trend_high"])
                text += f", trend {quantity('trend', first['trend'])} % a year ({limits})"
            words.append(text)
    caption = (
        "Calibration by separate phantom scans over time: change of a density of 100 mg/cm³ "
        "against the median of all earlier scans with the same settings. Band: limit (1.5 %, or "
        "three robust standard deviations from the sixth scan on); squares: out of control. "
        f"Trend: Theil and Sen's slope with its 95 % interval. {'; '.join(words)}."
    )
    return figure, caption
