"""Images as arrays in NIfTI order with their affine, and the JSON sidecar beside each file."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.io.nifti import Nifti1Image, load
from osteoflow.io.whole import whole_file, write_text


@dataclass(frozen=True)
class Volume:
    """An image on a grid.

    Parameters
    ----------
    data
        Array of shape (i, j, k) or (i, j, k, n): NIfTI axis order.
    affine
        4 x 4 matrix from voxel indices to RAS+ millimetres.
    """

    data: np.ndarray
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along i, j, k in mm."""
        return tuple(float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Spatial shape (i, j, k)."""
        return tuple(self.data.shape[:3])

    def like(self, data: np.ndarray) -> Volume:
        """Other data on the same grid."""
        return Volume(data, self.affine)

    def same_grid(self, other: Volume, tolerance: float = 1e-3) -> bool:
        """Whether both grids agree: equal shape, affines within ``tolerance`` mm."""
        return self.shape == other.shape and bool(
            np.allclose(self.affine, other.affine, atol=tolerance)
        )


def check_gzip(path: str | Path) -> None:
    """Read a ``.gz`` file to its checksum, which reading an array alone may never reach.

    Raises
    ------
    OSError, EOFError, zlib.error
        The file is damaged or cut off.
    """
    if str(path).endswith(".gz"):
        gzip.decompress(Path(path).read_bytes())


def read_volume(path: str | Path, dtype: type | None = None) -> Volume:
    """Read a NIfTI file; ``dtype`` defaults to the stored type with its scaling applied."""
    image = load(path)
    data = np.asanyarray(image.dataobj)
    return Volume(data if dtype is None else data.astype(dtype), np.asarray(image.affine, float))


def read_spacing(path: str | Path) -> tuple[float, float, float]:
    """Voxel size of a NIfTI file in mm, without its data."""
    return Volume(np.empty((0, 0, 0)), np.asarray(load(path).affine, float)).spacing


def write_volume(path: str | Path, volume: Volume, sidecar: dict[str, Any] | None = None) -> None:
    """Write NIfTI (and the sidecar ``.json`` beside it), each under its final name only when whole.

    Arrays of bool become uint8; float64 becomes float32.
    """
    path = Path(path)
    data = volume.data
    if data.dtype == bool:
        data = data.astype(np.uint8)
    elif data.dtype == np.float64:
        data = data.astype(np.float32)
    elif data.dtype == np.int64:
        data = data.astype(np.int32)
    image = Nifti1Image(data, volume.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    with whole_file(path) as part:
        image.to_filename(part)
    if sidecar is not None:
        write_json(sidecar_path(path), sidecar)


def sidecar_path(path: str | Path) -> Path:
    """``x.nii.gz`` -> ``x.json``."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def read_json(path: str | Path) -> Any:
    """Parsed JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON whole or not at all; NaN becomes null."""
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays as plain Python; non-finite numbers as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
