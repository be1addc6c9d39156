"""Small BIDS folders for tests: a CT and a multi-echo acquisition of one participant."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
SHAPE = (6, 5, 4)


def write_image(path: Path, data: np.ndarray, **sidecar) -> None:
    """A NIfTI image with its JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    path.with_name(f"{stem}.json").write_text(json.dumps(sidecar))


def ct_values() -> np.ndarray:
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) * 10.0 - 1000).astype(np.float32)


def write_ct(study: Path, data: np.ndarray | None = None, **sidecar) -> Path:
    """``study/bids/sub-1/ct/sub-1_ct.nii.gz``."""
    path = study / "bids" / "sub-1" / "ct" / "sub-1_ct.nii.gz"
    write_image(path, ct_values() if data is None else data, **{"KVP": 120, **sidecar})
    return path


def write_echoes(study: Path, n_echoes: int = 3, **sidecar) -> list[Path]:
    """Magnitude and phase images of echoes 1, 2, ...; paths in that order."""
    paths = []
    for echo in range(1, n_echoes + 1):
        for part in ("mag", "phase"):
            path = study / "bids/sub-1/anat" / f"sub-1_echo-{echo}_part-{part}_MEGRE.nii.gz"
            data = np.linspace(0, 3, np.prod(SHAPE)).reshape(SHAPE).astype(np.float32)
            about = {"EchoTime": 0.001 * echo, "MagneticFieldStrength": 3, **sidecar}
            write_image(path, data * (100 if part == "mag" else 1), **about)
            paths.append(path)
    return paths
