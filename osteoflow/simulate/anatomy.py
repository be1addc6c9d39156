"""The lumbar spine and its surroundings as solids in patient coordinates.

One object serves both modalities and the truth. Sizes are textbook magnitudes; men's bones are 17 %
larger in each direction across (Riggs et al., J Bone Miner Res 2004;19:1945-1954: 35-42 % in
area). The spine follows a parabola in the sagittal plane (lordosis) with its apex at L3-L4, and
each vertebra is tilted along it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from osteoflow.simulate.clinical import Participant
from osteoflow.simulate.geometry import (
    Distance,
    Point,
    capsule,
    cylinder,
    ellipse,
    ellipsoid,
)
from osteoflow.simulate.texture import LATTICE_MM, fat_field, mineral_field, without_depth_trend

CORTEX_MM = 1.5
CHAIN = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
_APEX = 5 - 0.5  # position in the chain of the L3-L4 disc: most anterior point of the spine
_CURVATURE = 0.0009  # 1/mm
_INFINITE = float("inf")


@dataclass(frozen=True)
class Vertebra:
    """A vertebral body: an elliptic cylinder with a waist, a cortical shell and textured marrow.

    Lengths in mm, ``centre`` in patient coordinates, ``tilt`` in radians about the left-right axis.
    ``mineral`` (mg/cm3 K2HPO4) and ``fat`` (%) are values on a lattice in the body's own frame.
    """

    level: str
    centre: Point
    half_width: float
    half_depth: float
    half_height: float
    tilt: float
    mineral: np.ndarray = field(repr=False)
    fat: np.ndarray = field(repr=False)

    def local(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates in the body's frame: left, posterior, cranial from its centre."""
        x, y, z = (v - np.float32(c) for v, c in zip((x, y, z), self.centre, strict=True))
        c, s = np.float32(np.cos(self.tilt)), np.float32(np.sin(self.tilt))
        return x, c * y - s * z, s * y + c * z

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance to the outer surface of the body, mm."""
        u, v, w = self.local(x, y, z)
        waist = 1 - np.float32(0.07) * (1 - np.clip(w / self.half_height, -1, 1) ** 2)
        side = ellipse(u / waist, v / waist, self.half_width, self.half_depth)
        return cylinder(side, np.abs(w) - np.float32(self.half_height), 2.0)

    def composition(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mineral (mg/cm3 K2HPO4) and marrow fat fraction (%) at points, trilinear."""
        local = np.broadcast_arrays(*self.local(x, y, z))
        centre = (np.array(self.mineral.shape) - 1) / 2
        index = [v / LATTICE_MM + c for v, c in zip(local, centre, strict=True)]
        return tuple(
            ndimage.map_coordinates(values, index, order=1, mode="nearest")
            for values in (self.mineral, self.fat)
        )

    def lattice_depth(self) -> np.ndarray:
        """Depth of the lattice points below the inner surface of the cortex, mm."""
        upright = replace(self, centre=(0.0, 0.0, 0.0), tilt=0.0)
        axes = [
            (np.arange(n, dtype=np.float32) - (n - 1) / 2) * np.float32(LATTICE_MM)
            for n in self.mineral.shape
        ]
        return -upright.distance(*np.ix_(*axes)) - CORTEX_MM

    def trabecular_truth(self) -> tuple[float, float, int]:
        """Mean mineral, mean fat fraction and lattice points of the trabecular compartment."""
        inside = self.lattice_depth() > 0
        return (
            float(self.mineral[inside].mean(dtype=float)),
            float(self.fat[inside].mean(dtype=float)),
            int(inside.sum()),
        )

    @property
    def bounds(self) -> tuple[Point, Point]:
        """Corners of a cuboid around the body."""
        reach = np.array(
            [
                self.half_width,
                self.half_depth + abs(np.sin(self.tilt)) * self.half_height,
                self.half_height + abs(np.sin(self.tilt)) * self.half_depth,
            ]
        )
        return tuple(self.centre - reach - 1.5), tuple(self.centre + reach + 1.5)


