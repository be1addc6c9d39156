"""A picture to draw lines and words on, with smooth edges.

Each subject's page is made by a process of its own, and loading a plotting library takes longer
than drawing its pictures. The font is the one of all figures, which comes with matplotlib.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Everything is drawn larger by this factor, then averaged.
FINER = 3
PX_PER_POINT = 100 / 72
DARK = "#000000"
# Steps between the numbers at a scale, times a power of ten, and how many there may be.
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_STEPS = 9


class Canvas:
    """An image enlarged without interpolation, drawn on in its own pixels.

    Parameters
    ----------
    picture
        uint8 of shape (rows, columns, 3).
    width, height
        Its size on the canvas in pixels.
    right
        White space right of it in pixels.
    """

    def __init__(self, picture: np.ndarray, width: int, height: int, right: int = 0) -> None:
        self.width, self.height = width, height
        sizes = (height * FINER, picture.shape[0]), (width * FINER, picture.shape[1])
        rows, columns = (((np.arange(n) + 0.5) / n * pixels).astype(int) for n, pixels in sizes)
        large = Image.fromarray(picture[np.ix_(rows, columns)])
        self._image = Image.new("RGB", (large.width + right * FINER, large.height), "white")
        self._image.paste(large, (0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def png(self) -> bytes:
        """The picture as PNG."""
        buffer = io.BytesIO()
        self._image.reduce(FINER).save(buffer, format="PNG")
        return buffer.getvalue()

    def lines(self, segments: np.ndarray, colour: str, points: float, edge: float) -> None:
        """Segments of lines with a dark edge.

        Parameters
        ----------
        segments
            Shape (n, 2, 2): start and end of each, x and y in pixels.
        colour, points
            Colour and width of the line.
        edge
            Width of the dark line below it in points.
        """
        ends = np.asarray(segments, float) * FINER
        for width, fill in ((edge, DARK), (points, colour)):
            pen = max(round(width * PX_PER_POINT * FINER), 1)
            for start, end in ends:
                self._draw.line([*start, *end], fill, pen)
                self._dot(start, pen / 2, fill)

    def _dot(self, centre: np.ndarray, radius: float, fill: str) -> None:
        x, y = centre
        self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill)

    def circle(self, x: float, y: float, radius: float, colour: str, points: float) -> None:
        """Outline of a circle; pixels."""
        x, y, radius = x * FINER, y * FINER, radius * FINER
        pen = max(round(points * PX_PER_POINT * FINER), 1)
        outer = radius + pen / 2
        self._draw.ellipse([x - outer, y - outer, x + outer, y + outer], None, colour, pen)

    def cross(self, x: float, y: float, points: float, colour: str) -> None:
        """An upright cross of this size."""
        half = points * PX_PER_POINT / 2 * FINER
        x, y, pen = x * FINER, y * FINER, round(PX_PER_POINT * FINER)
        self._draw.line([x - half, y, x + half, y], colour, pen)
        self._draw.line([x, y - half, x, y + half], colour, pen)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        points: float = 9,
        anchor: str = "mm",
        bold: bool = False,
    ) -> None:
        """White text with a dark edge, readable on any grey or colour.

        Parameters
        ----------
        x, y
            Where its anchor lies, in pixels.
        text
            One line.
        points
            Size.
        anchor
            Pillow's two letters: ``lm`` left and middle, ``mt`` middle and top.
        bold
            Heavier letters.
        """
        edge = round(0.9 * PX_PER_POINT * FINER)
        self._draw.text(
            (x * FINER, y * FINER),
            text,
            "white",
            _font(points, bold),
            anchor,
            stroke_width=edge,
            stroke_fill=DARK,
        )

    def scale(self, table: np.ndarray, window: tuple[float, float], unit: str) -> None:
        """A bar of colours right of the image, with its numbers and unit.

        Parameters
        ----------
        table
            Colours from the least to the greatest value, uint8 of shape (n, 3).
        window
            Least and greatest value.
        unit
            Unit of the values.
        """
        total, height = self._image.width, self._image.height
        left = self.width * FINER + round(0.02 * total)
        right, top, bottom = left + round(0.03 * total), round(0.1 * height), round(0.9 * height)
        steps = ((np.arange(bottom - top)[::-1] + 0.5) / (bottom - top) * len(table)).astype(int)
        bar = np.repeat(table[steps][:, None], right - left, axis=1)
        self._image.paste(Image.fromarray(bar), (left, top))
        self._draw.rectangle([left, top, right, bottom], None, DARK, round(0.6 * FINER))
        tick, font, widest = round(2.5 * PX_PER_POINT * FINER), _font(8, False), 0.0
        values, decimals = ticks(*window)
        for value in values:
            y = bottom - (value - window[0]) / (window[1] - window[0]) * (bottom - top)
            self._draw.line([right, y, right + tick, y], DARK, round(0.6 * PX_PER_POINT * FINER))
            text = f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
            self._draw.text((right + 2 * tick, y), text, DARK, font, "lm")
            widest = max(widest, font.getlength(text))
        x0, y0, x1, y1 = (math.floor(v) for v in font.getbbox(unit, anchor="ls"))
        upright = Image.new("L", (x1 - x0 + 2, y1 - y0 + 2))
        ImageDraw.Draw(upright).text((-x0, -y0), unit, 255, font, "ls")
        turned = upright.transpose(Image.Transpose.ROTATE_90)
        place = (right + 3 * tick + math.ceil(widest), (top + bottom - turned.height) // 2)
        self._image.paste(Image.new("RGB", turned.size, DARK), place, turned)


def ticks(low: float, high: float) -> tuple[list[float], int]:
    """Round numbers from the least to the greatest value, and the decimals they need."""
    least = (high - low) / MOST_STEPS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(s * power for s in STEPS if s * power >= least * (1 - 1e-9))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    decimals = next(d for d in range(20) if abs(round(step, d) - step) < step * 1e-6)
    return [number * step for number in numbers], decimals


def outline(mask: np.ndarray) -> np.ndarray:
    """Lines around a mask, halfway between the centres of its pixels and those beside it.

    Marching squares; at the border of the picture the lines end.

    Parameters
    ----------
    mask
        Boolean array (rows, columns).

    Returns
    -------
    array of shape (n, 2, 2)
        Start and end of each segment, x and y in pixels of the mask: the first pixel's centre lies
        at (0.5, 0.5).
    """
    m = np.asarray(mask, bool).astype(np.uint8)
    code = m[:-1, :-1] + 2 * m[:-1, 1:] + 4 * m[1:, 1:] + 8 * m[1:, :-1]
    rows, columns = np.nonzero((code > 0) & (code < 15))
    found = [
        (np.array(line) + (column, row))
        for row, column in zip(rows, columns, strict=True)
        for line in _LINES[code[row, column]]
    ]
    return np.array(found, float).reshape(-1, 2, 2)


# Middles of a cell's sides; its corners are centres of pixels. Keys add up the corners within:
# upper left 1, upper right 2, lower right 4, lower left 8.
_TOP, _RIGHT, _BOTTOM, _LEFT = (1.0, 0.5), (1.5, 1.0), (1.0, 1.5), (0.5, 1.0)
_LINES: dict[int, Iterable[tuple[tuple[float, float], tuple[float, float]]]] = {
    1: [(_LEFT, _TOP)],
    2: [(_TOP, _RIGHT)],
    3: [(_LEFT, _RIGHT)],
    4: [(_RIGHT, _BOTTOM)],
    5: [(_LEFT, _TOP), (_RIGHT, _BOTTOM)],
    6: [(_TOP, _BOTTOM)],
    7: [(_LEFT, _BOTTOM)],
    8: [(_BOTTOM, _LEFT)],
    9: [(_TOP, _BOTTOM)],
    10: [(_TOP, _RIGHT), (_BOTTOM, _LEFT)],
    11: [(_RIGHT, _BOTTOM)],
    12: [(_LEFT, _RIGHT)],
    13: [(_TOP, _RIGHT)],
    14: [(_LEFT, _TOP)],
}


@cache
def _font(points: float, bold: bool) -> ImageFont.FreeTypeFont:
    package = find_spec("matplotlib")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("matplotlib, whose font is used, is not installed")
    folder = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf"
    path = folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    size = points * PX_PER_POINT * FINER
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
