"""The vertebral body in a mask of a vertebra: its frame, its walls, and where the arch begins.

Masks of vertebrae come in two kinds: of the body alone, and of the whole vertebra with pedicles,
arch and processes (VerSe, TotalSegmentator). Densities, cortical shells and heights are of the
body, so that is found first. Behind the body, in the middle, lies the spinal canal: a line that
runs backwards from the body's centre leaves the mask at the posterior wall, whether or not
pedicles and arch close a ring around the canal in the slice. What lies behind that wall is no body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.segmentation.frame import Frame, Surface, first_exit, fit_line, fit_plane
from osteoflow.segmentation.schemes import anatomical_order, level_name
from osteoflow.segmentation.structures import LAST_VERTEBRA

# C1 and C2 have no body of the common shape, the sacrum is several.
WITHOUT_BODY = (1, 2, 26)
STEP_MM = 1.0
REACH_MM = {"u": 45.0, "v": 60.0, "w": 30.0}
ROUNDS = 6
# Strip in the middle in which the canal lies behind every part of the body, half width in mm.
CANAL_MM = 4.0
# A mask with more than this share of its volume farther behind the posterior wall than the wall is
# concave has posterior elements (they are a third of a vertebra and more).
WALL_CONCAVITY_MM = 6.0
WHOLE_SHARE = 0.05
# Depth and width of thoracic and lumbar bodies, children's and giants' included, mm. A depth beyond
# means that the mask runs through the canal.
DEPTHS = (10.0, 50.0)
WIDTHS = (12.0, 80.0)
# Share of width and depth within which the endplates are fitted.
INNER = 0.65
# Pedicles and transverse processes that leave the body at its side start beyond this margin, mm.
SIDE_MM = 4.0
LARGEST_TURN = np.deg2rad(40)


@dataclass(frozen=True)
class Walls:
    """Surfaces of a body in its frame, mm; the origin is the body's middle.

    Attributes
    ----------
    width
        Left to right.
    front, back
        Anterior and posterior wall in the midline: ``v = back[0] + back[1] w``.
    upper, lower
        Planes of the endplates: ``w = a + b u + c v`` as (a, b, c).
    """

    width: float
    front: tuple[float, float]
    back: tuple[float, float]
    upper: tuple[float, float, float]
    lower: tuple[float, float, float]

    @property
    def depth(self) -> float:
        """Anterior to posterior wall at mid height."""
        return self.front[0] - self.back[0]

    @property
    def height(self) -> float:
        """Between the endplates' planes in the middle."""
        return self.upper[0] - self.lower[0]


@dataclass(frozen=True)
class Body:
    """A vertebral body.

    Attributes
    ----------
    number
        VerSe id.
    box
        Where the vertebra lies in the label map.
    mask
        Voxels of the body within the box; those of the given mask where it has no arch.
    frame, walls
        Its axes and surfaces.
    whole
        Whether the mask holds posterior elements too.
    cut
        Whether the image's upper or lower border cuts the body.
    surface
        Signed distance from the mask's surface.
    """

    number: int
    box: tuple[slice, ...]
    mask: np.ndarray
    frame: Frame
    walls: Walls
    whole: bool
    cut: bool
    surface: Surface

    def coordinates(self, affine: np.ndarray) -> np.ndarray:
        """(u, v, w) in mm of every voxel of the box, shape (i, j, k, 3)."""
        return _coordinates(self.frame, self.box, affine)


def find_bodies(labels: Volume) -> tuple[dict[int, Body], dict[int, str]]:
    """The body of every vertebra of a label map.

    Parameters
    ----------
    labels
        VerSe ids on any grid: thick slices, sagittal or oblique ones. Further structures, the
        sacrum, C1 and C2 are left aside.

    Returns
    -------
    tuple
        Bodies by VerSe id from head to foot, and the reason for each vertebra without one.
    """
    boxes = label_boxes(labels.data, LAST_VERTEBRA)
    present = [n for n in boxes if n not in WITHOUT_BODY]
    present.sort(key=anatomical_order)
    surfaces = {n: Surface.of(labels, n, boxes[n]) for n in present}
    bodies: dict[int, Body] = {}
    reasons: dict[int, str] = {}
    for number in present:
        try:
            start = _start(number, present, surfaces)
            bodies[number] = _body(labels, number, boxes[number], surfaces[number], start)
        except SubjectDataError as error:
            reasons[number] = f"{level_name(number)}: {error.message}"
    return bodies, reasons


