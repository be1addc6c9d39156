"""The look of all figures, and how they are written.

Sizes follow journals' columns; text is 7 to 8 pt at the printed size, so figures are never
rescaled. Colours are those of Okabe and Ito ("Color Universal Design", 2008), told apart under
all common forms of colour blindness; line styles and markers differ as well. DejaVu Sans comes
with matplotlib: the same file on every machine.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font, LoadFlags

from osteoflow.io.whole import whole_file, write_text
from osteoflow.model_names import BASELINE

if TYPE_CHECKING:
    from osteoflow.settings.figures import Figures

MM_PER_INCH = 25.4
MM_PER_POINT = MM_PER_INCH / 72
FONT_SIZE, TITLE_SIZE = 7.0, 8.0
# What a panel's letter takes of the line of its title.
LETTER_MM = 5.0
# The height of a journal's page: figures with many parts are made to fit it.
PAGE_MM = 235.0
MOST_VECTOR_POINTS = 2000

BLACK, GREY, LIGHT = "#000000", "#6E6E6E", "#D0D0D0"
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE, YELLOW = "#E69F00", "#56B4E9", "#CC79A7", "#F0E442"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

MODEL_STYLES = {
    "clinical": {"color": BLUE, "linestyle": (0, (4, 1.5))},
    "measurements": {"color": GREEN, "linestyle": (0, (2, 1))},
    "radiomics": {"color": VERMILION, "linestyle": (0, (6, 1.2, 1.2, 1.2))},
    "radiomics_lasso": {"color": PURPLE, "linestyle": (0, (5, 1))},
    "radiomics_elastic_net": {"color": ORANGE, "linestyle": (0, (5, 1, 1, 1))},
    "radiomics_logistic": {"color": SKY, "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    "radiomics_svm": {"color": PURPLE, "linestyle": (0, (1.6, 1))},
    "radiomics_random_forest": {"color": ORANGE, "linestyle": (0, (1.6, 1))},
    "radiomics_gradient_boosting": {"color": SKY, "linestyle": (0, (1.6, 1))},
    "combined": {"color": BLACK, "linestyle": "-"},
}
# Single columns, in the order of the analysis: without colour, told apart by their dashes.
_BASELINES = ((0, (1, 1)), (0, (3, 1)), (0, (6, 2)), (0, (1, 1, 4, 1)))

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": TITLE_SIZE,
    "axes.titlelocation": "left",
    "axes.labelsize": FONT_SIZE,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.borderaxespad": 0.0,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "patch.linewidth": 0.6,
    "figure.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.03,
    "figure.constrained_layout.h_pad": 0.03,
    "savefig.facecolor": "white",
    # Type 42 keeps text as text with its font inside the file, as journals ask.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    # Without a fixed salt, every run gives other identifiers inside the SVG.
    "svg.hashsalt": "osteoflow",
}

# Dates and versions in files would make two equal runs differ.
_METADATA = {
    "pdf": {"CreationDate": None, "Creator": "OsteoFlow", "Producer": None},
    "svg": {"Date": None, "Creator": "OsteoFlow"},
    "png": {"Software": None},
}


def look() -> AbstractContextManager[None]:
    """Context in which figures are made and saved; matplotlib's own settings stay untouched."""
    return mpl.rc_context({**mpl.rcParamsDefault, **_RC})


def new_figure(width_mm: float, height_mm: float, layout: str | None = "constrained") -> Figure:
    """Empty figure of an exact printed size."""
    return Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), layout=layout)


def page_axes(figure: Figure) -> Axes:
    """Axes over the whole figure with millimetres as coordinates, origin at the lower left."""
    width, height = (float(v) * MM_PER_INCH for v in figure.get_size_inches())
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return axes


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float = FONT_SIZE, weight: str = "normal") -> float:
    """Printed width of one line of text in mm."""
    font = _font(weight)
    # Ten times the resolution: widths in 26.6 fixed point, unaffected by rounding to pixels.
    font.set_size(size, 720)
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    return font.get_width_height()[0] / 64 / 10 * MM_PER_POINT


@functools.cache
def _font(weight: str) -> FT2Font:
    return get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))


