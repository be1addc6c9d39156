"""What a large CT costs: calibration, volumes of interest and measurements of 512 x 512 x 300.

Usage: python tests/benchmarks/qct_size.py [--slices 300] [--repetitions 2] [--out FILE.jsonl]

Simulates one CT of 1 mm slices with a five-rod phantom under the patient and six outlined bodies
(T12-L5), gives it to a study as BIDS, and runs the scripts of the workflow's rules one after the
other as the workflow does, on one core; segment, calibrate_ct and measure are counted. Each is a
process of its own, whose start and imports are counted. Both further volumes of interest are asked
for, radiomics are not. Memory is the peak of the largest process.

Limits: the three together within 60 s, none above 3 GB. Exits with 1 if one is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
from child import run
from overhead import OSTEOFLOW, snakemake_options

from osteoflow.simulate.anatomy import build_anatomy
from osteoflow.simulate.clinical import draw_cohort
from osteoflow.simulate.ct import simulate_ct
from osteoflow.simulate.protocol import FINE
from osteoflow.simulate.render import body_labels

HERE = Path(__file__).resolve().parent
LEVELS = ("T12", "L1", "L2", "L3", "L4", "L5")
RULES = ("segment", "calibrate_ct", "measure")
LONGEST_S = 60.0
LARGEST_MB = 3000.0
CONFIG = """\
study:
  title: Large CT
radiomics:
  images: {}
segmentation:
  further_voi: [ellipse, cortical]
cohort:
  summaries:
    - {metric: vbmd_mean, levels: [L1, L2]}
"""


def write_study(folder: Path, slices: int) -> Path:
    """A study of one participant whose CT has so many slices."""
    protocol = replace(FINE, levels=LEVELS, ct_slice_mm=1.0, ct_subslices=1, ct_margin_mm=60.0)
    person = draw_cohort(1, 7, LEVELS, broken=False)[0]
    rng = np.random.default_rng(7)
    anatomy = build_anatomy(person, LEVELS, rng)
    ct = simulate_ct(person, anatomy, protocol, rng)
    labels = body_labels(anatomy, ct.grid, LEVELS)
    first = (ct.hu.shape[2] - slices) // 2
    if first < 0:
        raise ValueError(f"the simulated CT has {ct.hu.shape[2]} slices, not {slices}")
    affine = ct.grid.ras_affine.copy()
    affine[:3, 3] += first * affine[:3, 2]
    kept = np.s_[:, :, first : first + slices]
    images = folder / "bids" / "sub-01" / "ct"
    images.mkdir(parents=True)
    nib.save(nib.Nifti1Image(ct.hu[kept], affine), images / "sub-01_ct.nii.gz")
    (images / "sub-01_ct.json").write_text('{"KVP": 120}', encoding="utf-8")
    nib.save(nib.Nifti1Image(labels[kept].astype(np.uint8), affine), folder / "mask.nii.gz")
    study = folder / "study"
    (study / "config").mkdir(parents=True)
    (study / "config" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    header = "participant_id\tbids\tct_mask\tmask_scheme\n"
    row = "sub-01\t../bids\t../mask.nii.gz\ttotalsegmentator_v2\n"
    (study / "config" / "subjects.tsv").write_text(header + row, encoding="utf-8")
    return study


def measure(folder: Path, slices: int, repetitions: int) -> dict:
    """Cost of each rule: the shortest wall time of the repetitions, the largest memory."""
    # In a process of its own: a child's peak counts what its parent held when it was born.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        study = pool.submit(write_study, folder, slices).result()
    run([*OSTEOFLOW, "inventory", study])
    jobs = folder / "jobs.pickle"
    run([sys.executable, HERE / "collect_jobs.py", jobs, *snakemake_options(study, 1)])
    collected = pickle.loads(jobs.read_bytes())
    found = {}
    for rule in dict.fromkeys(job[0] for job in collected):
        of_rule = folder / f"{rule}.pickle"
        of_rule.write_bytes(pickle.dumps([job for job in collected if job[0] == rule]))
        command = [sys.executable, HERE / "science.py", of_rule, study, "--cores", "1"]
        costs = [run(command) for _ in range(repetitions if rule in RULES else 1)]
        found[rule] = {
            "wall_s": min(cost.wall_s for cost in costs),
            "cpu_s": min(cost.cpu_s for cost in costs),
            "peak_mb": max(cost.peak_mb for cost in costs),
        }
    return {"slices": slices, "load": os.getloadavg()[0], "rules": found}


def main() -> int:
    """Measure, print, and keep the row as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--out", type=Path, help="append the row to a file of JSON lines")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with tempfile.TemporaryDirectory(prefix="osteoflow-qct-") as folder:
        found = measure(Path(folder), arguments.slices, arguments.repetitions)
    print(f"512 x 512 x {found['slices']}, one core, load at the end {found['load']:.1f}")
    print(f"{'rule':16s}{'wall s':>8s}{'CPU s':>8s}{'peak MB':>9s}")
    for rule, cost in found["rules"].items():
        print(f"{rule:16s}{cost['wall_s']:8.1f}{cost['cpu_s']:8.1f}{cost['peak_mb']:9.0f}")
    counted = [found["rules"][rule] for rule in RULES]
    wall, cpu = (sum(cost[key] for cost in counted) for key in ("wall_s", "cpu_s"))
    peak = max(cost["peak_mb"] for cost in counted)
    print(f"{'together':16s}{wall:8.1f}{cpu:8.1f}{peak:9.0f}")
    kept = wall <= LONGEST_S and peak <= LARGEST_MB
    print(f"Limits of {LONGEST_S:g} s and {LARGEST_MB:g} MB: {'kept' if kept else 'NOT KEPT'}")
    if arguments.out:
        with arguments.out.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(found) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
