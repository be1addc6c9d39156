"""What jobs loaded for themselves, so that it is loaded once before the next ones."""

from __future__ import annotations

import marshal
import os
import pickle
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from osteoflow.lazily import execute, executed

# Loading something ahead costs as much as one job that loads it: it pays from the next job on.
JOBS_THAT_LOADED_IT = 2
LARGEST_REPORT = 60_000
PACKAGE = "osteoflow."
# (module, name of a compiled function there) -> the function
Kernels = dict[tuple[str, str], Any]


class Loaded:
    """What is there before a fork; in the child, what the job loaded besides.

    Made in the server: to look at every module costs a child 20 ms, since memory that is only
    looked at is copied, too (Python counts who refers to an object in the object).
    """

    def __init__(self) -> None:
        self.modules = set(executed())
        self.kernels = _kernels(self.modules)
        self.signatures = _signatures(self.kernels)

    def report(self) -> bytes:
        """Modules in the order in which they were loaded, and signatures of compiled functions."""
        added = [name for name in executed() if name not in self.modules]
        modules = [name for name in added if _is_importable(name)]
        signatures = _signatures({**self.kernels, **_kernels(added)})
        kernels = [
            pickle.dumps((*key, signature))
            for key, found in signatures.items()
            for signature in found
            if signature not in self.signatures.get(key, ())
        ]
        return marshal.dumps((modules, kernels))


class Learned:
    """Counts what jobs report and loads what enough of them loaded."""

    def __init__(self) -> None:
        self.counts: Counter[str | bytes] = Counter()
        self.tried: set[str | bytes] = set()

    def learn(self, report: bytes) -> bool:
        """Take a job's report; whether anything was loaded for it."""
        try:
            modules, kernels = marshal.loads(report)
        except (EOFError, ValueError):  # it ended before its report was whole
            return False
        self.counts.update([*modules, *kernels])
        found = False
        for item in (*modules, *kernels):
            if self.counts[item] >= JOBS_THAT_LOADED_IT and item not in self.tried:
                self.tried.add(item)
                found = True
                # What cannot be loaded here is loaded by each job, as before.
                with suppress(Exception):
                    _load(item)
        return found


def _load(item: str | bytes) -> None:
    if isinstance(item, str):
        execute(item)
        return
    module, name, signature = pickle.loads(item)
    # From numba's cache; whoever runs the function finds it by its exact signature.
    getattr(sys.modules[module], name).compile(signature)


def _is_importable(name: str) -> bool:
    """Whether a module was found by its name, and not put there by another one."""
    spec = getattr(sys.modules[name], "__spec__", None)
    return spec is not None and spec.name == name


def _kernels(names: Iterable[str]) -> Kernels:
    """Compiled functions of the project's own modules among these."""
    numba = sys.modules.get("numba.core.dispatcher")
    if numba is None:
        return {}
    return {
        (module, name): value
        for module in names
        if module.startswith(PACKAGE)
        for name, value in vars(sys.modules[module]).items()
        if isinstance(value, numba.Dispatcher) and value.__module__ == module
    }


def _signatures(kernels: Kernels) -> dict[tuple[str, str], list[Any]]:
    return {key: kernel.signatures for key, kernel in kernels.items()}


def send(report: bytes, descriptor: int) -> None:
    """Write a report into a pipe that nobody reads before this process has ended; what does not
    fit is not waited for."""
    with suppress(BlockingIOError):
        os.write(descriptor, report[:LARGEST_REPORT])
