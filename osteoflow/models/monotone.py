"""Whether a Cox model's partial likelihood rises for ever.

If some combination of the columns ranks every event at or above all that are at risk with it, the
likelihood has no maximum ("monotone likelihood"; Heinze and Schemper, Biometrics 2001;57:114). A
linear programme decides that exactly, as one decides on separation in logistic regression.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

Array = NDArray[np.float64]


def is_monotone(columns: Array, time: Array, event: Array) -> bool:
    """Whether some direction of the columns ranks each event at or above all at risk with it.

    The greatest value among those at risk is a variable of the programme at each event time; it
    can only fall from one time to the next, so that the programme grows with the rows alone.

    Parameters
    ----------
    columns
        Standardised, shape (n, p).
    time, event
        Shape (n,).

    Raises
    ------
    ArithmeticError
        If the programme cannot be solved.
    """
    n, p = columns.shape
    if p == 0:
        return False
    times = np.unique(time[event == 1])
    # Row i is at risk at the event times before (or at) its own: position of the last of these.
    last = np.searchsorted(times, time, side="right") - 1
    gain = np.zeros(p)
    for moment in times:
        dead = (time == moment) & (event == 1)
        gain += columns[dead].sum(axis=0) - dead.sum() * columns[time >= moment].mean(axis=0)
    rows, places, values, k = [], [], [], 0

    def constrain(direction: Array, terms: list[tuple[int, float]]) -> None:
        """direction @ gamma + sum(value * top[place]) <= 0."""
        nonlocal k
        rows.extend([k] * (p + len(terms)))
        places.extend([*range(p), *(p + place for place, _ in terms)])
        values.extend([*direction, *(value for _, value in terms)])
        k += 1

    for row in np.flatnonzero(last >= 0):
        constrain(columns[row], [(int(last[row]), -1.0)])  # no greater than the top at its last
        if event[row] == 1:
            constrain(-columns[row], [(int(last[row]), 1.0)])  # an event is at the top
    for place in range(len(times) - 1):
        constrain(np.zeros(p), [(place + 1, 1.0), (place, -1.0)])
    result = linprog(
        np.concatenate([-gain, np.zeros(len(times))]),
        A_ub=csr_matrix((values, (rows, places)), shape=(k, p + len(times))),
        b_ub=np.zeros(k),
        bounds=[(-1, 1)] * p + [(None, None)] * len(times),
        method="highs",
    )
    if result.status != 0:
        raise ArithmeticError(f"monotone likelihood could not be decided: {result.message}")
    return bool(-result.fun > 1e-7 * n)
