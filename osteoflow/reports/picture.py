"""Figures inside reports."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from osteoflow.figures.style import rst_unescape
from osteoflow.reports.overlay import compress

MAX_BYTES = 90_000
DISPLAY_PX_PER_MM = 6.0
STORED_PX_PER_MM = 7.0
MM_PER_INCH = 25.4


# Headings of the workflow's figures.
TITLES = {
    "flow": "Flow of participants",
    "bland_altman": "Agreement of raters",
    "bland_altman_intra_rater": "Agreement of repeated outlines",
    "bland_altman_scan_rescan": "Agreement of repeated scans",
    "truth": "Measured and known values",
    "ct_drift": "Stability of the CT calibration",
    "stard": "Flow of the analysis",
    "nomogram": "Nomogram",
    "nomogram_calibration": "Calibration of the nomogram",
    "roc": "ROC curves",
    "calibration": "Calibration",
    "decision_curve": "Decision curves",
    "classes": "Classes",
    "predicted": "Predicted and measured",
    "kaplan_meier": "Kaplan-Meier curves",
    "lasso": "LASSO",
    "permutation": "Leakage check",
}

# Of figures that a study may have several of: how their names begin.
SEVERAL = {
    "correlation_": "Correlation",
    "heatmap_": "Correlations of all pairs",
    "measurement_roc_": "ROC curves of single measurements",
}


@dataclass(frozen=True)
class ReportFigure:
    """A figure to be shown: its PNG, caption and relative addresses of other formats."""

    title: str
    png: bytes
    caption: str
    links: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_files(cls, title: str, stem: Path, caption: str, href: str) -> ReportFigure:
        """A figure saved under ``stem``; ``href`` is the address of its folder from the report.

        Raises
        ------
        FileNotFoundError
            If there is no PNG.
        """
        links = {
            kind.upper(): f"{href.rstrip('/')}/{stem.name}.{kind}"
            for kind in ("pdf", "svg", "png")
            if stem.with_name(f"{stem.name}.{kind}").exists()
        }
        return cls(title, stem.with_name(f"{stem.name}.png").read_bytes(), caption, links)

    def also(self, name: str, href: str) -> ReportFigure:
        """The figure with a further link beneath it."""
        return replace(self, links={**self.links, name: href})

    def embed(self) -> dict[str, object]:
        """What the template shows: the picture made small, as wide as its printed size asks."""
        picture = Image.open(io.BytesIO(self.png))
        # Figures are saved with their resolution, so one- and two-column ones keep their ratio.
        dpi = picture.info.get("dpi", (300.0, 300.0))[0]
        width_mm = picture.width / dpi * MM_PER_INCH
        png = compress(self.png, MAX_BYTES, round(width_mm * STORED_PX_PER_MM), colours=64)
        return {
            "title": self.title,
            "uri": "data:image/png;base64," + base64.b64encode(png).decode("ascii"),
            "width": round(width_mm * DISPLAY_PX_PER_MM),
            "caption": self.caption,
            "links": dict(self.links),
        }


def saved_figure(name: str, folder: Path, href: str) -> ReportFigure:
    """A figure of the workflow with the caption that was saved beside it.

    Parameters
    ----------
    name
        ``roc`` for ``roc.png`` and ``roc.rst``.
    folder
        Where they are.
    href
        Address of that folder from the report.
    """
    stem = folder / name
    caption = rst_unescape(stem.with_suffix(".rst").read_text(encoding="utf-8").strip())
    title = TITLES.get(name) or next(
        (words for start, words in SEVERAL.items() if name.startswith(start)), name
    )
    return ReportFigure.from_files(title, stem, caption, href)
