"""The models that an analysis names, whatever the kind of its outcome, fitted in their order."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

Model = TypeVar("Model")
Signature = TypeVar("Signature")


def fit_declared(
    analysis: Analysis,
    seed: int,
    fit_columns: Callable[[list[str], str, Signature | None], Model],
    fit_learner: Callable[[str, int], Signature],
) -> dict[str, Model | Signature]:
    """Baselines, blocks of columns, radiomic models, and the combined one.

    Parameters
    ----------
    analysis
        Settings.
    seed
        From which each learner gets one that goes by its name, whatever others there are.
    fit_columns
        Called with columns of the table, the model's name and the radiomic model whose cross-fitted
        score enters (None: columns alone).
    fit_learner
        Called with the name of a learner and its seed.

    Returns
    -------
    dict
        Fitted models by name, in the order of ``Analysis.models``. The first learner's is called
        ``radiomics``, and it is the one that enters the combined model.
    """
    found: dict[str, Model | Signature] = {}
    for column in analysis.baselines or ():
        name = f"baseline_{column}"
        found[name] = fit_columns([column], name, None)
    for block in ("clinical", "measurements"):
        columns = list(getattr(analysis, block))
        if columns:
            found[block] = fit_columns(columns, block, None)
    signature = None
    for learner in analysis.radiomics.learners if analysis.radiomics is not None else ():
        own_seed = np.random.SeedSequence([seed, zlib.crc32(learner.encode())])
        model = fit_learner(learner, int(own_seed.generate_state(1)[0]))
        if signature is None:
            signature = found["radiomics"] = model
        else:
            found[f"radiomics_{learner}"] = model
    if "combined" in analysis.models:
        columns = [*analysis.clinical, *analysis.measurements]
        found["combined"] = fit_columns(columns, "combined", signature)
    return {name: found[name] for name in analysis.models}
