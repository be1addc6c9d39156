"""The frame of a vertebral body and its surface in it, sampled below the voxel size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage

# Voxels around a label within which its surface is known.
PAD = 3


@dataclass(frozen=True)
class Frame:
    """Right-handed axes of a vertebral body.

    Attributes
    ----------
    centre
        RAS position (3,) of the origin, mm.
    axes
        Rows are unit vectors in RAS: to the patient's right (u), anterior (v), cranial (w).
    """

    centre: np.ndarray
    axes: np.ndarray

    @classmethod
    def along(cls, centre: np.ndarray, cranial: np.ndarray, anterior: np.ndarray) -> Frame:
        """Frame with a cranial axis and, as far as that allows, an anterior one."""
        w = cranial / np.linalg.norm(cranial)
        v = anterior - (anterior @ w) * w
        v = v / np.linalg.norm(v)
        return cls(np.asarray(centre, float), np.stack([np.cross(v, w), v, w]))

    def coordinates(self, indices: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """Voxel indices (n, 3) of a grid as (u, v, w) in mm, shape (n, 3)."""
        matrix = self.axes @ affine[:3, :3]
        return indices @ matrix.T + self.axes @ (affine[:3, 3] - self.centre)

    def moved(self, offset: np.ndarray) -> Frame:
        """The same axes about a point given in this frame."""
        return Frame(self.centre + offset @ self.axes, self.axes)

    def turned(self, cranial: np.ndarray, anterior: np.ndarray) -> Frame:
        """The same origin with axes given in this frame."""
        return Frame.along(self.centre, cranial @ self.axes, anterior @ self.axes)


@dataclass(frozen=True)
class Surface:
    """Signed distance (mm, positive inside) from the surface of one label.

    Interpolating it between slices is shape-based interpolation (Raya and Udupa, IEEE Trans Med
    Imaging 1990;9:32): surfaces run smoothly through thick slices instead of in steps. Where the
    image ends, what touches its border is taken to go on.

    Attributes
    ----------
    distance
        Array over the label's box and :data:`PAD` voxels around it.
    affine
        From its indices to RAS mm.
    seed
        RAS position of the point deepest inside, across the spine above all.
    """

    distance: np.ndarray
    affine: np.ndarray
    seed: np.ndarray

    @classmethod
    def of(cls, labels: Volume, number: int, box: tuple[slice, ...]) -> Surface:
        """Surface of a label inside its bounding box."""
        return cls.of_mask(labels, labels.data[_wider(box, labels.shape)] == number, box)

    @classmethod
    def of_mask(cls, grid: Volume, wide: np.ndarray, box: tuple[slice, ...]) -> Surface:
        """Surface of a mask over a box and up to :data:`PAD` voxels of the grid around it."""
        wider = _wider(box, grid.shape)
        lacking = [
            (PAD - (part.start - w.start), PAD - (w.stop - part.stop))
            for part, w in zip(box, wider, strict=True)
        ]
        inside = np.pad(wide, lacking, mode="edge")
        affine = grid.affine.copy()
        start = np.array([part.start - PAD for part in box])
        affine[:3, 3] += affine[:3, :3] @ start
        spacing = np.array(grid.spacing)
        distance = ndimage.distance_transform_edt(inside, sampling=spacing)
        # Between an inner and an outer voxel zero lies on the face they share.
        signed = distance - ndimage.distance_transform_edt(~inside, sampling=spacing)
        # The body is what is thick across the spine, also when it has lost its height.
        upright = np.abs(affine[2, :3]) / spacing
        across = ndimage.distance_transform_edt(inside, sampling=spacing * (1 + 2 * upright**2))
        deepest = np.argwhere(across >= 0.97 * across.max())
        middle = deepest[np.abs(deepest - np.median(deepest, axis=0)).sum(axis=1).argmin()]
        return cls(signed.astype(np.float32), affine, affine[:3, :3] @ middle + affine[:3, 3])

    def sample(self, frame: Frame, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Signed distance at points of a frame, shape (len(u), len(v), len(w)); far: negative."""
        inverse = np.linalg.inv(self.affine)
        matrix = inverse[:3, :3] @ frame.axes.T
        origin = inverse[:3, :3] @ frame.centre + inverse[:3, 3]
        grid = (u[:, None, None], v[None, :, None], w[None, None, :])
        index = [
            origin[axis] + sum(matrix[axis, i] * part for i, part in enumerate(grid))
            for axis in range(3)
        ]
        return ndimage.map_coordinates(
            self.distance, index, order=1, mode="constant", cval=-PAD, output=np.float32
        )


def _wider(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A box with :data:`PAD` voxels around it, as far as the grid goes."""
    return tuple(
        slice(max(part.start - PAD, 0), min(part.stop + PAD, n))
        for part, n in zip(box, shape, strict=True)
    )


def first_exit(profile: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Where lines that start inside leave the surface for the first time.

    Parameters
    ----------
    profile
        Signed distance (..., n) along lines.
    positions
        Position (n,) of the samples along them.

    Returns
    -------
    numpy.ndarray
        Position of the first zero, interpolated; NaN for lines that start outside or never leave.
    """
    outside = profile <= 0
    index = outside.argmax(axis=-1)
    usable = outside.any(axis=-1) & (index > 0)
    after = np.where(usable, index, 1)
    inner, outer = (
        np.take_along_axis(profile, at[..., None], axis=-1)[..., 0] for at in (after - 1, after)
    )
    step = positions[after] - positions[after - 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = positions[after - 1] + step * inner / (inner - outer)
    return np.where(usable, found, np.nan)


def fit_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of a straight line by trimmed least squares.

    Raises
    ------
    ValueError
        Fewer than three points.
    """
    offset, (slope,) = _trimmed(x[:, None], y)
    return offset, slope


def fit_plane(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> tuple[float, float, float]:
    """``w = a + b u + c v`` by trimmed least squares: a, b, c.

    Raises
    ------
    ValueError
        Fewer than four points.
    """
    offset, (across, along) = _trimmed(np.stack([u, v], axis=1), w)
    return offset, across, along


def _trimmed(x: np.ndarray, y: np.ndarray) -> tuple[float, list[float]]:
    """Least squares without what lies more than 2.5 robust SDs off, in three rounds."""
    good = np.isfinite(y)
    x, y = x[good], y[good]
    if len(y) < x.shape[1] + 2:
        raise ValueError(f"{len(y)} points are too few for a fit")
    design = np.column_stack([np.ones(len(y)), x])
    kept = np.ones(len(y), bool)
    for _ in range(3):
        solution = np.linalg.lstsq(design[kept], y[kept], rcond=None)[0]
        off = np.abs(y - design @ solution)
        limit = max(2.5 * 1.4826 * float(np.median(off[kept])), 0.3)
        if (off <= limit).sum() < x.shape[1] + 2:
            break
        kept = off <= limit
    return float(solution[0]), [float(part) for part in solution[1:]]
