"""Linear mixed models with a random intercept, by restricted maximum likelihood (REML).

Vertebrae of one person are alike: ``y = X beta + u_i + e`` with one ``u_i`` per participant,
``u ~ N(0, s_u^2)``, ``e ~ N(0, s_e^2)``. With one random intercept the restricted likelihood has a
single unknown, the ratio ``s_u^2 / s_e^2``; coefficients and residual variance follow from it in
closed form (Bates et al., J Stat Softw 2015;67(1)). That one curve is searched over its whole
range, so there is no optimiser that could stop at a wrong place; where its top lies at a ratio of 0
the fit is singular, and said to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2
from scipy.stats import f as fisher
from scipy.stats import t as student

Array = NDArray[np.float64]

# Ratios searched, as exponents of ten.
_FROM, _TO, _STEPS = -6.0, 6.0, 121


@dataclass(frozen=True)
class MixedFit:
    """Coefficients with limits and tests, variances and their share.

    Arrays have shape (coefficients,). ``df`` are Satterthwaite's; of a singular fit those of the
    ordinary regression it amounts to. ``icc`` is the participants' share of the variance beyond
    the fixed effects, with profile limits. ``criterion`` is -2 times the restricted log likelihood.
    """

    estimate: Array
    error: Array
    df: Array
    low: Array
    high: Array
    statistic: Array
    p: Array
    covariance: Array
    variance_participant: float
    variance_residual: float
    icc: float
    icc_low: float
    icc_high: float
    criterion: float
    singular: bool
    n_participants: int
    n_observations: int


@dataclass(frozen=True)
class JointTest:
    """Whether several coefficients are all 0: F with Satterthwaite's denominator df."""

    statistic: float
    df: int
    df_error: float
    p: float


class _Profile:
    """Restricted likelihood as a function of the ratio of variances.

    Everything is computed on an orthonormal basis of the design: coefficients of age in years and
    of a 0/1 column then have one size.
    """

    def __init__(self, design: Array, y: Array, groups: NDArray[np.intp]) -> None:
        self.n, self.k = design.shape
        self.basis, self.triangle = np.linalg.qr(design)
        self.log_det = 2 * float(np.log(np.abs(np.diag(self.triangle))).sum())
        self.y = y
        self.sizes = np.bincount(groups).astype(float)
        self.groups = groups
        self.sums = np.zeros((len(self.sizes), self.k))
        np.add.at(self.sums, groups, self.basis)
        self.y_sums = np.bincount(groups, weights=y)
        self.cross = self.basis.T @ y

    def solve(self, ratio: float) -> tuple[Array, Array, float]:
        """Inverse of the information (without residual variance), coefficients, weighted RSS."""
        shrink = ratio / (1 + ratio * self.sizes)
        information = np.eye(self.k) - (self.sums * shrink[:, None]).T @ self.sums
        inverse = np.linalg.inv(information)
        beta = inverse @ (self.cross - self.sums.T @ (shrink * self.y_sums))
        residual = self.y - self.basis @ beta
        within = np.bincount(self.groups, weights=residual)
        return inverse, beta, float(residual @ residual - (shrink * within**2).sum())

    def criterion(self, ratio: float) -> float:
        """-2 restricted log likelihood, the residual variance at its best."""
        inverse, _, rss = self.solve(ratio)
        df = self.n - self.k
        return float(
            df * (1 + np.log(2 * np.pi * rss / df))
            + np.log1p(ratio * self.sizes).sum()
            - np.linalg.slogdet(inverse)[1]
            + self.log_det
        )

    def slopes(self, ratio: float) -> tuple[float, float, Array]:
        """Derivatives by the ratio: of the RSS, of both log determinants, of the information."""
        inverse, beta, _ = self.solve(ratio)
        growth = 1 / (1 + ratio * self.sizes) ** 2
        within = np.bincount(self.groups, weights=self.y - self.basis @ beta)
        lost = (self.sums * growth[:, None]).T @ self.sums
        of_logs = (self.sizes / (1 + ratio * self.sizes)).sum() - np.trace(inverse @ lost)
        return -float((growth * within**2).sum()), float(of_logs), -lost


