"""The fat-water fit beside mri-fatwater (GPL, graph cuts): time, memory and error on known truth.

Usage: python tests/benchmarks/fat_water_peer.py --peer PYTHON [--repetitions 3] [--threads 1]
           [--out FILE.jsonl]

PYTHON is an interpreter with `mri-fatwater` in an environment of its own (1.2.2 was looked at). It
is a peer to be measured against and never a dependency: it runs as another program and reads the
same files.

Both fit 128 x 128 x 8 voxels with 6 echoes at SNR 100: the reference object (16 x 16 blocks of
PDFF and R2*) and an abdomen in air, at 1.5 T and 3 T, with a smooth field of +-150 Hz and the bone
marrow's spectrum. The peer runs twice, with its defaults and suited to the object: R2* searched to
288 1/s in as many steps (the default ends at 144), more starting values of R2*, and its fat
fraction with magnitude discrimination. Its defaults are the faster and count for the time; both
count for the errors. OsteoFlow finds the sign of the phase and the polarity of the readout in the
data, and this counts; the peer has to be told the sign and knows no other than monopolar readouts,
so that OsteoFlow is shown a second time told the same. The programs take turns. Both may use two
cores: the peer's worker processes do, OsteoFlow's fit has `--threads` (of the linear algebra; 1 is
what a step of the workflow has).

Time is that of the fit alone, after a fit of a few voxels that is not counted. CPU time is that of
the whole process with the processes it started, less that of the same process without the fit.
Memory is the peak of the program's main process, with the start and the images; that of the peer's
workers comes on top. Ratios are of the shortest times.

Limits, for each object and field strength: at least 10 times faster than the peer's defaults;
mean error and number of swapped voxels (field off by more than 40 Hz) no larger than the peer's in
either setting, and the worst region's bias (of the blocks or of the tissues) no larger either, or
within 4 standard errors of the region's mean by the Cramer-Rao bound: what noise alone gives to
the worst of 256 unbiased blocks (`in SE` is the largest bias over that error). Exits with 1 if a
limit is not kept. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
from child import Cost, run
from fat_water_phantoms import FIELD_HZ, ReferenceObject, block_object, body_object
from reference_object import SWAP_HZ, field_error

from osteoflow.mri.signal_model import pdff_standard_error
from osteoflow.mri.spectrum import WATER_PPM, FatSpectrum, load_fat_spectrum

HERE = Path(__file__).resolve().parent
CORES = 2
SHAPE = (128, 128, 8)
SPACING = np.array([1.5, 1.5, 3.0])
ECHOES = 6
FIRST_ECHO_MS = 1.2
# Echo spacing in ms by field strength in T: both well conditioned.
SETTINGS = {1.5: 1.6, 3.0: 1.3}
SNR = 100
OWN, TOLD = "OsteoFlow", "OsteoFlow, told as the peer"
DEFAULTS, SUITED = "peer, its defaults", "peer, suited to the object"
KNOWN = {"phase_sign": 1, "readout": "monopolar"}
SUITABLE = {"R2max": 288.0, "R2cand": [20.0, 60.0, 120.0, 200.0], "magnitudeDiscrimination": True}
PROGRAMS = {OWN: {}, TOLD: KNOWN, DEFAULTS: {}, SUITED: SUITABLE}
FASTER = 10.0
# Mean errors that differ by less are equal.
EQUAL_PP = 0.02
# Standard errors within which the worst of 256 regions of an unbiased map lies, 98 times of 100.
WITHIN_SE = 4.0
NEEDED = """\
This benchmark needs the peer: an interpreter of an environment of its own in which `mri-fatwater`
is installed (GPL-3; it is never installed beside OsteoFlow), for example
    python -m venv peer && peer/bin/pip install mri-fatwater
    python tests/benchmarks/fat_water_peer.py --peer peer/bin/python"""


@dataclass
class Measured:
    """Wall and CPU times of the fit in s, one for each repetition, and the largest memory in MB."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    start_cpu_s: float = 0.0


def command(program: str, peer: Path) -> list[str | Path]:
    """How a program is started."""
    if program in (OWN, TOLD):
        return [sys.executable, HERE / "own_fat_water.py"]
    return [peer, HERE / "peer_fat_water.py"]


