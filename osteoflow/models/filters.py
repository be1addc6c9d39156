"""The steps between raw radiomic features and a learner, as one pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.pipeline import Pipeline

from osteoflow.models.selectors import (
    MrmrFilter,
    ScoreFunction,
    UnivariateFilter,
    binary_scores,
)
from osteoflow.models.transformers import (
    MedianImputer,
    NearZeroVariance,
    RedundancyFilter,
    ReliabilityFilter,
    Standardiser,
)

if TYPE_CHECKING:
    from osteoflow.models.dataset import Dataset
    from osteoflow.settings.analysis import Analysis


def feature_filters(
    data: Dataset, analysis: Analysis, score_func: ScoreFunction = binary_scores
) -> Pipeline:
    """Everything that happens to features before a learner, not yet fitted.

    Fit it on the feature columns of training rows alone: ``filters.fit_transform(
    data.table.iloc[train][data.features], outcome[train])``, then ``filters.transform`` other rows.
    Copy it for each training part with :func:`sklearn.base.clone`. Steps in order, those in
    brackets where declared: ``reliability`` (and ``reliability_<comparison>`` for every further
    comparison), ``imputation``, ``variance``, [``harmonisation``, ``harmonised_variance``],
    ``scaling``, [``univariate``], ``redundancy``, [``mrmr``]. Every step has ``n_features_in_`` and
    ``kept_`` (see :func:`steps_table`). All but ``univariate`` and ``mrmr`` are blind to the
    outcome.

    Parameters
    ----------
    data
        The analysis' rows: readings for the reliability filter, sites for the harmonisation.
    analysis
        Settings, with radiomic predictors.
    score_func
        Called as ``score_func(features, outcome)`` with the features of the training rows, shape
        (n, p), and the outcome as the pipeline was given it (of any kind); gives relevance (larger
        is more) and p value of every feature, each of shape (p,).

    Raises
    ------
    ValueError
        If the analysis has no radiomic predictors.
    """
    settings = analysis.radiomics
    if settings is None:
        raise ValueError(f"analysis '{analysis.name}' has no radiomic predictors")
    found = list((data.repeated or {settings.reliability[0]: None}).items())
    steps: list[tuple[str, object]] = [
        (
            f"reliability_{comparison}" if place else "reliability",
            ReliabilityFilter(repeated, settings.icc_threshold, comparison=comparison),
        )
        for place, (comparison, repeated) in enumerate(found)
    ]
    steps += [("imputation", MedianImputer()), ("variance", NearZeroVariance())]
    if settings.harmonisation is not None:
        from osteoflow.models.harmonise import CombatHarmoniser

        declared = settings.harmonisation
        steps += [
            (
                "harmonisation",
                CombatHarmoniser(
                    data.sites[declared.site],
                    data.sites[declared.covariates] if declared.covariates else None,
                    declared.unseen_site,
                ),
            ),
            # A feature that only sites tell apart may be constant once they are made equal.
            ("harmonised_variance", NearZeroVariance()),
        ]
    steps.append(("scaling", Standardiser()))
    if settings.univariate is not None:
        univariate = settings.univariate
        steps.append(
            ("univariate", UnivariateFilter(score_func, univariate.alpha, univariate.correction))
        )
    steps.append(("redundancy", RedundancyFilter(settings.correlation_threshold)))
    if settings.mrmr is not None:
        steps.append(("mrmr", MrmrFilter(settings.mrmr, score_func)))
    return Pipeline(steps)


def steps_table(filters: Pipeline) -> list[dict[str, object]]:
    """``{step, n_in, n_out}`` of every step of a fitted pipeline."""
    return [
        {"step": name, "n_in": int(step.n_features_in_), "n_out": len(step.kept_)}
        for name, step in filters.named_steps.items()
    ]