def fit_mixed(
    design: ArrayLike,
    y: ArrayLike,
    participants: ArrayLike,
    names: Sequence[str] | None = None,
) -> MixedFit:
    """Fit a random intercept per participant.

    Parameters
    ----------
    design
        Shape (n, coefficients), an intercept among them.
    y
        Shape (n,).
    participants
        Shape (n,): who each row belongs to.
    names
        What the design's columns are called in errors; absent: by their places.

    Raises
    ------
    ValueError
        If values are missing, columns of the design depend on each other, nobody has two rows,
        there are fewer than two participants or too few rows, or y follows the design exactly.
    """
    profile = _profile(design, y, participants, names)
    ratio, best, singular = _best_ratio(profile)
    inverse, beta, rss = profile.solve(ratio)
    variance = rss / (profile.n - profile.k)
    back = np.linalg.inv(profile.triangle)
    estimate, covariance = back @ beta, variance * back @ inverse @ back.T
    error = np.sqrt(np.diag(covariance))
    if singular:
        df = np.full(profile.k, float(profile.n - profile.k))
    else:
        spread = _Satterthwaite(profile, ratio, variance)
        df = np.array([spread.df(row) for row in back])
    half = student.ppf(0.975, df) * error
    statistic = estimate / error
    low, high = _icc_limits(profile, ratio, best)
    return MixedFit(
        *(estimate, error, df, estimate - half, estimate + half),
        *(statistic, 2 * student.sf(np.abs(statistic), df), covariance),
        *(ratio * variance, variance, ratio / (1 + ratio), low, high),
        *(best, singular, len(profile.sizes), profile.n),
    )


def joint_test(
    design: ArrayLike, y: ArrayLike, participants: ArrayLike, columns: Sequence[int]
) -> JointTest:
    """Whether all coefficients of some columns are 0 (see :func:`fit_mixed`).

    F of Wald's statistic; its denominator df from those of the independent contrasts it is made of
    (Fai and Cornelius, J Stat Comput Simul 1996;54:363, as lmerTest computes them).
    """
    profile = _profile(design, y, participants)
    ratio, _, singular = _best_ratio(profile)
    inverse, beta, rss = profile.solve(ratio)
    variance = rss / (profile.n - profile.k)
    rows = np.linalg.inv(profile.triangle)[list(columns)]
    values, vectors = np.linalg.eigh(variance * rows @ inverse @ rows.T)
    contrasts = vectors.T @ rows
    q = len(columns)
    f = float(((contrasts @ beta) ** 2 / values).sum() / q)
    if singular:
        df = float(profile.n - profile.k)
    else:
        spread = _Satterthwaite(profile, ratio, variance)
        df = _denominator(np.array([spread.df(row) for row in contrasts]))
    return JointTest(f, q, df, float(fisher.sf(f, q, df)))


class _Satterthwaite:
    """Degrees of freedom of a contrast from how well its variance is known.

    Satterthwaite, Biometrics Bull 1946;2:110, with the observed information of both variances
    (Kuznetsova et al., J Stat Softw 2017;82(13)).
    """

    def __init__(self, profile: _Profile, ratio: float, variance: float) -> None:
        self.inverse = profile.solve(ratio)[0]
        self.variance = variance
        rss_slope, _, information = profile.slopes(ratio)
        # Of the inverse: d(A^-1) = -A^-1 dA A^-1.
        self.growth = -self.inverse @ information @ self.inverse
        step = 1e-3 * ratio
        ends = [
            np.array(profile.slopes(ratio + m * step)[:2]) @ [1 / variance, 1.0]
            for m in (-2, -1, 1, 2)
        ]
        curvature = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
        mixed = -rss_slope / variance**2
        hessian = [[curvature, mixed], [mixed, (profile.n - profile.k) / variance**2]]
        self.uncertainty = 2 * np.linalg.inv(hessian)

    def df(self, contrast: Array) -> float:
        """Of a contrast of the coefficients on the orthonormal basis."""
        unscaled = float(contrast @ self.inverse @ contrast)
        gradient = np.array([self.variance * float(contrast @ self.growth @ contrast), unscaled])
        variance = float(gradient @ self.uncertainty @ gradient)
        return 2 * (self.variance * unscaled) ** 2 / variance


def _denominator(df: Array) -> float:
    """Denominator df of an F whose contrasts have these."""
    if len(df) == 1:
        return float(df[0])
    if np.ptp(df) < 1e-8 * df.mean():
        return float(df.mean())
    if (df <= 2).any():  # the expectation that the formula equates is infinite
        return 2.0
    expected = float((df / (df - 2)).sum())
    return 2 * expected / (expected - len(df))


