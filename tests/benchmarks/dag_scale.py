"""How long Snakemake plans studies of growing size, beside the least a workflow can be.

Usage: python tests/benchmarks/dag_scale.py [--subjects 100 1000 10000] [--all] [--out FILE.jsonl]
       python tests/benchmarks/dag_scale.py --subjects --shard-of 1000 10000 --shard-size 100

For each size a study with a made-up inventory is planned (`snakemake --dry-run` through the real
Snakefile and profiles/default): from scratch, with everything up to date, and after the raw data
of one subject changed. For the last two, Snakemake itself records every output as made
(make_outputs.py), and it is checked that then nothing is planned, and after the change exactly
that subject's steps and the cohort's. Recording 10,000 subjects takes long: only with `--all`.

The peer is a bare workflow of ten rules a subject (bare/Snakefile), planned from scratch for the
same numbers of subjects. `--shard-of` divides studies with `osteoflow plan` into shards of one
size and plans one shard of each, which must take the same whatever the size of the study.

Measured are wall time, CPU time and peak memory of the Snakemake process, Python's start and all
imports included. Exits with 1 if a limit is not kept. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from child import Cost, run
from faked_study import change_raw_data, fake_inventory, write_study

from osteoflow.resources import ROOT
from osteoflow.running.batches import plan_batches
from osteoflow.study import check_folder

HERE = Path(__file__).resolve().parent
SCRATCH, UP_TO_DATE, CHANGED = "from scratch", "up to date", "one subject changed"
SHARD = "one shard from scratch"
OSTEOFLOW, BARE = "OsteoFlow", "bare, 10 rules"
JOBS_A_SUBJECT = 8
# Largest CPU time of a shard over the smallest, in studies of other sizes.
LARGEST_RATIO = 1.3
# At most, by case and number of subjects.
LIMITS = {
    (SCRATCH, 10_000): {"wall_s": 150.0, "peak_mb": 1500.0},
    (CHANGED, 1000): {"wall_s": 15.0},
}
COUNTED = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)
SUBJECT = re.compile(r"wildcards: .*\bsubject=(\S+?),?$", re.MULTILINE)
# What a dry run prints: the number of jobs of each rule and no more, as in profiles/default.
COUNTS_ONLY = ("--quiet", "host", "reason", "rules")
NOTHING = "Nothing to be done"


def options(folder: Path, cores: int = 1) -> list[str]:
    """Snakemake's options for a study."""
    paths = ("--snakefile", ROOT / "Snakefile", "--directory", folder)
    profile = ("--workflow-profile", ROOT / "profiles" / "default")
    return [*map(str, (*paths, *profile)), "--cores", str(cores)]


def plan(*arguments: str) -> tuple[Cost, Counter[str]]:
    """A dry run: what it took, and how many jobs of each rule it plans (targets not counted)."""
    cost = run([sys.executable, "-m", "snakemake", "--dry-run", *arguments])
    if NOTHING in cost.output:
        return cost, Counter()
    jobs = Counter({rule: int(count) for rule, count in COUNTED.findall(cost.output)})
    total = jobs.pop("total")
    if total != jobs.total():
        raise RuntimeError(f"{jobs.total()} jobs read where Snakemake counts {total}")
    for target in ("all", "participants"):
        jobs.pop(target, None)
    return cost, jobs


def row(workflow: str, case: str, subjects: int, cost: Cost, jobs: Counter[str]) -> dict:
    """One measurement, its limits, and whether they are kept."""
    found = {
        "workflow": workflow,
        "case": case,
        "subjects": subjects,
        "jobs": jobs.total(),
        "wall_s": round(cost.wall_s, 2),
        "cpu_s": round(cost.cpu_s, 2),
        "peak_mb": round(cost.peak_mb, 1),
    }
    limits = dict(LIMITS.get((case, subjects), {}))
    if case in (SCRATCH, SHARD):
        # A step of the subjects has one job for each of them; the other rules are the cohort's.
        found["jobs_a_subject"] = sum(count == subjects for count in jobs.values())
        limits["jobs_a_subject"] = JOBS_A_SUBJECT
    found["limits"] = limits if workflow == OSTEOFLOW else {}
    found["kept"] = all(found[key] <= limit for key, limit in found["limits"].items())
    return found


def measure_study(folder: Path, subjects: int, reruns: bool):
    """Plan a study of a size; yields measurements."""
    write_study(folder, subjects)
    fake_inventory(folder)
    cost, scratch = plan(*options(folder))
    yield row(OSTEOFLOW, SCRATCH, subjects, cost, scratch)
    if not reruns:
        return
    # With a core for each subject: the scheduler looks at every job that is ready in each round.
    made = [*options(folder, cores=subjects), "--quiet", "all"]
    run([sys.executable, HERE / "make_outputs.py", *made])
    cost, jobs = plan(*options(folder))
    if jobs:
        raise RuntimeError(f"planned although everything is up to date: {jobs}")
    yield row(OSTEOFLOW, UP_TO_DATE, subjects, cost, jobs)
    changed = f"sub-{subjects // 2:05d}"
    change_raw_data(folder, changed)
    # With the rules: a few lines, which name the subjects.
    cost, jobs = plan(*options(folder), "--quiet", "host", "reason")
    expected = Counter({r: 1 if count == subjects else count for r, count in scratch.items()})
    planned = set(SUBJECT.findall(cost.output))
    if jobs != expected or planned != {changed}:
        raise RuntimeError(f"after a change of {changed}: {jobs} of {planned or 'nobody'}")
    yield row(OSTEOFLOW, CHANGED, subjects, cost, jobs)


