"""The radiomic signature as a formula that others can apply."""

from __future__ import annotations

import pandas as pd

from osteoflow.models.signature import Signature

SIGNATURE_COLUMNS = ("term", "coefficient", "mean", "sd")


def signature_table(model: Signature | None) -> pd.DataFrame:
    """Rad-score = intercept + sum of coefficient * (feature - mean) / sd.

    Parameters
    ----------
    model
        The fitted signature; None, or one that is not linear: an empty table.

    Returns
    -------
    pandas.DataFrame
        ``term`` (``intercept`` or a selected feature), ``coefficient`` (per standard deviation),
        ``mean``, ``sd`` (1/n) of the training rows; of ordered classes also the thresholds that the
        score is compared with. Where features are harmonised, all of it is of harmonised features.
    """
    if model is None or model.coefficients_ is None:
        return pd.DataFrame(columns=list(SIGNATURE_COLUMNS))
    scaling = model.filters_.named_steps["scaling"]
    place = {str(name): i for i, name in enumerate(scaling.columns_out_)}
    rows = [("intercept", model.intercept_, float("nan"), float("nan"))]
    rows += [
        (
            name,
            float(model.coefficients_[name]),
            float(scaling.mean_[place[name]]),
            float(scaling.scale_[place[name]]),
        )
        for name in model.selected_
    ]
    bounds = model.kind.bounds(model).items()
    rows += [(name, value, float("nan"), float("nan")) for name, value in bounds]
    return pd.DataFrame(rows, columns=list(SIGNATURE_COLUMNS))
