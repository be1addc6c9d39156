"""Processes that the runs of a study start, and waiting for what they do."""

import time

import psutil

from osteoflow.running.owner import MARKER


def is_alive(process):
    """Whether a process still works: one that ended and that nobody has waited for does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(study):
    """Living processes that a run of this study started, with their command lines in ``info``.

    Processes that end while they are looked at are left out.
    """
    seen = psutil.process_iter(["environ", "cmdline"])
    marked = [p for p in seen if (p.info["environ"] or {}).get(MARKER) == str(study)]
    return [process for process in marked if is_alive(process)]


def wait_for(reached, seconds=90):
    """Ask until something other than nothing is answered, and return that."""
    until = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found
