"""Group comparisons by the test that the study declared, with effect sizes.

No test is ever chosen by a test of normality: that would change the error rate of what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq
from scipy.special import gammaln

from osteoflow.statistics.intervals import benjamini_hochberg, percentile_interval
from osteoflow.statistics.roc import auc_interval
from osteoflow.statistics.rules import group_labels, holds_numbers, unknown_column
from osteoflow.wording import mean_sd, median_quartiles

if TYPE_CHECKING:
    from osteoflow.settings.statistics import GroupComparison

Array = NDArray[np.float64]

TWO_GROUP_TESTS = ("welch", "mann_whitney")
_BOOTSTRAPS = 2000
_MIN_GROUP = 2


@dataclass(frozen=True)
class GroupTest:
    """A test and its effect size with 95 % limits; values are NaN where not defined."""

    test: str
    statistic: float
    p: float
    effect: float
    effect_name: str
    low: float
    high: float


def compare_groups(groups: Sequence[ArrayLike], test: str, seed: int = 0) -> GroupTest:
    """Compare groups by a declared test.

    Parameters
    ----------
    groups
        Values of each group, missing ones removed; the effect of two groups is first minus second.
    test
        ``welch`` (Hedges g), ``mann_whitney`` (rank-biserial correlation), ``anova`` (eta
        squared) or ``kruskal`` (epsilon squared).
    seed
        Of the bootstrap behind the limits of epsilon squared.

    Raises
    ------
    ValueError
        With other than two groups for a two-group test, fewer than two groups, or fewer than two
        values in a group.
    """
    samples = [np.asarray(group, dtype=float) for group in groups]
    if any(not np.isfinite(sample).all() for sample in samples):
        raise ValueError("groups have missing or infinite values")
    if len(samples) < 2 or (test in TWO_GROUP_TESTS and len(samples) != 2):
        raise ValueError(f"test '{test}' does not compare {len(samples)} groups")
    if min(len(sample) for sample in samples) < _MIN_GROUP:
        raise ValueError(f"a group has fewer than {_MIN_GROUP} values")
    if np.ptp(np.concatenate(samples)) == 0:
        nan = float("nan")
        return GroupTest(_NAMES[test], nan, nan, nan, _EFFECTS[test], nan, nan)
    result, effect = _TESTS[test](samples, seed)
    statistic, p = float(result.statistic), float(result.pvalue)
    return GroupTest(_NAMES[test], statistic, p, effect[0], _EFFECTS[test], *effect[1:])


def hedges_g(first: Array, second: Array) -> tuple[float, float, float]:
    """Standardised mean difference with limits from the noncentral t distribution.

    Hedges, J Educ Stat 1981;6:107; Cumming and Finch, Educ Psychol Meas 2001;61:532. NaN where
    neither group varies.
    """
    n, m = len(first), len(second)
    df = n + m - 2
    pooled = np.sqrt(((n - 1) * first.var(ddof=1) + (m - 1) * second.var(ddof=1)) / df)
    if pooled == 0:
        return float("nan"), float("nan"), float("nan")
    correction = float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2))
    scale = np.sqrt(n * m / (n + m))
    t = float((first.mean() - second.mean()) / pooled * scale)

    def limit(size: float, probability: float) -> float:
        # The t statistic's distribution falls with its noncentrality.
        reach = 10.0 + 2 * size
        ends = size - reach, size + reach
        return float(brentq(lambda c: stats.nct.cdf(size, df, c) - probability, *ends))

    # Of a negative statistic scipy does not know the distribution far on the other side: NaN.
    low, high = (limit(abs(t), probability) for probability in (0.975, 0.025))
    if t < 0:
        low, high = -high, -low
    return tuple(correction * value / scale for value in (t, low, high))  # type: ignore[return-value]


def rank_biserial(first: Array, second: Array) -> tuple[float, float, float]:
    """P(first > second) - P(first < second), with DeLong limits of the area it stands for.

    Kerby, Compr Psychol 2014;3:11.
    """
    outcome = np.concatenate([np.ones(len(first)), np.zeros(len(second))])
    area = auc_interval(outcome, np.concatenate([first, second]))
    return 2 * area.auc - 1, 2 * area.low - 1, 2 * area.high - 1


def eta_squared(samples: Sequence[Array]) -> tuple[float, float, float]:
    """Share of variance between groups, with limits from the noncentral F distribution.

    Steiger, Psychol Methods 2004;9:164. A limit is 0 where no noncentrality fits.
    """
    everything = np.concatenate(samples)
    n, k = len(everything), len(samples)
    within = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in samples)
    total = float(((everything - everything.mean()) ** 2).sum())
    if within == 0:
        return 1.0, float("nan"), float("nan")
    f = ((total - within) / (k - 1)) / (within / (n - k))

    def limit(probability: float) -> float:
        def excess(noncentrality: float) -> float:
            return float(stats.ncf.cdf(f, k - 1, n - k, noncentrality)) - probability

        if stats.f.cdf(f, k - 1, n - k) <= probability:
            return 0.0
        top = 10.0 + 4 * f * (k - 1)
        while excess(top) > 0:
            top *= 2
        noncentrality = brentq(excess, 1e-12, top)
        return float(noncentrality / (noncentrality + n))

    return 1 - within / total, limit(0.975), limit(0.025)


def epsilon_squared(
    samples: Sequence[Array], seed: int, n_resamples: int = _BOOTSTRAPS
) -> tuple[float, float, float]:
    """H (n + 1) / (n^2 - 1) of Kruskal and Wallis, with a bootstrap within groups.

    Tomczak and Tomczak, Trends Sport Sci 2014;1:19.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([len(sample) for sample in samples])
    draws = np.concatenate(
        [sample[rng.integers(len(sample), size=(n_resamples, len(sample)))] for sample in samples],
        axis=1,
    )
    observed = np.concatenate(samples)[None, :]
    low, high, _ = percentile_interval(_kruskal_h(draws, sizes) / (sizes.sum() - 1))
    return float(_kruskal_h(observed, sizes)[0] / (sizes.sum() - 1)), low, high