@dataclass(frozen=True)
class Part:
    """A solid of one tissue, painted over what came before; ``lower``..``upper`` encloses it."""

    tissue: str
    distance: Distance
    lower: Point = (-_INFINITE,) * 3
    upper: Point = (_INFINITE,) * 3
    vertebra: Vertebra | None = None


@dataclass(frozen=True)
class Anatomy:
    """All vertebrae by level, the parts in painting order, and the skin of the back (y, mm)."""

    vertebrae: dict[str, Vertebra]
    parts: tuple[Part, ...]
    back_y: float

    def extent_z(self, levels: tuple[str, ...]) -> tuple[float, float]:
        """Lowest and highest z of the bodies of some levels, mm."""
        bounds = [self.vertebrae[level].bounds for level in levels]
        return min(b[0][2] for b in bounds), max(b[1][2] for b in bounds)


def build_anatomy(
    participant: Participant, levels: tuple[str, ...], rng: np.random.Generator
) -> Anatomy:
    """The participant's trunk from T11 to S1 with the origin in the middle of ``levels``.

    Parameters
    ----------
    participant
        Bone, marrow, size.
    levels
        Levels that have values of their own; others take those of the nearest one.
    rng
        Source of the anatomical variation and of the texture.

    Returns
    -------
    Anatomy
    """
    vertebrae = _spine(participant, levels, rng)
    chain = [vertebrae[name] for name in CHAIN]
    parts, back_y = _trunk(participant, chain, rng)
    for upper, lower in zip(chain, chain[1:], strict=False):
        parts.append(_disc(upper, lower))
    for vertebra in chain:
        parts.extend(_posterior_elements(vertebra))
    parts.append(_thecal_sac(chain))
    for vertebra in chain:
        low, high = vertebra.bounds
        parts.append(Part("cortex", vertebra.distance, low, high))
        parts.append(Part("trabecular", _inner(vertebra), low, high, vertebra))
    return Anatomy(vertebrae, tuple(parts), back_y)


def _inner(vertebra: Vertebra) -> Distance:
    """Distance to the trabecular compartment: the body without its cortex."""
    return lambda x, y, z: vertebra.distance(x, y, z) + np.float32(CORTEX_MM)


def _spine(
    participant: Participant, levels: tuple[str, ...], rng: np.random.Generator
) -> dict[str, Vertebra]:
    """Vertebrae along a lordotic parabola, sizes growing caudally."""
    scale = (1.17 if participant.sex == "M" else 1.0) * (1 + 0.02 * rng.standard_normal())
    count = len(CHAIN)
    half_heights = scale**0.5 * (12.3 + 0.25 * np.arange(count) + rng.normal(0, 0.2, count))
    discs = scale**0.5 * (6.5 + 0.6 * np.arange(count) + rng.normal(0, 0.3, count))
    z = -np.concatenate([[0], np.cumsum(half_heights[:-1] + discs[:-1] + half_heights[1:])])
    chosen = [CHAIN.index(level) for level in levels]
    z -= (z[chosen[0]] + half_heights[chosen[0]] + z[chosen[-1]] - half_heights[chosen[-1]]) / 2
    apex = np.interp(_APEX, np.arange(count), z)
    middle = _CURVATURE * (z[chosen].mean() - apex) ** 2
    vertebrae = {}
    for index, level in enumerate(CHAIN):
        nearest = CHAIN[min(max(index, chosen[0]), chosen[-1])]
        half = scale * np.array([19.2 + 0.75 * index, 14.2 + 0.35 * index])
        half = half + rng.normal(0, 0.3, 2)
        size = (*half, half_heights[index])
        # 4 mm beyond the surface: samples beside the compartment still find values.
        shape = tuple(int(2 * np.ceil((s + 4) / LATTICE_MM) + 1) for s in size)
        plain = Vertebra(
            level=level,
            centre=(0.0, float(_CURVATURE * (z[index] - apex) ** 2 - middle), float(z[index])),
            half_width=float(half[0]),
            half_depth=float(half[1]),
            half_height=float(half_heights[index]),
            tilt=float(np.arctan(2 * _CURVATURE * (z[index] - apex))),
            mineral=np.zeros(shape, np.float32),
            fat=np.zeros(shape, np.float32),
        )
        depth = plain.lattice_depth()
        mineral = without_depth_trend(mineral_field(shape, participant.texture, rng), depth)
        mean_fat = participant.fat_fraction[nearest]
        fat = without_depth_trend(fat_field(shape, participant.texture, mean_fat, rng), depth)
        fat += np.float32(mean_fat)
        if fat.min() < 0 or fat.max() > 100:
            raise ValueError(f"marrow fat of {level} leaves 0..100 %: mean or texture too extreme")
        mineral += np.float32(participant.mineral[nearest])
        vertebrae[level] = replace(plain, mineral=mineral, fat=fat)
    return vertebrae


