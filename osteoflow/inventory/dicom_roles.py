"""Entries of the roles that images of a DICOM folder fill.

Each is None, or a dict with ``source`` (``dicom``), ``series`` (a pseudonym) and

- ``ct``, ``t1w``, ``t2w``: ``files``;
- ``mri``: ``kind`` and ``parts``, ``{part: [{"echo_time": s, "files": [...]}, ...]}``, or, for the
  kind ``scanner_maps``, ``maps``, ``{"pdff" | "water" | "fat": {"files": [...]}}``;
- ``t2``: ``echoes``, ``[{"echo_time": s, "files": [...]}, ...]``;
- ``dwi``: ``images``, one a volume, ``[{"b_value": s/mm2, "files": [...]}, ...]``, ``trace`` and
  ``notes``; or,
  for a map of the scanner alone, ``map``, ``{"files": [...], "factor_to_um2_per_s": factor}``.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.echoes import positions
from osteoflow.inventory.folder import Folder
from osteoflow.inventory.recognise import (
    choose_ct,
    choose_fat_water,
    choose_multi_spin_echo,
    choose_scanner_adc,
    choose_t1_weighted,
    choose_t2_weighted,
    find_diffusion,
    series_key,
)
from osteoflow.io.frames import frame_numbers, frames_text

NO_SOURCE = ("too_few_b_values", "b_value_missing", "dwi_mosaic")
"""Diffusion images from which nothing can be fitted; a map of the scanner may stand in."""


class DicomRoles:
    """What the images of a folder serve.

    Parameters
    ----------
    folder
        Headers and records of the images.
    salt
        Secret of the study in the pseudonyms of series.
    warnings
        List to which sentences are added.
    """

    def __init__(self, folder: Folder, salt: str, warnings: list[str]) -> None:
        self._headers = folder.headers
        self._records = folder.records
        self._salt = salt
        self._warnings = warnings

    def ct(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.inventory.recognise.choose_ct`."""
        names = choose_ct(self._headers)
        return names and {**self._source(names), "files": self._files(names)}

    def ct_scan(self, entry: dict[str, Any]) -> dict[str, Any]:
        """What tells which phantom scan belongs to the chosen CT: scanner, settings and day."""
        paths = {file["path"] for file in entry["files"]}
        header = next(
            header
            for name, header in self._headers.items()
            if self._records[name].get("path", name) in paths
        )
        stations = [header.get(name) for name in ("DeviceSerialNumber", "StationName")]
        return {
            "date": header.get("ScanDate"),
            "manufacturer": header.get("Manufacturer"),
            "model": header.get("ManufacturerModelName"),
            "stations": [str(name) for name in stations if name],
            "kvp": header.get("KVP"),
            "kernel": header.get("ConvolutionKernel"),
        }

    def mri(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.inventory.recognise.choose_fat_water`."""
        found = choose_fat_water(self._headers, self._warnings)
        if found is None:
            return None
        if found.maps:
            first = next(iter(found.maps.values()))
            maps = {kind: {"files": self._files(names)} for kind, names in found.maps.items()}
            return {**self._source(first), "kind": found.kind, "maps": maps}
        first = next(iter(next(iter(found.parts.values())).values()))
        parts = {part: self._echoes(echoes) for part, echoes in found.parts.items()}
        return {**self._source(first), "kind": found.kind, "parts": parts}

    def t2(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.inventory.recognise.choose_multi_spin_echo`."""
        echoes = choose_multi_spin_echo(self._headers)
        if echoes is None:
            return None
        return {**self._source(next(iter(echoes.values()))), "echoes": self._echoes(echoes)}

    def dwi(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.inventory.recognise.find_diffusion`, or the scanner's own ADC map.

        Raises
        ------
        SubjectDataError
            Besides, ``adc_map_ambiguous`` and ``adc_scale_unknown``.
        """
        try:
            found = find_diffusion(self._headers)
        except SubjectDataError as error:
            scanner = self._scanner_adc() if error.code in NO_SOURCE else None
            if scanner is None:
                raise
            self._warnings.append(
                f"scanner_adc: the ADC map of the scanner stands in: {error.message}"
            )
            return scanner
        if found is None:
            return self._scanner_adc()
        return {
            **self._source(next(iter(found.images.values()))),
            "images": [
                {"b_value": b, "files": files}
                for b, names in found.images.items()
                for files in self._volumes(names)
            ],
            "trace": found.trace,
            "notes": list(found.notes),
        }

    def t1w(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.inventory.recognise.choose_t1_weighted`."""
        names = choose_t1_weighted(self._headers, self._warnings)
        return names and {**self._source(names), "files": self._files(names)}

    def t2w(self) -> dict[str, Any] | None:
        """As :func:`osteoflow.inventory.recognise.choose_t2_weighted`."""
        names = choose_t2_weighted(self._headers, self._warnings)
        return names and {**self._source(names), "files": self._files(names)}

    def _scanner_adc(self) -> dict[str, Any] | None:
        names = choose_scanner_adc(self._headers)
        if names is None:
            return None
        factors = [self._headers[name].get("AdcScale") for name in names]
        known = [factor for factor in factors if factor is not None]
        if len(known) < len(factors) or not all(math.isclose(f, known[0]) for f in known):
            raise SubjectDataError(
                "adc_scale_unknown",
                "the ADC map made by the scanner does not state one unit for all its images",
                "Export the diffusion images of every b-value: the ADC is then measured in them.",
            )
        adc = {"files": self._files(names), "factor_to_um2_per_s": known[0]}
        return {**self._source(names), "map": adc}

    def _source(self, names: list[str]) -> dict[str, Any]:
        series = _pseudonym(series_key(self._headers[names[0]]), self._salt)
        return {"source": "dicom", "series": series}

    def _echoes(self, echoes: dict[float, list[str]]) -> list[dict[str, Any]]:
        return [{"echo_time": echo, "files": self._files(names)} for echo, names in echoes.items()]

    def _volumes(self, names: list[str]) -> list[list[dict[str, Any]]]:
        """Images of one b-value as volumes: each has one image at every position.

        Directions and repetitions lie at the same positions. Which direction of one slice shares a
        volume with which of another does not matter, since all of them are averaged.
        """
        taken: Counter[tuple[float, ...]] = Counter()
        volumes: dict[int, dict[str, list[int]]] = {}
        for name in names:
            record = self._records[name]
            frames = frame_numbers(record["frames"]) if "frames" in record else (0,)
            places = positions(self._headers[name])
            if len(places) != len(frames):
                return [self._files(names)]
            for frame, place in zip(frames, places, strict=True):
                volumes.setdefault(taken[place], {}).setdefault(name, []).append(frame)
                taken[place] += 1
        return [
            [self._part(name, frames) for name, frames in volume.items()]
            for _, volume in sorted(volumes.items())
        ]

    def _part(self, name: str, frames: list[int]) -> dict[str, Any]:
        """A file, or some of its frames."""
        record = self._records[name]
        return file_entry(
            name, record | ({"frames": frames_text(frames)} if "frames" in record else {})
        )

    def _files(self, names: Iterable[str]) -> list[dict[str, Any]]:
        return [file_entry(name, self._records[name]) for name in names]


def file_entry(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """A file with its fingerprint, and which of its frames are meant where it holds several."""
    file = {
        "path": record.get("path", name),
        "size": record["size"],
        "sha256": record["sha256"],
    }
    return file | ({"frames": record["frames"]} if "frames" in record else {})


def _pseudonym(uid: str, salt: str) -> str:
    """A salted hash instead of a UID: the series can be told apart but not looked up."""
    return hashlib.sha256((salt + uid).encode()).hexdigest()[:16]
