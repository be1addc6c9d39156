"""Coefficients of the logistic models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import norm

from osteoflow.models.fitting import Logistic
from osteoflow.statistics.intervals import Z95

COLUMNS = (
    "model", "term", "coefficient", "standard_error", "odds_ratio", "odds_ratio_low",
    "odds_ratio_high", "p", "method",
)  # fmt: skip


def coefficients(models: Mapping[str, Logistic]) -> pd.DataFrame:
    """Coefficients with Wald intervals and odds ratios; no rows without a logistic model."""
    rows = []
    for name, model in models.items():
        fit = model.logistic_
        values = np.concatenate([[fit.intercept], fit.coefficients])
        for term, value, error in zip(
            ["intercept", *model.terms_], values, fit.standard_errors, strict=True
        ):
            rows.append(
                {
                    "model": name,
                    "term": term,
                    "coefficient": value,
                    "standard_error": error,
                    "odds_ratio": np.exp(value),
                    "odds_ratio_low": np.exp(value - Z95 * error),
                    "odds_ratio_high": np.exp(value + Z95 * error),
                    "p": 2 * norm.sf(abs(value / error)),
                    "method": "Firth, FLIC" if fit.method == "firth" else "maximum likelihood",
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))
