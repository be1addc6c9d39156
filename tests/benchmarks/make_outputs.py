"""`snakemake --touch --forceall` that also makes the outputs: an up-to-date study without science.

Snakemake itself plans the jobs and writes the record of each (inputs and their hashes, params,
time) as after a real run. Two things differ from `--touch`: a job's outputs are made where they
do not exist, and there is no pause of 0.1 s before each job. Takes Snakemake's options.
"""

import sys
from pathlib import Path

from snakemake.cli import main
from snakemake.executors.touch import Executor

touch_outputs = Executor.run_job


def make_outputs(self, job):
    """Make what the job declares, then let Snakemake touch it."""
    for path in job.output:
        path.touch_or_create()
    for path in [*job.log, *filter(None, [job.benchmark])]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    touch_outputs(self, job)


Executor.SLEEPING_TIME = 0
Executor.run_job = make_outputs
main(["--touch", "--forceall", *sys.argv[1:]])
