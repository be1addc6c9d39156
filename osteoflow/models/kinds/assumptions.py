"""Checks of what the regressions presume, on the training data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import chi2

from osteoflow.models.columns_model import ColumnsModel
from osteoflow.models.kinds.continuous import LinearRegression
from osteoflow.models.kinds.ordinal import OrdinalRegression
from osteoflow.models.logistic import independent_columns
from osteoflow.models.ordinal import brant_test, fit_ordinal
from osteoflow.models.out_of_fold import Array

ASSUMPTION_COLUMNS = ("model", "test", "term", "statistic", "df", "p", "method")
_BRANT = "Wald test of equal effects at every threshold (Brant, Biometrics 1990;46:1171)"
_MULTINOMIAL = "likelihood ratio of the multinomial against the proportional-odds model"
_BREUSCH_PAGAN = "Koenker's form of the test (J Econom 1981;17:107)"


def assumptions(models: Mapping[str, ColumnsModel], outcome: Array) -> pd.DataFrame:
    """Proportional odds of ordinal models; equal error variance of linear ones.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``test`` (``brant``, ``multinomial``, ``equal_variance``), ``term`` (empty: of
        all terms together), ``statistic``, ``df``, ``p``, ``method``. A test that is not defined
        has a row that says why.
    """
    rows: list[dict[str, object]] = []
    for name, model in models.items():
        regression = model.regression_
        kept = [i for i in range(len(model.terms_)) if i not in regression.dropped]
        columns = model.training_design_.to_numpy(dtype=float)[:, kept]
        terms = [model.terms_[place] for place in kept]
        if isinstance(regression, OrdinalRegression):
            found = _proportional_odds(columns, terms, outcome, len(regression.classes))
        elif isinstance(regression, LinearRegression):
            found = [_equal_variance(columns, outcome - regression.fit.predict(
                model.training_design_.to_numpy(dtype=float)))]  # fmt: skip
        else:
            found = []
        rows += [{"model": name, **row} for row in found]
    return pd.DataFrame(rows, columns=list(ASSUMPTION_COLUMNS))


def _row(test: str, term: str, found: tuple[float, float, float], method: str) -> dict[str, object]:
    statistic, df, p = found
    return {"test": test, "term": term, "statistic": statistic, "df": df, "p": p, "method": method}


def _proportional_odds(
    columns: Array, terms: list[str], outcome: Array, n_classes: int
) -> list[dict[str, object]]:
    if not terms:
        return []
    try:
        found = brant_test(columns, outcome, n_classes)
    except np.linalg.LinAlgError:
        found = []
    rows = [
        _row("brant", "" if test.place is None else terms[test.place],
             (test.statistic, test.df, test.p), _BRANT)
        for test in found
        if test.place is not None or len(terms) > 1  # of one term both are the same
    ]  # fmt: skip
    if not found:
        words = f"{_BRANT}; not defined: a threshold is separated"
        rows.append(_row("brant", "", (np.nan, np.nan, np.nan), words))
    ratio = multinomial_ratio(columns, outcome, n_classes)
    words = _MULTINOMIAL
    if ratio is None:
        words += "; not defined: the classes are separated"
    rows.append(_row("multinomial", "", ratio or (np.nan, np.nan, np.nan), words))
    return rows


def multinomial_ratio(
    columns: Array, outcome: Array, n_classes: int
) -> tuple[float, int, float] | None:
    """Twice the log likelihood that the multinomial logistic model gains, df and p.

    The two models are not nested, but the multinomial one spends (classes - 2) further parameters
    on every column where proportional odds need none; the ratio is referred to chi squared with as
    many degrees of freedom, an approximate test that goes with Brant's.

    Returns
    -------
    tuple or None
        None where a model has no maximum likelihood.
    """
    from statsmodels.discrete.discrete_model import MNLogit

    own = fit_ordinal(columns, outcome, n_classes)
    if own.method != "ml":
        return None
    mean, scale = columns.mean(axis=0), columns.std(axis=0)
    kept = independent_columns(columns, mean, scale)
    Z = np.column_stack([np.ones(len(columns)), (columns[:, kept] - mean[kept]) / scale[kept]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence, which is looked at here
        try:
            fit = MNLogit(outcome.astype(int), Z).fit(method="newton", maxiter=100, disp=0)
        except (np.linalg.LinAlgError, ArithmeticError):
            return None
    # Without a maximum, coefficients per standard deviation run away.
    if not fit.mle_retvals["converged"] or np.abs(np.asarray(fit.params)).max() > 25:
        return None
    statistic = max(0.0, 2 * (float(fit.llf) - own.log_likelihood))
    df = (n_classes - 2) * len(kept)
    return statistic, df, float(chi2.sf(statistic, df))


def _equal_variance(columns: Array, residual: Array) -> dict[str, object]:
    """Whether the squared residuals depend on the columns."""
    from osteoflow.models.linear import fit_linear

    try:
        fit = fit_linear(columns, residual**2)
        df = len(fit.coefficients) - len(fit.dropped)
        statistic = len(residual) * (1 - fit.residual_squares / fit.total_squares)
        found = statistic, df, float(chi2.sf(statistic, df)) if df else np.nan
        return _row("equal_variance", "", found, _BREUSCH_PAGAN)
    except (ValueError, ArithmeticError) as error:
        words = f"{_BREUSCH_PAGAN}; not defined: {error}"
        return _row("equal_variance", "", (np.nan, np.nan, np.nan), words)
