"""CT numbers of a polychromatic beam, for tests of calibrations that assume one energy.

Projections of an elliptical trunk (skin, muscle, a vessel, a vertebra with a cortex) are made with
a spectrum, linearised by the thickness of water that would weaken the beam as much, as scanners do,
and reconstructed by filtered back-projection. Nothing here knows of an effective energy, and the
vertebra hardens the beam for itself and for what lies around it. Spectrum, filtration, detector,
size, the composition of the tissues, cross-sections of the minerals, and the scanner's scale and
offset are drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.resources import read_resource

WATER_DENSITY = 0.9982
WATER = {"H": 0.1119, "O": 0.8881}
# Woodard and White 1986: adipose tissue 2 (74.1 % lipid, 0.95 g/cm3) and 3 (87.3 %, 0.93 g/cm3).
ADIPOSE = {
    0.741: (0.95, {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "Cl": 0.002}),
    0.873: (0.93, {"H": 0.116, "C": 0.681, "N": 0.002, "O": 0.198, "Na": 0.001, "Cl": 0.002}),
}
MUSCLE = {
    "H": 0.102,
    "C": 0.143,
    "N": 0.034,
    "O": 0.710,
    "Na": 0.001,
    "P": 0.002,
    "S": 0.003,
    "Cl": 0.001,
    "K": 0.004,
}
BLOOD = {
    "H": 0.102,
    "C": 0.110,
    "N": 0.033,
    "O": 0.745,
    "Na": 0.001,
    "P": 0.001,
    "S": 0.002,
    "Cl": 0.003,
    "K": 0.002,
    "Fe": 0.001,
}
HYDROXYAPATITE = {"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020}
RODS = np.array([0.0, 100.0, 200.0])
DENSITIES = np.array([50.0, 100.0, 150.0, 200.0])


@dataclass(frozen=True)
class Scan:
    """What one random scanner reads.

    ``numbers``: HU by tissue. ``bone``: HU in the middle of a vertebra with each of
    :data:`DENSITIES` of hydroxyapatite (mg/cm3 in water). ``rods``: HU of a phantom's rods of
    :data:`RODS` mg/cm3 under the back.
    """

    kvp: float
    diameter_cm: float
    numbers: dict[str, float]
    bone: np.ndarray
    rods: np.ndarray


def _coefficients() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rows = read_resource("mass_attenuation.tsv")
    columns = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    return columns.pop("energy_kev"), columns


ENERGY, ELEMENTS = _coefficients()


def linear(density: float, parts: dict[str, float]) -> np.ndarray:
    """Linear attenuation in 1/cm by energy."""
    return density * sum(share * ELEMENTS[e] for e, share in parts.items())


def beam(kvp: float, rng: np.random.Generator) -> np.ndarray:
    """Signal of a detector by photon energy without a patient."""
    shape = rng.uniform(0.9, 1.15)
    photons = np.where(kvp > ENERGY, np.maximum(kvp / ENERGY - 1, 0) ** shape, 0.0)
    photons = photons * np.exp(-linear(19.3, {"W": 1.0}) * rng.uniform(3, 9) * 1e-4)
    for energy, share in ((58, 0.3), (59, 0.5), (67, 0.2)):
        photons[int(energy - ENERGY[0])] += share * rng.uniform(0.02, 0.1) * photons.sum()
    filters = linear(2.699, {"Al": 1.0}) * rng.uniform(0.55, 1.1)
    filters = filters + linear(8.96, {"Cu": 1.0}) * rng.uniform(0, 0.015)
    photons = photons * np.exp(-filters)
    scintillator = {"Gd": 0.831, "S": 0.085, "O": 0.085}
    absorbed = 1 - np.exp(-linear(rng.uniform(0.7, 1.2), scintillator))
    return photons * absorbed * ENERGY


@dataclass(frozen=True)
class Ellipse:
    """Centre and half axes in cm; ``extra`` adds to the attenuation (1/cm, by energy) inside."""

    x: float
    y: float
    a: float
    b: float
    extra: np.ndarray


BIN_CM = 0.15
OFFSETS = (np.arange(301) - 150) * BIN_CM
ANGLES = np.arange(0, np.pi, np.pi / 90)
PATCH = [(0.35 * i, 0.35 * j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
THICKNESS = np.linspace(0, 60, 1201)


def reconstruct(
    parts: list[Ellipse], weight: np.ndarray, points: list[tuple[float, float]]
) -> np.ndarray:
    """Attenuation over water's around points, from linearised projections of a polychromatic beam.

    Each value is the mean over a patch of 7 mm.
    """
    water = linear(WATER_DENSITY, WATER)
    of_water = -np.log(np.exp(-np.outer(THICKNESS, water)) @ weight / weight.sum())
    seen = np.flatnonzero(weight > 1e-6 * weight.max())[::2]
    share = weight[seen] / weight[seen].sum()
    patches = np.array([[(x + u, y + v) for u, v in PATCH] for x, y in points]).reshape(-1, 2)
    n = np.arange(1 - OFFSETS.size, OFFSETS.size)
    kernel = -2 / (np.pi**2 * BIN_CM**2 * (4.0 * n * n - 1))  # Shepp and Logan
    values = np.zeros(len(patches))
    for angle in ANGLES:
        c, s = np.cos(angle), np.sin(angle)
        path = np.zeros((OFFSETS.size, seen.size), np.float32)
        for part in parts:
            reach = np.hypot(part.a * c, part.b * s)
            u = (OFFSETS - (part.x * c + part.y * s)) / reach
            length = 2 * part.a * part.b / reach * np.sqrt(np.maximum(1 - u * u, 0))
            path += np.outer(length, part.extra[seen]).astype(np.float32)
        projection = -np.log(np.exp(-path) @ share)
        thickness = np.interp(projection, of_water, THICKNESS)
        filtered = BIN_CM * np.convolve(kernel, thickness, "valid")
        values += np.interp(patches @ (c, s), OFFSETS, filtered)
    return values.reshape(len(points), -1).mean(axis=1) * np.pi / ANGLES.size


def draw_scan(kvp: float, rng: np.random.Generator) -> Scan:
    """A random patient on a random scanner."""
    a, b, fat_cm = rng.uniform(13, 17), rng.uniform(9, 12), rng.uniform(1.5, 3.5)
    weight = beam(kvp, rng)
    scale, offset = rng.uniform(0.98, 1.02), rng.normal(0, 3)
    lipid = float(np.clip(rng.normal(0.86, 0.05), 0.7, 0.95))
    share = (lipid - 0.741) / (0.873 - 0.741)
    fat = (1 - share) * linear(*ADIPOSE[0.741]) + share * linear(*ADIPOSE[0.873])
    infiltrated = rng.uniform(0, 0.06)
    muscle = (1 - infiltrated) * linear(rng.normal(1.053, 0.004), MUSCLE) + infiltrated * fat
    haematocrit = rng.normal(0.4, 0.05)
    blood = linear(haematocrit * 1.092 + (1 - haematocrit) * 1.025, BLOOD)
    # The tabulated cross-sections are good to about 1 %.
    mineral = linear(rng.normal(1.0, 0.01), HYDROXYAPATITE)
    water = linear(WATER_DENSITY, WATER)
    cortex = linear(0.3, HYDROXYAPATITE)
    slab = -(b + fat_cm + 1.9)
    points = [(0.0, -(b + fat_cm / 2)), (3.5, -5.0), (-1.0, 3.6), (0.0, 0.0)]
    points += [(x, slab) for x in (-3.0, 0.0, 3.0)]

    def solution(density: float) -> np.ndarray:
        share = density / 1000
        return water * (1 - share / 3.16) + mineral * share

    def reads(density: float) -> np.ndarray:
        """HU in fat, muscle, vessel, vertebra and rods."""
        marrow = solution(density)
        parts = [
            Ellipse(0, 0, a + fat_cm, b + fat_cm, fat),
            Ellipse(0, 0, a, b, muscle - fat),
            Ellipse(-1.0, 3.6, 1.0, 1.0, blood - muscle),
            Ellipse(0, 0, 2.3, 1.7, cortex),
            Ellipse(0, 0, 2.1, 1.5, marrow - muscle - cortex),
            Ellipse(0, slab, 7.8, 1.5, water),
        ]
        for x, rod in zip((-3.0, 0.0, 3.0), RODS, strict=True):
            parts.append(Ellipse(x, slab, 0.9, 0.9, solution(rod) - water))
        return offset + scale * 1000 * (reconstruct(parts, weight, points) - 1)

    found = np.array([reads(density) for density in DENSITIES])
    around = found[1]
    numbers = dict(zip(("fat", "muscle", "blood"), around[:3].tolist(), strict=True))
    numbers["air"] = offset - 1000 * scale + rng.normal(0, 2)
    outer = np.pi * (a + fat_cm) * (b + fat_cm)
    inner = np.pi * a * b
    equivalent = 1.045 * inner + 0.905 * (outer - inner)
    diameter = 2 * float(np.sqrt(equivalent / np.pi))
    return Scan(
        kvp,
        diameter,
        numbers,
        found[:, 3],
        around[4:],
    )
