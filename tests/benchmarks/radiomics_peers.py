"""Radiomics beside its peers: time, memory and agreement, in one run on one machine.

Usage: python tests/benchmarks/radiomics_peers.py [--scene small clinical] [--job original all]
           [--contenders NAME ...] [--repetitions 3] [--out FILE.jsonl]

Scenes (simulated CT, radiomics_scenes.py): `small`, 128 x 128 x 64 voxels of 1 mm with one region
of 20,000 voxels; `clinical`, 512 x 512 x 120 voxels with four such vertebrae. Jobs: `original`, all
families of the image itself; `all`, also of three Laplacians of Gaussian and eight wavelet images,
1,130 features a region. 32 grey levels between a region's minimum and maximum, no resampling.

pyradiomics' own extractor runs in this interpreter, as it is and with its `preCrop`. The other
peers are never dependencies. Each lives in an environment of its own whose interpreter a variable
names; one that is not set is reported as not run:
    OSTEOFLOW_PEER_MIRP, OSTEOFLOW_PEER_NYXUS, OSTEOFLOW_PEER_FASTRAD, OSTEOFLOW_PEER_PICTOLOGICS

Every contender is a process of its own on one core with one thread, reads the same NIfTI files,
and has done the same job on a small scene before, which is not counted (compiling, late imports).
Counted is everything from the files to the features of all regions; OsteoFlow's start with and
without kept machine code is told apart. The contenders take turns; one that takes longer than a
minute is not repeated. Ratios and limits are of the medians of CPU time, which on one core is wall
time without what other programs took; wall time stands beside it. Memory is the peak of the
process.

The oracle is pyradiomics' filters over the whole scan and pyradiomics' classes on OsteoFlow's grey
levels (own_radiomics.py). `agree` counts the values within a millionth of it, `off by` is the
largest relative difference: over all values of OsteoFlow and pyradiomics, over those of the image
itself that a peer defines in the same way for the others (radiomics_agreement.py). At last the
families of features alone, in ms of CPU time for one image of the region of 20,000 voxels.

Limits: the whole job at least 3 times faster than pyradiomics' own extractor on `small`, 20 times
on `clinical`; OsteoFlow's memory below 1.5 GB; OsteoFlow's values within 1e-9 of the oracle. Exits
with 1 if a limit is not kept. Run it on a machine that does nothing else. `clinical` with all
contenders takes tens of minutes, and pyradiomics several GB.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from child import run
from radiomics_agreement import agreement
from radiomics_scenes import SCENES, WARM_UP, write

HERE = Path(__file__).resolve().parent
OWN, ORACLE, EXTRACTOR = "osteoflow", "oracle", "pyradiomics"
PEERS = ("MIRP", "Nyxus", "fastrad", "pictologics")
CONTENDERS = (OWN, EXTRACTOR, "pyradiomics, preCrop", *PEERS)
# What has no filters for volumes does the first job alone.
UNFILTERED = ("Nyxus", "fastrad")
JOBS = ("original", "all")
WITH_FAMILIES = (OWN, EXTRACTOR, "pictologics")
LONG_S = 60.0
FASTER = {"small": 3.0, "clinical": 20.0}
LARGEST_MB = 1500.0
DIFFERENCE = 1e-9
# One thread, in the words of every library that a contender uses.
VARIABLES = {
    f"{library}_THREADS": "1"
    for library in (
        "OMP_NUM",
        "OPENBLAS_NUM",
        "MKL_NUM",
        "NUMBA_NUM",
        "PICTOLOGICS_NUM",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF",
    )
}


def interpreter(contender: str) -> str | None:
    """The Python that has a contender, or None."""
    if contender not in PEERS:
        return sys.executable
    return os.environ.get(f"OSTEOFLOW_PEER_{contender.upper()}")


class Machine:
    """Runs contenders on one scene, with the files they share."""

    def __init__(self, folder: Path, scene: str) -> None:
        self.folder, self.scene = folder, folder / scene
        self.warm_up = folder / "warm-up"
        self.kept = folder / "kept"

    def run(
        self, contender: str, job: str, *options: str, scene: Path | None = None
    ) -> tuple[float, dict, dict]:
        """Wall time of the whole process in s, what the job took, and the values it gave."""
        own = contender in (OWN, ORACLE)
        script = HERE / ("own_radiomics.py" if own else "peer_radiomics.py")
        # OsteoFlow's machine code is kept here, so that its first start finds none
        kept = ["env", f"NUMBA_CACHE_DIR={self.kept}"] if own else []
        output = self.folder / "values.json"
        python = interpreter(contender)
        files = [scene or self.scene, self.warm_up, output]
        process = run([*kept, python, script, contender, job, *files, *options])
        given = json.loads(output.read_text(encoding="utf-8"))
        return process.wall_s, given["cost"], given["values"]


def starts(machine: Machine) -> dict[str, float]:
    """Wall time in s of a whole process on the smallest scene: first of all, and from then on."""
    times = [machine.run(OWN, "all", "--fresh", scene=machine.warm_up)[0] for _ in range(3)]
    return {"first_s": times[0], "later_s": min(times[1:])}


def take_turns(
    machine: Machine, job: str, contenders: list[str], repetitions: int
) -> tuple[dict[str, dict], dict[str, dict]]:
    """What every contender takes for one job, and the values it gives."""
    found: dict[str, dict] = {}
    values: dict[str, dict] = {}
    for repetition in range(repetitions):
        for contender in contenders:
            if interpreter(contender) is None:
                found[contender] = {"not_run": "not run"}
            elif job == "all" and contender in UNFILTERED:
                found[contender] = {"not_run": "has no filters"}
            cost = found.setdefault(contender, {"wall_s": [], "cpu_s": [], "read_s": []})
            if "not_run" in cost or (repetition and cost["wall_s"][0] > LONG_S):
                continue
            try:
                _, said, values[contender] = machine.run(contender, job)
            except RuntimeError as error:
                if contender in (OWN, EXTRACTOR):
                    raise
                found[contender] = {"not_run": f"failed: {str(error).splitlines()[-1][:80]}"}
                continue
            for key in ("wall_s", "cpu_s", "read_s"):
                cost[key].append(said[key])
            cost["peak_mb"] = max(cost.get("peak_mb", 0.0), said["peak_mb"])
    return found, values


def compare(found: dict[str, dict], values: dict[str, dict], oracle: dict) -> None:
    """Add each contender's number of features a region, and its agreement with the oracle."""
    for contender, given in values.items():
        found[contender]["features"] = max(len(region) for region in given.values())
        found[contender] |= asdict(agreement(contender, given, oracle))


