"""Combined models with known Rad-scores, for tests of what is made of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.kinds.binary import BinaryKind


def combined_model(table: pd.DataFrame, outcome: np.ndarray, scores: np.ndarray) -> ColumnsModel:
    """The combined model of a table's columns and given Rad-scores."""
    known = pd.Series(scores, index=table.index)
    signature = SimpleNamespace(
        cross_fitted_=known, rad_score=lambda rows: known.loc[rows.index].to_numpy()
    )
    model = ColumnsModel(BinaryKind(), list(table.columns), "combined", signature)
    return model.fit(table, outcome)


def training_rows(
    n: int = 160, seed: int = 7, separated: bool = False
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Clinical columns of very different size, the outcome, and Rad-scores."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.integers(50, 90, n).astype(float),
            "bmi": rng.normal(26, 4, n),
            "dose": rng.normal(2.5e6, 3e5, n),
            "density": rng.normal(4e-7, 8e-8, n),
            "site": rng.choice(["A", "B", "Centre C"], n),
        }
    )
    scores = rng.normal(0, 1.2, n)
    log_odds = 0.06 * (table["age"] - 70) + 0.9 * scores + 0.8 * (table["site"] == "B")
    log_odds += (table["density"] - 4e-7) / 1e-7 * 0.4
    if separated:
        return table, (log_odds > 0.3).to_numpy(dtype=float), scores
    return table, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float), scores
