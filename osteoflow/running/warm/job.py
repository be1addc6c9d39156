"""A forked child that runs a script as a fresh Python would, and ends as one."""

from __future__ import annotations

import atexit
import builtins
import ctypes
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import TracebackType

PR_SET_PDEATHSIG = 1
# Exit code of a Python whose last words found no place.
UNSAID = 120


@dataclass(frozen=True)
class Job:
    """What a process that asks for a job tells.

    ``descriptors`` are its standard input, output, error and its folder, received with the rest.
    """

    executable: str
    script: str
    environment: dict[bytes, bytes]
    umask: int
    group: int
    descriptors: tuple[int, ...]


def die_with(parent: int) -> None:
    """End this process when its parent ends, however it ends.

    ``parent`` is the process number that the parent had before the fork: it may have ended since.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def take_place(job: Job) -> None:
    """Take over descriptors, folder, environment and all else that the asking process had."""
    for number, received in enumerate(job.descriptors[:3]):
        os.dup2(received, number)
    os.fchdir(job.descriptors[3])
    for received in job.descriptors:
        os.close(received)
    os.umask(job.umask)
    for name in set(os.environb) - set(job.environment):
        del os.environb[name]
    for name, value in job.environment.items():
        if os.environb.get(name) != value:
            os.environb[name] = value
    # The same objects as before, so that what holds them writes to the job's descriptors.
    if sys.stdout.line_buffering != sys.stdout.isatty():
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    sys.argv[:] = [job.script]
    sys.path.insert(0, str(Path(job.script).resolve().parent))
    # Whatever was drawn or looked up before the fork would be the same in every child.
    tempfile.tempdir = None
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def run(script: str, at_end: Callable[[], None] = lambda: None) -> None:
    """Run a script as ``__main__`` and end the process; this does not return.

    Parameters
    ----------
    script
        Path of a Python file.
    at_end
        Called after a script that did not fail, before the process ends.
    """
    path = str(Path.cwd() / script)
    module = types.ModuleType("__main__")
    about = {"__file__": path, "__builtins__": builtins, "__annotations__": {}}
    about |= {"__cached__": None, "__loader__": SourceFileLoader("__main__", path)}
    module.__dict__.update(about)
    sys.modules["__main__"] = module
    code = _execute(path, module)
    with suppress(Exception):
        threading._shutdown()
    atexit._run_exitfuncs()
    if code == 0:
        at_end()
    # Files that the script left open are written when nothing refers to them any more.
    module.__dict__.clear()
    gc.collect()
    unsaid = _flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(UNSAID if unsaid and code == 0 else code)


def _execute(path: str, module: types.ModuleType) -> int:
    """Exit code of a script; minus the signal's number after Ctrl-C."""
    try:
        exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), module.__dict__)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return (stop.code or 0) & 0xFF
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException as error:
        error.__traceback__ = _own_part(error.__traceback__)
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _own_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without this module, which a fresh Python would not show."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _flush() -> bool:
    """Write what was said; whether some of it found no place."""
    unsaid = False
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError as error:
            unsaid = True
            with suppress(OSError):
                print(f"Exception ignored in: {stream!r}\n{error!r}", file=sys.stderr)
    return unsaid