def measure(machine: Machine, scene: str, arguments: argparse.Namespace) -> dict:
    """One scene: all jobs of all contenders, and the families alone."""
    row: dict = {"scene": scene, "jobs": {}, "families": {}, "starts": starts(machine)}
    for job in arguments.job:
        costs, values = take_turns(machine, job, arguments.contenders, arguments.repetitions)
        _, _, oracle = machine.run(ORACLE, job)
        compare(costs, values, oracle)
        row["jobs"][job] = costs
    for contender in WITH_FAMILIES:
        if contender in arguments.contenders and interpreter(contender) and scene == "small":
            row["families"][contender] = machine.run(contender, "families")[2]
    row["load"] = os.getloadavg()[0]
    row["not_kept"] = not_kept(row)
    return row


def median(cost: dict, key: str) -> float:
    """Median of a contender's times, NaN if it has none."""
    return statistics.median(cost[key]) if cost.get(key) else math.nan


def ratio(costs: dict[str, dict], contender: str, key: str = "cpu_s") -> float:
    """A contender's time over OsteoFlow's."""
    return median(costs.get(contender, {}), key) / median(costs[OWN], key)


def not_kept(row: dict) -> list[str]:
    """Limits that a scene does not keep, in words."""
    broken = []
    for job, costs in row["jobs"].items():
        own = costs.get(OWN)
        if own is None:
            continue
        if not own["difference"] <= DIFFERENCE:
            broken.append(f"{job}: off by {own['difference']:.1e} ({own['worst']})")
        if own["peak_mb"] >= LARGEST_MB:
            broken.append(f"{job}: {own['peak_mb']:.0f} MB, not below {LARGEST_MB:.0f}")
        if job == "all" and _both_ran(costs):
            faster, limit = ratio(costs, EXTRACTOR), FASTER[row["scene"]]
            if faster < limit:
                broken.append(f"{job}: faster by {faster:.1f}, not {limit:g}")
    return broken


