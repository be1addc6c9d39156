"""Tests of categories against groups: chi-squared and Fisher's exact test, with effect sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq

Counts = NDArray[np.int64]

# Random tables behind Fisher's test of more than two groups or levels.
RANDOM_TABLES = 9999


@dataclass(frozen=True)
class CategoryTest:
    """A test of a table of counts and its effect size with 95 % limits; NaN where not defined.

    ``low_cells`` counts cells with fewer than five expected, for which chi-squared is rough.
    """

    test: str
    statistic: float
    p: float
    effect: float
    effect_name: str
    low: float
    high: float
    low_cells: int


def cross_table(values: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """Counts of each group (rows) by level (columns), both in alphabetical order.

    Rows without a value or a group do not count; a group whose rows all lack a value stays, with
    counts of 0, so that a test of the other groups does not pass for one of all.
    """
    known = values.notna() & groups.notna()
    counts = pd.crosstab(groups[known], values[known])
    everybody = pd.Index(sorted(groups.dropna().unique()), name=counts.index.name)
    return counts.reindex(everybody, fill_value=0)


def category_test(
    counts: ArrayLike, test: str, levels: Sequence[str] = (), seed: int = 0
) -> CategoryTest:
    """Test whether the share of each level is the same in all groups.

    Parameters
    ----------
    counts
        Shape (groups, levels).
    test
        ``chi2``: Pearson's chi-squared without Yates' correction, with Cramer's V. ``fisher``:
        Fisher's exact test of a 2 x 2 table, with the conditional maximum-likelihood odds ratio of
        the second level in the first group against the second and its exact limits; of larger
        tables by random tables with the same margins, with Cramer's V.
    levels
        Names of the levels, for the name of the effect.
    seed
        Of the random tables.

    Raises
    ------
    ValueError
        With fewer than two groups or two levels that anybody has.
    """
    table = np.asarray(counts, dtype=np.int64)
    if table.ndim != 2 or table.shape[0] < 2 or (table.sum(axis=1) == 0).any():
        raise ValueError("a group has no values")
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        raise ValueError("all have the same level")
    low_cells = int((stats.contingency.expected_freq(table) < 5).sum())
    if test == "chi2":
        found = stats.chi2_contingency(table, correction=False)
        effect = cramers_v(table)
        return CategoryTest(
            "chi-squared",
            float(found.statistic),
            float(found.pvalue),
            effect[0],
            "Cramer's V",
            *effect[1:],
            low_cells,
        )
    if test != "fisher":
        raise ValueError(f"'{test}' is no test of categories")
    nan = float("nan")
    if table.shape == (2, 2):
        # The odds of the second level: columns turned, scipy's ratio is of the first.
        effect = odds_ratio(table[:, ::-1])
        name = f"odds ratio of {levels[1]}" if len(levels) == 2 else "odds ratio"
        p = float(stats.fisher_exact(table).pvalue)
        return CategoryTest("Fisher exact", nan, p, effect[0], name, *effect[1:], low_cells)
    method = stats.MonteCarloMethod(n_resamples=RANDOM_TABLES, rng=np.random.default_rng(seed))
    p = float(stats.fisher_exact(table, method=method).pvalue)
    effect = cramers_v(table)
    name = f"Fisher-Freeman-Halton, {RANDOM_TABLES} random tables"
    return CategoryTest(name, nan, p, effect[0], "Cramer's V", *effect[1:], low_cells)


def odds_ratio(table: ArrayLike) -> tuple[float, float, float]:
    """Conditional maximum-likelihood odds ratio of a 2 x 2 table with exact 95 % limits.

    Cornfield, 3rd Berkeley Symposium 1956;4:135, as R's ``fisher.test`` gives it. Infinite or 0
    where a cell is empty.
    """
    found = stats.contingency.odds_ratio(np.asarray(table, dtype=np.int64), kind="conditional")
    limits = found.confidence_interval(0.95)
    return float(found.statistic), float(limits.low), float(limits.high)


def cramers_v(table: ArrayLike) -> tuple[float, float, float]:
    """Cramer's V with limits from the noncentral chi-squared distribution.

    Smithson, Confidence Intervals (Sage 2003), chapter 5: a limit of the noncentrality c gives
    ``sqrt((c + df) / (n (m - 1)))``, m the smaller number of rows or columns, not above 1; the
    lower one is 0 where no noncentrality fits.
    """
    table = np.asarray(table, dtype=float)
    n, smaller = table.sum(), min(table.shape) - 1
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    chi2 = float(stats.chi2_contingency(table, correction=False).statistic)

    def limit(probability: float) -> float | None:
        if stats.chi2.cdf(chi2, df) <= probability:
            return None
        top = 10.0 + 4 * chi2
        while stats.ncx2.cdf(chi2, df, top) > probability:
            top *= 2
        c = brentq(lambda c: stats.ncx2.cdf(chi2, df, c) - probability, 1e-12, top)
        return min(1.0, float(np.sqrt((c + df) / (n * smaller))))

    low, high = limit(0.975), limit(0.025)
    value = float(np.sqrt(chi2 / (n * smaller)))
    # Shares more alike than chance makes them leave no noncentrality for either limit.
    upper = high if high is not None else min(1.0, float(np.sqrt(df / (n * smaller))))
    return value, 0.0 if low is None else low, upper
