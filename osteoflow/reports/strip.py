"""A region cut out of its images and seen from several sides, in one small picture.

Where an overview shows one slice of everything, a strip shows one region large enough to judge its
outline: sagittal slices at a quarter, half and three quarters of its width and an axial one through
its middle, of the image and of the map made of it. Drawn by hand, voxel by voxel: a cohort has tens
of thousands of them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from osteoflow.io.nifti import orientations
from osteoflow.io.volume import Volume
from osteoflow.reports.colours import coloured, rgb
from osteoflow.reports.overlay import PLANES, TRABECULAR, WHOLE, Overlay, compress
from osteoflow.scipy_parts import ndimage
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.wording import significant

MARGIN_MM = 15.0
HEIGHT_PX = 190
WIDEST_PX = 260
GAP_PX = 4
LINE_PX = 2
MAX_BYTES = 40_000
QUARTERS = (0.25, 0.5, 0.75)
# Letter at the left edge of each plane (see `overlay`).
LEFT = {"sagittal": "A", "axial": "R"}
NEIGHBOUR = "#9AA0A6"


@dataclass(frozen=True)
class Layer:
    """An image as a strip shows it: name, values, unit, window and colours."""

    name: str
    image: Volume
    unit: str
    window: tuple[float, float]
    colour_map: str = "gray"


class Strips:
    """Strips of all regions of one mask.

    Parameters
    ----------
    base
        The image that was outlined.
    labels, trabecular
        Label arrays on its grid, shape (i, j, k).
    further
        The map made of it, on the same grid; None where there is none.

    Raises
    ------
    ValueError
        An image is not 3-D, or the grids differ.
    """

    def __init__(
        self,
        base: Layer,
        labels: np.ndarray,
        trabecular: np.ndarray,
        further: Layer | None = None,
    ) -> None:
        self.layers = [base, *([further] if further else [])]
        for layer in self.layers:
            if layer.image.data.ndim != 3 or layer.image.shape != labels.shape:
                raise ValueError(f"{layer.name} of {layer.image.data.shape}, mask {labels.shape}")
        self.to_ras = orientations.io_orientation(base.image.affine)
        self.spacing = np.asarray(base.image.spacing)[np.argsort(self.to_ras[:, 0])]
        self.labels, self.trabecular = self._turned(labels), self._turned(trabecular)
        self.images = [self._turned(layer.image.data) for layer in self.layers]
        self.boxes = label_boxes(self.labels)

    def _turned(self, data: np.ndarray) -> np.ndarray:
        return orientations.apply_orientation(data, self.to_ras)

    def draw(self, label: int, name: str) -> Overlay:
        """The strip of one region.

        Parameters
        ----------
        label
            Its number in the label array.
        name
            Its name in the text.

        Raises
        ------
        ValueError
            The label is not there.
        """
        box = self.boxes.get(label)
        if box is None:
            raise ValueError(f"no region {label}")
        tiles = [self._tile(0, label, box, "sagittal", part) for part in QUARTERS]
        tiles.append(self._tile(0, label, box, "axial", 0.5))
        texts = [f"{self.layers[0].name}: sagittal at 1/4, 1/2, 3/4 of its width, axial at 1/2"]
        for layer in range(1, len(self.layers)):
            tiles += [self._tile(layer, label, box, plane, 0.5) for plane in LEFT]
            low, high = (significant(value) for value in self.layers[layer].window)
            texts.append(
                f"{self.layers[layer].name} ({low} to {high} {self.layers[layer].unit}): sagittal, "
                "axial at 1/2"
            )
        buffer = io.BytesIO()
        _side_by_side(tiles).save(buffer, format="PNG")
        png = compress(buffer.getvalue(), MAX_BYTES, colours=128)
        return Overlay(png, f"{name}. {'; '.join(texts)}", "strip", ("labels", "trabecular"))

    def _tile(
        self, layer: int, label: int, box: Sequence[slice], plane: str, part: float
    ) -> Image.Image:
        """One slice of one layer around a region."""
        axis = PLANES[plane]
        index = box[axis].start + int(part * (box[axis].stop - box[axis].start))
        others = [i for i in range(3) if i != axis]
        cut: list[slice | int] = [0, 0, 0]
        cut[axis] = index
        for i in others:
            margin = int(np.ceil(MARGIN_MM / self.spacing[i]))
            cut[i] = slice(max(box[i].start - margin, 0), box[i].stop + margin)
        place = tuple(cut)
        # As in `overlay`: both in-plane axes run backwards, and the second one downwards.
        values, outlines, inner = (
            array[place][::-1, ::-1].T
            for array in (self.images[layer], self.labels, self.trabecular)
        )
        enlarged = np.ix_(*_enlarged(values.shape, self.spacing[others]))
        shown = self.layers[layer]
        picture = coloured(values[enlarged], shown.window, shown.colour_map)
        here = outlines[enlarged]
        for neighbour in np.unique(here[(here > 0) & (here != label)]):
            _outline(picture, here == neighbour, NEIGHBOUR)
        _outline(picture, here == label, WHOLE)
        _outline(picture, inner[enlarged] == label, TRABECULAR)
        tile = Image.fromarray(picture)
        place = (3, tile.height // 2 - 6)
        outlined = {"fill": "white", "stroke_width": 2, "stroke_fill": "black"}
        ImageDraw.Draw(tile).text(place, LEFT[plane], **outlined)
        return tile


def _enlarged(shape: tuple[int, int], spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every pixel: as large as a tile may be, in true proportions.

    Parameters
    ----------
    shape
        Rows and columns of a slice.
    spacing
        Size of a voxel along columns and rows in mm.
    """
    wide, high = shape[1] * spacing[0], shape[0] * spacing[1]
    scale = min(HEIGHT_PX / high, WIDEST_PX / wide)
    sizes = (max(round(high * scale), 1), shape[0]), (max(round(wide * scale), 1), shape[1])
    rows, columns = (((np.arange(n) + 0.5) / n * voxels).astype(int) for n, voxels in sizes)
    return rows, columns


def _outline(picture: np.ndarray, mask: np.ndarray, colour: str) -> None:
    """The innermost pixels of a mask in colour, with a dark line around them."""
    if not mask.any():
        return
    picture[ndimage.binary_dilation(mask) & ~mask] = 0
    edge = mask & ~ndimage.binary_erosion(mask, iterations=LINE_PX)
    picture[edge] = rgb(colour)


def _side_by_side(tiles: Sequence[Image.Image]) -> Image.Image:
    width = sum(tile.width for tile in tiles) + GAP_PX * (len(tiles) - 1)
    strip = Image.new("RGB", (width, max(tile.height for tile in tiles)), "white")
    x = 0
    for tile in tiles:
        strip.paste(tile, (x, (strip.height - tile.height) // 2))
        x += tile.width + GAP_PX
    return strip