COSTS = ("cpu_s", "wall_s")
HEADER = (
    f"{'':22s}{'features':>9s}{'read s':>8s}{'wall s':>9s}{'CPU s':>9s}{'peak MB':>9s}"
    f"{'CPU ratio':>11s}{'wall ratio':>11s}{'agree':>12s}{'off by':>9s}  at most (region: feature)"
)


def describe_job(job: str, costs: dict[str, dict]) -> list[str]:
    """The printed table of one job."""
    lines = [f"  {job}", HEADER]
    for contender, cost in costs.items():
        if "not_run" in cost:
            lines.append(f"{contender:22s}{cost['not_run']}")
            continue
        read, wall, cpu = (median(cost, key) for key in ("read_s", "wall_s", "cpu_s"))
        ratios = [ratio(costs, contender, key) if OWN in costs else math.nan for key in COSTS]
        lines.append(
            f"{contender:22s}{cost['features']:9d}{read:8.2f}{wall:9.2f}{cpu:9.2f}"
            f"{cost['peak_mb']:9.0f}{ratios[0]:11.1f}{ratios[1]:11.1f}"
            f"{cost['agreeing']:7d}/{cost['compared']:d}{cost['difference']:9.1e}  {cost['worst']}"
        )
    return lines


def describe(row: dict) -> list[str]:
    """The printed tables of one scene."""
    scene = SCENES[row["scene"]]
    size = " x ".join(map(str, scene.shape))
    lines = [f"\n{row['scene']}: {size} voxels, {scene.regions} regions, load {row['load']:.1f}"]
    for job, costs in row["jobs"].items():
        lines += describe_job(job, costs)
    first, later = row["starts"]["first_s"], row["starts"]["later_s"]
    lines.append(
        f"OsteoFlow's process on the smallest scene: {first:.1f} s the first time (compiles), "
        f"{later:.1f} s from then on"
    )
    if row["families"]:
        names = list(row["families"][next(iter(row["families"]))])
        lines.append("Families alone, ms of CPU time for one image:")
        lines.append(f"{'':22s}" + "".join(f"{name:>12s}" for name in names))
        for contender, times in row["families"].items():
            cells = "".join(f"{times.get(name, math.nan):12.2f}" for name in names)
            lines.append(f"{contender:22s}{cells}")
    if not _both_ran(row["jobs"].get("all", {})):
        lines.append("Time was not checked: `all` was not done by both osteoflow and pyradiomics")
    lines.append("Limits: " + ("kept" if not row["not_kept"] else "NOT KEPT"))
    return [*lines, *(f"    {words}" for words in row["not_kept"])]


def _both_ran(costs: dict[str, dict]) -> bool:
    return OWN in costs and EXTRACTOR in costs


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", nargs="+", choices=tuple(SCENES), default=list(SCENES))
    parser.add_argument("--job", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, help="append the rows to a file of JSON lines")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and keep the rows as JSON lines."""
    arguments = parse()
    os.environ |= VARIABLES
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    kept = True
    with tempfile.TemporaryDirectory(prefix="osteoflow-radiomics-") as folder:
        write(WARM_UP, Path(folder) / "warm-up")
        for scene in arguments.scene:
            write(SCENES[scene], Path(folder) / scene)
            row = measure(Machine(Path(folder), scene), scene, arguments)
            kept = kept and not row["not_kept"]
            print("\n".join(describe(row)), flush=True)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps(row) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