def take_turns(
    inputs: dict[str, Path], outputs: dict[str, Path], peer: Path, repetitions: int
) -> dict[str, Measured]:
    """Fit one object with every program in turn, several times."""
    found = {program: Measured() for program in PROGRAMS}
    for program, measured in found.items():
        files = [inputs[program], outputs[program]]
        starts = [run([*command(program, peer), *files, "--warm-up-only"]) for _ in range(2)]
        measured.start_cpu_s = min(start.cpu_s for start in starts)
    for _ in range(repetitions):
        for program, measured in found.items():
            cost: Cost = run([*command(program, peer), inputs[program], outputs[program]])
            said = json.loads(cost.output.splitlines()[-1])
            measured.wall_s.append(said["wall_s"])
            measured.cpu_s.append(cost.cpu_s - measured.start_cpu_s)
            measured.peak_mb.append(said["peak_mb"])
    return found


def region_bias(
    error: np.ndarray, truth: ReferenceObject, times: np.ndarray, tesla: float, fat: FatSpectrum
) -> tuple[np.ndarray, np.ndarray]:
    """Mean error of every tissue or block, and the least standard error of such a mean, in pp."""
    inside = truth.amplitude > 0
    tissue = np.stack([values[inside] for values in (truth.pdff, truth.r2star, truth.amplitude)])
    kinds, region, count = np.unique(tissue, axis=1, return_inverse=True, return_counts=True)
    bias = np.bincount(region.ravel(), error) / count
    voxel = [
        pdff_standard_error(times, tesla, fat, pdff, rate, SNR * amplitude)
        for pdff, rate, amplitude in kinds.T
    ]
    return bias, np.array(voxel) / np.sqrt(count)


def errors(
    maps: dict[str, np.ndarray],
    truth: ReferenceObject,
    times: np.ndarray,
    tesla: float,
    fat: FatSpectrum,
) -> dict[str, float]:
    """What a program's maps differ by from the truth, where there is signal."""
    inside = truth.amplitude > 0
    error = (maps["pdff"] - truth.pdff)[inside]
    bias, standard_error = region_bias(error, truth, times, tesla, fat)
    period = 1 / (times[1] - times[0])
    off = np.abs(field_error(maps["field"], truth.field, period)[inside])
    return {
        "voxels": int(inside.sum()),
        "not_fitted": int(np.isnan(error).sum()),
        "mean_error_pp": float(np.abs(error).mean()),
        "worst_bias_pp": float(np.abs(bias).max()),
        "worst_bias_se": float(np.abs(bias / standard_error).max()),
        # an absent value is no swap, but it is no better than one
        "swapped": int((~(off <= SWAP_HZ)).sum()),
        "off_by_25_pp": int((~(np.abs(error) <= 25)).sum()),
        "r2star_mean_error": float(np.abs(maps["r2star"] - truth.r2star)[inside].mean()),
    }