def _curve(chain: list[Vertebra], z: np.ndarray, posterior: float) -> np.ndarray:
    """y of the line ``posterior`` mm behind the bodies' posterior wall, at heights z."""
    order = chain[::-1]
    heights = [v.centre[2] for v in order]
    return np.interp(z, heights, [v.centre[1] + v.half_depth + posterior for v in order]).astype(
        np.float32
    )


def _disc(upper: Vertebra, lower: Vertebra) -> Part:
    """Intervertebral disc; reaches into both bodies, which are painted over it."""
    middle = tuple((a + b) / 2 for a, b in zip(upper.centre, lower.centre, strict=True))
    tilt = (upper.tilt + lower.tilt) / 2
    width = (upper.half_width + lower.half_width) / 2 + 0.5
    depth = (upper.half_depth + lower.half_depth) / 2 + 0.5
    height = (upper.centre[2] - lower.centre[2] - upper.half_height - lower.half_height) / 2 + 2
    frame = Vertebra("", middle, width, depth, height, tilt, np.empty(0), np.empty(0))

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        u, v, w = frame.local(x, y, z)
        return cylinder(ellipse(u, v, width, depth), np.abs(w) - np.float32(height), 1.0)

    return Part("disc", distance, *frame.bounds)


def _posterior_elements(vertebra: Vertebra) -> list[Part]:
    """Pedicles, arch, transverse and spinous processes, all of one tissue."""
    x0, y0, z0 = vertebra.centre
    wall = y0 + vertebra.half_depth
    tilt_z = z0 + np.sin(vertebra.tilt) * -vertebra.half_depth

    def arch(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        ring = ellipse(x - x0, y - np.float32(wall + 9), 17.0, 15.0)
        return cylinder(ring, np.abs(z - np.float32(tilt_z - 3)) - 8, 2.0)

    solids: list[tuple[Distance, Point, Point]] = [
        (arch, (x0 - 20, wall - 2, tilt_z - 14), (x0 + 20, wall + 27, tilt_z + 8))
    ]
    for side in (-1, 1):
        start, end = (x0 + side * 12, wall - 3, tilt_z + 4), (x0 + side * 15, wall + 9, tilt_z + 2)
        low, high = np.minimum(start, end) - 7.0, np.maximum(start, end) + 7.0
        solids.append((capsule(start, end, 5.0), tuple(low), tuple(high)))
        centre, radii = (x0 + side * 31, wall + 12, tilt_z + 1), (15.0, 4.5, 6.0)
        solids.append((ellipsoid(centre, radii), *_around(centre, radii)))
    centre, radii = (x0, wall + 34, tilt_z - 7), (3.6, 14.0, 9.0)
    solids.append((ellipsoid(centre, radii), *_around(centre, radii)))
    return [Part("posterior_bone", *solid) for solid in solids]


def _thecal_sac(chain: list[Vertebra]) -> Part:
    """Tube behind the bodies that carves the spinal canal out of the arches."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return ellipse(x, y - _curve(chain, z, 8.5), 11.0, 7.5)

    low, high = chain[-1].centre, chain[0].centre
    return Part("thecal_sac", distance, (-13, -60, low[2] - 40), (13, 90, high[2] + 40))


def _trunk(
    participant: Participant, chain: list[Vertebra], rng: np.random.Generator
) -> tuple[list[Part], float]:
    """Skin to psoas: everything around the spine, and the y of the back's skin."""
    fat_mm = 10 + 1.5 * (participant.bmi - 18)
    size = (1.07 if participant.sex == "M" else 1.0) * (1 + 0.01 * (participant.bmi - 26))
    wide, deep = 150 * size, 102 * size
    centre_y = -22.0
    back_y = centre_y + deep + 0.6 * fat_mm
    outer_centre = centre_y - 0.2 * fat_mm  # subcutaneous fat is thicker in front than behind
    parts = [
        _tube("subcutaneous_fat", (0, outer_centre), (wide + fat_mm, deep + 0.8 * fat_mm), 2.4),
        _tube("muscle", (0, centre_y), (wide, deep), 2.4),
        _tube("visceral_fat", (0, centre_y - 22), (wide - 16, deep - 34), 2.3),
    ]
    for _ in range(14):
        radii = tuple(rng.uniform(14, 34, 3))
        across, height = rng.uniform(-0.8, 0.8), rng.uniform(-110, 110)
        centre = (float(across * (wide - 30)), float(rng.uniform(-85, -48) * size), float(height))
        parts.append(Part("organ", ellipsoid(centre, radii), *_around(centre, radii)))
    for side in (-1, 1):
        centre, radii = (side * 66.0 * size, 4.0, 45.0 + 6 * side), (27.0, 22.0, 55.0)
        parts.append(Part("organ", ellipsoid(centre, radii), *_around(centre, radii)))
        parts.append(_tube("muscle", (side * 34.0, 52.0), (31.0, 22.0), 2.2))
        parts.append(_psoas(chain, side, size))
    front = -float(np.mean([v.half_depth for v in chain]))
    parts.append(_tube("blood", (9.0, front - 13), (8.5, 8.5), 2.0))
    parts.append(_tube("blood", (-14.0, front - 12), (11.0, 8.5), 2.0))
    return parts, float(back_y)


def _psoas(chain: list[Vertebra], side: int, size: float) -> Part:
    """Psoas muscle beside the bodies, thicker caudally."""
    top, bottom = chain[1].centre[2], chain[-1].centre[2]

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        share = np.clip((top - z) / (top - bottom), 0.15, 1).astype(np.float32)
        a, b = 19 * size * share**0.5, 23 * size * share**0.5
        u = (x - side * (chain[3].half_width + 16 * size * share**0.5)) / a
        v = (y - 6) / b
        return (np.sqrt(u * u + v * v) - 1) * np.minimum(a, b)

    return Part("muscle", distance, (-80, -40, bottom - 40), (80, 50, top))


def _tube(
    tissue: str, centre: tuple[float, float], radii: tuple[float, float], power: float
) -> Part:
    """Superelliptic tube along z."""

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return ellipse(x - np.float32(centre[0]), y - np.float32(centre[1]), *radii, power)

    low = (centre[0] - radii[0] - 2, centre[1] - radii[1] - 2, -_INFINITE)
    high = (centre[0] + radii[0] + 2, centre[1] + radii[1] + 2, _INFINITE)
    return Part(tissue, distance, low, high)


def _around(centre: Point, radii: Point) -> tuple[Point, Point]:
    """Corners of the cuboid around an ellipsoid, with a margin for its soft edge."""
    return (
        tuple(c - r - 2 for c, r in zip(centre, radii, strict=True)),
        tuple(c + r + 2 for c, r in zip(centre, radii, strict=True)),
    )
