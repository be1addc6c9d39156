"""Regressions of columns of the participants table, alone or with the Rad-score."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.clinical_design import RAD_SCORE, ClinicalDesign
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.base import Array, OutcomeKind, Regression
from osteoflow.models.signature import Signature


class ColumnsModel(BaseEstimator):
    """Regression of the outcome on columns, and on a Rad-score if a signature is given.

    The training rows' Rad-scores are cross-fitted: in-sample scores take too much weight, because
    the learner has already seen the outcome. New rows get the score of the whole training set's
    signature.

    Parameters
    ----------
    kind
        Of the outcome.
    columns
        Columns of ``X``: clinical ones, measurements, or a single baseline; may be none with a
        signature.
    name
        What the model is called.
    signature
        Fitted on exactly the rows that :meth:`fit` is given; absent: columns alone.

    Attributes
    ----------
    clinical_ : ClinicalDesign
        Fitted coding of the columns.
    regression_ : Regression
        The fit.
    terms_ : list
        Names of its columns, the Rad-score last.
    training_design_ : DataFrame
        Their values in the training rows.
    threshold_ : float
        Cut-off of the training rows' fitted predictions; NaN of kinds that have none.
    """

    regression_: Regression

    def __init__(
        self,
        kind: OutcomeKind,
        columns: list[str],
        name: str = "clinical",
        signature: Signature | None = None,
    ) -> None:
        self.kind = kind
        self.columns = columns
        self.name = name
        self.signature = signature

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Self:
        """Fit on all rows of ``X``.

        Raises
        ------
        AnalysisError
            If a column has no value, or the regression cannot be fitted.
        ValueError
            If the signature was fitted on other rows.
        """
        y = np.asarray(y, dtype=float)
        self.clinical_ = ClinicalDesign(self.columns).fit(X)
        design = self.clinical_.transform(X)
        if self.signature is not None:
            scores = self.signature.cross_fitted_
            if not scores.index.equals(X.index):
                raise ValueError("the signature was fitted on other rows")
            design = design.assign(**{RAD_SCORE: scores})
        self.training_design_ = design
        self.terms_ = [str(name) for name in design.columns]
        columns = design.to_numpy(dtype=float)
        try:
            self.regression_ = self.kind.regress(columns, y)
        except ArithmeticError as error:
            raise AnalysisError(f"{self.name} model ({', '.join(self.terms_)}): {error}") from error
        self.threshold_ = self.kind.cut_off(y, self.regression_.predict(columns))
        return self

    def design(self, X: pd.DataFrame) -> pd.DataFrame:
        """Columns of the regression, for new rows."""
        check_is_fitted(self, "regression_")
        design = self.clinical_.transform(X)
        if self.signature is None:
            return design
        return design.assign(**{RAD_SCORE: self.signature.rad_score(X)})

    def predict(self, X: pd.DataFrame) -> Array:
        """Predictions of new rows, shape (n, columns of the kind)."""
        return self.regression_.predict(self.design(X).to_numpy(dtype=float))
