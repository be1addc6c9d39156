"""Calibration phantoms: what their rods are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from osteoflow.resources import read_resource

K2HPO4 = "K2HPO4"
HYDROXYAPATITE = "hydroxyapatite"


@dataclass(frozen=True)
class RodGeometry:
    """Bounds for the automatic search of a row of equidistant rods, in mm."""

    diameter: tuple[float, float]
    spacing: tuple[float, float]


@dataclass(frozen=True)
class Phantom:
    """Certificate of a calibration phantom.

    Parameters
    ----------
    name
        Name in ``resources/phantoms.tsv``.
    mineral
        ``K2HPO4`` or ``hydroxyapatite``.
    rods
        Rod labels in their order along the row.
    mineral_density
        Equivalent mineral density per rod, mg/cm3.
    water_density
        Water-equivalent density per rod, mg/cm3; None for hydroxyapatite phantoms.
    geometry
        Search bounds; None where the phantom is not found automatically.

    Raises
    ------
    ValueError
        Lengths differ, fewer than two rods, or a K2HPO4 phantom without water-equivalent
        densities (leaving them out changes a bone density by about 40 %).
    """

    name: str
    mineral: str
    rods: tuple[str, ...]
    mineral_density: tuple[float, ...]
    water_density: tuple[float, ...] | None
    geometry: RodGeometry | None

    def __post_init__(self) -> None:
        if self.mineral not in (K2HPO4, HYDROXYAPATITE):
            raise ValueError(f"{self.name}: unknown mineral {self.mineral!r}")
        if len(self.rods) < 2 or len(self.mineral_density) != len(self.rods):
            raise ValueError(f"{self.name}: one mineral density for each of {len(self.rods)} rods")
        if self.mineral == K2HPO4 and self.water_density is None:
            raise ValueError(
                f"{self.name}: K2HPO4 rods need their water-equivalent densities from the "
                "certificate"
            )
        if self.water_density is not None and len(self.water_density) != len(self.rods):
            raise ValueError(f"{self.name}: one water density for each of {len(self.rods)} rods")
        if self.mineral == HYDROXYAPATITE and self.water_density is not None:
            raise ValueError(f"{self.name}: hydroxyapatite rods take no water-equivalent densities")


@cache
def _tables() -> dict[str, Phantom]:
    rows: dict[str, list[dict[str, str]]] = {}
    for row in read_resource("phantoms.tsv"):
        rows.setdefault(row["phantom"], []).append(row)
    phantoms = {}
    for name, group in rows.items():
        first = group[0]
        water = None if first["water_mg_cm3"] == "n/a" else [r["water_mg_cm3"] for r in group]
        geometry = None
        if first["rod_diameter_min"] != "n/a":
            geometry = RodGeometry(
                (float(first["rod_diameter_min"]), float(first["rod_diameter_max"])),
                (float(first["rod_spacing_min"]), float(first["rod_spacing_max"])),
            )
        phantoms[name] = Phantom(
            name,
            first["mineral"],
            tuple(row["rod"] for row in group),
            tuple(float(row["mineral_mg_cm3"]) for row in group),
            None if water is None else tuple(float(value) for value in water),
            geometry,
        )
    return phantoms


def phantom_names() -> list[str]:
    """Names of the known phantoms."""
    return sorted(_tables())


def phantom(
    name: str,
    mineral_density: Sequence[float] | None = None,
    water_density: Sequence[float] | None = None,
) -> Phantom:
    """Certificate by name, with the study's own numbers where given.

    Parameters
    ----------
    name
        One of :func:`phantom_names`.
    mineral_density, water_density
        Values of this very phantom's certificate, mg/cm3, in the order of its rods. For K2HPO4
        phantoms both or neither.

    Raises
    ------
    ValueError
        Unknown name, wrong number of rods, or one of two columns missing.
    """
    known = _tables()
    if name not in known:
        raise ValueError(f"unknown phantom {name!r}; known: {', '.join(phantom_names())}")
    base = known[name]
    if mineral_density is None and water_density is None:
        return base
    if mineral_density is None:
        raise ValueError(f"{name}: water densities without mineral densities")
    return Phantom(
        name,
        base.mineral,
        base.rods,
        tuple(float(value) for value in mineral_density),
        None if water_density is None else tuple(float(value) for value in water_density),
        base.geometry,
    )


def certified_phantom(name: str, rods: Sequence[Any]) -> Phantom:
    """Certificate by name, with the rods of the study's own phantom where given.

    Parameters
    ----------
    name
        One of :func:`phantom_names`.
    rods
        Objects with ``name``, ``density`` and ``water`` (or None), in any order; empty: the values
        of the resource table.

    Raises
    ------
    ValueError
        As :func:`phantom`, or because the rods' names are not those of the phantom.
    """
    if not rods:
        return phantom(name)
    expected = phantom(name).rods
    by_name = {rod.name: rod for rod in rods}
    if sorted(by_name) != sorted(expected) or len(by_name) != len(rods):
        raise ValueError(
            f"certificate: {name} has the rods {', '.join(expected)}, "
            f"not {', '.join(rod.name for rod in rods)}"
        )
    ordered = [by_name[label] for label in expected]
    water = [rod.water for rod in ordered if rod.water is not None]
    return phantom(name, [rod.density for rod in ordered], water or None)
