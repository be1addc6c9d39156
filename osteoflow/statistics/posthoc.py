"""Which groups differ: all pairs after a comparison of three or more groups.

Each method adjusts its p values for the number of pairs by itself: Tukey-Kramer and Games-Howell by
the studentised range, Dunn by Holm's steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from osteoflow.statistics.effects import hedges_g, rank_biserial
from osteoflow.statistics.intervals import holm

Array = NDArray[np.float64]

METHODS = {
    "tukey": "Tukey-Kramer",
    "games_howell": "Games-Howell",
    "dunn": "Dunn, Holm-adjusted",
}


@dataclass(frozen=True)
class PairTest:
    """Two groups (positions) of several: difference (first minus second), test, effect size.

    ``difference`` is of means with simultaneous 95 % limits, for Dunn of mean ranks without limits;
    ``p`` is adjusted. ``effect`` is Hedges g, for Dunn the rank-biserial correlation of the two
    groups alone, each with its own 95 % limits.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    statistic: float
    df: float
    p: float
    effect: float
    effect_low: float
    effect_high: float


def post_hoc(samples: Sequence[Array], method: str) -> list[PairTest]:
    """Tests of all pairs of groups.

    Parameters
    ----------
    samples
        Values of each group, two or more each, none missing.
    method
        ``tukey`` (Kramer, Biometrics 1956;12:307; equal variances), ``games_howell`` (Games and
        Howell, J Educ Stat 1976;1:113) or ``dunn`` (Dunn, Technometrics 1964;6:241, corrected for
        ties; p adjusted by Holm, Scand J Stat 1979;6:65).

    Raises
    ------
    ValueError
        For another method, fewer than two groups, or a group with fewer than two values.
    """
    samples = [np.asarray(sample, dtype=float) for sample in samples]
    if len(samples) < 2 or min(len(sample) for sample in samples) < 2:
        raise ValueError("pairs need two groups or more, each with two values or more")
    pairs = list(combinations(range(len(samples)), 2))
    if method == "dunn":
        return _dunn(samples, pairs)
    if method not in METHODS:
        raise ValueError(f"'{method}' is no post hoc test")
    k, n = len(samples), sum(len(sample) for sample in samples)
    variances = np.array([sample.var(ddof=1) for sample in samples])
    sizes = np.array([len(sample) for sample in samples], dtype=float)
    pooled = float(((sizes - 1) * variances).sum() / (n - k))
    found = []
    for i, j in pairs:
        if method == "tukey":
            shares, df = np.array([pooled / sizes[i], pooled / sizes[j]]), float(n - k)
        else:
            shares = np.array([variances[i] / sizes[i], variances[j] / sizes[j]])
            with np.errstate(invalid="ignore", divide="ignore"):
                # Welch and Satterthwaite's degrees of freedom.
                df = float(shares.sum() ** 2 / (shares**2 / (sizes[[i, j]] - 1)).sum())
        found.append(_range_test(samples, (i, j), float(np.sqrt(shares.sum() / 2)), k, df))
    return found


def _range_test(
    samples: Sequence[Array], pair: tuple[int, int], error: float, k: int, df: float
) -> PairTest:
    """One pair by the studentised range of k means; ``error`` is that of one mean."""
    first, second = (samples[index] for index in pair)
    difference = float(first.mean() - second.mean())
    g = hedges_g(first, second)
    if not error > 0:
        nan = float("nan")
        return PairTest(*pair, difference, nan, nan, nan, df, nan, *g)
    q = difference / error
    half = float(stats.studentized_range.ppf(0.95, k, df)) * error
    p = float(stats.studentized_range.sf(abs(q), k, df))
    return PairTest(*pair, difference, difference - half, difference + half, q, df, p, *g)


def _dunn(samples: Sequence[Array], pairs: Sequence[tuple[int, int]]) -> list[PairTest]:
    everything = np.concatenate(samples)
    n = len(everything)
    ranks = np.split(stats.rankdata(everything), np.cumsum([len(s) for s in samples])[:-1])
    _, ties = np.unique(everything, return_counts=True)
    spread = n * (n + 1) / 12 - float((ties**3 - ties).sum()) / (12 * (n - 1))
    nan = float("nan")
    differences, z = [], []
    for i, j in pairs:
        difference = float(ranks[i].mean() - ranks[j].mean())
        error = np.sqrt(spread * (1 / len(samples[i]) + 1 / len(samples[j])))
        differences.append(difference)
        z.append(difference / error if error > 0 else nan)
    adjusted = holm(2 * stats.norm.sf(np.abs(z)))
    return [
        PairTest(*pair, difference, nan, nan, float(statistic), nan, float(p), *effect)
        for pair, difference, statistic, p, effect in zip(
            pairs,
            differences,
            z,
            adjusted,
            (rank_biserial(samples[i], samples[j]) for i, j in pairs),
            strict=True,
        )
    ]
