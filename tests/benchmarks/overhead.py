"""What the workflow costs on top of the science, on a simulated cohort.

Usage: python tests/benchmarks/overhead.py [--participants 100] [--protocol fine|standard|tiny]
           [--cores 2 | --beside] [--folder DIR] [--out FILE.jsonl]

(A) `osteoflow run STUDY --cores N -- participants` from scratch, and (B) the science alone:
everything that the scripts of the per-subject rules do, that is reading the chosen DICOM files
and masks, conversion, segmentation, maps, calibration, features, measurements, the subject's page
and all files these write. (B) runs the same scripts on the same inputs, outputs and params, taken
from Snakemake, in as many Python processes as cores, each of which imports everything once. Not
science: the inventory with its hashes, Snakemake's start, planning, scheduling and records, and
the start of every job, which a local run forks from a warm process.

Overhead is (A - B) / B, in wall time and in CPU time of all processes; in wall time it may be 15 %
at most, and both must give the same tables, byte for byte, or this exits with 1. The inventory and
the planning are measured as commands of their own; the rest (starts of jobs, scheduling, records,
waiting) is what remains of A - B, and in short runs within the noise. What a job's start costs in a
Python of its own, as on a cluster, is told beside it: a process that only imports what the job's
script has imported when it ends. With `--folder` the cohort is kept and used again. Run it on a
machine that does nothing else; where that cannot be had, `--beside` runs A and B at the same time,
each on a core of its own, so that whatever else goes on slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from child import Cost, run

from osteoflow.layout import SUBJECTS
from osteoflow.resources import ROOT
from osteoflow.simulate.cohort import simulate_cohort
from osteoflow.simulate.protocol import FINE, STANDARD, TINY

HERE = Path(__file__).resolve().parent
PROTOCOLS = {"fine": FINE, "standard": STANDARD, "tiny": TINY}
SEED = 7
CONFIG = """\
study:
  title: Overhead
radiomics:
  images:
    vbmd: {{settings: vbmd, levels: [{levels}]}}
    pdff: {{settings: pdff, levels: [{levels}]}}
cohort:
  summaries:
    - {{metric: vbmd_mean, levels: [{levels}]}}
    - {{metric: pdff_mean, levels: [{levels}]}}
"""
TABLES = ("*/measurements.tsv", "*/radiomics/*_features.tsv", "*/seg/*_agreement.tsv")
OSTEOFLOW = (sys.executable, "-m", "osteoflow.cli")
TARGET = "participants"
# What Snakemake itself imports before a script's own first line.
PREAMBLE = ("pickle", "snakemake.logging", "snakemake.iocontainers")
STARTS = 5
# Everything but the science, as a share of the science's wall time.
LARGEST_OVERHEAD = 0.15


@contextmanager
def place(folder: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one that is deleted at the end."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="osteoflow-overhead-") as name:
        yield Path(name)


def write_studies(folder: Path, participants: int, protocol: str) -> tuple[Path, Path]:
    """Two equal studies of one cohort, which is simulated where it is not there yet."""
    raw = folder / f"raw-{protocol}-{participants}"
    if not (raw / "subjects.tsv").exists():
        simulate_cohort(
            raw,
            participants,
            SEED,
            PROTOCOLS[protocol],
            processes=os.cpu_count() or 1,
            path_prefix=f"../{raw.name}/",
        )
    studies = folder / "workflow", folder / "science"
    for study in studies:
        shutil.rmtree(study, ignore_errors=True)
        (study / "config").mkdir(parents=True)
        shutil.copy(raw / "subjects.tsv", study / "config" / "subjects.tsv")
        text = CONFIG.format(levels=", ".join(PROTOCOLS[protocol].levels))
        (study / "config" / "config.yaml").write_text(text, encoding="utf-8")
    return studies


def snakemake_options(study: Path, cores: int) -> list[str | Path]:
    """Options as `osteoflow run` gives them."""
    paths = ["--snakefile", ROOT / "Snakefile", "--directory", study]
    profile = ["--workflow-profile", ROOT / "profiles" / "default"]
    return [*paths, *profile, "--cores", str(cores), TARGET]


def started(modules: list[str]) -> Cost:
    """A Python process that imports these modules and ends: the median of several."""
    code = (
        "import contextlib, importlib\n"
        f"for name in {modules!r}:\n"
        "    with contextlib.suppress(ImportError):\n"
        "        importlib.import_module(name)\n"
    )
    costs = [run([sys.executable, "-c", code]) for _ in range(STARTS)]
    return Cost(
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
        statistics.median(cost.peak_mb for cost in costs),
        "",
    )


def imports(jobs: Path, study: Path, rules: list[str]) -> dict[str, list[str]]:
    """For each rule the modules that its script has imported when it ends."""
    found = {}
    for rule in rules:
        ended = run([sys.executable, HERE / "science.py", jobs, study, "--modules", rule])
        names = [name for name in json.loads(ended.output.splitlines()[-1]) if name[:3] != "__m"]
        # OsteoFlow's own first: they choose what of a library is loaded, and in which order, where
        # its modules one by one may load what the script never had.
        own = [name for name in names if name.partition(".")[0] == "osteoflow"]
        found[rule] = list(dict.fromkeys([*PREAMBLE, *own, *names]))
    return found


def differences(one: Path, other: Path) -> list[str]:
    """Tables that are not the same in both studies."""
    names = {
        path.relative_to(study / SUBJECTS)
        for study in (one, other)
        for pattern in TABLES
        for path in (study / SUBJECTS).glob(pattern)
    }
    if not names:
        raise RuntimeError("no tables were made")
    pairs = [(name, one / SUBJECTS / name, other / SUBJECTS / name) for name in sorted(names)]
    return [
        str(name)
        for name, left, right in pairs
        if not (left.exists() and right.exists() and left.read_bytes() == right.read_bytes())
    ]


def beside(*commands: Sequence[str | Path]) -> list[Cost]:
    """Run commands at the same time, each on a core of its own."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(commands):
        raise RuntimeError(f"{len(commands)} cores are needed, not {len(cores)}")
    pinned = [["taskset", "--cpu-list", str(c), *x] for c, x in zip(cores, commands, strict=False)]
    with ThreadPoolExecutor(len(pinned)) as pool:
        return list(pool.map(run, pinned))


