"""Images that a group has already converted: BIDS folders with NIfTI and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from osteoflow.errors import SubjectDataError

ENTITY = re.compile(r"_([a-z]+)-([A-Za-z0-9]+)")
PARTS = ("mag", "phase", "real", "imag")


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


def find_multi_echo(folder: Path, name: str) -> dict[str, dict[float, Path]] | None:
    """Images ``anat/<name>_echo-<n>_part-<part>_MEGRE.nii.gz`` by part and echo time in s.

    Raises
    ------
    SubjectDataError
        ``bids_sidecar`` where a sidecar or its ``EchoTime`` is missing, ``mri_ambiguous``,
        ``mri_phase_missing``, ``echo_missing`` and ``echoes_unequal`` as for DICOM.
    """
    found: dict[str, dict[float, Path]] = {}
    acquisitions = set()
    numbers: set[int] = set()
    for path in filter(_is_nifti, sorted((folder / "anat").glob(f"{name}_*_MEGRE.nii*"))):
        entities = dict(ENTITY.findall(path.name.removeprefix(name)))
        part = entities.pop("part", "mag")
        number = entities.pop("echo", "")
        if not number.isdigit() or part not in PARTS:
            continue
        numbers.add(int(number))
        acquisitions.add(tuple(sorted(entities.items())))
        echo = read_sidecar(path).get("EchoTime")
        if isinstance(echo, bool) or not isinstance(echo, int | float) or not 0 < echo < 1:
            raise SubjectDataError(
                "bids_sidecar",
                f"EchoTime of echo {int(number)} is missing or not in seconds",
                "Give EchoTime in seconds in the JSON file beside each image.",
            )
        times = found.setdefault(part, {})
        if float(echo) in times and len(acquisitions) == 1:
            raise SubjectDataError(
                "bids_sidecar",
                f"two {part} images state the same EchoTime, {echo:g} s",
                "Give each echo its own EchoTime, and keep each image once (.nii or .nii.gz).",
            )
        times[float(echo)] = path
    if not found:
        return None
    if len(acquisitions) > 1:
        raise SubjectDataError(
            "mri_ambiguous",
            f"{len(acquisitions)} multi-echo acquisitions (other run or acq entities) fit",
            "Leave only the acquisition to be measured in the folder.",
        )
    if absent := sorted(set(range(min(1, *numbers), max(numbers) + 1)) - numbers):
        raise SubjectDataError(
            "echo_missing",
            f"of {max(numbers)} echoes {len(numbers)} were found; without images: echo "
            f"{', '.join(map(str, absent))}",
            "Give every echo of the acquisition.",
        )
    for pair in (("mag", "phase"), ("real", "imag")):
        if all(part in found for part in pair):
            first, second = (sorted(found[part]) for part in pair)
            if first != second:
                raise SubjectDataError(
                    "echoes_unequal",
                    f"{pair[0]} has {len(first)} echoes and {pair[1]} {len(second)}, not all at "
                    "equal times",
                    "Give every echo in both parts.",
                )
            return {part: dict(sorted(found[part].items())) for part in pair}
    raise SubjectDataError(
        "mri_phase_missing",
        f"multi-echo images were found with {', '.join(sorted(found))} only",
        "Add the phase (part-phase, radians) or real and imaginary images.",
    )


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
