"""Repeated nested cross-validation of all models of an analysis, on one core or several."""

from __future__ import annotations

import pickle
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import FittedModels, fit_models
from osteoflow.models.folds import AnalysisError, stratified_folds
from osteoflow.models.performance import CrossValidated

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Result = TypeVar("Result")


@dataclass(frozen=True)
class FoldFit:
    """What remains of the models of one outer training part.

    Attributes
    ----------
    probability
        Model -> probabilities of the test rows.
    threshold
        Model -> cut-off from the training part.
    selected
        Radiomic model -> features it uses.
    marks
        (Model or step, what was not done as declared).
    """

    probability: dict[str, Array]
    threshold: dict[str, float]
    selected: dict[str, list[str]]
    marks: frozenset[tuple[str, str]]


def fit_fold(
    data: Dataset, train: Indices, test: Indices, analysis: Analysis, seed: int
) -> FoldFit:
    """Fit on the training rows, predict the test rows; nothing else of the models is kept."""
    models = fit_models(data, train, analysis, seed)
    table = data.table.iloc[test]
    return FoldFit(
        models.probabilities(table),
        models.thresholds(),
        {name: model.selected_ for name, model in models.radiomic.items()},
        marks_of(models, table),
    )


def marks_of(models: FittedModels, table: pd.DataFrame) -> frozenset[tuple[str, str]]:
    """What models did not do as declared, and what new rows bring that they did not know."""
    marks = {
        (name, "separated")
        for name, model in models.logistic.items()
        if model.logistic_.method == "firth"
    }
    for name, model in models.radiomic.items():
        marks |= {(name, note) for note in model.learner_.notes_}
    if models.radiomic:
        steps = next(iter(models.radiomic.values())).filters_.named_steps
        for name, step in steps.items():
            if getattr(step, "warning_", ""):
                marks.add((name, "warning"))
        if "harmonisation" in steps and steps["harmonisation"].warnings_for(table):
            marks.add(("harmonisation", "unseen"))
    return frozenset(marks)


def cross_validate(
    data: Dataset,
    rows: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    workers: int = 1,
) -> tuple[CrossValidated, list[FoldFit]]:
    """Repeated outer cross-validation on the given rows, split by participant.

    Parameters
    ----------
    data, analysis
        Rows and settings.
    rows
        Positions of the rows to validate on.
    seed
        Fixes folds and fits.
    workers
        Processes that fit folds; the results do not depend on their number.

    Returns
    -------
    tuple
        Out-of-fold predictions, and what remains of each fold's models, in order.

    Raises
    ------
    AnalysisError
        If events or non-events do not suffice for the folds, or a fold cannot be fitted.
    """
    tasks = []
    fold = np.zeros((analysis.repeats, len(rows)), dtype=np.intp)
    places = []
    for repeat, child in enumerate(seed.spawn(analysis.repeats)):
        rng = np.random.default_rng(child)
        splits = stratified_folds(data.outcome[rows], data.groups[rows], analysis.outer_folds, rng)
        for number, (train, test) in enumerate(splits):
            fold[repeat, test] = number
            places.append((repeat, test))
            own = int(rng.integers(2**31 - 1))
            tasks.append((data, rows[train], rows[test], analysis, own))
    fits = in_order(fit_fold, tasks, workers)
    shape = (analysis.repeats, len(rows))
    probability = {name: np.full(shape, np.nan) for name in analysis.models}
    threshold = {name: np.full(shape, np.nan) for name in analysis.models}
    for (repeat, test), fit in zip(places, fits, strict=True):
        for name in analysis.models:
            probability[name][repeat, test] = fit.probability[name]
            threshold[name][repeat, test] = fit.threshold[name]
    return CrossValidated(data.outcome[rows], fold, probability, threshold), fits


def count_marks(fits: Iterable[FoldFit]) -> Counter[tuple[str, str]]:
    """In how many folds each mark stands."""
    return Counter(mark for fit in fits for mark in fit.marks)


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
