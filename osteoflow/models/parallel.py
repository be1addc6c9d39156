"""Tasks on one core or several, with results that do not depend on how many there are."""

from __future__ import annotations

import pickle
import tempfile
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from osteoflow.models.folds import AnalysisError

Result = TypeVar("Result")


def in_order(
    function: Callable[..., Result], tasks: list[tuple[Any, ...]], workers: int = 1
) -> list[Result]:
    """Results of a function for each task, in the order of the tasks.

    Each task runs on one thread, so that sums are formed alike however many cores there are, and
    of several tasks that fail the first one's reason is raised. Arguments that are one object in
    all tasks (the data, the settings) are written to a file that every process reads once, not sent
    with every task; functions must not change them.

    Raises
    ------
    AnalysisError, ArithmeticError
        What the first failing task raised.
    """
    if workers <= 1 or len(tasks) < 2:
        with threadpool_limits(1):
            return [function(*task) for task in tasks]
    from joblib import Parallel, delayed

    first = tasks[0]
    own = [
        place for place, one in enumerate(first) if any(task[place] is not one for task in tasks)
    ]
    with tempfile.TemporaryDirectory(prefix="osteoflow-") as folder:
        path = Path(folder) / f"{uuid.uuid4().hex}.pickle"
        shared = {place: one for place, one in enumerate(first) if place not in own}
        path.write_bytes(pickle.dumps(shared, protocol=pickle.HIGHEST_PROTOCOL))
        done = Parallel(n_jobs=min(workers, len(tasks)), backend="loky")(
            delayed(_attempt_shared)(function, str(path), {place: task[place] for place in own})
            for task in tasks
        )
    for result in done:
        if isinstance(result, Exception):
            raise result
    return done


@lru_cache(maxsize=1)  # a process that lives on holds one run's data at most
def _shared(path: str) -> dict[int, Any]:
    """Arguments that all tasks have in common, by their place."""
    return pickle.loads(Path(path).read_bytes())  # noqa: S301 - written by the parent process


def _attempt_shared(
    function: Callable[..., Result], path: str, own: dict[int, Any]
) -> Result | Exception:
    given = {**_shared(path), **own}
    return _attempt(function, tuple(given[place] for place in sorted(given)))


def _attempt(function: Callable[..., Result], task: tuple[Any, ...]) -> Result | Exception:
    with threadpool_limits(1):
        try:
            return function(*task)
        except (AnalysisError, ArithmeticError) as error:
            return error
