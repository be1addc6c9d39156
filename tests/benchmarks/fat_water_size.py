"""How time and memory of the fat-water fit grow with the image.

Usage: python tests/benchmarks/fat_water_size.py [--slices 5 10 20 40] [--threads 1]
           [--repetitions 2] [--out FILE.jsonl]

Fits images of 256 x 256 voxels and so many slices (3 T, 6 echoes, SNR 100, smooth field of +-150
Hz, no mask given), each in a process of its own on two cores: an abdomen in air, and the blocks of
the reference object, which fill the image so that every voxel is fitted. `--threads` are those of
the linear algebra; 1 is what a step of the workflow has. Times are of the fit alone and the
shortest of the repetitions; memory is the peak of the whole process, images included.

Limits: 256 x 256 x 40 within 60 s and 3 GB; time a voxel of the largest at most 1.3 times that of
the smallest. Exits with 1 if one is not kept. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from child import run
from fat_water_phantoms import FIELD_HZ, block_object, body_object

from osteoflow.mri.spectrum import load_fat_spectrum

HERE = Path(__file__).resolve().parent
CORES = 2
MATRIX = 256
SPACING = np.array([1.5, 1.5, 3.0])
TESLA = 3.0
ECHO_TIMES = (1.2 + 1.3 * np.arange(6)) * 1e-3
SNR = 100
FULL = 40
LONGEST_S = 60.0
LARGEST_MB = 3000.0
LARGEST_RATIO = 1.3
OBJECTS = {
    "abdomen in air": lambda slices: body_object((MATRIX, MATRIX, slices)),
    "filled": lambda slices: block_object(MATRIX // 16, slices, FIELD_HZ),
}


def write_image(path: Path, name: str, slices: int) -> int:
    """An image of so many slices; returns its number of voxels with signal."""
    spectrum = load_fat_spectrum("bone_marrow")
    truth = OBJECTS[name](slices)
    signal = np.empty((*truth.pdff.shape, ECHO_TIMES.size), np.complex64)
    rng = np.random.default_rng(1)
    clean = truth.signal(ECHO_TIMES, TESLA, spectrum)
    for index in range(ECHO_TIMES.size):
        noise = rng.standard_normal((2, *truth.pdff.shape)) / SNR
        signal[..., index] = clean[..., index] + noise[0] + 1j * noise[1]
    np.savez(
        path,
        signal=signal,
        echo_times=ECHO_TIMES,
        field_strength=TESLA,
        spacing=SPACING,
        ppm=spectrum.ppm,
        amplitude=spectrum.amplitude,
        algorithm=json.dumps({}),
    )
    return int((truth.amplitude > 0).sum())


def measure(folder: Path, name: str, slices: int, repetitions: int) -> dict:
    """Time and memory of one object and size."""
    path = folder / "image.npz"
    inside = write_image(path, name, slices)
    command = [sys.executable, HERE / "own_fat_water.py", path, folder / "maps.npz"]
    start = min(run([*command, "--warm-up-only"]).cpu_s for _ in range(repetitions))
    costs = [run(command) for _ in range(repetitions)]
    said = [json.loads(cost.output.splitlines()[-1]) for cost in costs]
    walls = [words["wall_s"] for words in said]
    voxels = MATRIX * MATRIX * slices
    return {
        "object": name,
        "slices": slices,
        "voxels": voxels,
        "with_signal": inside,
        "wall_s": walls,
        "cpu_s": [cost.cpu_s - start for cost in costs],
        "peak_mb": max(words["peak_mb"] for words in said),
        "us_a_voxel": 1e6 * min(walls) / voxels,
        "load": os.getloadavg()[0],
    }


def not_kept(rows: list[dict]) -> list[str]:
    """Limits that are not kept, in words."""
    broken = []
    for row in rows:
        if row["slices"] == FULL:
            if min(row["wall_s"]) > LONGEST_S:
                broken.append(f"{row['object']}: {min(row['wall_s']):.1f} s, not {LONGEST_S:g} s")
            if row["peak_mb"] > LARGEST_MB:
                broken.append(f"{row['object']}: {row['peak_mb']:.0f} MB, not {LARGEST_MB:g} MB")
    for name in OBJECTS:
        sizes = [row for row in rows if row["object"] == name]
        smallest, largest = (f(sizes, key=lambda row: row["voxels"]) for f in (min, max))
        growth = largest["us_a_voxel"] / smallest["us_a_voxel"]
        print(f"{name}: time a voxel, largest over smallest {growth:.2f} (<= {LARGEST_RATIO:g})")
        if growth > LARGEST_RATIO:
            broken.append(f"{name}: time a voxel grows by {growth:.2f}")
    return broken


def main() -> int:
    """Measure, print, and keep the rows as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=[5, 10, 20, FULL])
    parser.add_argument("--threads", type=int, default=1, help="of the linear algebra")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--out", type=Path, help="append the rows to a file of JSON lines")
    arguments = parser.parse_args()
    os.environ |= {f"{name}_NUM_THREADS": str(arguments.threads) for name in ("OMP", "OPENBLAS")}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    print(
        f"{'object':16s}{'image':>12s}{'voxels':>9s}{'with signal':>12s}{'wall s':>8s}{'CPU s':>8s}"
        f"{'peak MB':>9s}{'us a voxel':>11s}{'load':>6s}"
    )
    rows = []
    with tempfile.TemporaryDirectory(prefix="osteoflow-size-") as folder:
        for name, slices in product(OBJECTS, arguments.slices):
            row = measure(Path(folder), name, slices, arguments.repetitions)
            rows.append(row)
            print(
                f"{name:16s}{f'{MATRIX}x{MATRIX}x{slices}':>12s}{row['voxels']:9d}"
                f"{row['with_signal']:12d}{min(row['wall_s']):8.1f}{min(row['cpu_s']):8.1f}"
                f"{row['peak_mb']:9.0f}{row['us_a_voxel']:11.2f}{row['load']:6.1f}",
                flush=True,
            )
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps(row) + "\n")
    broken = not_kept(rows)
    print("Limits: " + ("kept" if not broken else "NOT KEPT: " + "; ".join(broken)))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