def _start(number: int, present: list[int], surfaces: Mapping[int, Surface]) -> Frame:
    """Frame from the line through the neighbours' centres; upright without neighbours."""
    at = present.index(number)
    above = surfaces[present[max(at - 1, 0)]].seed
    below = surfaces[present[min(at + 1, len(present) - 1)]].seed
    cranial = above - below
    if cranial[2] <= 0 or np.arctan2(np.hypot(*cranial[:2]), cranial[2]) > LARGEST_TURN:
        cranial = np.array([0.0, 0.0, 1.0])
    return Frame.along(surfaces[number].seed, cranial, np.array([0.0, 1.0, 0.0]))


def _body(
    labels: Volume, number: int, box: tuple[slice, ...], surface: Surface, frame: Frame
) -> Body:
    """One body: its frame by repeated fits of walls and endplates, then its voxels."""
    mask = labels.data[box] == number
    voxels = np.argwhere(mask) + [part.start for part in box]
    for _ in range(ROUNDS):
        walls, middle = _walls(surface, frame)
        at = frame.coordinates(voxels, labels.affine)
        behind = at[:, 1] < walls.back[0] + walls.back[1] * at[:, 2] - WALL_CONCAVITY_MM
        whole = bool(behind.mean() > WHOLE_SHARE)
        anterior = _anterior(at, behind, middle) if whole else _wide_side(at, middle)
        turned = frame.moved(middle).turned(_cranial(walls), anterior)
        same = np.linalg.norm(middle) < 0.05 and (turned.axes * frame.axes).sum(axis=1).min() > (
            1 - 1e-5
        )
        frame = turned
        if same:
            break
    walls, middle = _walls(surface, frame)
    frame, walls = frame.moved(middle), _shifted(walls, middle)
    body = Body(number, box, mask, frame, walls, whole, False, surface)
    if whole:
        body = replace(body, mask=_without_arch(body, labels.affine))
    return replace(body, cut=_is_cut(body, labels))


def _walls(surface: Surface, frame: Frame) -> tuple[Walls, np.ndarray]:
    """Walls around the frame's origin, and the body's middle in the frame.

    Raises
    ------
    SubjectDataError
        ``body_not_found``.
    """
    try:
        core = _line(-CANAL_MM, CANAL_MM)
        low, high = (_median(surface, frame, "w", way, core, core) for way in (-1.0, 1.0))
        heights = _line(0.75 * low, 0.75 * high)
        at = np.broadcast_to(heights, (len(core), len(heights))).ravel()
        back, front = (
            fit_line(at, _exits(surface, frame, "v", way, core, heights).ravel())
            for way in (-1.0, 1.0)
        )
        depth = front[0] - back[0]
        if not DEPTHS[0] <= depth <= DEPTHS[1]:
            raise SubjectDataError(
                "body_not_found",
                f"no spinal canal behind the body, which would be {depth:.0f} mm deep",
                "Outline the vertebra without its canal.",
            )
        rows = _line(back[0] + 0.4 * depth, back[0] + 0.75 * depth)
        left, right = (_median(surface, frame, "u", way, rows, heights) for way in (-1.0, 1.0))
        if not WIDTHS[0] <= right - left <= WIDTHS[1]:
            raise ValueError(f"width {right - left:.0f} mm")
        middle = np.array([(left + right) / 2, (back[0] + front[0]) / 2, 0.0])
        # Columns clear of the rims, whose lips belong to no endplate.
        u = _line(*(middle[0] + side * INNER * (right - left) / 2 for side in (-1, 1)))
        v = _line(*(middle[1] + side * INNER * depth / 2 for side in (-1, 1)))
        across = (u[:, None] - middle[0]) / (right - left), (v[None, :] - middle[1]) / depth
        inner = np.hypot(*across) < INNER / 2
        place = tuple(part[inner] for part in np.broadcast_arrays(u[:, None], v[None, :]))
        lower, upper = (
            fit_plane(*place, _exits(surface, frame, "w", way, u, v)[inner]) for way in (-1.0, 1.0)
        )
    except ValueError as error:
        raise SubjectDataError(
            "body_not_found",
            f"walls of the vertebral body not found ({error})",
            "Check the outline: a body is a solid block with the spinal canal behind it.",
        ) from None
    walls = Walls(right - left, front, back, upper, lower)
    middle[2] = (_plane(upper, middle) + _plane(lower, middle)) / 2
    return walls, middle


def _line(start: float, stop: float) -> np.ndarray:
    """Positions from start to stop.

    Raises
    ------
    ValueError
        There are none, or an end is not known.
    """
    if not stop - start > STEP_MM:
        raise ValueError(f"from {start:.1f} to {stop:.1f} mm")
    return np.arange(start, stop + STEP_MM / 2, STEP_MM)


