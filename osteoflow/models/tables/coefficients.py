"""Coefficients of the regressions."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from osteoflow.models.clinical_design import RAD_SCORE
from osteoflow.models.columns_model import ColumnsModel


def coefficients(models: Mapping[str, ColumnsModel]) -> pd.DataFrame:
    """Coefficients with their limits, as the kind of outcome tells them; no rows without a model.

    Columns begin with ``model``, ``term``, ``coefficient``; the last one, ``method``, is how the
    model was fitted. A Rad-score has no p value: it was learned from the same rows, so that a test
    which takes it for a measured column is far too liberal (:mod:`osteoflow.models.score_test`).
    """
    rows = [
        {"model": name, **row} | ({"p": float("nan")} if row["term"] == RAD_SCORE else {})
        for name, model in models.items()
        for row in model.regression_.rows(model.terms_)
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["model", "term", "coefficient"])
