"""The scripts of the workflow without the workflow: in a few Python processes that stay.

Usage: python science.py JOBS.pickle STUDY --cores N      run every job
       python science.py JOBS.pickle STUDY --modules RULE  run one job of a rule, print its imports

JOBS.pickle is made by collect_jobs.py. Each worker process takes one subject after the other and
runs the scripts of its jobs one after the other; a module is imported once per worker.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pickle
import runpy
from pathlib import Path

# Snakemake lets each script use as many threads as its rule states: one.
THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")


def run_jobs(jobs: list[tuple]) -> None:
    """Run the scripts of one subject."""
    for _, script, stand_in in jobs:
        # Every script sets up a log file of its own; in a process of its own it is the first.
        for handler in logging.root.handlers[:]:
            logging.root.removeHandler(handler)
            handler.close()
        runpy.run_path(str(script), init_globals={"snakemake": stand_in}, run_name="__main__")


def by_subject(jobs: list[tuple]) -> list[list[tuple]]:
    """The jobs of each subject, in their order."""
    subjects: dict[str, list[tuple]] = {}
    for job in jobs:
        subjects.setdefault(job[2].wildcards.subject, []).append(job)
    return list(subjects.values())


def main() -> None:
    """Run the science, or one job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", type=Path)
    parser.add_argument("study", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--modules", metavar="RULE")
    arguments = parser.parse_args()
    os.environ |= {f"{library}_NUM_THREADS": "1" for library in THREADS}
    jobs = pickle.loads(arguments.jobs.read_bytes())
    os.chdir(arguments.study)
    if arguments.modules:
        run_jobs([next(job for job in jobs if job[0] == arguments.modules)])
        from osteoflow.lazily import executed

        print(json.dumps(executed()))
        return
    # Not at the top: `--modules` counts what a script imports.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(arguments.cores, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(run_jobs, by_subject(jobs), chunksize=1):
            pass


if __name__ == "__main__":
    main()
