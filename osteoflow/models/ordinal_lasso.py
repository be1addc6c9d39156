"""Proportional-odds regression with a LASSO or elastic-net penalty along a path of penalties.

The objective is ``-loglik / n + lambda * (a * sum(|b|) + (1 - a) / 2 * sum(b^2))`` on features
standardised with the 1/n variance; the thresholds between the classes carry no penalty. A signature
of one score whose thresholds part the classes is what a graded diagnosis needs: it uses the order
(a penalised multinomial model would spend one signature on every class), stays one number that may
enter a combined model, and with two classes it is the L1-penalised logistic regression of binary
outcomes (Wurm, Rathouz and Hanlon, J Stat Softw 2021;99(6), treat the family of such models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osteoflow.models.ordinal import OrdinalLoss, class_probabilities
from osteoflow.models.penalty_path import DeviancePath, finite_features, solve_path

Array = NDArray[np.float64]

# Fewer than the customary 100: each needs the thresholds solved again.
N_LAMBDAS = 50
PROBABILITY_FLOOR = 1e-5


@dataclass(frozen=True)
class OrdinalPath(DeviancePath):
    """Scores without a constant for a decreasing sequence of penalties.

    Coefficients are positive towards later classes.

    Attributes
    ----------
    thresholds
        Of the score, shape (L, classes - 1).
    """

    thresholds: Array

    def deviance(self, features: ArrayLike, outcome: ArrayLike) -> Array:
        """``-2 log`` of the probability of each row's class, at least 1e-5, shape (n, L)."""
        place = np.asarray(outcome, dtype=float).astype(np.intp)
        rows = np.arange(len(place))
        own = [
            class_probabilities(thresholds, score)[rows, place]
            for thresholds, score in zip(
                self.thresholds, self.linear_predictor(features).T, strict=True
            )
        ]
        return -2 * np.log(np.clip(np.array(own).T, PROBABILITY_FLOOR, 1.0))


def fit_ordinal_path(
    features: ArrayLike,
    outcome: ArrayLike,
    n_classes: int,
    lambdas: Array | None = None,
    *,
    l1_ratio: float = 1.0,
    n_lambdas: int = N_LAMBDAS,
) -> OrdinalPath:
    """Solve the penalised proportional-odds model for a sequence of penalties.

    Parameters
    ----------
    features
        Shape (n, p), without missing values; constant columns get 0. p may be 0.
    outcome
        Class of each row, 0 to ``n_classes`` - 1, shape (n,); every class must occur.
    lambdas
        Decreasing penalties; absent: ``n_lambdas`` log-spaced values from the smallest penalty that
        gives the empty model down to 1e-2 of it (n < p) or 1e-4, ended early where the deviance
        ratio passes 0.999 or gains less than 1e-5.
    l1_ratio
        Share of the L1 penalty, above 0 and at most 1.

    Raises
    ------
    ValueError
        On missing values, a class that nobody has, penalties that do not decrease, or a share
        outside its range.
    ArithmeticError
        If not even the first penalty can be solved.
    """
    X, y = finite_features(features), np.asarray(outcome, dtype=float)
    if set(np.unique(y)) != set(map(float, range(n_classes))):
        raise ValueError(f"every class from 0 to {n_classes - 1} must occur")
    loss = OrdinalLoss(y, n_classes)
    thresholds: list[Array] = []
    path, centred = solve_path(
        *(X, loss, lambdas),
        l1_ratio=l1_ratio,
        n_lambdas=n_lambdas,
        at_solution=lambda eta: thresholds.append(loss.thresholds(eta).copy()),
    )
    # P(Y <= k) = F(theta_k - (x - mean) b): thresholds for the features as they are.
    return OrdinalPath(**vars(path), thresholds=np.array(thresholds) + centred[:, None])
