"""What the contenders of radiomics_peers.py have in common: runs one of them on one scene.

Usage: PYTHON own_radiomics.py|peer_radiomics.py CONTENDER JOB FOLDER WARM_UP OUTPUT.json [--fresh]

Nothing is imported here but NumPy, which every environment has. FOLDER and WARM_UP hold a scene
(`image.nii.gz`, `labels.nii.gz`); JOB is `original`, `all` or `families`. The job is done on
WARM_UP first and not counted (compiling, loading of kept machine code, late imports), unless
`--fresh`. OUTPUT receives the values and what they took.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

BIN_COUNT = 32
LOG_SIGMA_MM = (1.0, 2.0, 3.0)
WAVELET = "coif1"
# Features by region, and the CPU time in s that reading the files took.
Extraction = tuple[dict[str, dict[str, float]], float]
Contender = Callable[[Path, str], Extraction]
# Family -> the computation to be timed, on a region that is already prepared.
Computations = Callable[[Path], dict[str, Callable[[], object]]]


def peak_mb() -> float:
    """Largest resident memory of this process so far in MB.

    Not `ru_maxrss`, which starts at what the process that started this one had.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(row.split()[1] for row in status.splitlines() if row.startswith("VmHWM"))
    return int(kilobytes) * 1024 / 1e6


def read_scene(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """Image, labels and voxel size in mm, for programs that take arrays."""
    import nibabel as nib

    image, labels = (nib.load(folder / f"{name}.nii.gz") for name in ("image", "labels"))
    spacing = tuple(float(step) for step in image.header.get_zooms()[:3])
    return np.asarray(image.dataobj), np.asarray(labels.dataobj), spacing


def milliseconds(computation: Callable[[], object], at_least: int = 5) -> float:
    """Shortest CPU time of a computation in ms, which has run once before."""
    computation()
    found = []
    while len(found) < at_least:
        started = time.process_time()
        computation()
        found.append(1e3 * (time.process_time() - started))
        if sum(found) > 3e3:
            break
    return min(found)


def serve(contenders: dict[str, Contender], families: dict[str, Computations]) -> None:
    """Do what the command line says."""
    name, job, folder, warm_up, output = sys.argv[1:6]
    if job == "families":
        computations = families[name](Path(folder))
        values = {family: milliseconds(run) for family, run in computations.items()}
        cost = {}
    else:
        if "--fresh" not in sys.argv:
            contenders[name](Path(warm_up), job)
        wall, cpu = time.perf_counter(), time.process_time()
        values, reading = contenders[name](Path(folder), job)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        cost = {"wall_s": wall, "cpu_s": cpu, "read_s": reading, "peak_mb": peak_mb()}
        values = {
            region: {key: float(value) for key, value in found.items() if math.isfinite(value)}
            for region, found in values.items()
        }
    Path(output).write_text(json.dumps({"cost": cost, "values": values}), encoding="utf-8")
