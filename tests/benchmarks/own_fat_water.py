"""OsteoFlow's side of fat_water_peer.py and fat_water_size.py: fits one file.

Usage: python own_fat_water.py INPUT.npz OUTPUT.npz [--warm-up-only]

INPUT and OUTPUT are those of peer_fat_water.py, with the fit's keyword arguments in `algorithm`
(`water_ppm` is not used: the spectrum's water is at the same shift). A fit of a few voxels comes
first and is not counted, as with the peer. The last line printed is JSON with the wall time of the
fit alone (s), this process's peak memory (MB) and the fit's warnings.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from osteoflow.mri.fat_water import FatWaterResult, fit_fat_water
from osteoflow.mri.spectrum import FatSpectrum


def fit(given: dict, signal: np.ndarray) -> tuple[FatWaterResult, float]:
    """Maps, and the wall time in s."""
    spectrum = FatSpectrum(tuple(given["ppm"]), tuple(given["amplitude"]))
    options = json.loads(str(given["algorithm"]))
    started = time.perf_counter()
    maps = fit_fat_water(
        signal,
        given["echo_times"],
        float(given["field_strength"]),
        given["spacing"],
        spectrum,
        **options,
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
    signal = given.pop("signal")
    fit(given, middle(signal))
    if "--warm-up-only" in sys.argv:
        return
    maps, wall = fit(given, signal)
    np.savez(sys.argv[2], pdff=maps.pdff, r2star=maps.r2star, field=maps.field)
    print(json.dumps({"wall_s": wall, "peak_mb": peak_mb(), "warnings": maps.warnings}))


if __name__ == "__main__":
    main()
