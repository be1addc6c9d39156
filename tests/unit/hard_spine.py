"""Simulated scans of spines that are harder than the demo's: for tests of seeded outlines.

Added to the simulator's trunk: a thin cortex (300 instead of 620 HU), basivertebral veins,
osteophytes at the anterior rims, ribs that touch T11 and T12, and calcified plaques of the aorta.
"""

from dataclasses import dataclass, replace

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.simulate.anatomy import CHAIN, Anatomy, Part, build_anatomy
from osteoflow.simulate.clinical import draw_cohort
from osteoflow.simulate.ct import simulate_ct
from osteoflow.simulate.geometry import capsule, ellipsoid
from osteoflow.simulate.protocol import STANDARD
from osteoflow.simulate.render import TOTALSEGMENTATOR_V2, body_labels

LEVELS = ("L1", "L2", "L3", "L4", "L5")
PROTOCOL = replace(STANDARD, levels=LEVELS, ct_margin_mm=25.0)
VERSE = {"T12": 19, "L1": 20, "L2": 21, "L3": 22, "L4": 23, "L5": 24}
MODELS = ("noise_correlated", "cupping", "matched")


@dataclass(frozen=True)
class Scan:
    """A CT, the true bodies (VerSe ids), their centres (RAS mm, head to foot) and mean vBMD."""

    image: Volume
    labels: Volume
    centres: np.ndarray
    vbmd: float


def scan(index: int, seed: int = 11, people: int = 8) -> Scan:
    """Scan of one of the people of a cohort; odd ones have 20 HU more noise."""
    person = draw_cohort(people, seed, LEVELS, False)[index]
    person = replace(person, ct_model=MODELS[index % 3])
    rng = np.random.default_rng([seed, index])
    anatomy = harder(build_anatomy(person, LEVELS, rng), rng)
    found = simulate_ct(person, anatomy, PROTOCOL, rng)
    values = found.hu
    if index % 2:
        values = np.clip(np.rint(values + rng.normal(0, 20, values.shape)), -1024, 3071)
    lookup = np.zeros(256, np.uint8)
    for level in LEVELS:
        lookup[TOTALSEGMENTATOR_V2[level]] = VERSE[level]
    labels = lookup[body_labels(anatomy, found.grid, LEVELS)]
    centres = np.array([anatomy.vertebrae[level].centre for level in LEVELS]) * [-1, -1, 1]
    affine = found.grid.ras_affine
    return Scan(
        Volume(values.astype(np.int16), affine),
        Volume(labels, affine),
        centres,
        float(np.mean([person.apparent_vbmd(level) for level in LEVELS])),
    )


def harder(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """The trunk with what makes outlining hard."""
    parts = [
        replace(part, tissue="posterior_bone") if part.tissue == "cortex" else part
        for part in anatomy.parts
    ]
    chain = [anatomy.vertebrae[name] for name in CHAIN]
    for body in chain:
        x, y, z = body.centre
        parts.append(_rod("blood", (x, y + 1, z), (x, y + body.half_depth, z), 2.2))
        for side in (-1, 1):
            if rng.random() < 0.4:
                centre = (x + rng.uniform(-12, 12), y - body.half_depth - 1, z)
                centre = (*centre[:2], z + side * (body.half_height - 2))
                parts.append(_spur(centre, (6.0, 4.0, 4.0)))
    for body in chain[:2]:
        x, y, z = body.centre
        for side in (-1, 1):
            start = (x + side * (body.half_width - 2), y + body.half_depth - 4, z + 6)
            end = (x + side * 70, y + body.half_depth + 20, z - 10)
            parts.append(_rod("posterior_bone", start, end, 5.0))
            parts.append(_rod("muscle", start, end, 2.5))
    for _ in range(4):
        start = np.array([9 + rng.uniform(-6, 6), -28 + rng.uniform(0, 2), rng.uniform(-80, 80)])
        parts.append(_rod("cortex", tuple(start), tuple(start + [3, 0, 12]), 1.5))
    return replace(anatomy, parts=tuple(parts))


def _rod(tissue: str, start: tuple, end: tuple, radius: float) -> Part:
    low, high = np.minimum(start, end) - radius - 2, np.maximum(start, end) + radius + 2
    return Part(tissue, capsule(start, end, radius), tuple(low), tuple(high))


def _spur(centre: tuple, radii: tuple) -> Part:
    low, high = np.subtract(centre, radii) - 2, np.add(centre, radii) + 2
    return Part("cortex", ellipsoid(centre, radii), tuple(low), tuple(high))
