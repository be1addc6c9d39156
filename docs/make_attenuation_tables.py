"""Write `resources/mass_attenuation.tsv` and `resources/ct_effective_energy.tsv`.

Usage: python docs/make_attenuation_tables.py (needs the package xraydb, which nothing else does)

The first table is that of Elam, Ravel and Sieber (Radiat Phys Chem 2002;63:121) as XrayDB has it.
The second follows from it alone: the effective energy of a CT number in the middle of a patient.
A tungsten spectrum (Kramers' law with characteristic lines) is filtered by aluminium and copper so
that its half-value layer spans what is measured on CT scanners with their body filters (6.3 to 8.8
mm Al at 120 kV), passes water and a vertebra, and is weighted by energy in a scintillator of
gadolinium oxysulphide. A CT whose beam hardening is corrected for water reads a small insert as the
ratio of the attenuation, averaged over that spectrum, of insert and water; the effective energy is
the one photon energy with the same ratio for hydroxyapatite. It is given for the middle of the
body, where the vertebra lies, and for a phantom's rod under the back, where the beam is softer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

RESOURCES = Path(__file__).parents[1] / "resources"
ELEMENTS = (
    *("H", "C", "N", "O", "Na", "Mg", "Al", "P", "S", "Cl", "Ar", "K", "Ca"),
    *("Fe", "Cu", "Gd", "W"),
)
ENERGIES = np.arange(20, 151)
VOLTAGES = (70, 80, 90, 100, 110, 120, 130, 140, 150)
DIAMETERS = (16, 20, 24, 28, 32, 36, 40)
# A trunk is about 1.5 times as wide as deep: paths through its middle by its diameter.
DEPTHS = np.array([0.82, 0.9, 1.0, 1.12, 1.22])
# Half width and half thickness of a phantom's slab.
SLAB_CM = (7.8, 1.4)
# mm of aluminium and copper beyond the tube's window, from little to much filtration.
FILTERS = ((6.5, 0.0), (8.0, 0.0), (10.0, 0.0), (8.0, 0.1), (8.0, 0.2))
# What the model leaves out: scattered photons, the detector's true response, the target's angle.
MODEL_SHARE = 0.03
ANODE_UM = 5.0
# Mineral along a path through a vertebral body with its cortex: about 4 cm of 170 mg/cm3.
VERTEBRA_G_CM2 = 0.7
LINES = ((58, 0.29), (59, 0.50), (67, 0.17), (69, 0.04))
LINES_SHARE = 0.09
K_EDGE = 69.5
SCINTILLATOR_G_CM2 = 1.0
SCINTILLATOR = {"Gd": 0.831, "S": 0.085, "O": 0.085}
WATER = {"H": 0.1119, "O": 0.8881}
HYDROXYAPATITE = {"Ca": 0.3990, "P": 0.1850, "O": 0.4140, "H": 0.0020}

ATTENUATION_HEAD = """\
# Total mass attenuation coefficients with coherent scattering, cm2/g, by photon energy.
# Source: Elam, Ravel and Sieber, Radiat Phys Chem 2002;63:121-128, as tabulated in XrayDB
# (M. Newville, github.com/xraypy/XrayDB); made by docs/make_attenuation_tables.py.
"""
ENERGY_HEAD = """\
# Effective photon energy of CT numbers in a vertebra (energy_kev, with its standard deviation) and
# in a phantom's rod under the back (below_kev), by tube voltage and water-equivalent diameter: mean
# over filtrations with half-value layers of 6.3 to 8.8 mm Al at 120 kV; their spread and 3 % for
# the model. Computed, not measured: docs/make_attenuation_tables.py.
"""


def main() -> None:
    """Write both tables."""
    from xraydb import mu_elam

    table = {e: mu_elam(e, ENERGIES * 1000.0, kind="total") for e in ELEMENTS}
    rows = [
        "\t".join([f"{energy}", *(f"{table[e][index]:.5g}" for e in ELEMENTS)])
        for index, energy in enumerate(ENERGIES)
    ]
    head = "\t".join(["energy_kev", *ELEMENTS])
    text = ATTENUATION_HEAD + "\n".join([head, *rows]) + "\n"
    (RESOURCES / "mass_attenuation.tsv").write_text(text, encoding="utf-8")
    lines = ["kvp\tdiameter_cm\tenergy_kev\tsd_kev\tbelow_kev"]
    for kvp in VOLTAGES:
        for diameter in DIAMETERS:
            paths = diameter * DEPTHS
            found = [
                effective_energy(table, kvp, paths, VERTEBRA_G_CM2, *filters) for filters in FILTERS
            ]
            paths = paths_below(diameter)
            below = [effective_energy(table, kvp, paths, 0.0, *filters) for filters in FILTERS]
            mean = float(np.mean(found))
            spread = np.hypot(np.std(found, ddof=1), MODEL_SHARE * mean)
            lines.append(f"{kvp}\t{diameter}\t{mean:.2f}\t{spread:.2f}\t{np.mean(below):.2f}")
    text = ENERGY_HEAD + "\n".join(lines) + "\n"
    (RESOURCES / "ct_effective_energy.tsv").write_text(text, encoding="utf-8")


def mixture(table: dict[str, np.ndarray], parts: dict[str, float]) -> np.ndarray:
    """Mass attenuation of a mixture, cm2/g."""
    return sum(share * table[element] for element, share in parts.items())


def spectrum(table: dict[str, np.ndarray], kvp: float, al_mm: float, cu_mm: float) -> np.ndarray:
    """Photons by energy behind the filters."""
    photons = np.where(kvp > ENERGIES, (kvp - ENERGIES) / ENERGIES, 0.0)
    photons = photons * np.exp(-table["W"] * 19.3 * ANODE_UM * 1e-4)
    if kvp > K_EDGE + 0.5:
        lines = LINES_SHARE * ((kvp / K_EDGE - 1) / (120 / K_EDGE - 1)) ** 1.63 * photons.sum()
        for energy, share in LINES:
            photons[energy - ENERGIES[0]] += lines * share
    return photons * np.exp(-table["Al"] * 0.2699 * al_mm - table["Cu"] * 0.896 * cu_mm)


def paths_below(diameter_cm: float) -> np.ndarray:
    """Lengths (cm of water) through a rod in the middle of a slab under the back, by direction."""
    wide, deep = diameter_cm * DEPTHS[-1] / 2, diameter_cm * DEPTHS[0] / 2
    y = deep + SLAB_CM[1] + 0.4
    lengths = []
    for angle in (np.arange(72) + 0.5) * np.pi / 72:
        c, s = np.cos(angle), np.sin(angle)
        p, q, r = (c / wide) ** 2 + (s / deep) ** 2, y * s / deep**2, (y / deep) ** 2 - 1
        body = 2 * np.sqrt(max(q * q - p * r, 0.0)) / p
        lengths.append(body + 2 * min(SLAB_CM[0] / abs(c), SLAB_CM[1] / abs(s)))
    return np.array(lengths)


def effective_energy(
    table: dict[str, np.ndarray],
    kvp: float,
    paths: np.ndarray,
    bone: float,
    al_mm: float,
    cu_mm: float,
) -> float:
    """Energy (keV) at which hydroxyapatite behind paths of water (cm) and bone (g/cm2) reads so."""
    water, mineral = mixture(table, WATER), mixture(table, HYDROXYAPATITE)
    absorbed = 1 - np.exp(-mixture(table, SCINTILLATOR) * SCINTILLATOR_G_CM2)
    weight = spectrum(table, kvp, al_mm, cu_mm) * ENERGIES * absorbed
    ratios = []
    for path in paths:
        behind = weight * np.exp(-water * path - mineral * bone)
        ratios.append((behind * mineral).sum() / (behind * water).sum())
    return float(np.interp(-np.mean(ratios), -mineral / water, ENERGIES))


if __name__ == "__main__":
    main()
