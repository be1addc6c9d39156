"""One study run twice: on this machine, and on a cluster whose node, jobs and memory make trouble.

Needs root and Debian's Slurm (``install_debian.sh``), so these tests run only when they are asked
for by name: ``make test-slurm``.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from workflow.conftest import CONFIG, osteoflow, write_study

from osteoflow.simulate.cohort import simulate_cohort
from osteoflow.simulate.protocol import TINY

from .cluster import ACCOUNT, PARTITION, Cluster, ClusterError, obstacles, run, single_node_cluster

PARTICIPANTS = 6
SUBJECTS = [f"sub-{number:02d}" for number in range(1, PARTICIPANTS + 1)]
HUNGRY = "sub-02"
# Above the request of the first attempt (about 1,100 MB), below that of the second.
HUNGRY_MB = 1500
# Six participants, three of them with the outcome: enough for three folds and no hold-out.
STUDY_CONFIG = CONFIG.replace("holdout_fraction: 0.25", "holdout_fraction: 0").replace(
    "formats: [pdf, svg]", "formats: [png]"
)
LONGEST_RUN_S = 900
# What Snakemake's plugin says when it has its jobs and submits the first.
RUN_ID = "SLURM run ID"
# What a site would write once for all its users; tests look at jobs more often than users should.
SITE_PROFILE = f"""\
default-resources:
  slurm_partition: {PARTITION}
  slurm_account: {ACCOUNT}
slurm-init-seconds-before-status-checks: 3
seconds-between-status-checks: 2
"""
# The same on the command line, as for a single run.
OPTIONS = (
    "--slurm-init-seconds-before-status-checks",
    "3",
    "--seconds-between-status-checks",
    "2",
    "--default-resources",
    f"slurm_partition={PARTITION}",
    f"slurm_account={ACCOUNT}",
)


def pytest_ignore_collect(collection_path, config):
    """Daemons are started only for who asks for this folder."""
    here = Path(__file__).parent
    asked = (config.invocation_params.dir / word.split("::")[0] for word in config.args)
    return None if any(path.resolve().is_relative_to(here) for path in asked) else True


@dataclass
class Submission:
    """One cluster job as Slurm's accounting knows it."""

    job: str
    state: str
    subjects: set[str]
    rules: set[str]
    memory_mb: int
    minutes: float
    cpus: int


@dataclass
class SlurmRun:
    """A run on the cluster: what it said, and what was seen while it ran."""

    study: Path
    log: Path
    process: subprocess.Popen
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    seen: dict[str, object] = field(default_factory=dict)

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def submits(self) -> bool:
        """Whether it has planned its jobs and begun to submit them."""
        return RUN_ID in self.text()

    def finish(self) -> int:
        """Wait for the end; its exit code."""
        try:
            code = self.process.wait(LONGEST_RUN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"the run did not end within {LONGEST_RUN_S} s:\n{self.text()[-3000:]}")
        self.seconds = time.monotonic() - self.started
        return code

    def kill(self) -> None:
        """End it and what it started at once, as a login node that goes down does."""
        if self.process.poll() is None:
            parent = psutil.Process(self.process.pid)
            for process in [parent, *parent.children(recursive=True)]:
                # It may have ended since it was listed.
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait()

    def wait_until(self, what: str, happened: Callable[[], object]) -> object:
        """Wait while the run goes on; what the condition returned."""
        end = time.monotonic() + LONGEST_RUN_S
        while not (found := happened()):
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"never seen: {what}\n{self.text()[-3000:]}")
            time.sleep(0.5)
        return found


def start_run(study: Path, *options: str, **environment: str) -> SlurmRun:
    """`osteoflow run STUDY --profile slurm`, in the background."""
    log = study / "run.log"
    command = ["-m", "osteoflow.cli", "run", str(study), "--profile", "slurm", *options]
    with log.open("wb") as handle:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=handle,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    return SlurmRun(study, log, process)


