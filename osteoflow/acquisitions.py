"""The images of one acquisition as they are kept: loaded, with their unit, sidecar and warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from osteoflow.ct.header import ct_warnings
from osteoflow.io.intake import load_ct, load_multi_echo
from osteoflow.io.intake_mri import (
    load_diffusion,
    load_scanner_adc,
    load_scanner_maps,
    load_spin_echo,
    load_weighted,
)
from osteoflow.io.volume import Volume


class Kept(NamedTuple):
    """An image by its name in :data:`osteoflow.images.IMAGES`, with its unit and sidecar."""

    name: str
    volume: Volume
    unit: str
    sidecar: dict[str, Any]


Loaded = tuple[list[Kept], list[str]]
WEIGHTINGS = {"t1w": "T1-weighted", "t2w": "T2-weighted"}


def load_acquisition(item: str, entry: Mapping[str, Any], study: Path) -> Loaded:
    """Images of one acquisition of a subject, and what must be told about them.

    Parameters
    ----------
    item
        A key of :data:`ITEMS`.
    entry
        The subject's inventory entry, which holds the item.
    study
        Folder where relative paths start.

    Raises
    ------
    SubjectDataError
        Those of the loaders in :mod:`osteoflow.io`.
    """
    return ITEMS[item](entry, study)


def _ct(entry: Mapping[str, Any], study: Path) -> Loaded:
    volume, sidecar, warnings = load_ct(entry["ct"], study)
    told = entry["warnings"] + ct_warnings(sidecar, sidecar["SliceStep"])
    return [Kept("ct", volume, "HU", sidecar)], warnings + told


def _mri(entry: Mapping[str, Any], study: Path) -> Loaded:
    if entry["mri"]["kind"] == "scanner_maps":
        maps, sidecar, warnings = load_scanner_maps(entry["mri"], study)
        images = [
            Kept(f"scanner_{name}", volume, "as stored", sidecar) for name, volume in maps.items()
        ]
    else:
        magnitude, phase, sidecar, warnings = load_multi_echo(entry["mri"], study)
        images = [Kept("mag", magnitude, "arbitrary", sidecar)]
        if phase is not None:
            images.append(Kept("phase", phase, "rad", sidecar))
    return images, warnings + entry["warnings"]


def _diffusion(entry: Mapping[str, Any], study: Path) -> Loaded:
    if "map" in entry["dwi"]:
        volume, sidecar, warnings = load_scanner_adc(entry["dwi"], study)
        return [Kept("scanner_adc", volume, "um2/s", sidecar)], warnings
    volume, sidecar, warnings = load_diffusion(entry["dwi"], study)
    return [Kept("dwi", volume, "arbitrary", sidecar)], warnings


def _spin_echo(entry: Mapping[str, Any], study: Path) -> Loaded:
    volume, sidecar, warnings = load_spin_echo(entry["t2"], study)
    return [Kept("mese", volume, "arbitrary", sidecar)], warnings


def _weighted(role: str) -> Callable[[Mapping[str, Any], Path], Loaded]:
    def load(entry: Mapping[str, Any], study: Path) -> Loaded:
        volume, sidecar, warnings = load_weighted(entry[role], study, WEIGHTINGS[role])
        return [Kept(role, volume, "arbitrary", sidecar)], warnings

    return load


ITEMS: dict[str, Callable[[Mapping[str, Any], Path], Loaded]] = {
    "ct": _ct,
    "mri": _mri,
    "t2": _spin_echo,
    "dwi": _diffusion,
    "t1w": _weighted("t1w"),
    "t2w": _weighted("t2w"),
}
"""Acquisitions that a subject can have."""
