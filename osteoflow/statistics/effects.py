"""Sizes of differences between groups, each with 95 % limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from scipy.special import gammaln

from osteoflow.statistics.intervals import percentile_interval
from osteoflow.statistics.roc import auc_interval

Array = NDArray[np.float64]
_BOOTSTRAPS = 2000


def hedges_g(first: Array, second: Array) -> tuple[float, float, float]:
    """Standardised mean difference with limits from the noncentral t distribution.

    Hedges, J Educ Stat 1981;6:107; Cumming and Finch, Educ Psychol Meas 2001;61:532. NaN where
    neither group varies; limits also where scipy cannot compute the distribution.
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
        # The t statistic's distribution falls with its noncentrality. Searched from the statistic
        # outwards: far from it, and for a huge one everywhere, scipy does not know the
        # distribution, and a bracket taken too wide would end in NaN.
        away = 1.0 if probability < 0.5 else -1.0
        step = away * float(np.sqrt(1 + size**2 / (2 * df)))
        near = size
        for _ in range(60):
            far = near + step
            if not (stats.nct.cdf(size, df, far) - probability) * away > 0:
                break
            near = far
        ends = sorted((near, far))
        excess = [float(stats.nct.cdf(size, df, end)) - probability for end in ends]
        if not (excess[0] >= 0 >= excess[1]):
            return float("nan")
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


def omega_squared(
    samples: Sequence[Array], seed: int, n_resamples: int = _BOOTSTRAPS
) -> tuple[float, float, float]:
    """Share of variance between groups of unequal variances, with a bootstrap within groups.

    ``(k - 1) (F - 1) / ((k - 1) (F - 1) + n)`` with Welch's F of k groups (Carroll and Nordholm,
    Educ Psychol Meas 1975;35:541), not below 0.
    """
    rng = np.random.default_rng(seed)
    k, n = len(samples), sum(len(sample) for sample in samples)
    drawn = [
        sample[rng.integers(len(sample), size=(n_resamples, len(sample)))] for sample in samples
    ]

    def share(groups: Sequence[Array]) -> Array:
        between = (k - 1) * (_welch_f(groups)[0] - 1)
        return np.maximum(between / (between + n), 0.0)

    low, high, _ = percentile_interval(share(drawn))
    return float(share([sample[None, :] for sample in samples])[0]), low, high


def welch_anova(samples: Sequence[Array]) -> tuple[float, float, float]:
    """Welch's F of means of groups with unequal variances, its second df and its p value.

    Welch, Biometrika 1951;38:330. NaN where a group does not vary.
    """
    f, df = (float(value[0]) for value in _welch_f([sample[None, :] for sample in samples]))
    return f, df, float(stats.f.sf(f, len(samples) - 1, df))


def _welch_f(groups: Sequence[Array]) -> tuple[Array, Array]:
    """Welch's F and its second df of each row."""
    k = len(groups)
    sizes = np.array([group.shape[1] for group in groups], dtype=float)[:, None]
    means = np.array([group.mean(axis=1) for group in groups])
    variances = np.array([group.var(axis=1, ddof=1) for group in groups])
    # The variance of equal numbers is rounding, not zero.
    size = np.array([np.abs(group).max(axis=1) for group in groups])
    variances = np.where(variances > (1e-12 * size) ** 2, variances, np.nan)
    weights = sizes / variances
    total = weights.sum(axis=0)
    centre = (weights * means).sum(axis=0) / total
    between = (weights * (means - centre) ** 2).sum(axis=0) / (k - 1)
    spread = ((1 - weights / total) ** 2 / (sizes - 1)).sum(axis=0) / (k**2 - 1)
    return between / (1 + 2 * (k - 2) * spread), 1 / (3 * spread)
