"""A Slurm cluster of one node on the loopback interface, for tests.

Needs Debian's packages (``install_debian.sh``) and root, no systemd and no cgroups. Every daemon
runs in the foreground as a child of this process with its files in a folder of its own, so that
exactly what was started is stopped again. Slurm's commands read ``/etc/slurm``, whatever the
environment says (``srun`` inside a job gets no ``SLURM_CONF``), so two files are written there; a
configuration that this module did not write is never touched.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

ETC = Path("/etc/slurm")
MARK = "# Written by OsteoFlow's tests/slurm/cluster.py, which replaces and removes this file."
PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "scancel",
    "sinfo",
    "scontrol",
    "sacct",
    "sacctmgr",
)
# Debian keeps daemons where the path of ordinary users does not look.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
PARTITION = "main"
ACCOUNT = "lab"
CLUSTER = "osteoflow"
CPUS = 2
MOST_MEMORY_MB = 16000
LEFT_TO_THE_SYSTEM_MB = 1000
FIRST_PORT, LAST_PORT = 16817, 17816
# For what takes seconds where nothing else runs.
PATIENCE_S = 180


class ClusterError(RuntimeError):
    """The cluster cannot be started, or a daemon of it failed."""


def missing_programs() -> list[str]:
    """Programs that the cluster needs and that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]


def obstacles() -> list[str]:
    """Why no cluster can be started here, in words; empty if nothing stands against it."""
    found = []
    if missing := missing_programs():
        found.append(f"not installed: {', '.join(missing)} (tests/slurm/install_debian.sh)")
    if os.geteuid() != 0:
        found.append("slurmd and munged need root to start jobs and to authenticate them")
    for name in ("slurm.conf", "slurmdbd.conf"):
        if not _may_write(ETC / name):
            found.append(f"{ETC / name} is not of these tests: this machine has a Slurm of its own")
    return found


