"""Support vector machines, their decision values turned into probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.svm import SVC

from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.learners.of_events import EventLearner
from osteoflow.statistics.roc import auc

Array = NDArray[np.float64]

COSTS = (0.1, 1.0, 10.0, 100.0)
WIDTHS = (0.1, 1.0)
_MAX_STEPS = 100


@dataclass(frozen=True)
class Kernel:
    """``x.z / p`` (linear), or ``exp(-gamma |x - z|^2 / p)`` (rbf), of p standardised features."""

    kind: Literal["linear", "rbf"]
    gamma: float = 0.0

    def __call__(self, first: Array, second: Array) -> Array:
        """Kernel matrix, shape (len(first), len(second))."""
        p = first.shape[1]
        products = first @ second.T / p
        if self.kind == "linear":
            return products
        squares = [(part**2).sum(axis=1) / p for part in (first, second)]
        distance = squares[0][:, None] + squares[1][None, :] - 2 * products
        return np.exp(-self.gamma * np.maximum(distance, 0.0))


# The simplest first: the linear kernel, then the wider ones, each with rising cost.
KERNELS = (Kernel("linear"), *(Kernel("rbf", gamma) for gamma in WIDTHS))
SETTINGS = tuple((kernel, cost) for kernel in KERNELS for cost in COSTS)


class SupportVectors(EventLearner):
    """Support vector machine (Cortes and Vapnik, Mach Learn 1995;20:273).

    Kernel (linear, or Gaussian with gamma 0.1 or 1 over the number of features) and cost C (0.1,
    1, 10, 100) are those of the largest area under the ROC curve, averaged over the inner folds;
    ties go to the linear and smoother ones. Decision values become probabilities by Platt's method
    (Advances in Large Margin Classifiers 2000:61; Lin et al., Mach Learn 2007;68:267), fitted on
    the decision values of rows that inner folds left out. A falling relation, as useless features
    give by chance, is taken for none: the probability is then constant.

    Attributes
    ----------
    slope_, offset_
        Log odds are ``offset_ + slope_ * decision value``.
    """

    name = "svm"
    NOTES: ClassVar[dict[str, str]] = {
        "flat": "decision values did not rise with the outcome in rows left out, so the "
        "probability is constant",
    }

    def _fit(self, folded: FoldedFeatures, outcome: Array) -> None:
        left_out = np.zeros((len(SETTINGS), len(outcome)))
        areas = np.full((len(SETTINGS), len(folded.inner)), 0.5)
        for number, fold in enumerate(folded.inner):
            if not fold.inside.shape[1]:
                continue
            train, test = outcome[fold.train], outcome[fold.test]
            for place, values in enumerate(_decisions(fold.inside, train, fold.outside)):
                left_out[place, fold.test] = values
                areas[place, number] = auc(test, values)
        # Rounded, so that the choice does not hang on the last bit of a mean.
        chosen = int(np.argmax(np.round(areas.mean(axis=1), 10)))
        self.kernel_, cost = SETTINGS[chosen]
        self.setting_ = {"kernel": self.kernel_.kind, "gamma": self.kernel_.gamma, "C": cost}
        self.offset_, self.slope_ = platt(left_out[chosen], outcome)
        if self.slope_ == 0:
            self.notes_.append("flat")
        self.cross_fitted_ = self.offset_ + self.slope_ * left_out[chosen]
        machine = SVC(C=cost, kernel="precomputed")
        machine.fit(self.kernel_(folded.whole, folded.whole), outcome)
        self.support_ = folded.whole[machine.support_]
        self.dual_ = machine.dual_coef_[0]
        self.intercept_ = float(machine.intercept_[0])

    def _log_odds(self, features: Array) -> Array:
        values = self.kernel_(features, self.support_) @ self.dual_ + self.intercept_
        return self.offset_ + self.slope_ * values


def _decisions(inside: Array, outcome: Array, outside: Array) -> list[Array]:
    """Decision values of the test rows for each of the settings."""
    found = []
    for kernel in KERNELS:
        within, across = kernel(inside, inside), kernel(outside, inside)
        for cost in COSTS:
            machine = SVC(C=cost, kernel="precomputed").fit(within, outcome)
            found.append(machine.decision_function(across))
    return found


def platt(values: Array, outcome: Array) -> tuple[float, float]:
    """Offset and slope (0 or more) of log odds on decision values.

    Maximum likelihood with Platt's targets ``(N+ + 1) / (N+ + 2)`` and ``1 / (N- + 2)``, which
    keep it finite where the values separate the classes.
    """
    events = float(outcome.sum())
    others = len(outcome) - events
    target = np.where(outcome == 1, (events + 1) / (events + 2), 1 / (others + 2))
    constant = float(logit(outcome.mean())), 0.0
    spread = values.std()
    if spread <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return constant
    centre = values.mean()
    z = np.column_stack([np.ones(len(values)), (values - centre) / spread])
    beta = np.array([logit(target.mean()), 0.0])
    loss = _loss(z, target, beta)
    for _ in range(_MAX_STEPS):
        p = expit(z @ beta)
        step = np.linalg.solve((z * (p * (1 - p))[:, None]).T @ z, z.T @ (target - p))
        if np.abs(step).max() <= 1e-10:
            break
        length = 1.0
        while (new := _loss(z, target, beta + length * step)) > loss + 1e-14 and length > 1e-8:
            length /= 2
        beta, loss = beta + length * step, new
    if beta[1] <= 0:
        return constant
    slope = float(beta[1] / spread)
    return float(beta[0] - slope * centre), slope


def _loss(z: Array, target: Array, beta: Array) -> float:
    eta = z @ beta
    return float(np.sum(np.logaddexp(0.0, eta) - target * eta))
