"""Synthetic vertebrae of known heights, with or without arch, on any grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.io.volume import Volume


@dataclass(frozen=True)
class Shape:
    """A body of known heights (mm), its tilt about the left-right axis and its turn (degrees)."""

    anterior: float = 27.0
    middle: float = 27.0
    posterior: float = 27.0
    half_width: float = 22.0
    half_depth: float = 16.0
    tilt: float = 0.0
    turn: float = 0.0


def grid(
    spacing: tuple[float, float, float],
    extent: tuple[float, float, float] = (90.0, 100.0, 130.0),
    rotation: np.ndarray | None = None,
    axes: tuple[int, int, int] = (0, 1, 2),
) -> Volume:
    """An empty label map whose middle is the origin; ``axes`` are the RAS axes of i, j, k."""
    spacing = tuple(spacing[a] for a in axes)
    shape = tuple(int(np.ceil(extent[a] / s)) for a, s in zip(axes, spacing, strict=True))
    turn = np.eye(3) if rotation is None else rotation
    affine = np.eye(4)
    affine[:3, :3] = turn[:, list(axes)] * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2) + [0.13, -7.41, 0.29]
    return Volume(np.zeros(shape, np.uint8), affine)


def rotation(about: str, degrees: float) -> np.ndarray:
    """Rotation matrix about ``x``, ``y`` or ``z``."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[about]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def spine(
    on: Volume, shapes: dict[int, Shape], arch: bool = False, disc: float = 9.0
) -> tuple[Volume, dict[int, np.ndarray]]:
    """Vertebrae one below the other around the grid's middle, and where each true body is."""
    total = sum(s.posterior for s in shapes.values()) + disc * (len(shapes) - 1)
    top = total / 2
    data = on.data.copy()
    bodies = {}
    for number, shape in shapes.items():
        centre = np.array([0.0, 10.0, top - shape.posterior / 2])
        top -= shape.posterior + disc
        axes = rotation("z", shape.turn) @ rotation("x", shape.tilt)
        box = _around(on, centre)
        index = np.stack(np.meshgrid(*(np.r_[part] for part in box), indexing="ij"), axis=-1)
        world = index @ on.affine[:3, :3].T + on.affine[:3, 3]
        local = np.moveaxis(((world - centre) @ axes).astype(np.float32), -1, 0)
        inside = _body(shape, *local)
        bodies[number] = np.zeros(on.shape, bool)
        bodies[number][box] = inside
        view = data[box]
        view[inside] = number
        if arch:
            view[_arch(shape, *local) & (view == 0)] = number
    return on.like(data), bodies


def _around(on: Volume, centre: np.ndarray) -> tuple[slice, ...]:
    """Voxels within reach of a vertebra with its arch."""
    corners = centre + np.array(
        [[x, y, z] for x in (-46, 46) for y in (-62, 20) for z in (-28, 28)], float
    )
    inverse = np.linalg.inv(on.affine)
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    return tuple(
        slice(max(int(low), 0), min(int(high) + 2, n))
        for low, high, n in zip(index.min(axis=0), index.max(axis=0), on.shape, strict=True)
    )


def _body(shape: Shape, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Kidney-shaped across; endplates are parabolas through the three heights, half above and
    half below, or wholly above for a body that lost height in front."""
    t = np.clip(y / shape.half_depth, -1, 1)  # -1 posterior, 1 anterior
    chord = (shape.anterior + shape.posterior) / 2
    height = chord + (shape.anterior - shape.posterior) / 2 * t
    height = height + (shape.middle - chord) * (1 - t**2)
    across = (np.abs(x) / shape.half_width) ** 2.5 + (np.abs(y) / shape.half_depth) ** 2.5 <= 1
    canal = (x / 9.0) ** 2 + ((y + shape.half_depth + 7) / 7.0) ** 2 <= 1
    low = -shape.posterior / 2 + (shape.posterior - height) * 0.3
    dome = 1.2 * (x / shape.half_width) ** 2  # hollow from left to right, as endplates are
    return across & ~canal & (z >= low - dome) & (z <= low + height + dome)


def _arch(shape: Shape, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Pedicles, lamina, transverse and spinous processes around a canal."""
    back = -shape.half_depth
    pedicles = (np.abs(np.abs(x) - 13) < 4.5) & (y < back + 5) & (y > back - 16)
    pedicles &= np.abs(z - 4) < 7
    lamina = (np.abs(x) < 17) & (y < back - 13) & (y > back - 19) & (np.abs(z + 4) < 11)
    process = (np.abs(np.abs(x) - 28) < 14) & (np.abs(y - back + 11) < 4.5) & (np.abs(z - 3) < 5)
    spinous = (np.abs(x) < 3.5) & (y < back - 18) & (y > back - 42) & (np.abs(z + 9) < 9)
    return pedicles | lamina | process | spinous
