"""Proportional-odds regression of ordered classes, with the check of its assumption.

``logit P(Y <= k) = theta_k - x'b``: a positive coefficient moves towards later classes (McCullagh,
J R Stat Soc B 1980;42:109). Where classes are separated the likelihood has no maximum; that is
found exactly by a linear programme, and the model is then fitted with a ridge penalty that stands
for a normal prior of standard deviation 1 on each coefficient per standard deviation of its column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.special import expit
from scipy.stats import chi2

from osteoflow.models.logistic import complete_columns, fit_logistic, independent_columns

Array = NDArray[np.float64]
Places = NDArray[np.intp]

_MAX_STEPS = 100


class OrdinalLikelihood:
    """Minus the log likelihood of ordered classes, given thresholds and linear predictors.

    With ``F`` the logistic function, ``P(Y = k) = F(u) F(-l) (1 - exp(l - u))`` for the class's
    upper and lower threshold minus the predictor: exact also where the probability is tiny.

    Parameters
    ----------
    outcome
        Class of each row, 0 to ``n_classes`` - 1, shape (n,).
    n_classes
        Number of classes, each of which must occur.
    """

    def __init__(self, outcome: ArrayLike, n_classes: int) -> None:
        self.outcome = np.asarray(outcome, dtype=float).astype(np.intp)
        self.n, self.n_classes = len(self.outcome), n_classes
        self._has_upper = self.outcome < n_classes - 1
        self._has_lower = self.outcome > 0

    def start(self) -> Array:
        """Thresholds of the model without columns: logits of the cumulative shares."""
        counts = np.bincount(self.outcome, minlength=self.n_classes)
        share = np.cumsum(counts)[:-1] / self.n
        return np.log(share / (1 - share))

    def _sides(self, thresholds: Array, eta: Array) -> tuple[Array, Array, Array]:
        """Upper and lower side of each row's class, and the distance between them."""
        padded = np.concatenate([[-np.inf], thresholds, [np.inf]])
        low, high = padded[self.outcome], padded[self.outcome + 1]
        return high - eta, low - eta, high - low

    def value(self, thresholds: Array, eta: Array) -> float:
        """Minus the log likelihood; infinite where thresholds do not rise."""
        if np.any(np.diff(thresholds) <= 0):
            return float("inf")
        upper, lower, gap = self._sides(thresholds, eta)
        value = np.logaddexp(0.0, -upper) + np.logaddexp(0.0, lower)
        return float(value.sum() - np.log(-np.expm1(-gap)).sum())

    def by_predictor(self, thresholds: Array, eta: Array) -> tuple[Array, Array]:
        """Minus the gradient in the predictors, and the second derivative, shape (n,) each."""
        upper, lower, _ = self._sides(thresholds, eta)
        above, below = expit(upper), expit(lower)
        return above + below - 1, above * (1 - above) + below * (1 - below)

    def by_threshold(self, thresholds: Array, eta: Array) -> tuple[Array, Array, Array]:
        """Gradient and second derivative in the thresholds, and with each row's predictor.

        Returns
        -------
        tuple
            Shapes (k,), (k, k) and (n, k).
        """
        upper, lower, gap = self._sides(thresholds, eta)
        above, below = expit(upper), expit(lower)
        with np.errstate(over="ignore"):
            growth = np.expm1(gap)
        pull, curve = 1 / growth, np.where(np.isinf(growth), 0.0, (1 + 1 / growth) / growth)
        k, rows = len(thresholds), np.arange(self.n)
        gradient, second, mixed = np.zeros(k), np.zeros((k, k)), np.zeros((self.n, k))
        # An upper threshold has the class's own place, a lower one the place before.
        for mask, place, slope, bend in (
            (self._has_upper, self.outcome, above - 1 - pull, above * (1 - above)),
            (self._has_lower, self.outcome - 1, below + pull, below * (1 - below)),
        ):
            np.add.at(gradient, place[mask], slope[mask])
            np.add.at(second, (place[mask], place[mask]), (bend + curve)[mask])
            mixed[rows[mask], place[mask]] -= bend[mask]
        both = self._has_upper & self._has_lower
        np.add.at(second, (self.outcome[both], self.outcome[both] - 1), -curve[both])
        np.add.at(second, (self.outcome[both] - 1, self.outcome[both]), -curve[both])
        return gradient, second, mixed


