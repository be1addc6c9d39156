"""Of commands that start together on one study one goes on, also where they find a dead owner."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from unittest.mock import Mock

import psutil
import pytest

from osteoflow.errors import StudyError
from osteoflow.io import whole
from osteoflow.io.whole import write_text_if_free
from osteoflow.running import owner
from osteoflow.running.owner import MARKER, OWNER, Ownership, end_processes

# Holds the study, as soon as a file appears, until it is told to let go; says what came of it.
TRY = """
import sys, time
from pathlib import Path
from osteoflow.errors import StudyError
from osteoflow.running.owner import Ownership
study, start = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not start.exists():
    pass
try:
    with Ownership(study, lambda text: None):
        print("held", flush=True)
        sys.stdin.read()
except StudyError as error:
    print("refused:", error, flush=True)
"""
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def leave_dead_owner(study, **more):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    path = study / OWNER
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"host": socket.gethostname(), "processes": [[process.pid, 1.0]], **more}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("dead", [False, True])
def test_of_commands_that_start_together_one_holds_the_study(tmp_path, dead):
    command = [sys.executable, "-c", TRY]
    for number in range(4):
        study, start = tmp_path / f"study{number}", tmp_path / f"start{number}"
        (study / ".snakemake").mkdir(parents=True)
        if dead:
            leave_dead_owner(study)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        tries = [subprocess.Popen([*command, study, start], **pipes) for _ in range(3)]
        assert [one.stdout.readline() for one in tries] == ["ready\n"] * 3
        start.touch()
        said = sorted(one.stdout.readline().partition(":")[0].strip() for one in tries)
        for one in tries:
            one.communicate()
        assert said == ["held", "refused", "refused"]
        assert [path.name for path in (study / ".snakemake").iterdir()] == []


@pytest.mark.parametrize("dead", [False, True])
def test_who_starts_at_the_worst_moment_is_refused(tmp_path, monkeypatch, dead):
    """One command has looked at the owner's file, but made no own one yet, as another begins."""
    if dead:
        leave_dead_owner(tmp_path)
    other = Ownership(tmp_path, lambda text: None)
    for name in ("write_text_if_free", "_check_dead"):
        real = getattr(owner, name)

        def first_the_other(*arguments, real=real):
            monkeypatch.undo()
            other.__enter__()
            return real(*arguments)

        if dead == (name == "_check_dead"):
            monkeypatch.setattr(owner, name, first_the_other)
    with pytest.raises(StudyError, match="under way on this host"):
        Ownership(tmp_path, lambda text: None).__enter__()
    other.__exit__(None, None, None)
    assert list((tmp_path / OWNER).parent.iterdir()) == []


def test_who_died_taking_over_is_taken_over_too(tmp_path, monkeypatch):
    """Killed with the successor's file made: nothing is left for a person to clear."""
    path = leave_dead_owner(tmp_path)
    first = Ownership(tmp_path, lambda text: None)
    first.processes = [[2**22 + 1, 1.0]]  # of a process that is no more
    monkeypatch.setattr(owner, "write_text", Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(type(path), "unlink", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        first.__enter__()
    monkeypatch.undo()
    assert len(list(path.parent.glob("*.json"))) == 2
    with Ownership(tmp_path, lambda text: None):
        assert json.loads(path.read_text())["processes"][0][0] == os.getpid()
    assert list(path.parent.glob("*.json")) == []


def test_a_file_system_without_hard_links_knows_one_owner_too(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(whole.os, "link", no_links)
    assert write_text_if_free(tmp_path / "a", "one")
    assert not write_text_if_free(tmp_path / "a", "two")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "one")]
    with Ownership(tmp_path, lambda text: None), pytest.raises(StudyError, match="under way"):
        Ownership(tmp_path, lambda text: None).__enter__()


def test_what_could_not_be_cleared_away_is_left_to_the_next_run(tmp_path, monkeypatch):
    """Also by a run whose Snakemake was killed: it must not call the study free."""

    def no_answer(prefix):
        raise StudyError(["squeue does not answer"])

    monkeypatch.setattr(owner, "cancel_cluster_jobs", no_answer)
    with pytest.raises(StudyError), Ownership(tmp_path, lambda text: None) as mine:
        mine.recover(on_cluster=True)
    content = json.loads((tmp_path / OWNER).read_text())
    assert content["on_cluster"] and content["processes"] == []
    cancelled = []
    monkeypatch.setattr(owner, "cancel_cluster_jobs", lambda prefix: cancelled.append(prefix) or 1)
    with Ownership(tmp_path, lambda text: None):
        assert len(cancelled) == 1
        assert not json.loads((tmp_path / OWNER).read_text())["on_cluster"]
    assert not (tmp_path / OWNER).exists()


def test_a_process_that_begins_while_others_are_ended_is_ended(tmp_path, monkeypatch):
    marked = {**os.environ, MARKER: str(tmp_path)}
    begun = [subprocess.Popen(SLEEP, env=marked)]
    real = psutil.process_iter

    def and_then_one_more():
        yield from list(real())
        if len(begun) == 1:
            begun.append(subprocess.Popen(SLEEP, env=marked))

    monkeypatch.setattr(owner.psutil, "process_iter", and_then_one_more)
    try:
        assert end_processes(tmp_path) == 2
        assert [process.wait(10) for process in begun] == [-signal.SIGKILL] * 2
    finally:
        for process in begun:
            process.kill()


def test_a_process_that_ended_and_nobody_asks_for_is_not_waited_for(tmp_path):
    """In a container whose first process asks for no orphans they stay in the list for ever."""
    parent = (
        "import os, subprocess, sys, time\n"
        f"child = subprocess.Popen({SLEEP!r}, env={{**os.environ, {MARKER!r}: sys.argv[1]}})\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", parent, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            child = psutil.Process(int(process.stdout.readline()))
            # It would end in an error if it waited in vain.
            assert end_processes(tmp_path) == 1
            assert child.status() == psutil.STATUS_ZOMBIE
        finally:
            process.kill()
