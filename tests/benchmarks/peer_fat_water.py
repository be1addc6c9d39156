"""The peer of fat_water_peer.py: fits one file with mri-fatwater, in that program's interpreter.

Usage: PYTHON peer_fat_water.py INPUT.npz OUTPUT.npz [--warm-up-only]

Needs numpy and mri-fatwater (GPL, graph cuts: Berglund J, Skorpil M, Magn Reson Med
2017;78:941-949) in an environment of their own; nothing of OsteoFlow is imported here and nothing
of the peer there. INPUT holds `signal` (i, j, k, echoes), `echo_times` (s), `field_strength` (T),
`spacing` (mm), `ppm` and `amplitude` of the fat spectrum, `water_ppm`, and `algorithm`, a JSON text
with the peer's algorithm parameters: its defaults where it is silent. OUTPUT receives `pdff` (%),
`r2star` (1/s) and `field` (Hz). The last line printed is JSON with the wall time of the fit
alone (s) and this process's peak memory (MB).

A fit of a few voxels comes first, which starts the peer's worker processes and imports what it
imports late, so that neither is counted as fitting.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
from mri_fatwater import fatwater
from mri_fatwater.constants import GYRO


def fit(given: dict, signal: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """Maps, and the wall time in s."""
    # the peer scales its input in place, and takes the echoes first
    echoes_first = np.ascontiguousarray(np.moveaxis(signal, -1, 0))
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        maps = fatwater.separate(
            data=echoes_first,
            data_params={
                "t": tuple(given["echo_times"].tolist()),
                "B0": float(given["field_strength"]),
                "voxelsize": tuple(given["spacing"].tolist()),
            },
            algo_params={"algorithm": "QPBO", **json.loads(str(given["algorithm"]))},
            model_params={
                "watCS": float(given["water_ppm"]),
                "fatCS": tuple(given["ppm"].tolist()),
                "relAmps": tuple(given["amplitude"].tolist()),
            },
        )
    return maps, time.perf_counter() - started


def middle(signal: np.ndarray, edge: int = 8) -> np.ndarray:
    """The central voxels, at most `edge` along each axis."""
    low = [(n - min(n, edge)) // 2 for n in signal.shape[:3]]
    return signal[tuple(slice(start, start + edge) for start in low)]


def peak_mb() -> float:
    """Largest resident memory of this process so far in MB.

    Not `ru_maxrss`, which starts at what the process that started this one had.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(row.split()[1] for row in status.splitlines() if row.startswith("VmHWM"))
    return int(kilobytes) * 1024 / 1e6


def main() -> None:
    """Read, fit, write."""
    with np.load(sys.argv[1]) as file:
        given = dict(file)
    signal = given["signal"].astype(np.complex64)
    fit(given, middle(signal))
    if "--warm-up-only" in sys.argv:
        return
    maps, wall = fit(given, signal)
    # the peer gives its field in ppm
    hz_per_ppm = float(given["field_strength"]) * GYRO
    np.savez(
        sys.argv[2],
        pdff=maps["ff"].astype(np.float32),
        r2star=maps["R2map"].astype(np.float32),
        field=(maps["B0map"] * hz_per_ppm).astype(np.float32),
    )
    print(json.dumps({"wall_s": wall, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
