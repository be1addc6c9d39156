"""Study folders whose raw data are made up, for measuring how the workflow is planned.

The inventory's own code writes every file of ``results/inventory``; only what it would read from
the raw folders is replaced by a made-up subject with a CT and a multi-echo MRI.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from osteoflow.inventory import build
from osteoflow.running.failed import leave_out
from osteoflow.study import check_folder
from osteoflow.subjects import Subject

CONFIG = """\
study:
  title: Planning at scale
statistics:
  table1_group: fracture == 1
  table1_variables: [age, sex, vbmd_l1l2_mean]
  correlations:
    - {x: pdff_l1l2l3l4_mean, y: vbmd_l1l2_mean, covariates: [age]}
analyses:
  - name: fracture
    outcome: fracture == 1
    clinical: [age, sex]
    radiomics: {image: vbmd}
"""
COLUMNS = (
    "participant_id",
    "dicom",
    "ct_mask",
    "mri_mask",
    "mask_scheme",
    "age",
    "sex",
    "fracture",
)
CT_SLICES = 60
ECHO_TIMES_S = (0.0012, 0.0022, 0.0032, 0.0042, 0.0052, 0.0062)
BYTES_OF_A_SLICE = 526_000


def write_study(folder: Path, subjects: int) -> None:
    """Configuration and subjects table of a study with a number of subjects.

    Every subject has a CT, an MRI and both masks, the case with the most jobs; one outcome is
    modelled.
    """
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    rows = ["\t".join(COLUMNS), *(_row(number) for number in range(1, subjects + 1))]
    (folder / "config" / "subjects.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def fake_inventory(folder: Path) -> None:
    """Write ``results/inventory`` of a study as if its raw data had been looked at."""
    _, table = check_folder(folder)
    with patch.object(build, "subject_entry", _entry):
        build.take_inventory(folder, table)
    leave_out(folder, [])


def change_raw_data(folder: Path, subject: str) -> None:
    """Another hash of one CT slice in a subject's inventory file, as a corrected file gives."""
    path = folder / "results" / "inventory" / f"{subject}.json"
    entry = json.loads(path.read_text(encoding="utf-8"))
    entry["ct"]["files"][0]["sha256"] = hashlib.sha256(b"corrected").hexdigest()
    path.write_text(json.dumps(entry, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _row(number: int) -> str:
    name = f"sub-{number:05d}"
    masks = (f"masks/{name}_ct.nii.gz", f"masks/{name}_mri.nii.gz", "verse")
    clinical = (str(50 + number % 40), "FM"[number % 2], str(number // 2 % 2))
    return "\t".join((name, f"raw/{name}", *masks, *clinical))


def _entry(study: Path, folder: Path, salt: str, verify: bool, subject: Subject) -> dict[str, Any]:
    """What the inventory would find of a subject (see ``osteoflow.inventory.entry``)."""

    def file(path: str) -> dict[str, Any]:
        digest = hashlib.sha256((salt + path).encode()).hexdigest()
        return {"path": path, "size": BYTES_OF_A_SLICE, "sha256": digest}

    raw = subject.paths["dicom"]
    parts = {
        part: [
            {"echo_time": echo, "files": [file(f"{raw}/{part}-{number}.dcm")]}
            for number, echo in enumerate(ECHO_TIMES_S)
        ]
        for part in ("mag", "phase")
    }
    ct = [file(f"{raw}/ct-{number:03d}.dcm") for number in range(CT_SLICES)]
    masks = {
        column: {**file(subject.paths[column]), "scheme": subject.paths["mask_scheme"]}
        for column in ("ct_mask", "mri_mask")
    }
    return {
        "subject": subject.name,
        "participant_id": subject.participant_id,
        "session": subject.session,
        "ct": {"source": "dicom", "series": "0" * 16, "files": ct},
        "mri": {"source": "dicom", "series": "1" * 16, "parts": parts},
        "masks": masks,
        "problems": [],
        "warnings": [],
    }
