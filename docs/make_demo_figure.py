"""Compose the README's figure from the finished demo: a nomogram above its ROC curves.

Usage: python docs/make_demo_figure.py RESULTS OUTPUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ANALYSIS = "osteoporosis_dxa"
PANELS = ("nomogram", "roc")
WIDTH = 1200
GAP = 24


def main() -> None:
    """Write the figure, small enough to load at once."""
    results, output = map(Path, sys.argv[1:3])
    folder = results / "figures" / ANALYSIS
    panels = [Image.open(folder / f"{name}.png").convert("RGB") for name in PANELS]
    width = max(panel.width for panel in panels)
    height = sum(panel.height for panel in panels) + GAP * (len(panels) - 1)
    canvas = Image.new("RGB", (width, height), "white")
    top = 0
    for panel in panels:
        canvas.paste(panel, (0, top))
        top += panel.height + GAP
    canvas.thumbnail((WIDTH, WIDTH * height))
    output.parent.mkdir(parents=True, exist_ok=True)
    canvas.quantize(64).save(output, optimize=True)


if __name__ == "__main__":
    main()