def wrap(text: str, width_mm: float, size: float = FONT_SIZE, weight: str = "normal") -> list[str]:
    """Text broken into lines that fit the width; a longer single word is broken inside."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and text_width(f"{line} {word}", size, weight) <= width_mm:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        while text_width(word, size, weight) > width_mm and len(word) > 1:
            fits = max(
                (n for n in range(1, len(word)) if text_width(word[:n], size, weight) <= width_mm),
                default=1,
            )
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line] if line else lines


def panel_title(axes: Axes, letter: str, text: str, room_mm: float | None = None) -> None:
    """Bold panel letter and a plain title above the axes, broken into lines that fit the room."""
    if room_mm is not None:
        text = "\n".join(wrap(text, room_mm - (LETTER_MM if letter else 0), TITLE_SIZE))
    axes.set_title(f"$\\bf{{{letter}}}$   {plain(text)}" if letter else plain(text))


def rasterised(n: int) -> bool:
    """Whether so many points are drawn as pixels inside vector files, which stay small."""
    return n > MOST_VECTOR_POINTS


def legend_columns(labels: Sequence[str], width_mm: float) -> int:
    """How many columns of a legend with these labels fit a width."""
    widest = max((text_width(label) for label in labels), default=0.0) + 14
    return max(1, min(len(labels), int(width_mm // widest)))


def plain(text: str) -> str:
    """Text whose dollar signs matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def model_style(model: str, position: int = 0, models: Sequence[str] = ()) -> dict:
    """Colour and line style of a model, the same in every figure.

    Parameters
    ----------
    model
        Its name in the tables.
    position
        Its place among the models drawn, which tells apart models of unknown names.
    models
        All models of the analysis, which tell apart its baselines.
    """
    if model in MODEL_STYLES:
        return MODEL_STYLES[model]
    if model.startswith(BASELINE):
        others = [name for name in models if name.startswith(BASELINE)]
        place = others.index(model) if model in others else position
        return {"color": GREY, "linestyle": _BASELINES[place % len(_BASELINES)]}
    return {"color": CYCLE[position % len(CYCLE)], "linestyle": (0, (1, 1))}


def save_as_wanted(figure: Figure, png: str | Path, settings: Figures, caption: str) -> None:
    """Write a figure in the study's formats, and as PNG, which the reports show.

    Files of a format that the study no longer wants are removed: they would show an older figure.

    Parameters
    ----------
    figure, caption
        As for :func:`save`.
    png
        Path of the PNG file.
    settings
        Formats and resolution.
    """
    formats = ["png", *(kind for kind in settings.formats if kind != "png")]
    for unwanted in {"pdf", "svg"} - set(formats):
        Path(png).with_suffix(f".{unwanted}").unlink(missing_ok=True)
    save(figure, Path(png).with_suffix(""), formats, settings.dpi, caption)


def save(
    figure: Figure, stem: str | Path, formats: Iterable[str], dpi: int, caption: str
) -> list[Path]:
    """Write a figure in each format and its caption as reStructuredText beside it.

    Two calls with equal figures write equal bytes: no dates, fixed identifiers.

    Parameters
    ----------
    figure
        The figure.
    stem
        Path without ending: ``results/figures/roc`` gives ``roc.pdf``, ``roc.rst`` and so on.
    formats
        Of ``pdf``, ``png``, ``svg``.
    dpi
        Resolution of PNG files.
    caption
        Plain text; characters with a meaning in reStructuredText or Jinja are escaped.

    Returns
    -------
    list of Path
        The files written, the caption last.

    Raises
    ------
    ValueError
        For another format.
    """
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with look():
        # The layout is settled once and then frozen: every format shows the same arrangement.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    for kind in formats:
        if kind not in _METADATA:
            raise ValueError(f"figures are written as {', '.join(_METADATA)}, not as {kind!r}")
        buffer = io.BytesIO()
        with look():
            figure.savefig(buffer, format=kind, dpi=dpi, metadata=_METADATA[kind])
        path = stem.with_name(f"{stem.name}.{kind}")
        with whole_file(path) as part:
            part.write_bytes(buffer.getvalue())
        written.append(path)
    path = stem.with_name(f"{stem.name}.rst")
    write_text(path, rst_escape(caption) + "\n")
    return [*written, path]


def rst_escape(text: str) -> str:
    """Text that reStructuredText (and Jinja before it) renders as it stands."""
    return re.sub(r"([\\*_`|{}<>\[\]])", r"\\\1", text)


def rst_unescape(text: str) -> str:
    """The text that :func:`rst_escape` was given."""
    return re.sub(r"\\([\\*_`|{}<>\[\]])", r"\1", text)