def measure(folder: Path, peer: Path, repetitions: int):
    """Every object and field strength; yields rows."""
    spectrum = load_fat_spectrum("bone_marrow")
    objects = {
        "reference object": block_object(SHAPE[0] // 16, SHAPE[2], FIELD_HZ),
        "abdomen in air": body_object(SHAPE),
    }
    for tesla, step_ms in SETTINGS.items():
        times = (FIRST_ECHO_MS + step_ms * np.arange(ECHOES)) * 1e-3
        for name, truth in objects.items():
            signal = truth.signal(times, tesla, spectrum, SNR, seed=1).astype(np.complex64)
            inputs = {p: folder / f"in{n}.npz" for n, p in enumerate(PROGRAMS)}
            outputs = {p: folder / f"out{n}.npz" for n, p in enumerate(PROGRAMS)}
            for program, algorithm in PROGRAMS.items():
                np.savez(
                    inputs[program],
                    signal=signal,
                    echo_times=times,
                    field_strength=tesla,
                    spacing=SPACING,
                    ppm=spectrum.ppm,
                    amplitude=spectrum.amplitude,
                    water_ppm=WATER_PPM,
                    algorithm=json.dumps(algorithm),
                )
            costs = take_turns(inputs, outputs, peer, repetitions)
            row = {"object": name, "tesla": tesla, "step_ms": step_ms, "programs": {}}
            for program, cost in costs.items():
                with np.load(outputs[program]) as maps:
                    found = errors(dict(maps), truth, times, tesla, spectrum)
                row["programs"][program] = {
                    "wall_s": cost.wall_s,
                    "cpu_s": cost.cpu_s,
                    "peak_mb": max(cost.peak_mb),
                    **found,
                }
            yield {**row, "load": os.getloadavg()[0], "not_kept": not_kept(row["programs"])}


def ratio(programs: dict, peer: str, key: str, own: str = OWN) -> float:
    """A peer's shortest time over OsteoFlow's."""
    return min(programs[peer][key]) / min(programs[own][key])


def not_kept(programs: dict) -> list[str]:
    """Limits that a row does not keep, in words."""
    own, broken = programs[OWN], []
    if ratio(programs, DEFAULTS, "wall_s") < FASTER:
        broken.append(f"faster by {ratio(programs, DEFAULTS, 'wall_s'):.1f}, not {FASTER:g}")
    for program in (DEFAULTS, SUITED):
        peer = programs[program]
        worse = {
            "mean_error_pp": own["mean_error_pp"] > peer["mean_error_pp"] + EQUAL_PP,
            "worst_bias_pp": own["worst_bias_pp"] > peer["worst_bias_pp"]
            and own["worst_bias_se"] > WITHIN_SE,
            "swapped": own["swapped"] > peer["swapped"],
        }
        # an absent value compares as no better
        worse = {key: value or np.isnan(own[key]) for key, value in worse.items()}
        for key in (key for key, value in worse.items() if value):
            broken.append(f"{key} {own[key]:.3g}; {program}: {peer[key]:.3g}")
    return broken


HEADER = (
    f"{'':28s}{'wall s min':>11s}{'median':>8s}{'CPU s min':>10s}{'median':>8s}{'peak MB':>9s}"
    f"{'mean err. pp':>13s}{'worst bias pp':>14s}{'in SE':>7s}{'swapped':>8s}{'>25 pp':>7s}"
    f"{'R2* err. 1/s':>13s}"
)


def describe(row: dict) -> list[str]:
    """The printed table of one object."""
    programs = row["programs"]
    lines = [
        f"\n{row['object']}, {row['tesla']:g} T, {ECHOES} echoes {row['step_ms']:g} ms apart, "
        f"{programs[OWN]['voxels']} voxels with signal, load {row['load']:.1f}",
        HEADER,
    ]
    for program, p in programs.items():
        times = (
            f"{min(p['wall_s']):11.2f}{statistics.median(p['wall_s']):8.2f}"
            f"{min(p['cpu_s']):10.2f}{statistics.median(p['cpu_s']):8.2f}{p['peak_mb']:9.0f}"
        )
        lines.append(
            f"{program:28s}{times}{p['mean_error_pp']:13.3f}{p['worst_bias_pp']:14.3f}"
            f"{p['worst_bias_se']:7.1f}{p['swapped']:8d}{p['off_by_25_pp']:7d}{p['r2star_mean_error']:13.2f}"
        )
    for peer, own in product((DEFAULTS, SUITED), (OWN, TOLD)):
        wall, cpu = (ratio(programs, peer, key, own) for key in ("wall_s", "cpu_s"))
        lines.append(f"({peer}) / ({own}): {wall:.1f} in wall time, {cpu:.1f} in CPU time")
    lines.append("Limits: " + ("kept" if not row["not_kept"] else "NOT KEPT"))
    lines += [f"    {words}" for words in row["not_kept"]]
    return lines


def main() -> int:
    """Measure, print, and keep the rows as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, help="an interpreter that has mri-fatwater")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of OsteoFlow's linear algebra")
    parser.add_argument("--out", type=Path, help="append the rows to a file of JSON lines")
    arguments = parser.parse_args()
    if arguments.peer is None:
        print(NEEDED, file=sys.stderr)
        return 2
    # Both programs inherit what is set here; the peer's workers have one thread each anyhow.
    os.environ |= {f"{name}_NUM_THREADS": str(arguments.threads) for name in ("OMP", "OPENBLAS")}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    rows = []
    with tempfile.TemporaryDirectory(prefix="osteoflow-peer-") as folder:
        for row in measure(Path(folder), arguments.peer, arguments.repetitions):
            rows.append(row)
            print("\n".join(describe(row)), flush=True)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps(row) + "\n")
    walls = {p: sum(min(row["programs"][p]["wall_s"]) for row in rows) for p in PROGRAMS}
    print("\nAll objects, sum of the shortest wall times: ", end="")
    print(", ".join(f"{program} {seconds:.1f} s" for program, seconds in walls.items()))
    return 1 if any(row["not_kept"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