def measure(
    folder: Path, participants: int, protocol: str, cores: int, at_the_same_time: bool
) -> dict:
    """All costs of one cohort."""
    workflow, science = write_studies(folder, participants, protocol)
    jobs = folder / "jobs.pickle"
    # The inventory also brings the raw data into the system's file cache, for A and B alike.
    inventory = run([*OSTEOFLOW, "inventory", science])
    dry = ["--dry-run", *snakemake_options(science, cores)]
    planning = run([sys.executable, "-m", "snakemake", *dry])
    run([sys.executable, HERE / "collect_jobs.py", jobs, *snakemake_options(science, cores)])
    commands = [
        [*OSTEOFLOW, "run", workflow, "--cores", str(cores), "--", TARGET],
        [sys.executable, HERE / "science.py", jobs, science, "--cores", str(cores)],
    ]
    a, b = beside(*commands) if at_the_same_time else map(run, commands)
    different = differences(workflow, science)
    rules = Counter(rule for rule, *_ in pickle.loads(jobs.read_bytes()))
    modules = imports(jobs, science, list(rules))
    starts = {rule: started(names) for rule, names in modules.items()}
    parts = {
        "inventory": (inventory.wall_s, inventory.cpu_s),
        "planning": (planning.wall_s, planning.cpu_s),
    }
    known = [sum(part[column] for part in parts.values()) for column in (0, 1)]
    parts["rest"] = (a.wall_s - b.wall_s - known[0], a.cpu_s - b.cpu_s - known[1])
    return {
        "participants": participants,
        "protocol": protocol,
        "cores": cores,
        "at_the_same_time": at_the_same_time,
        "jobs": rules.total(),
        "load": os.getloadavg()[0],
        "workflow": (a.wall_s, a.cpu_s),
        "science": (b.wall_s, b.cpu_s),
        "overhead": ((a.wall_s - b.wall_s) / b.wall_s, (a.cpu_s - b.cpu_s) / b.cpu_s),
        "parts": parts,
        "starts": {
            rule: {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "modules": len(modules[rule])}
            for rule, cost in starts.items()
        },
        "different": different,
    }


def describe(found: dict) -> list[str]:
    """The measured costs as a table."""
    about = f"{found['participants']} participants ({found['protocol']}), {found['jobs']} jobs"
    lines = [
        f"{about}, {found['cores']} cores, load at the end {found['load']:.1f}",
        f"{'':34s}{'wall s':>10s}{'CPU s':>10s}",
    ]
    rows = {
        "A  osteoflow run": found["workflow"],
        "B  science alone": found["science"],
        **{f"   of A - B: {name}": costs for name, costs in found["parts"].items()},
    }
    lines += [f"{name:34s}{wall:10.1f}{cpu:10.1f}" for name, (wall, cpu) in rows.items()]
    wall, cpu = found["overhead"]
    lines.append(f"{'overhead (A - B) / B':34s}{wall:10.1%}{cpu:10.1%}")
    lines.append(
        f"\n{'a job in a Python of its own':34s}{'wall s':>10s}{'CPU s':>10s}{'modules':>10s}"
    )
    for rule, cost in found["starts"].items():
        numbers = f"{cost['wall_s']:10.2f}{cost['cpu_s']:10.2f}{cost['modules']:10d}"
        lines.append(f"{rule:34s}{numbers}")
    kept = "kept" if wall <= LARGEST_OVERHEAD else "NOT KEPT"
    lines.append(f"\nLimit of {LARGEST_OVERHEAD:.0%} of the science's wall time: {kept}")
    same = f"DIFFERENT: {', '.join(found['different'][:5])}" if found["different"] else "the same"
    lines.append(f"\nTables of A and B: {same}")
    return lines


def main() -> int:
    """Measure, print, and keep the row as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=100)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="fine")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--beside", action="store_true", help="both at once, one core each")
    parser.add_argument("--folder", type=Path, help="where to work, and to keep the cohort")
    parser.add_argument("--out", type=Path, help="append the row to a file of JSON lines")
    arguments = parser.parse_args()
    with place(arguments.folder) as folder:
        cores = 1 if arguments.beside else arguments.cores
        found = measure(folder, arguments.participants, arguments.protocol, cores, arguments.beside)
    print("\n".join(describe(found)))
    if arguments.out:
        with arguments.out.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(found) + "\n")
    return 1 if found["different"] or found["overhead"][0] > LARGEST_OVERHEAD else 0


if __name__ == "__main__":
    sys.exit(main())
