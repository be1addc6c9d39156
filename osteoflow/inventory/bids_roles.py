"""Entries of the roles that images of a BIDS folder fill, in the form that DICOM has.

``source`` is ``bids`` and ``series`` None; files carry their ``sidecar``. The images of ``dwi`` are
volumes of one file: each names the file and its ``volume``, counted from 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.dicom_roles import file_entry
from osteoflow.inventory.fingerprint import FileCache
from osteoflow.inventory.folder import stored_path
from osteoflow.io import bids

SOURCE = {"source": "bids", "series": None}


class BidsRoles:
    """What the images of one participant (and session) serve.

    Parameters
    ----------
    study, stored
        Study folder, and the BIDS root as the subjects table gives it.
    folder
        Of the participant or session.
    name
        ``sub-01`` or ``sub-01_ses-1``.
    cache
        Fingerprints.
    warnings
        List to which sentences are added.
    """

    def __init__(
        self,
        study: Path,
        stored: str,
        folder: Path,
        name: str,
        cache: FileCache,
        warnings: list[str],
    ) -> None:
        self._study = study
        self._stored = stored
        self._where = (folder, name)
        self._cache = cache
        self._warnings = warnings

    def ct(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.io.bids.find_ct`."""
        path = bids.find_ct(*self._where)
        if path is None:
            return None
        bids.read_sidecar(path)
        return {**SOURCE, "files": [self._described(path)]}

    def ct_scan(self, entry: dict[str, Any]) -> dict[str, Any]:
        """As of DICOM; BIDS has no dates unless a sidecar keeps ``AcquisitionDate``."""
        content = bids.read_sidecar(self._study / entry["files"][0]["path"])
        date = str(content.get("AcquisitionDate") or content.get("AcquisitionDateTime") or "")
        stations = [content.get(name) for name in ("DeviceSerialNumber", "StationName")]
        return {
            "date": date[:10].replace("-", "") or None,
            "manufacturer": content.get("Manufacturer"),
            "model": content.get("ManufacturersModelName") or content.get("ManufacturerModelName"),
            "stations": [str(name) for name in stations if name],
            "kvp": content.get("KVP"),
            "kernel": content.get("ConvolutionKernel"),
        }

    def mri(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.io.bids.find_fat_water`."""
        found = bids.find_fat_water(*self._where, self._warnings)
        if found is None:
            return None
        if found.maps:
            maps = {kind: {"files": [self._described(p)]} for kind, p in found.maps.items()}
            return {**SOURCE, "kind": found.kind, "maps": maps}
        parts = {part: self._echoes(echoes) for part, echoes in found.parts.items()}
        return {**SOURCE, "kind": found.kind, "parts": parts}

    def t2(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.io.bids.find_multi_spin_echo`."""
        echoes = bids.find_multi_spin_echo(*self._where)
        return None if echoes is None else {**SOURCE, "echoes": self._echoes(echoes)}

    def dwi(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.io.bids.find_diffusion`."""
        found = bids.find_diffusion(*self._where)
        if found is None:
            return None
        item = self._described(found.path)
        images = [
            {"b_value": b, "files": [item], "volume": volume}
            for volume, b in enumerate(found.b_values)
        ]
        return {**SOURCE, "images": images, "trace": found.trace, "notes": list(found.notes)}

    def t1w(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.io.bids.find_weighted`; what cannot be used is a warning."""
        return self._weighted("T1")

    def t2w(self) -> dict[str, Any] | None:
        """As :meth:`t1w`."""
        return self._weighted("T2")

    def _weighted(self, weighting: str) -> dict[str, Any] | None:
        words = f"{weighting}-weighted image"
        try:
            path = bids.find_weighted(*self._where, weighting, self._warnings)
            return None if path is None else {**SOURCE, "files": [self._described(path)]}
        except SubjectDataError as error:
            self._warnings.append(f"{error.code}: no {words} is used: {error.message}")
        except OSError:
            self._warnings.append(f"unreadable_files: the {words} cannot be read")
        return None

    def _echoes(self, echoes: dict[float, Path]) -> list[dict[str, Any]]:
        return [
            {"echo_time": echo, "files": [self._described(path)]} for echo, path in echoes.items()
        ]

    def _described(self, path: Path) -> dict[str, Any]:
        sidecar = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
        item = self._file(path)
        item["sidecar"] = self._file(sidecar)
        return item

    def _file(self, path: Path) -> dict[str, Any]:
        stored = stored_path(self._study, self._stored, path)
        return file_entry(stored, self._cache.record(path, header=False))