@dataclass(frozen=True)
class Ports:
    """Where the daemons listen."""

    database: int
    slurmdbd: int
    slurmctld: int
    slurmd: int

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody has, below those that the system gives to outgoing connections."""
        found = filter(_is_free, range(FIRST_PORT, LAST_PORT + 1))
        ports = list(itertools.islice(found, len(fields(cls))))
        if len(ports) < len(fields(cls)):
            raise ClusterError(f"no free ports between {FIRST_PORT} and {LAST_PORT}")
        return cls(*ports)


@dataclass(frozen=True)
class Cluster:
    """The running cluster, of whose files ``folder`` holds configuration, state and logs."""

    folder: Path
    ports: Ports

    def sacct(self, *options: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        """Rows of ``sacct``, as mappings of the asked columns."""
        text = run("sacct", "-nP", *options, f"--format={','.join(columns)}")
        return [dict(zip(columns, line.split("|"), strict=True)) for line in text.splitlines()]

    def drain(self) -> None:
        """Let running jobs end and start no other."""
        run("scontrol", "update", "nodename=localhost", "state=drain", "reason=test")

    def resume(self) -> None:
        """Take the node back into service."""
        run("scontrol", "update", "nodename=localhost", "state=resume")

    def is_idle(self) -> bool:
        """Whether the node takes jobs; a controller that does not answer yet has none."""
        with contextlib.suppress(ClusterError):
            return self.node_state() == "idle"
        return False

    def node_state(self) -> str:
        """``idle``, ``mixed``, ``allocated``, ``draining``, ``drained`` ..."""
        return run("sinfo", "-h", "-o", "%T").strip()


def run(*command: str) -> str:
    """Output of a command; ClusterError with both streams if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def node_memory_mb() -> int:
    """Memory that the node offers: the machine's without a reserve, and never more than 16 GB."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return min(physical - LEFT_TO_THE_SYSTEM_MB, MOST_MEMORY_MB)


@contextlib.contextmanager
def single_node_cluster() -> Iterator[Cluster]:
    """A cluster that lives as long as the context.

    Raises
    ------
    ClusterError
        If something is missing, if the machine has a Slurm of its own, or if a daemon fails; with
        the end of its log.
    """
    if found := obstacles():
        raise ClusterError("No cluster can be started: " + "; ".join(found))
    folder = Path(tempfile.mkdtemp(prefix="osteoflow-slurm-", dir="/tmp"))
    cluster = Cluster(folder, Ports.free())
    daemons: list[tuple[str, subprocess.Popen]] = []
    try:
        _write_configuration(folder, cluster.ports)
        _start(cluster, daemons)
        yield cluster
    finally:
        if any(name == "slurmctld" and daemon.poll() is None for name, daemon in daemons):
            _end_jobs()
        for name, daemon in reversed(daemons):
            _stop(name, daemon)
        for name in ("slurm.conf", "slurmdbd.conf"):
            (ETC / name).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _start(cluster: Cluster, daemons: list[tuple[str, subprocess.Popen]]) -> None:
    """Start each daemon after the one that it needs answers."""
    folder, ports = cluster.folder, cluster.ports

    def start(name: str, *options: str, ready: Callable[[], bool]) -> None:
        log = folder / "log" / f"{name}.out"
        program = shutil.which(name, path=SEARCH_PATH)
        with log.open("wb") as handle:
            daemon = subprocess.Popen(
                [str(program), *options],
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=_environment(),
            )
        daemons.append((name, daemon))
        _wait(name, ready, lambda: daemon.poll() is not None, folder)

    munge = folder / "munge"
    start(
        "munged",
        "--foreground",
        "--force",
        f"--key-file={munge / 'munge.key'}",
        f"--socket={_munge_socket(folder)}",
        f"--pid-file={folder / 'run' / 'munged.pid'}",
        f"--seed-file={munge / 'munged.seed'}",
        ready=_munge_socket(folder).exists,
    )
    data = folder / "database"
    run(
        str(shutil.which("mariadb-install-db", path=SEARCH_PATH)),
        "--user=mysql",
        f"--datadir={data / 'files'}",
        "--auth-root-authentication-method=socket",
        "--skip-test-db",
    )
    start(
        "mariadbd",
        "--no-defaults",
        "--user=mysql",
        f"--datadir={data / 'files'}",
        f"--socket={data / 'mysqld.sock'}",
        f"--pid-file={data / 'mysqld.pid'}",
        f"--port={ports.database}",
        "--bind-address=127.0.0.1",
        "--innodb-buffer-pool-size=64M",
        f"--init-file={data / 'accounting.sql'}",
        ready=lambda: _answers(ports.database),
    )
    start("slurmdbd", "-D", ready=lambda: _answers(ports.slurmdbd))
    for what in (
        ("cluster", CLUSTER),
        ("account", ACCOUNT, f"cluster={CLUSTER}"),
        ("user", "root", f"account={ACCOUNT}"),
    ):
        run("sacctmgr", "-i", "add", *what)
    start("slurmctld", "-D", ready=lambda: _answers(ports.slurmctld))
    start("slurmd", "-D", "-N", "localhost", ready=cluster.is_idle)


def _stop(name: str, daemon: subprocess.Popen) -> None:
    """End one daemon that was started here, politely at first."""
    if daemon.poll() is not None:
        return
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _end_jobs() -> None:
    """Cancel what still runs: the processes of a job would outlive slurmd."""
    with contextlib.suppress(ClusterError):
        run("scancel", "--user", "root")
        end = time.monotonic() + PATIENCE_S
        while run("squeue", "-h").strip() and time.monotonic() < end:
            time.sleep(0.5)


def _wait(name: str, ready: Callable[[], bool], ended: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not ready():
        if ended() or time.monotonic() > end:
            logs = sorted((folder / "log").glob(f"{name}.*"))
            tail = "\n".join(log.read_text(errors="replace")[-1500:] for log in logs)
            what = "ended" if ended() else f"did not answer within {PATIENCE_S} s"
            raise ClusterError(f"{name} {what}:\n{tail}")
        time.sleep(0.2)


def _write_configuration(folder: Path, ports: Ports) -> None:
    """Keys, folders and configuration of all daemons."""
    folder.chmod(0o755)
    for name in ("munge", "run", "log", "state", "spool", "database"):
        (folder / name).mkdir()
    (folder / "munge").chmod(0o700)
    key = folder / "munge" / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    shutil.chown(folder / "database", "mysql", "mysql")
    (folder / "database" / "accounting.sql").write_text(_ACCOUNTING_SQL, encoding="ascii")
    values = {
        "folder": folder,
        "socket": _munge_socket(folder),
        "memory": node_memory_mb(),
        "cpus": CPUS,
        "cluster": CLUSTER,
        "partition": PARTITION,
        **{f"{name}_port": port for name, port in asdict(ports).items()},
    }
    ETC.mkdir(parents=True, exist_ok=True)
    for name, template in (("slurm.conf", _SLURM_CONF), ("slurmdbd.conf", _SLURMDBD_CONF)):
        path = ETC / name
        path.unlink(missing_ok=True)
        # slurmdbd refuses to start if others can read its password.
        path.touch(mode=0o600 if name == "slurmdbd.conf" else 0o644)
        path.write_text(MARK + "\n" + template.format_map(values), encoding="ascii")


def _munge_socket(folder: Path) -> Path:
    return folder / "run" / "munge.socket"


def _may_write(path: Path) -> bool:
    """Whether a file is not there or was written by this module."""
    if not path.exists() and not path.is_symlink():
        return True
    try:
        return path.read_text(errors="replace").startswith(MARK)
    except OSError:
        return False


def _is_free(port: int) -> bool:
    """Whether a daemon could listen there, on any interface."""
    with socket.socket() as attempt:
        # As daemons do: what an ended connection leaves for a minute is no obstacle.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("", port))
        except OSError:
            return False
        return True


def _answers(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def _environment() -> dict[str, str]:
    """The environment without what would lead Slurm's commands to another cluster."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLURM_", "SBATCH_", "SACCT_", "SQUEUE_"))
    }
    return {**kept, "PATH": SEARCH_PATH}


_ACCOUNTING_SQL = """\
CREATE DATABASE IF NOT EXISTS slurm_acct;
CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';
CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct.* TO 'slurm'@'127.0.0.1';
GRANT ALL ON slurm_acct.* TO 'slurm'@'localhost';
"""

_SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={socket}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={slurmdbd_port}
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
"""

# The memory limit is enforced by sampling once a second (OverMemoryKill), as no cgroups are used;
# jobs are bound to their cores (task/affinity) as on most clusters. AccountingStoragePass is the
# path of munge's socket. Comments are stored because the efficiency report reads rules from them.
_SLURM_CONF = """\
ClusterName={cluster}
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={socket}
SlurmctldPort={slurmctld_port}
SlurmdPort={slurmd_port}
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherParams=OverMemoryKill
JobAcctGatherFrequency=task=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={slurmdbd_port}
AccountingStoragePass={socket}
AccountingStoreFlags=job_comment
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,sched_interval=5,batch_sched_delay=1
MpiDefault=none
ReturnToService=2
MinJobAge=300
KillWait=5
SlurmdTimeout=120
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName={partition} Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


if __name__ == "__main__":
    # Says what stands against a cluster here; succeeds where nothing does.
    print("\n".join(found := obstacles()))
    sys.exit(1 if found else 0)
