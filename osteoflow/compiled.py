"""Functions over plain arrays that are compiled to machine code (numba)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

# numba loads parts of SciPy when a compiled function is first called.
from osteoflow import scipy_parts  # noqa: F401


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called, and keep the machine code beside its source.

    Only what a call of a compiled function may do is allowed in it: numbers, tuples, NumPy arrays
    and other compiled functions of the same file (a change in another file would go unnoticed
    where the kept code is newer than its own source). Division by zero gives inf or NaN as in
    NumPy; sums keep their order, so that results do not depend on the number of cores.

    Where neither the folder of the source nor the user's cache can be written, every process
    compiles anew.
    """
    options = {"error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba finds no folder to keep it in
        return numba.njit(**options)(function)
