"""Tables of radiomic models: features through the steps, their selection, and penalty paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from osteoflow.models.cross_validation import FoldFit
from osteoflow.models.signature import Signature
from osteoflow.statistics.agreement import form_of

Radiomic = Mapping[str, Signature]

SELECTION_COLUMNS = ("model", "feature", "frequency", "coefficient", "icc", "icc_low")
PATH_COLUMNS = ("model", "lambda", "feature", "coefficient")
CV_COLUMNS = ("model", "lambda", "deviance", "se", "n_nonzero", "mark")
STEP_COLUMNS = ("step", "n_in", "n_out")


def selection(final: Radiomic, folds: Sequence[FoldFit]) -> pd.DataFrame:
    """How often each radiomic model uses each feature, its final coefficient, its reliability.

    A sparse linear model uses the features with a coefficient other than zero, every other learner
    those that the filters leave; these differ between training parts. Coefficients are per
    standard deviation of the training data, 0 for features that are not used and missing for
    learners without any; the reliability is that of the first comparison declared.
    """
    parts = [_selection(name, model, folds) for name, model in final.items()]
    if not parts:
        return pd.DataFrame(columns=list(SELECTION_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(SELECTION_COLUMNS)]


def _selection(name: str, model: Signature, folds: Sequence[FoldFit]) -> pd.DataFrame:
    chosen = pd.Series([one for fold in folds for one in fold.selected[name]], dtype=object)
    frequency = chosen.value_counts() / len(folds)
    table = pd.DataFrame({"model": name, "feature": model.features})
    table["frequency"] = table["feature"].map(frequency).fillna(0.0).astype(float)
    table["coefficient"] = np.nan
    if model.coefficients_ is not None:
        table["coefficient"] = table["feature"].map(model.coefficients_).fillna(0.0).astype(float)
    step = model.filters_.named_steps["reliability"]
    reliability, form = step.icc_, form_of(step.comparison)
    for column, source in (("icc", form), ("icc_low", f"{form}_low")):
        known = reliability[source] if len(reliability) else pd.Series(dtype=float)
        table[column] = table["feature"].map(known).astype(float)
    return table.sort_values(["frequency", "feature"], ascending=[False, True], ignore_index=True)


def filter_steps(final: Radiomic) -> pd.DataFrame:
    """Number of features before and after each step; a row for each learner at the end."""
    parts = []
    for model in final.values():
        steps = model.steps_table()
        parts.append(steps if not parts else steps.tail(1))
    if not parts:
        return pd.DataFrame(columns=list(STEP_COLUMNS))
    return pd.concat(parts, ignore_index=True)


def sparse(final: Radiomic) -> dict[str, Signature]:
    """The radiomic models with a path of penalties."""
    return {name: model for name, model in final.items() if hasattr(model.learner_, "path_")}


def lasso_path(final: Radiomic) -> pd.DataFrame:
    """Coefficients (per standard deviation) of features that enter the final paths."""
    parts = []
    for name, model in sparse(final).items():
        path = model.learner_.path_
        entered = np.flatnonzero((path.coefficients != 0).any(axis=0))
        wide = pd.DataFrame(path.coefficients[:, entered], columns=model.names_[entered])
        long = wide.assign(**{"lambda": path.lambdas}).melt(
            "lambda", var_name="feature", value_name="coefficient"
        )
        long.insert(0, "model", name)
        parts.append(long)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*PATH_COLUMNS])


def lasso_cv(final: Radiomic) -> pd.DataFrame:
    """Cross-validated deviance along the final paths; a penalty may carry both marks."""
    parts = []
    for name, model in sparse(final).items():
        path, found = model.learner_.path_, model.learner_.deviance_
        table = pd.DataFrame(
            {
                "model": name,
                "lambda": path.lambdas,
                "deviance": found.mean,
                "se": found.standard_error,
                "n_nonzero": (path.coefficients != 0).sum(axis=1),
                "mark": "",
            }
        )
        if found.index_min == found.index_1se:
            table.loc[found.index_min, "mark"] = "lambda_min,lambda_1se"
        else:
            table.loc[found.index_min, "mark"] = "lambda_min"
            table.loc[found.index_1se, "mark"] = "lambda_1se"
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*CV_COLUMNS])