def _kruskal_h(values: Array, sizes: NDArray[np.intp]) -> Array:
    """Tie-corrected H of each row, whose columns are the groups side by side."""
    n = values.shape[1]
    ranks = stats.rankdata(values, axis=1)
    edges = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(ranks, edges, axis=1)
    between = (sizes * (sums / sizes - (n + 1) / 2) ** 2).sum(axis=1)
    spread = ((ranks - (n + 1) / 2) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (n - 1) * between / spread


_NAMES = {
    "welch": "Welch t",
    "mann_whitney": "Mann-Whitney U",
    "anova": "one-way ANOVA F",
    "kruskal": "Kruskal-Wallis H",
}
_EFFECTS = {
    "welch": "Hedges g",
    "mann_whitney": "rank-biserial r",
    "anova": "eta squared",
    "kruskal": "epsilon squared",
}
_TESTS: dict[str, Any] = {
    "welch": lambda s, _: (stats.ttest_ind(s[0], s[1], equal_var=False), hedges_g(s[0], s[1])),
    "mann_whitney": lambda s, _: (
        stats.mannwhitneyu(s[0], s[1], alternative="two-sided"),
        rank_biserial(s[0], s[1]),
    ),
    "anova": lambda s, _: (stats.f_oneway(*s), eta_squared(s)),
    "kruskal": lambda s, seed: (stats.kruskal(*s), epsilon_squared(s, seed)),
}


def comparisons_table(
    table: pd.DataFrame, comparisons: Sequence[GroupComparison], seed: int
) -> pd.DataFrame:
    """All declared comparisons; p values adjusted over the variables of one comparison.

    Parameters
    ----------
    table
        One row per participant.
    comparisons
        Names, groups (a column or rule), variables and tests.
    seed
        Of bootstrap limits.

    Returns
    -------
    pandas.DataFrame
        name, group, variable, then ``group_1``, ``n_1``, ``summary_1`` ... (groups in
        alphabetical order, for a rule "no" before "yes"; effects are first minus second), test,
        statistic, p, p_fdr, effect, effect_name, effect_low, effect_high, n, note. A comparison
        that cannot be made has its reason in ``note``.

    Raises
    ------
    ValueError
        For unknown columns or variables that are not numbers.
    """
    tables = []
    for item in comparisons:
        labels = group_labels(item.group, table)
        names = sorted(labels.dropna().unique())
        rows = []
        for variable in item.variables:
            values = numeric_column(table, variable)
            samples = [values[(labels == name) & values.notna()].to_numpy() for name in names]
            row: dict[str, Any] = {"name": item.name, "group": item.group, "variable": variable}
            for number, (name, sample) in enumerate(zip(names, samples, strict=True), start=1):
                row[f"group_{number}"] = name
                row[f"n_{number}"] = len(sample)
                row[f"summary_{number}"] = summarise(sample, item.test in ("welch", "anova"))
            try:
                found = compare_groups(samples, item.test, seed)
                note = "" if np.isfinite(found.p) else "the variable does not vary"
            except ValueError as error:
                nan = float("nan")
                found = GroupTest(_NAMES[item.test], nan, nan, nan, _EFFECTS[item.test], nan, nan)
                note = str(error)
            row |= {
                "test": found.test,
                "statistic": found.statistic,
                "p": found.p,
                "effect": found.effect,
                "effect_name": found.effect_name,
                "effect_low": found.low,
                "effect_high": found.high,
                "n": sum(len(sample) for sample in samples),
                "note": note,
            }
            rows.append(row)
        part = pd.DataFrame(rows)
        part.insert(part.columns.get_loc("p") + 1, "p_fdr", benjamini_hochberg(part["p"]))
        tables.append(part)
    if not tables:
        return pd.DataFrame(columns=["name", "group", "variable", "test", "p", "p_fdr"])
    found_table = pd.concat(tables, ignore_index=True)
    per_group = [name for name in found_table if name.rpartition("_")[2].isdigit()]
    others = [name for name in found_table if name not in per_group]
    per_group.sort(key=lambda name: int(name.rpartition("_")[2]))
    return found_table[[*others[:3], *per_group, *others[3:]]]


def numeric_column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers.

    Raises
    ------
    ValueError
        If it is unknown or holds text.
    """
    if name not in table.columns:
        raise ValueError(unknown_column(name, table.columns))
    if not holds_numbers(table[name]):
        raise ValueError(f"column '{name}' holds text, not numbers")
    return table[name].astype(float)


def summarise(values: ArrayLike, by_mean: bool) -> str:
    """``mean (SD)`` or ``median [quartiles]``; "n/a" without values."""
    values = np.asarray(values, dtype=float)
    if not len(values):
        return "n/a"
    if by_mean:
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        return mean_sd(values.mean(), spread)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return median_quartiles(low, middle, high)
