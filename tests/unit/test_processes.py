"""What tests that wait for processes rely on."""

import subprocess
import sys

import psutil
import pytest
from processes import is_alive, wait_for, wait_for_end

# A process whose child ended and that does not wait for it, as a process 1 that reaps nothing.
NEGLIGENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen(['sleep', '0.2'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(60)\n"
)


class Run(subprocess.Popen):
    def __init__(self, text, log):
        self.log = log
        with log.open("wb") as handle:
            super().__init__([sys.executable, "-c", text], stdout=handle)


def test_a_process_that_nobody_waits_for_has_ended():
    with subprocess.Popen(
        [sys.executable, "-c", NEGLIGENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            child = psutil.Process(int(parent.stdout.readline()))
            assert is_alive(parent_process := psutil.Process(parent.pid))
            wait_for_end(child)
            # Its number is still there, which is what waiting for it otherwise goes by.
            assert psutil.pid_exists(child.pid) and child.status() == psutil.STATUS_ZOMBIE
        finally:
            parent.kill()
    assert not is_alive(parent_process) and not is_alive(child)


def test_waiting_ends_with_the_run_and_shows_what_it_said(tmp_path):
    run = Run("print('no such file', flush=True); raise SystemExit(3)", tmp_path / "run.log")
    with pytest.raises(pytest.fail.Exception, match=r"ended with 3:\nno such file"):
        wait_for(lambda: False, run, seconds=60)


def test_what_a_run_did_before_it_ended_counts(tmp_path):
    run = Run("print('done')", tmp_path / "run.log")
    answers = iter([None, "found"])

    def reached():
        run.wait(60)
        return next(answers)

    assert wait_for(reached, run) == "found"


def test_patience_is_not_without_end(tmp_path):
    run = Run("import time; print('at it', flush=True); time.sleep(60)", tmp_path / "run.log")
    try:
        wait_for(lambda: run.log.read_text(), run)
        with pytest.raises(pytest.fail.Exception, match=r"not reached within 0.1 s:\nat it"):
            wait_for(lambda: False, run, seconds=0.1)
    finally:
        run.kill()
        run.wait()