class OrdinalLoss:
    """The likelihood at its best thresholds, over n: a smooth convex loss of the predictors.

    What :class:`osteoflow.models.sparse.SparseProblem` needs for a sparse ordinal model.
    """

    null_intercept = None
    least = 0.0

    def __init__(self, outcome: ArrayLike, n_classes: int) -> None:
        self.likelihood = OrdinalLikelihood(outcome, n_classes)
        self.n = self.likelihood.n
        self._thresholds = self.likelihood.start()
        self._eta: Array | None = None

    def thresholds(self, eta: Array) -> Array:
        """Thresholds of greatest likelihood for these predictors, shape (k,)."""
        found = self._thresholds
        if self._eta is not None and np.array_equal(self._eta, eta):
            return found  # value, residual and second derivative are asked for one after another
        value = self.likelihood.value(found, eta)
        for _ in range(_MAX_STEPS):
            gradient, second, _ = self.likelihood.by_threshold(found, eta)
            step = -np.linalg.solve(second, gradient)
            if np.abs(step).max() <= 1e-7 * (1 + np.abs(found).max()):
                found = found + step  # the error left is of the order of the step squared
                break
            length = 1.0
            while True:
                trial = found + length * step
                new = self.likelihood.value(trial, eta)
                if new <= value + 1e-12 * (1 + abs(value)) or length < 1e-10:
                    break
                length /= 2
            found, value = trial, new
        self._thresholds, self._eta = found, eta.copy()
        return found

    def value(self, eta: Array) -> float:
        """The loss."""
        return self.likelihood.value(self.thresholds(eta), eta) / self.n

    def residual(self, eta: Array) -> Array:
        """Minus its gradient times n, shape (n,)."""
        return self.likelihood.by_predictor(self.thresholds(eta), eta)[0]

    def second(self, columns: Array, eta: Array) -> Array:
        """Second derivative along columns, times n: what the thresholds take up is taken away."""
        thresholds = self.thresholds(eta)
        weight = self.likelihood.by_predictor(thresholds, eta)[1]
        _, inner, mixed = self.likelihood.by_threshold(thresholds, eta)
        cross = mixed.T @ columns
        own = (columns * weight[:, None]).T @ columns
        return own - cross.T @ np.linalg.solve(inner, cross)


@dataclass(frozen=True)
class OrdinalFit:
    """A fitted proportional-odds model.

    Attributes
    ----------
    thresholds
        Shape (classes - 1,), rising.
    coefficients
        Log odds ratio of a later class per unit of each column, shape (p,); 0 for dropped ones.
    covariance
        Of (coefficients, thresholds), shape (p + classes - 1,) squared; NaN in rows of dropped
        columns. In the penalised fit, the inverse of the penalised information.
    log_likelihood, null_log_likelihood
        At the estimates, and without columns.
    dropped
        Positions of columns that are constant or repeat the ones before them.
    method
        ``"ml"`` or ``"ridge"``.
    """

    thresholds: Array
    coefficients: Array
    covariance: Array
    log_likelihood: float
    null_log_likelihood: float
    dropped: tuple[int, ...]
    method: Literal["ml", "ridge"]

    @property
    def standard_errors(self) -> Array:
        """Of (coefficients, thresholds); NaN for dropped columns."""
        return np.sqrt(np.diag(self.covariance))

    def linear_predictor(self, columns: ArrayLike) -> Array:
        """Shape (n,); greater for later classes."""
        return np.asarray(columns, dtype=float) @ self.coefficients

    def probabilities(self, columns: ArrayLike) -> Array:
        """Probability of each class, shape (n, classes)."""
        return class_probabilities(self.thresholds, self.linear_predictor(columns))


