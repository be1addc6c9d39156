"""Images that a group has already converted: BIDS folders with NIfTI and JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.io.diffusion import WEIGHTED_FROM
from osteoflow.io.dixon_times import are_dixon_times, field_of, not_dixon

ENTITY = re.compile(r"_([a-z]+)-([A-Za-z0-9]+)")
PARTS = ("mag", "phase", "real", "imag")
MIN_ECHOES = 3


def session_folder(root: Path, participant_id: str, session: str) -> Path:
    """``root/sub-01`` or ``root/sub-01/ses-1``."""
    folder = root / participant_id
    return folder / f"ses-{session}" if session else folder


def find_ct(folder: Path, name: str) -> Path | None:
    """The CT image ``ct/<name>_ct.nii.gz``, or None.

    Raises
    ------
    SubjectDataError
        ``ct_ambiguous`` where there are several, or one of another name.
    """
    found = [p for p in sorted((folder / "ct").glob(f"{name}_*ct.nii*")) if _is_nifti(p)]
    if not found:
        return None
    if len(found) > 1 or not found[0].name.startswith(f"{name}_ct.nii"):
        raise SubjectDataError(
            "ct_ambiguous",
            f"{len(found)} CT images were found where one without further entities is expected",
            "Leave only the CT to be measured, named sub-<label>[_ses-<label>]_ct.nii.gz.",
        )
    return found[0]


@dataclass(frozen=True)
class FatWaterFiles:
    """Images for a fat fraction: ``kind`` as in the inventory, ``parts`` or ``maps``.

    ``parts`` holds, for each part, echo time in s -> path; ``maps`` ``pdff``, or ``water`` and
    ``fat``.
    """

    kind: str
    parts: dict[str, dict[float, Path]] = field(default_factory=dict)
    maps: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class DiffusionFile:
    """A 4D image and the b-value in s/mm2 of each of its volumes.

    ``trace`` is True where the gradient directions say that the weighted volumes have none.
    """

    path: Path
    b_values: tuple[float, ...]
    trace: bool
    notes: tuple[str, ...]


def find_fat_water(folder: Path, name: str, warnings: list[str]) -> FatWaterFiles | None:
    """The images that are best for a fat fraction, or None.

    Measured echoes are ``anat/<name>_echo-<n>_part-<part>_MEGRE.nii.gz``; without ``part`` they
    are magnitude. Maps made by the scanner are ``anat/<name>_PDFFmap.nii.gz``, or
    ``anat/<name>_desc-water_MEGRE.nii.gz`` and ``_desc-fat_`` (BIDS has no name for these: they
    are made from a gradient echo and belong to no echo of it).

    Parameters
    ----------
    folder, name
        Of the participant or session, ``sub-01[_ses-1]``.
    warnings
        Sentences on images that are left aside are added.

    Raises
    ------
    SubjectDataError
        ``bids_sidecar`` where a sidecar or its ``EchoTime`` is missing, ``mri_ambiguous``,
        ``mri_phase_missing``, ``echo_missing`` and ``echoes_unequal`` as for DICOM.
    """
    parts = _megre_parts(folder, name)
    count = max(map(len, parts.values()), default=0)
    kind = "magnitude" if set(parts) == {"mag"} else "complex"
    if 0 < count < MIN_ECHOES:
        kind = _kind_of_few(parts, warnings)
    if parts and kind:
        parts = _complete(parts)
        if any(_scanner_maps(folder, name).values()):
            warnings.append(
                "scanner_maps_ignored: water, fat or fat-fraction maps that the scanner made are "
                "not used, because the echoes were measured"
            )
        return FatWaterFiles(kind, parts)
    maps = _scanner_maps(folder, name)
    for wanted in (("pdff",), ("water", "fat")):
        if all(maps[part] for part in wanted):
            if any(len(maps[part]) > 1 for part in wanted):
                raise SubjectDataError(
                    "mri_ambiguous",
                    f"several {' and '.join(wanted)} maps made by the scanner were found",
                    "Leave only the one to be measured in the folder.",
                )
            chosen = {part: maps[part][0] for part in wanted}
            for path in chosen.values():
                read_sidecar(path)
            return FatWaterFiles("scanner_maps", maps=chosen)
    if any(maps.values()):
        warnings.append(
            "scanner_maps_incomplete: there is a water or a fat image alone as the scanner made "
            "it: without the other there is no fat fraction"
        )
    return None


def _megre_parts(folder: Path, name: str) -> dict[str, dict[float, Path]]:
    """Measured gradient echoes by part and echo time in s."""
    found: dict[str, dict[float, Path]] = {}
    acquisitions = set()
    numbers: set[int] = set()
    for path in _images(folder / "anat", name, "MEGRE"):
        entities = _entities(path, name)
        part = entities.pop("part", "mag")
        number = entities.pop("echo", "")
        if not number.isdigit() or part not in PARTS:
            continue
        numbers.add(int(number))
        acquisitions.add(tuple(sorted(entities.items())))
        _add_echo(found.setdefault(part, {}), path, int(number), part, len(acquisitions) == 1)
    if len(acquisitions) > 1:
        raise SubjectDataError(
            "mri_ambiguous",
            f"{len(acquisitions)} multi-echo acquisitions (other run or acq entities) fit",
            "Leave only the acquisition to be measured in the folder.",
        )
    _check_numbers(numbers)
    return found


def _kind_of_few(parts: dict[str, dict[float, Path]], warnings: list[str]) -> str | None:
    """``dixon`` for two echoes at its times; None, told if there are two, for any other."""
    echoes = max(parts.values(), key=len)
    if len(echoes) < 2:
        return None
    tesla = field_of(read_sidecar(next(iter(echoes.values()))))
    if are_dixon_times(list(echoes), tesla):
        return "dixon"
    warnings.append(not_dixon(list(echoes), tesla))
    return None


def _complete(parts: dict[str, dict[float, Path]]) -> dict[str, dict[float, Path]]:
    """A pair of parts with equal echoes, or the magnitude where it is all there is."""
    for pair in (("mag", "phase"), ("real", "imag")):
        if all(part in parts for part in pair):
            first, second = (sorted(parts[part]) for part in pair)
            if first != second:
                raise SubjectDataError(
                    "echoes_unequal",
                    f"{pair[0]} has {len(first)} echoes and {pair[1]} {len(second)}, not all at "
                    "equal times",
                    "Give every echo in both parts.",
                )
            return {part: dict(sorted(parts[part].items())) for part in pair}
    if set(parts) == {"mag"}:
        return {"mag": dict(sorted(parts["mag"].items()))}
    raise SubjectDataError(
        "mri_phase_missing",
        f"multi-echo images were found with {', '.join(sorted(parts))} only",
        "Give magnitude and phase (part-phase, radians), or real and imaginary images.",
    )


def _scanner_maps(folder: Path, name: str) -> dict[str, list[Path]]:
    anat = folder / "anat"
    described = [(p, _entities(p, name)) for p in _images(anat, name, "MEGRE")]
    combined = [(p, e.get("desc")) for p, e in described if "echo" not in e]
    return {
        "pdff": _images(anat, name, "PDFFmap"),
        "water": [path for path, desc in combined if desc == "water"],
        "fat": [path for path, desc in combined if desc == "fat"],
    }


def find_multi_spin_echo(folder: Path, name: str) -> dict[float, Path] | None:
    """Images ``anat/<name>_echo-<n>_MESE.nii.gz`` by echo time in s, or None.

    Raises
    ------
    SubjectDataError
        ``bids_sidecar``, ``t2_ambiguous``, ``echo_missing``, ``too_few_echoes``.
    """
    echoes: dict[float, Path] = {}
    acquisitions = set()
    numbers: set[int] = set()
    for path in _images(folder / "anat", name, "MESE"):
        entities = _entities(path, name)
        number = entities.pop("echo", "")
        if not number.isdigit() or entities.pop("part", "mag") != "mag":
            continue
        numbers.add(int(number))
        acquisitions.add(tuple(sorted(entities.items())))
        _add_echo(echoes, path, int(number), "spin-echo", len(acquisitions) == 1)
    if not echoes:
        return None
    if len(acquisitions) > 1:
        raise SubjectDataError(
            "t2_ambiguous",
            f"{len(acquisitions)} multi-echo spin echoes (other run or acq entities) fit",
            "Leave only the acquisition to be measured in the folder.",
        )
    _check_numbers(numbers)
    if len(echoes) < MIN_ECHOES:
        raise SubjectDataError(
            "too_few_echoes",
            f"a spin echo with {len(echoes)} echoes was found; T2 needs at least {MIN_ECHOES}",
            "Give every echo of the train.",
        )
    return dict(sorted(echoes.items()))


def find_diffusion(folder: Path, name: str) -> DiffusionFile | None:
    """The image ``dwi/<name>_dwi.nii.gz`` with its ``.bval``, or None.

    Entities such as ``acq`` or ``dir`` may stand in the name as long as there is one image.

    Raises
    ------
    SubjectDataError
        ``dwi_ambiguous``, ``bids_sidecar``, ``b_value_missing``, ``too_few_b_values``.
    """
    found = [
        path
        for path in _images(folder / "dwi", name, "dwi")
        if _entities(path, name).get("part", "mag") == "mag"
    ]
    if not found:
        return None
    if len(found) > 1:
        raise SubjectDataError(
            "dwi_ambiguous",
            f"{len(found)} diffusion-weighted images were found",
            "Leave only the acquisition to be measured in the folder.",
        )
    (path,) = found
    read_sidecar(path)
    b_values = _numbers(path, ".bval")
    if not b_values or not b_values[0] or min(map(min, filter(None, b_values))) < 0:
        raise SubjectDataError(
            "b_value_missing",
            "the .bval file beside the diffusion-weighted image is missing or holds no b-values",
            "Give the b-value of each volume in s/mm2, in one line of a .bval file of the same "
            "name.",
        )
    stated = [b for row in b_values for b in row]
    weighted = [b >= WEIGHTED_FROM for b in stated]
    if not any(weighted) or len(set(stated)) < 2:
        raise SubjectDataError(
            "too_few_b_values",
            f"the diffusion-weighted image has {len(set(stated))} b-value(s), none of them "
            f"{'weighted' if not any(weighted) else 'lower than the others'}",
            "Give the volumes of every b-value, with those at b = 0 or the lowest one.",
        )
    directions = _numbers(path, ".bvec")
    known = len(directions) == 3 and all(len(row) == len(stated) for row in directions)
    trace = known and not any(
        row[volume] for row in directions for volume, on in enumerate(weighted) if on
    )
    notes = () if known else ("no gradient directions are given (.bvec): trace images or one each",)
    return DiffusionFile(path, tuple(stated), trace, notes)


def find_weighted(folder: Path, name: str, weighting: str, warnings: list[str]) -> Path | None:
    """The image ``anat/<name>_T1w.nii.gz`` (or ``T2w``), or None; several are told in a warning.

    Images with a contrast agent (entity ``ce``) are none.

    Parameters
    ----------
    folder, name
        Of the participant or session.
    weighting
        ``T1`` or ``T2``.
    warnings
        List to which sentences are added.

    Raises
    ------
    SubjectDataError
        ``bids_sidecar``.
    """
    found = [
        path
        for path in _images(folder / "anat", name, f"{weighting}w")
        if "ce" not in (entities := _entities(path, name)) and entities.get("part", "mag") == "mag"
    ]
    if len(found) > 1:
        warnings.append(
            f"{weighting.lower()}w_ambiguous: {len(found)} {weighting}-weighted images fit: none "
            "is used; leave only the one to be measured in the folder"
        )
        return None
    for path in found:
        read_sidecar(path)
    return found[0] if found else None


def _images(folder: Path, name: str, suffix: str) -> list[Path]:
    """NIfTI images of a suffix, in the order of their names."""
    return [p for p in sorted(folder.glob(f"{name}_*{suffix}.nii*")) if _is_image(p, suffix)]


def _is_image(path: Path, suffix: str) -> bool:
    return path.name.endswith((f"_{suffix}.nii", f"_{suffix}.nii.gz"))


def _entities(path: Path, name: str) -> dict[str, str]:
    return dict(ENTITY.findall(path.name.removeprefix(name)))


def _add_echo(echoes: dict[float, Path], path: Path, number: int, what: str, alone: bool) -> None:
    """Add an image at the echo time of its sidecar, which must be its own in one acquisition."""
    echo = read_sidecar(path).get("EchoTime")
    if isinstance(echo, bool) or not isinstance(echo, int | float) or not 0 < echo < 1:
        raise SubjectDataError(
            "bids_sidecar",
            f"EchoTime of echo {number} is missing or not in seconds",
            "Give EchoTime in seconds in the JSON file beside each image.",
        )
    if float(echo) in echoes and alone:
        raise SubjectDataError(
            "bids_sidecar",
            f"two {what} images state the same EchoTime, {echo:g} s",
            "Give each echo its own EchoTime, and keep each image once (.nii or .nii.gz).",
        )
    echoes[float(echo)] = path


def _check_numbers(numbers: set[int]) -> None:
    if absent := sorted(set(range(min({1, *numbers}), max(numbers, default=0) + 1)) - numbers):
        raise SubjectDataError(
            "echo_missing",
            f"of {max(numbers)} echoes {len(numbers)} were found; without images: echo "
            f"{', '.join(map(str, absent))}",
            "Give every echo of the acquisition.",
        )


def _numbers(image: Path, suffix: str) -> list[list[float]]:
    """Rows of numbers in the text file beside a NIfTI image; none where it holds something else."""
    path = image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + suffix)
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        found = [[float(cell) for cell in row] for row in rows if row]
    except (OSError, ValueError):
        return []
    return found if all(math.isfinite(value) for row in found for value in row) else []


def _is_nifti(path: Path) -> bool:
    return path.name.endswith((".nii", ".nii.gz"))


def read_sidecar(image: Path) -> dict[str, Any]:
    """The JSON file beside a NIfTI image.

    Raises
    ------
    SubjectDataError
        ``bids_sidecar`` where it is absent or no JSON object.
    """
    path = image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        kind = image.name.rsplit("_", 1)[-1].split(".")[0]
        raise SubjectDataError(
            "bids_sidecar",
            f"the JSON file beside a {kind} image is missing or unreadable",
            "BIDS needs a JSON file of the same name beside each image.",
        )
    return content
