"""The radiomic model of one kind of outcome: filters and a learner, fitted on the rows given."""

from __future__ import annotations

from typing import Any, Self

import pandas as pd
from sklearn.pipeline import Pipeline

from osteoflow.models.clinical import RAD_SCORE, ClinicalDesign
from osteoflow.models.filters import steps_table
from osteoflow.models.folded import FoldedFeatures
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.base import Array, OutcomeKind, Regression
from osteoflow.models.kinds.learners import KindLearner


class KindSignature:
    """A radiomic signature.

    Parameters
    ----------
    kind
        Of the outcome.
    features
        Columns of the table that are radiomic features.
    learner
        Not fitted.

    Attributes
    ----------
    filters_, names_, learner_, selected_, coefficients_, cross_fitted_
        As of :class:`osteoflow.models.radiomics.RadiomicsModel`.
    """

    filters_: Pipeline

    def __init__(self, kind: OutcomeKind, features: list[str], learner: KindLearner) -> None:
        self.kind = kind
        self.features = features
        self.learner = learner

    def fit(self, table: pd.DataFrame, outcome: Array, folded: FoldedFeatures) -> Self:
        """Fit on filtered features of exactly these rows.

        Raises
        ------
        ArithmeticError
            If the learner cannot be fitted.
        """
        self.filters_, self.names_ = folded.filters, folded.names
        self.outcome_ = outcome
        self.learner_ = self.learner.fit(folded, outcome)
        found = self.learner_.coefficients_
        self.coefficients_ = (
            None if found is None else pd.Series(found, index=folded.names, dtype=float)
        )
        self.selected_ = [str(name) for name in folded.names[self.learner_.used_]]
        self.cross_fitted_ = pd.Series(self.learner_.cross_fitted_, table.index, name="rad_score")
        return self

    @property
    def intercept_(self) -> float:
        """Constant of the score."""
        return self.learner_.intercept_

    def rad_score(self, table: pd.DataFrame) -> pd.Series:
        """Score of new rows by the model of all training rows."""
        kept = self.filters_.transform(table[self.features]).to_numpy(dtype=float)
        return pd.Series(self.learner_.score(kept), index=table.index, name="rad_score")

    def predict(self, table: pd.DataFrame) -> Array:
        """Predictions of new rows, shape (n, columns of the kind)."""
        return self.kind.of_score(self, self.rad_score(table).to_numpy())

    def steps_table(self) -> pd.DataFrame:
        """Number of features before and after each step, the learner last."""
        rows: list[dict[str, Any]] = steps_table(self.filters_)
        n_in = len(self.learner_.used_)
        rows.append({"step": self.learner_.name, "n_in": n_in, "n_out": len(self.selected_)})
        return pd.DataFrame(rows)


class ColumnsModel:
    """Regression of the outcome on columns of the participants table, with a Rad-score if given.

    Parameters
    ----------
    kind
        Of the outcome.
    columns
        Columns of the table; may be none with a signature.
    name
        What the model is called.
    signature
        Fitted on exactly the rows that :meth:`fit` is given; absent: columns alone.

    Attributes
    ----------
    regression_, terms_, training_design_
        The fit, the names of its columns, and their values in the training rows, of which the
        Rad-score is cross-fitted.
    """

    regression_: Regression

    def __init__(
        self,
        kind: OutcomeKind,
        columns: list[str],
        name: str,
        signature: KindSignature | None = None,
    ) -> None:
        self.kind = kind
        self.columns = columns
        self.name = name
        self.signature = signature

    def fit(self, table: pd.DataFrame, outcome: Array) -> Self:
        """Fit on all rows of the table.

        Raises
        ------
        AnalysisError
            If a column has no value, or the regression cannot be fitted.
        """
        self.clinical_ = ClinicalDesign(self.columns).fit(table)
        design = self.clinical_.transform(table)
        if self.signature is not None:
            design = design.assign(**{RAD_SCORE: self.signature.cross_fitted_})
        self.training_design_ = design
        self.terms_ = [str(name) for name in design.columns]
        try:
            self.regression_ = self.kind.regress(design.to_numpy(dtype=float), outcome)
        except ArithmeticError as error:
            raise AnalysisError(f"{self.name} model ({', '.join(self.terms_)}): {error}") from error
        return self

    def design(self, table: pd.DataFrame) -> pd.DataFrame:
        """Columns of the regression, for new rows."""
        design = self.clinical_.transform(table)
        if self.signature is None:
            return design
        return design.assign(**{RAD_SCORE: self.signature.rad_score(table)})

    def predict(self, table: pd.DataFrame) -> Array:
        """Predictions of new rows, shape (n, columns of the kind)."""
        return self.regression_.predict(self.design(table).to_numpy(dtype=float))


Predictor = KindSignature | ColumnsModel