def class_probabilities(thresholds: Array, eta: Array) -> Array:
    """Probability of each class by a proportional-odds model, shape (n, classes)."""
    cumulative = expit(thresholds[None, :] - np.asarray(eta, dtype=float)[:, None])
    ends = np.zeros((len(cumulative), 1)), np.ones((len(cumulative), 1))
    return np.diff(np.hstack([ends[0], cumulative, ends[1]]), axis=1)


def fit_ordinal(columns: ArrayLike, outcome: ArrayLike, n_classes: int) -> OrdinalFit:
    """Fit a proportional-odds model.

    Parameters
    ----------
    columns
        Shape (n, p), complete; p may be 0.
    outcome
        Class of each row, 0 to ``n_classes`` - 1, shape (n,); every class must occur.

    Raises
    ------
    ValueError
        On missing values or a class that nobody has.
    ArithmeticError
        If the likelihood cannot be maximised or its information is singular.
    """
    X, y = complete_columns(columns, outcome)
    if set(np.unique(y)) != set(map(float, range(n_classes))):
        raise ValueError(f"every class from 0 to {n_classes - 1} must occur")
    mean, scale = X.mean(axis=0), X.std(axis=0)
    kept = independent_columns(X, mean, scale)
    Z = (X[:, kept] - mean[kept]) / scale[kept]
    likelihood = OrdinalLikelihood(y, n_classes)
    method: Literal["ml", "ridge"] = "ridge" if is_separated(Z, y, n_classes) else "ml"
    ridge = 1.0 if method == "ridge" else 0.0
    try:
        beta, theta, second = _maximise(likelihood, Z, ridge)
        covariance = np.linalg.inv(second)
    except np.linalg.LinAlgError as error:
        raise ArithmeticError(
            f"the ordinal model's information matrix cannot be inverted ({len(y)} observations, "
            f"{len(kept)} terms): {error}"
        ) from error
    p, k = X.shape[1], n_classes - 1
    # Back to the columns' own units: thresholds move by what the means took from the predictor.
    change = np.eye(len(kept) + k)
    change[: len(kept), : len(kept)] = np.diag(1 / scale[kept])
    change[len(kept) :, : len(kept)] = mean[kept] / scale[kept]
    coefficients = np.zeros(p)
    coefficients[kept] = beta / scale[kept]
    full = np.full((p + k, p + k), np.nan)
    places = np.concatenate([kept, p + np.arange(k)])
    full[np.ix_(places, places)] = change @ covariance @ change.T
    null = -likelihood.value(likelihood.start(), np.zeros(len(y)))
    return OrdinalFit(
        *(theta + mean[kept] @ (beta / scale[kept]), coefficients, full),
        *(-likelihood.value(theta, Z @ beta), null),
        *(tuple(sorted(set(range(p)) - set(kept.tolist()))), method),
    )


def _maximise(likelihood: OrdinalLikelihood, Z: Array, ridge: float) -> tuple[Array, Array, Array]:
    """Coefficients, thresholds and information: Newton steps with halving from no effect."""
    p = Z.shape[1]
    beta, theta = np.zeros(p), likelihood.start()

    def objective(beta: Array, theta: Array) -> float:
        return likelihood.value(theta, Z @ beta) + 0.5 * ridge * float(beta @ beta)

    value = objective(beta, theta)
    for _ in range(_MAX_STEPS):
        residual, weight = likelihood.by_predictor(theta, Z @ beta)
        gradient_theta, inner, mixed = likelihood.by_threshold(theta, Z @ beta)
        cross = Z.T @ mixed
        second = np.block(
            [[(Z * weight[:, None]).T @ Z + ridge * np.eye(p), cross], [cross.T, inner]]
        )
        gradient = np.concatenate([ridge * beta - Z.T @ residual, gradient_theta])
        step = -np.linalg.solve(second, gradient)
        if np.abs(step).max() <= 1e-11 * (1 + np.abs(theta).max()):
            return beta, theta, second
        length = 1.0
        while True:
            trial = beta + length * step[:p], theta + length * step[p:]
            new = objective(*trial)
            if new <= value + 1e-12 * (1 + abs(value)) or length < 1e-10:
                break
            length /= 2
        (beta, theta), value = trial, new
    raise ArithmeticError(f"the ordinal model did not converge ({likelihood.n} observations)")


