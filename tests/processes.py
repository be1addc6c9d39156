"""Processes that tests start, and waiting for what they do.

Waiting is patient: on a busy machine what takes a second here takes a minute. What fails at once
is a run that ended before it did what is waited for.
"""

import time

import psutil
import pytest

from osteoflow.running.owner import MARKER

PATIENCE_S = 90
TAIL = 3000


def is_alive(process):
    """Whether a process still works: one that ended and that nobody has waited for does not.

    Orphans stay in that state for good where process 1 does not wait for them, as in containers.
    """
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(study):
    """Living processes that a run of this study started, with their command lines in ``info``.

    Processes that end while they are looked at are left out.
    """
    seen = psutil.process_iter(["environ", "cmdline"])
    marked = [p for p in seen if (p.info["environ"] or {}).get(MARKER) == str(study)]
    return [process for process in marked if is_alive(process)]


def wait_for(reached, run=None, seconds=PATIENCE_S):
    """Ask until something other than nothing is answered, and return that.

    Parameters
    ----------
    reached
        Is asked, again and again.
    run
        Process (``Popen``, its output in the file ``log``) that has to live until then.
    seconds
        For how long.
    """
    until = time.monotonic() + seconds
    while not (found := reached()):
        if run is not None and run.poll() is not None:
            # It may have got there between the two questions.
            if found := reached():
                break
            pytest.fail(f"the run ended with {run.returncode}:\n{_tail(run)}")
        if time.monotonic() > until:
            pytest.fail(f"not reached within {seconds} s:\n{_tail(run)}")
        time.sleep(0.05)
    return found


def wait_for_end(process, seconds=PATIENCE_S):
    """Wait until a process, a child of this one or of another, does not work any more."""
    wait_for(lambda: not is_alive(process), seconds=seconds)


def _tail(run):
    """The end of a run's output."""
    if run is None:
        return ""
    return run.log.read_text(encoding="utf-8", errors="replace")[-TAIL:]
