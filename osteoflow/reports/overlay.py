"""Slices with contours for a person to check at a glance.

Images are shown as radiologists expect: axial with the patient's right on the left of the picture
and anterior on top, sagittal with anterior on the left and superior on top. Pixels keep their
physical proportions. Nothing is interpolated across slices.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from osteoflow.io.nifti import orientations
from osteoflow.io.volume import Volume
from osteoflow.reports.canvas import Canvas, outline
from osteoflow.reports.colours import colour_table, coloured
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.segmentation.schemes import level_name
from osteoflow.wording import significant

MAX_BYTES = 150_000
WIDTH_PX = 440
TALLEST_PX = 620
BAR_PX = 70
PLANES = {"sagittal": 0, "axial": 2}
LETTERS = {"sagittal": "APSI", "axial": "RLAP"}
SEEDED = "outlines seeded"
WHOLE, TRABECULAR, RODS = "#56B4E9", "#E69F00", "#CC79A7"


@dataclass(frozen=True)
class RodMark:
    """A phantom rod to be outlined on the axial picture.

    ``centre_mm`` is its RAS position and ``diameter_mm`` its diameter; where that is not known
    (NaN) a cross marks the centre.
    """

    name: str
    centre_mm: tuple[float, float, float]
    diameter_mm: float


@dataclass(frozen=True)
class ImageView:
    """An image of the report with what is drawn on it.

    Parameters
    ----------
    name
        Its name in headings (``CT``).
    image
        3-D volume.
    unit
        Unit of its values.
    window
        Least and greatest value shown; values beyond take the end's colour.
    labels, trabecular
        Label arrays of the image's shape: whole vertebrae and trabecular volumes (VerSe ids);
        None where there is none.
    rods
        Rods of the calibration phantom.
    planes
        Of ``sagittal`` and ``axial``.
    colour_map
        As for :func:`osteoflow.reports.colours.colour_table`; anything but ``gray`` gets a bar of
        its colours.
    seeded
        The outlines grew from seeds: said on the picture and in its text.
    """

    name: str
    image: Volume
    unit: str
    window: tuple[float, float]
    labels: np.ndarray | None = None
    trabecular: np.ndarray | None = None
    rods: tuple[RodMark, ...] = ()
    planes: tuple[str, ...] = ("sagittal",)
    colour_map: str = "gray"
    seeded: bool = False


@dataclass(frozen=True)
class Overlay:
    """A picture for HTML."""

    png: bytes
    text: str
    plane: str
    contours: tuple[str, ...] = field(default=())

    @property
    def data_uri(self) -> str:
        """The picture as a ``data:`` address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def draw_overlays(view: ImageView) -> list[Overlay]:
    """One picture per plane.

    Returns
    -------
    list of Overlay
        PNG of at most 150 kB each.

    Raises
    ------
    ValueError
        If the image is not 3-D, a mask has another shape, or a plane is unknown.
    """
    if view.image.data.ndim != 3:
        raise ValueError(f"{view.name}: overlays need a 3-D image, not {view.image.data.shape}")
    for what in ("labels", "trabecular"):
        mask = getattr(view, what)
        if mask is not None and mask.shape != view.image.shape:
            raise ValueError(
                f"{view.name}: {what} of shape {mask.shape}, image of {view.image.shape}"
            )
    unknown = set(view.planes) - set(PLANES)
    if unknown:
        raise ValueError(f"unknown plane: {', '.join(sorted(unknown))}")
    to_ras = orientations.io_orientation(view.image.affine)
    arrays = {
        what: None if data is None else orientations.apply_orientation(data, to_ras)
        for what, data in (
            ("image", view.image.data),
            ("labels", view.labels),
            ("trabecular", view.trabecular),
        )
    }
    order = np.argsort(to_ras[:, 0])
    spacing = np.asarray(view.image.spacing)[order]
    affine = view.image.affine @ orientations.inv_ornt_aff(to_ras, view.image.shape)
    return [_draw(view, arrays, spacing, plane, affine) for plane in view.planes]