def measure_bare(folder: Path, subjects: int):
    """Plan the peer from scratch; yields one measurement."""
    (folder / "step0").mkdir(parents=True)
    for number in range(subjects):
        (folder / "step0" / f"{number}.txt").touch()
    where = ["--snakefile", str(HERE / "bare" / "Snakefile"), "--directory", str(folder)]
    config = ["--config", f"subjects={subjects}"]
    cost, jobs = plan(*where, "--cores", "1", "--scheduler", "greedy", *COUNTS_ONLY, *config)
    yield row(BARE, SCRATCH, subjects, cost, jobs)


def measure_shard(folder: Path, subjects: int, size: int):
    """Divide a study into shards of a size and plan the first; yields one measurement."""
    batches = subjects // size
    write_study(folder, subjects)
    config, table = check_folder(folder)
    shard = plan_batches(folder, config, table, batches)[0]
    fake_inventory(shard)
    cost, jobs = plan("participants", *options(shard))
    found = row(OSTEOFLOW, SHARD, max(jobs.values()), cost, jobs)
    yield {**found, "of_subjects": subjects, "batches": batches}


def measure(arguments: argparse.Namespace, folder: Path):
    """Everything that was asked for, one measurement after the other."""
    for subjects in arguments.subjects:
        reruns = arguments.all or subjects <= 1000
        yield from measure_study(folder / f"study-{subjects}", subjects, reruns)
        yield from measure_bare(folder / f"bare-{subjects}", subjects)
    for subjects in arguments.shard_of:
        place = folder / f"batches-{subjects}"
        yield from measure_shard(place, subjects, arguments.shard_size)


def shards_differ(rows: list[dict]) -> list[str]:
    """Shards of one size that take longer in a larger study."""
    shards = [found for found in rows if found["case"] == SHARD]
    if len(shards) < 2:
        return []
    costs = [found["cpu_s"] for found in shards]
    sizes = ", ".join(f"{found['of_subjects']}: {found['cpu_s']:.1f} s" for found in shards)
    constant = max(costs) <= LARGEST_RATIO * min(costs)
    print(f"CPU of one shard by size of the study: {sizes} ({'' if constant else 'NOT '}constant)")
    return [] if constant else [sizes]


HEADER = (
    f"{'workflow':15s} {'case':22s} {'subjects':>8s} {'jobs':>7s} {'wall s':>8s} {'CPU s':>8s} "
    f"{'peak MB':>8s} {'CPU ms a subject':>17s}  limit"
)


def line(found: dict) -> str:
    """One row of the printed table."""
    limits = ", ".join(f"{key} <= {limit:g}" for key, limit in found["limits"].items())
    verdict = f"{limits}: {'kept' if found['kept'] else 'NOT KEPT'}" if limits else ""
    return (
        f"{found['workflow']:15s} {found['case']:22s} {found['subjects']:8d} {found['jobs']:7d} "
        f"{found['wall_s']:8.1f} {found['cpu_s']:8.1f} {found['peak_mb']:8.0f} "
        f"{1000 * found['cpu_s'] / found['subjects']:17.1f}  {verdict}"
    )


def ratios(rows: list[dict]) -> list[str]:
    """OsteoFlow against the bare workflow, from scratch, at each size."""
    scratch = {(r["workflow"], r["subjects"]): r for r in rows if r["case"] == SCRATCH}
    lines = []
    for (workflow, subjects), ours in scratch.items():
        if workflow != OSTEOFLOW or (BARE, subjects) not in scratch:
            continue
        bare = scratch[BARE, subjects]
        for key, word in (("wall_s", "wall"), ("cpu_s", "CPU")):
            by_subject = ours[key] / bare[key]
            by_job = by_subject * bare["jobs"] / ours["jobs"]
            lines.append(
                f"{subjects} subjects, OsteoFlow / bare: {by_subject:.2f} in {word} time a "
                f"subject, {by_job:.2f} in {word} time a job"
            )
    return lines


def main() -> int:
    """Measure, print, and keep the rows as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--all", action="store_true", help="re-planning above 1,000 subjects too")
    sizes = "sizes of studies in batches"
    parser.add_argument("--shard-of", type=int, nargs="*", default=[], metavar="N", help=sizes)
    parser.add_argument("--shard-size", type=int, default=100, help="subjects of a shard")
    parser.add_argument("--out", type=Path, help="append the rows to a file of JSON lines")
    arguments = parser.parse_args()
    about = {
        "python": platform.python_version(),
        "snakemake": version("snakemake"),
        "cores": os.cpu_count(),
    }
    print(f"{about} load {os.getloadavg()[0]:.1f}")
    print(HEADER)
    rows = []
    with tempfile.TemporaryDirectory(prefix="osteoflow-dag-") as folder:
        for found in measure(arguments, Path(folder)):
            rows.append({**found, **about, "load": round(os.getloadavg()[0], 2)})
            print(line(found), flush=True)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps(rows[-1]) + "\n")
    print("\n".join(ratios(rows)))
    return 0 if all(found["kept"] for found in rows) and not shards_differ(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