def submissions(cluster: Cluster, run_text: str) -> list[Submission]:
    """Every cluster job of a run, oldest first; a requeued job is listed once for each start."""
    names = re.findall(RUN_ID + r": (\S+)", run_text)
    columns = ("JobIDRaw", "State", "ReqMem", "TimelimitRaw", "ReqCPUS", "SubmitLine")
    rows = cluster.sacct("-X", "-D", "-S", "now-1day", "--name", ",".join(names), columns=columns)
    found = []
    for row in sorted(rows, key=lambda row: int(row["JobIDRaw"])):
        targets = re.search(r"--target-jobs (.*?) --allowed-rules", row["SubmitLine"])
        assert targets, row["SubmitLine"]
        parts = [target.strip("'").partition(":") for target in targets.group(1).split()]
        subjects = {wildcards.partition("subject=")[2] for _, _, wildcards in parts} - {""}
        found.append(
            Submission(
                job=row["JobIDRaw"],
                state=row["State"].split()[0],
                subjects=subjects,
                rules={rule for rule, _, _ in parts},
                memory_mb=int(row["ReqMem"].removesuffix("M")),
                minutes=float(row["TimelimitRaw"]),
                cpus=int(row["ReqCPUS"]),
            )
        )
    return found


def running(cluster: Cluster, run_: SlurmRun, *subjects: str) -> list[Submission]:
    """Running jobs of these subjects, or of any."""
    if not run_.submits():
        return []
    return [
        job
        for job in submissions(cluster, run_.text())
        if job.state == "RUNNING" and job.subjects and (not subjects or job.subjects & {*subjects})
    ]


def requeue(cluster: Cluster, run_: SlurmRun, *subjects: str) -> Submission | None:
    """Put a running job of one of these subjects back into the queue; None if there is none.

    The youngest: an older one may have ended when Slurm is asked to.
    """
    for job in reversed(running(cluster, run_, *subjects)):
        with suppress(ClusterError):
            run("scontrol", "requeue", job.job)
            return job
    return None


@pytest.fixture(scope="session")
def cluster():
    if found := obstacles():
        pytest.fail("; ".join(found))
    with single_node_cluster() as started:
        yield started


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """Raw data of the cohort."""
    folder = tmp_path_factory.mktemp("cohort") / "raw"
    simulate_cohort(
        folder, PARTICIPANTS, seed=7, protocol=TINY, processes=2, broken=False, path_prefix="raw/"
    )
    return folder


def make_study(folder: Path, raw: Path, participants: int) -> Path:
    """A study of the first participants, with its inventory."""
    folder.mkdir()
    (folder / "raw").symlink_to(raw)
    lines = (raw / "subjects.tsv").read_text(encoding="utf-8").splitlines()
    write_study(folder, "\n".join(lines[: participants + 1]) + "\n", STUDY_CONFIG)
    osteoflow("inventory", folder)
    return folder


@pytest.fixture(scope="session")
def studies(raw, tmp_path_factory):
    """The study after a run on this machine, and its copy from before, with the same salt."""
    base = tmp_path_factory.mktemp("studies")
    local = make_study(base / "local", raw, PARTICIPANTS)
    on_cluster = base / "cluster"
    shutil.copytree(local, on_cluster, symlinks=True)
    osteoflow("run", local, "--cores", 2)
    return local, on_cluster


@pytest.fixture(scope="session")
def troubled(cluster, studies, tmp_path_factory):
    """A whole run on the cluster during which

    - a step of one subject takes more memory than its job has,
    - the node is drained while jobs run, and taken back into service,
    - a running job is put back into the queue, as preemption does.
    """
    _, study = studies
    site = tmp_path_factory.mktemp("site")
    (site / "profile.yaml").write_text(SITE_PROFILE)
    hungry = str(Path(__file__).parent / "hungry")
    paths = [hungry, *filter(None, [os.environ.get("PYTHONPATH")])]
    going = start_run(
        study,
        "--cores",
        "1",
        SNAKEMAKE_PROFILE=str(site),
        PYTHONPATH=os.pathsep.join(paths),
        OSTEOFLOW_TEST_HUNGRY=f"segment:subject={HUNGRY} {HUNGRY_MB}",
    )
    try:
        going.wait_until("a running job", lambda: running(cluster, going))
        cluster.drain()
        going.seen["state while draining"] = cluster.node_state()
        going.wait_until("a drained node", lambda: cluster.node_state() == "drained")
        going.seen["waiting while drained"] = run("squeue", "-h", "-t", "pending").splitlines()
        cluster.resume()
        others = [subject for subject in SUBJECTS if subject != HUNGRY]
        going.seen["requeued"] = going.wait_until(
            "a running job to requeue", lambda: requeue(cluster, going, *others)
        )
        code = going.finish()
    finally:
        going.kill()
    if code:
        pytest.fail(going.text()[-6000:])
    return going