def best_slice(labels: np.ndarray | None, shape: tuple[int, ...], plane: str) -> int:
    """Index of the slice that shows most: middle of the vertebrae, else of the image.

    Sagittal: the slice with the largest area of all labels. Axial: the middle of the middle
    vertebra, where the trabecular contour must lie clear of the endplates.
    """
    axis = PLANES[plane]
    boxes = {} if labels is None else label_boxes(labels)
    if not boxes:
        return shape[axis] // 2
    if plane == "sagittal":
        others = tuple(i for i in range(3) if i != axis)
        first = min(box[axis].start for box in boxes.values())
        last = max(box[axis].stop for box in boxes.values())
        counts = (_slice(labels, slice(first, last), axis) > 0).sum(axis=others)
        return first + int(counts.argmax())
    middle = boxes[sorted(boxes)[len(boxes) // 2]][axis]
    return (middle.start + middle.stop) // 2


def _slice(array: np.ndarray, index: int | slice, axis: int) -> np.ndarray:
    """A part of an array along one axis, without a copy of it in another order."""
    return array[(slice(None),) * axis + (index,)]


def _draw(
    view: ImageView,
    arrays: dict[str, np.ndarray | None],
    spacing: np.ndarray,
    plane: str,
    affine: np.ndarray,
) -> Overlay:
    axis = PLANES[plane]
    image = arrays["image"]
    index = best_slice(arrays["labels"], image.shape, plane)
    picture = _display(_slice(image, index, axis), plane).astype(float)
    dx, dy = (spacing[1], spacing[2]) if plane == "sagittal" else (spacing[0], spacing[1])
    rows, columns = picture.shape
    height = WIDTH_PX * (rows * dy) / (columns * dx)
    shrink = min(1.0, TALLEST_PX / height)
    bar = 0 if view.colour_map == "gray" else BAR_PX
    size = round(WIDTH_PX * shrink), round(height * shrink)
    canvas = Canvas(coloured(picture, view.window, view.colour_map), *size, bar)
    contours = []
    for what, colour in (("labels", WHOLE), ("trabecular", TRABECULAR)):
        if arrays[what] is None:
            continue
        mask = _display(_slice(arrays[what], index, axis), plane)
        if mask.any():
            contours.append(what)
            _contour(canvas, mask, colour)
            if what == "labels":
                _names(canvas, mask)
    if view.rods and plane == "axial":
        contours.append("rods")
        _rods(canvas, view.rods, affine, image.shape, dx)
    _orientation(canvas, LETTERS[plane])
    if view.seeded and contours:
        canvas.text(0.02 * canvas.width, 0.03 * canvas.height, SEEDED, anchor="lt")
    if bar:
        canvas.scale(colour_table(view.colour_map), view.window, view.unit)
    position = "patient right on the left" if plane == "axial" else "anterior on the left"
    text = (
        f"{view.name}, {plane} slice {index + 1} of {image.shape[axis]}, {position}; "
        f"{significant(view.window[0])} to {significant(view.window[1])} {view.unit} shown"
    )
    if view.seeded:
        text += f"; {SEEDED}: check every level"
    return Overlay(compress(canvas.png(), MAX_BYTES), text, plane, tuple(contours))


def _display(plane_ras: np.ndarray, plane: str) -> np.ndarray:
    """Rows from top to bottom and columns from left to right as shown.

    Input axes run (posterior to anterior, inferior to superior) or (left to right, posterior to
    anterior) in RAS+; sagittal shows anterior left, axial shows the patient's right on the left.
    Both mirror the first axis, and both show the end of the second axis on top.
    """
    if plane not in PLANES:
        raise ValueError(f"unknown plane: {plane}")
    return plane_ras[::-1, ::-1].T


def _contour(canvas: Canvas, mask: np.ndarray, colour: str) -> None:
    enlarge = (canvas.width / mask.shape[1], canvas.height / mask.shape[0])
    for value in np.unique(mask[mask > 0]):
        canvas.lines(outline(mask == value) * enlarge, colour, points=1, edge=2.2)


def _rods(
    canvas: Canvas,
    rods: tuple[RodMark, ...],
    affine: np.ndarray,
    shape: tuple[int, ...],
    dx: float,
) -> None:
    """Outlines of the rods from their RAS positions; ``affine`` is that of the RAS array."""
    to_index = np.linalg.inv(affine)
    for rod in rods:
        i, j, _ = (to_index @ np.append(rod.centre_mm, 1.0))[:3]
        x = (shape[0] - 0.5 - i) / shape[0] * canvas.width
        y = (shape[1] - 0.5 - j) / shape[1] * canvas.height
        if np.isfinite(rod.diameter_mm):
            radius = rod.diameter_mm / 2 / (shape[0] * dx) * canvas.width
            canvas.circle(x, y, radius, RODS, points=1)
        else:
            canvas.cross(x, y, 6, RODS)
        canvas.text(x, y, rod.name, points=7)


def _names(canvas: Canvas, mask: np.ndarray) -> None:
    """Each vertebra's name at its left edge."""
    rows, columns = mask.shape
    for value in np.unique(mask[mask > 0]):
        place = np.argwhere(mask == value)
        x = (place[:, 1].min() / columns - 0.015) * canvas.width
        y = (place[:, 0].mean() + 0.5) / rows * canvas.height
        canvas.text(x, y, level_name(int(value)), anchor="rm")


def _orientation(canvas: Canvas, letters: str) -> None:
    """Anatomical direction at each side: left, right, top, bottom."""
    places = ((0.015, 0.5, "lm"), (0.985, 0.5, "rm"), (0.5, 0.01, "mt"), (0.5, 0.99, "mb"))
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        canvas.text(x * canvas.width, y * canvas.height, letter, anchor=anchor, bold=True)


def compress(png: bytes, limit: int, max_width: int | None = None, colours: int = 256) -> bytes:
    """PNG with a palette, with fewer colours and then smaller until it fits into so many bytes."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if max_width is not None and picture.width > max_width:
        size = (max_width, round(picture.height * max_width / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    while True:
        buffer = io.BytesIO()
        reduced = picture.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        reduced.save(buffer, format="PNG")
        if buffer.tell() <= limit or min(picture.size) < 64:
            return buffer.getvalue()
        if colours > 64:
            colours //= 2
        else:
            size = (round(picture.width * 0.85), round(picture.height * 0.85))
            picture = picture.resize(size, Image.Resampling.LANCZOS)
