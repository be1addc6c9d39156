"""`snakemake --dry-run` that keeps what each job's script would be given.

Usage: python collect_jobs.py FILE [Snakemake's options and targets]

FILE becomes a pickled list of (rule, path of the script, object `snakemake`) in an order in which
the jobs may run. The object is of Snakemake's own class, as its scripts receive it.
"""

import pickle
import sys
from pathlib import Path

from snakemake.cli import main
from snakemake.executors.dryrun import Executor
from snakemake.iocontainers import Snakemake

report_job = Executor.run_job
jobs = []


def keep(self, job):
    """Keep a job with a script; rules without one only name targets."""
    if job.rule.script is not None:
        script = (Path(str(job.rule.basedir)) / job.rule.script).resolve()
        files = (job.input, job.output, job.params, job.wildcards, job.threads, None, job.log)
        jobs.append((job.rule.name, script, Snakemake(*files, {}, job.rule.name, None)))
    report_job(self, job)


Executor.run_job = keep
try:
    main(["--dry-run", *sys.argv[2:]])
finally:
    Path(sys.argv[1]).write_bytes(pickle.dumps(jobs))