def _profile(
    design: ArrayLike,
    y: ArrayLike,
    participants: ArrayLike,
    names_of_columns: Sequence[str] | None = None,
) -> _Profile:
    x, values = np.asarray(design, dtype=float), np.asarray(y, dtype=float)
    names, groups = np.unique(np.asarray(participants), return_inverse=True)
    if not (np.isfinite(x).all() and np.isfinite(values).all()):
        raise ValueError("values are missing or infinite")
    n, k = x.shape
    if len(names) < 2 or n < k + 2:
        raise ValueError(
            f"{n} observations of {len(names)} participants do not suffice for {k} coefficients"
        )
    if np.bincount(groups).max() < 2:
        raise ValueError("nobody has two observations: there is nothing within participants")
    size = np.linalg.norm(x, axis=0)
    if (size == 0).any() or np.linalg.matrix_rank(x / size) < k:
        raise ValueError(_redundant(x, names_of_columns or [f"column {j}" for j in range(k)]))
    profile = _Profile(x, values, groups)
    rest = values - profile.basis @ profile.cross
    if np.linalg.norm(rest) <= 1e-10 * max(np.linalg.norm(values), 1e-300):
        raise ValueError("the measurement does not vary beyond the fixed effects")
    return profile


def _redundant(x: Array, names: Sequence[str]) -> str:
    """Names the first column that those before it determine, and which of them do."""
    for place, name in enumerate(names):
        if np.ptp(x[:, place]) <= 1e-12 * max(float(np.abs(x[:, place]).max()), 1e-300):
            if place == 0 and (x[:, 0] != 0).all():  # the intercept
                continue
            return f"the fixed effect '{name}' does not vary"
        before = x[:, :place] / np.linalg.norm(x[:, :place], axis=0)
        own = x[:, place] / np.linalg.norm(x[:, place])
        if np.linalg.matrix_rank(np.column_stack([before, own])) > place:
            continue
        shares = np.linalg.lstsq(before, own, rcond=None)[0]
        makers = [other for other, share in zip(names, shares, strict=False) if abs(share) > 1e-8]
        others = ", ".join(f"'{other}'" for other in makers if other != "intercept")
        return (
            f"the fixed effect '{name}' follows from the others ({others}): leave one of them out"
        )
    return "a fixed effect follows from the others"


def _best_ratio(profile: _Profile) -> tuple[float, float, bool]:
    """Ratio of variances at the top of the likelihood, the criterion there, whether it is 0."""
    grid = np.linspace(_FROM, _TO, _STEPS)
    values = np.array([profile.criterion(10**exponent) for exponent in grid])
    nothing = profile.criterion(0.0)
    place = int(values.argmin())
    if place == len(grid) - 1:
        raise ValueError("observations of one participant do not differ from each other")
    bounds = grid[max(place - 1, 0)], grid[place + 1]
    found = minimize_scalar(
        lambda exponent: profile.criterion(10**exponent),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-10},
    )
    if nothing <= found.fun + 1e-9:
        return 0.0, nothing, True
    ratio = float(10**found.x)
    return _polished(profile, ratio), float(found.fun), False


def _polished(profile: _Profile, ratio: float) -> float:
    """The ratio where the slope of the criterion is 0: its value alone is flat there."""

    def slope(value: float) -> float:
        rss = profile.solve(value)[2]
        of_rss, of_logs, _ = profile.slopes(value)
        return (profile.n - profile.k) * of_rss / rss + of_logs

    low, high = 0.99 * ratio, 1.01 * ratio
    return float(brentq(slope, low, high, rtol=1e-12)) if slope(low) < 0 < slope(high) else ratio


def _icc_limits(profile: _Profile, ratio: float, best: float) -> tuple[float, float]:
    """95 % limits of the ICC where the profiled restricted likelihood falls by half of 3.84."""
    fall = best + float(chi2.ppf(0.95, 1))

    def excess(share: float) -> float:
        return profile.criterion(share / (1 - share)) - fall

    share = ratio / (1 + ratio)
    low = 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, share, xtol=1e-10))
    top = 1 - 1e-9
    high = 1.0 if excess(top) <= 0 else float(brentq(excess, share, top, xtol=1e-10))
    return low, high