def is_separated(columns: Array, outcome: Array, n_classes: int) -> bool:
    """Whether some direction of the columns, with cut-offs, keeps every class on its side."""
    n, p = columns.shape
    if p == 0:
        return False
    k = n_classes - 1
    y = np.asarray(outcome).astype(np.intp)
    rows = []
    for upper, signs in ((y < k, 1.0), (y > 0, -1.0)):
        which = np.flatnonzero(upper)
        block = np.zeros((len(which), p + k))
        block[:, :p] = signs * columns[which]
        block[np.arange(len(which)), p + (y[which] if signs > 0 else y[which] - 1)] = -signs
        rows.append(block)
    # In every row: the side's sign times (x'g - cut-off) at or below 0.
    constraints = np.vstack(rows)
    result = linprog(
        constraints.sum(axis=0),
        A_ub=constraints,
        b_ub=np.zeros(len(constraints)),
        bounds=[(-1, 1)] * p + [(None, None)] * k,
        method="highs",
    )
    if result.status != 0:
        raise ArithmeticError(f"separation could not be decided: {result.message}")
    return bool(-result.fun > 1e-7 * n)


@dataclass(frozen=True)
class ParallelTest:
    """Wald test that a column's effect is the same at every threshold; of all with place None."""

    place: int | None
    statistic: float
    df: int
    p: float


def brant_test(columns: ArrayLike, outcome: ArrayLike, n_classes: int) -> list[ParallelTest]:
    """Check proportional odds by comparing the binary models of each threshold.

    Brant, Biometrics 1990;46:1171. Empty if a binary model has no maximum-likelihood estimate:
    then the test is not defined.

    Parameters
    ----------
    columns, outcome, n_classes
        As :func:`fit_ordinal` takes them; columns must vary and not repeat each other.
    """
    X, y = np.asarray(columns, dtype=float), np.asarray(outcome, dtype=float)
    p, k = X.shape[1], n_classes - 1
    fits = [fit_logistic(X, (y > cut).astype(float)) for cut in range(k)]
    if any(fit.method != "ml" or fit.dropped for fit in fits) or p == 0:
        return []
    Z = np.column_stack([np.ones(len(X)), X])
    chance = [expit(fit.linear_predictor(X)) for fit in fits]
    inverse = [np.linalg.inv((Z * (q * (1 - q))[:, None]).T @ Z) for q in chance]
    covariance = np.zeros((k * p, k * p))
    for a in range(k):
        for b in range(a, k):
            joint = chance[b] - chance[a] * chance[b]  # both above: above the later threshold
            block = inverse[a] @ ((Z * joint[:, None]).T @ Z) @ inverse[b]
            covariance[a * p : (a + 1) * p, b * p : (b + 1) * p] = block[1:, 1:]
            covariance[b * p : (b + 1) * p, a * p : (a + 1) * p] = block[1:, 1:].T
    effects = np.concatenate([fit.coefficients for fit in fits])

    def test(places: list[int]) -> tuple[float, int, float]:
        contrast = np.zeros(((k - 1) * len(places), k * p))
        for later in range(1, k):
            for row, place in enumerate(places):
                contrast[(later - 1) * len(places) + row, [place, later * p + place]] = 1.0, -1.0
        gap = contrast @ effects
        statistic = float(gap @ np.linalg.solve(contrast @ covariance @ contrast.T, gap))
        return statistic, len(gap), float(chi2.sf(statistic, len(gap)))

    found = [ParallelTest(place, *test([place])) for place in range(p)]
    return [*found, ParallelTest(None, *test(list(range(p))))]