def _exits(
    surface: Surface, frame: Frame, axis: str, way: float, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Where lines along an axis, from its zero, leave the surface; shape (first, second).

    ``first`` and ``second`` are positions along the other two axes, in the order u, v, w.
    """
    along = np.arange(0.0, REACH_MM[axis] + STEP_MM / 2, STEP_MM)
    at = {"u": (way * along, first, second), "v": (first, way * along, second)}
    phi = surface.sample(frame, *at.get(axis, (first, second, way * along)))
    return way * first_exit(np.moveaxis(phi, "uvw".index(axis), -1), along)


def _median(surface: Surface, frame: Frame, axis: str, way: float, *others: np.ndarray) -> float:
    """Median exit.

    Raises
    ------
    ValueError
        No line leaves the surface.
    """
    found = _exits(surface, frame, axis, way, *others)
    if not np.isfinite(found).any():
        raise ValueError(f"none along {axis}")
    return float(np.nanmedian(found))


def _plane(plane: tuple[float, float, float], at: np.ndarray) -> float:
    return plane[0] + plane[1] * at[0] + plane[2] * at[1]


def _shifted(walls: Walls, middle: np.ndarray) -> Walls:
    """Walls about the middle instead of the frame's origin they were measured from."""

    def line(fit: tuple[float, float]) -> tuple[float, float]:
        return fit[0] + fit[1] * middle[2] - middle[1], fit[1]

    def plane(fit: tuple[float, float, float]) -> tuple[float, float, float]:
        return _plane(fit, middle) - middle[2], fit[1], fit[2]

    return Walls(
        walls.width, line(walls.front), line(walls.back), plane(walls.upper), plane(walls.lower)
    )


def _cranial(walls: Walls) -> np.ndarray:
    """Half way between the normals of the endplates, in the frame."""
    normals = [np.array([-p[1], -p[2], 1.0]) for p in (walls.upper, walls.lower)]
    return np.sum([normal / np.linalg.norm(normal) for normal in normals], axis=0)


def _anterior(at: np.ndarray, behind: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """From the middle of arch and processes to the body's, in the frame."""
    direction = middle - at[behind].mean(axis=0)
    direction[2] = 0.0
    return _limited(direction)


def _wide_side(at: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Anterior axis of a body without its arch, from its outline across: it is wider than deep."""
    u, v = (at[:, :2] - middle[:2]).T
    spread = np.cov(u, v)
    values = np.linalg.eigvalsh(spread)
    if values[1] < 1.15**2 * values[0]:  # too round to tell
        return np.array([0.0, 1.0, 0.0])
    angle = 0.5 * np.arctan2(2 * spread[0, 1], spread[0, 0] - spread[1, 1])
    return _limited(np.array([-np.sin(angle), np.cos(angle), 0.0]))


def _limited(direction: np.ndarray) -> np.ndarray:
    """A direction if it is about anterior, else straight ahead."""
    if direction[1] <= 0 or np.arctan2(abs(direction[0]), direction[1]) > LARGEST_TURN:
        return np.array([0.0, 1.0, 0.0])
    return direction / np.linalg.norm(direction)


def _coordinates(frame: Frame, box: tuple[slice, ...], affine: np.ndarray) -> np.ndarray:
    shape = [part.stop - part.start for part in box]
    indices = np.stack(
        np.meshgrid(*(np.arange(part.start, part.stop) for part in box), indexing="ij"), axis=-1
    )
    return frame.coordinates(indices.reshape(-1, 3), affine).reshape(*shape, 3)


def _without_arch(body: Body, affine: np.ndarray) -> np.ndarray:
    """The mask's part in front of the posterior wall and not beside the body, in one piece."""
    u, v, w = np.moveaxis(body.coordinates(affine), -1, 0)
    walls = body.walls
    kept = body.mask & (v >= walls.back[0] + walls.back[1] * w)
    kept &= np.abs(u) <= walls.width / 2 + SIDE_MM
    pieces, count = ndimage.label(kept)
    if count > 1:
        kept = pieces == np.bincount(pieces[kept]).argmax()
    return kept


def _is_cut(body: Body, labels: Volume) -> bool:
    """Whether the body reaches the image's first or last layer along the spine."""
    along = int(np.abs(body.frame.axes[2] @ labels.affine[:3, :3] / labels.spacing).argmax())
    part = body.box[along]
    layers = np.moveaxis(body.mask, along, 0)
    return bool(
        (part.start == 0 and layers[0].any())
        or (part.stop == labels.shape[along] and layers[-1].any())
    )
