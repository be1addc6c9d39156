"""Attenuation of X-rays by tissues and minerals, and the CT numbers that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from osteoflow.ct.certificate import HYDROXYAPATITE, K2HPO4
from osteoflow.resources import read_resource

ENERGY_RANGE = (20.0, 150.0)
ENERGY_COLUMNS = ("energy_kev", "sd_kev", "below_kev")
WATER = {"H": 0.1119, "O": 0.8881}
WATER_DENSITY = 0.9982


@dataclass(frozen=True)
class Mineral:
    """What a density is an equivalent of.

    Parameters
    ----------
    composition
        Mass fraction of each element.
    displaced
        Volume of water that a gram of it takes the place of, cm3. Hydroxyapatite: the inverse of
        its density, 3.16 g/cm3. K2HPO4: 0.2174, what its solutions displace (QCT PRO User Guide,
        Mindways Software).
    """

    composition: Mapping[str, float]
    displaced: float


MINERALS = {
    # Ca10(PO4)6(OH)2 and K2HPO4.
    HYDROXYAPATITE: Mineral({"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020}, 1 / 3.16),
    K2HPO4: Mineral({"K": 0.4489, "P": 0.1778, "O": 0.3675, "H": 0.0058}, 0.2174),
}


@dataclass(frozen=True)
class Tissue:
    """A tissue of the body: density in g/cm3, mass fractions, spread of its CT number in HU."""

    name: str
    density: float
    composition: Mapping[str, float]
    sd_hu: float


@cache
def _table() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rows = read_resource("mass_attenuation.tsv")
    columns = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    return np.log(columns.pop("energy_kev")), {k: np.log(v) for k, v in columns.items()}


@cache
def tissues() -> dict[str, Tissue]:
    """Tissues of ``resources/ct_internal_tissues.tsv`` by name."""
    found = {}
    for row in read_resource("ct_internal_tissues.tsv"):
        name, density, sd = row.pop("tissue"), float(row.pop("density")), float(row.pop("sd_hu"))
        parts = {element: float(share) for element, share in row.items() if float(share) > 0}
        found[name] = Tissue(name, density, parts, sd)
    return found


def mass_attenuation(composition: Mapping[str, float], energy_kev: float) -> float:
    """Mass attenuation coefficient of a mixture, cm2/g.

    Parameters
    ----------
    composition
        Mass fraction of each element.
    energy_kev
        Photon energy, 20 to 150 keV. Between the tabulated energies (1 keV apart) coefficients are
        interpolated in logarithms.

    Raises
    ------
    ValueError
        An element that is not tabulated, or an energy outside the table.

    Notes
    -----
    Source: Elam et al., Radiat Phys Chem 2002;63:121, through the mixture rule.
    """
    if not ENERGY_RANGE[0] <= energy_kev <= ENERGY_RANGE[1]:
        raise ValueError(f"{energy_kev:g} keV lies outside {ENERGY_RANGE}")
    energies, columns = _table()
    if unknown := set(composition) - set(columns):
        raise ValueError(f"no attenuation is tabulated for {', '.join(sorted(unknown))}")
    at = np.log(energy_kev)
    return sum(
        w * float(np.exp(np.interp(at, energies, columns[e]))) for e, w in composition.items()
    )


def tissue_number(tissue: Tissue, energy_kev: float) -> float:
    """CT number (HU) of a tissue at one photon energy on an ideal scanner."""
    water = WATER_DENSITY * mass_attenuation(WATER, energy_kev)
    own = tissue.density * mass_attenuation(tissue.composition, energy_kev)
    return 1000.0 * (own / water - 1.0)


def mineral_slope(mineral: str, energy_kev: float) -> float:
    """Rise of the CT number with the density of a mineral in water, HU per mg/cm3.

    Parameters
    ----------
    mineral
        ``K2HPO4`` or ``hydroxyapatite``.
    energy_kev
        Photon energy.
    """
    found = MINERALS[mineral]
    water = WATER_DENSITY * mass_attenuation(WATER, energy_kev)
    return mass_attenuation(found.composition, energy_kev) / water - found.displaced


@dataclass(frozen=True)
class EffectiveEnergy:
    """Photon energies in keV that CT numbers correspond to.

    ``vertebra`` with its standard deviation ``sd``: in the middle of the body, behind bone.
    ``below``: in a phantom's rod under the back, where the beam is softer.
    """

    vertebra: float
    sd: float
    below: float


def effective_energy(kvp: float, diameter_cm: float) -> EffectiveEnergy:
    """Photon energies to which CT numbers in and under a patient correspond.

    Parameters
    ----------
    kvp
        Tube voltage.
    diameter_cm
        Water-equivalent diameter of the patient (AAPM Report 220); beyond 16 to 40 cm the nearest.

    Returns
    -------
    EffectiveEnergy
        Interpolated in ``resources/ct_effective_energy.tsv``.

    Raises
    ------
    ValueError
        A tube voltage that the table does not enclose.
    """
    rows = read_resource("ct_effective_energy.tsv")
    voltages = sorted({float(row["kvp"]) for row in rows})
    if not voltages[0] <= kvp <= voltages[-1]:
        raise ValueError(f"{kvp:g} kV lies outside {voltages[0]:g} to {voltages[-1]:g} kV")
    by_voltage = []
    for voltage in voltages:
        own = [row for row in rows if float(row["kvp"]) == voltage]
        diameters = [float(row["diameter_cm"]) for row in own]
        values = [[float(row[key]) for row in own] for key in ENERGY_COLUMNS]
        by_voltage.append([float(np.interp(diameter_cm, diameters, value)) for value in values])
    return EffectiveEnergy(
        *(float(np.interp(kvp, voltages, v)) for v in zip(*by_voltage, strict=True))
    )
