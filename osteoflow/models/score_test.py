"""What the Rad-score adds to a regression, tested by permutation.

The score is learned from the participants on whom the regression is fitted. Even cross-fitted, it
is no measured column: its penalty was chosen by the very rows that it is tested on, and each row's
score depends on the outcomes of the others. The likelihood ratio then is far larger by chance than
chi-squared says (Höfling and Tibshirani, Ann Appl Stat 2008;2:643). As they propose, it is compared
with what the whole procedure gives where features know nothing: outcome and other predictors are
shuffled together against the features, and the signature is learned anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteoflow.models.clinical_design import RAD_SCORE
from osteoflow.models.dataset import Dataset
from osteoflow.models.fitting import FittedModels, fit_models
from osteoflow.models.folds import AnalysisError
from osteoflow.models.kinds.base import OutcomeKind
from osteoflow.models.out_of_fold import Indices
from osteoflow.models.parallel import in_order
from osteoflow.models.permutation import failed_permutations, permutation_p
from osteoflow.wording import count

if TYPE_CHECKING:
    from osteoflow.settings.analysis import Analysis

# (Smaller, larger) model -> statistic of the test between them.
Ratios = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class ScoreNull:
    """Statistics of the regressions with a Rad-score against smaller ones, without any relation.

    Attributes
    ----------
    draws
        Of each permutation that gave models.
    warnings
        Why others gave none.
    """

    draws: Sequence[Ratios]
    warnings: list[str]

    @property
    def words(self) -> str:
        """Where p comes from, or why there is none."""
        if self.draws:
            return f"p by {count(len(self.draws), 'permutation')} of the features"
        why = "no permutation gave models" if self.warnings else "no permutations were asked for"
        return f"no p, as chi-squared does not hold for the score and {why}"

    def p(self, pair: tuple[str, str], statistic: float) -> float:
        """(1 + permutations that reach the statistic) / (1 + permutations); NaN without any.

        Parameters
        ----------
        pair
            Names of the smaller and of the larger model.
        statistic
            That of the outcome as it is.
        """
        if not self.draws or not np.isfinite(statistic):
            return float("nan")
        return permutation_p(statistic, [draw[pair] for draw in self.draws])


def score_ratios(final: FittedModels) -> dict[tuple[str, str], float]:
    """Statistics of the regressions with a Rad-score against those whose terms they have, too.

    0 where the score is constant and adds nothing; infinite where it separates the outcome, so that
    there is no maximum likelihood and no statistic.
    """
    found = {}
    for larger, large in final.regressions.items():
        for smaller, small in final.regressions.items():
            if RAD_SCORE not in large.terms_ or not set(small.terms_) < set(large.terms_):
                continue
            if RAD_SCORE in small.terms_:
                continue
            statistic, df, *_ = large.regression_.against(small.regression_)
            unknown = 0.0 if df == 0 else float("inf")
            found[smaller, larger] = statistic if np.isfinite(statistic) else unknown
    return found


def score_null(
    kind: OutcomeKind,
    data: Dataset,
    train: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
    workers: int = 1,
) -> ScoreNull:
    """Draw statistics without any relation between features and all else.

    Parameters
    ----------
    kind, data, train, analysis
        Kind of the outcome, rows that models are fitted on, and settings.
    seed
        Of the permutations and of the fits.
    workers
        Processes; the results do not depend on their number.
    """
    if "combined" not in analysis.models or analysis.radiomics is None:
        return ScoreNull([], [])
    first = analysis.radiomics.model_copy(update={"learners": analysis.radiomics.learners[:1]})
    alone = analysis.model_copy(update={"radiomics": first})
    tasks = [(kind, data, train, alone, child) for child in seed.spawn(analysis.score_permutations)]
    found = in_order(_permuted_ratios, tasks, workers)
    warnings = failed_permutations("test of the Rad-score", found)
    return ScoreNull([one for one in found if not isinstance(one, str)], warnings)


def _permuted_ratios(
    kind: OutcomeKind,
    data: Dataset,
    train: Indices,
    analysis: Analysis,
    seed: np.random.SeedSequence,
) -> dict[tuple[str, str], float] | str:
    """Statistics of one permutation, or why there are none."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(train))
    own = data.table.iloc[train]
    # Other predictors follow the outcome; features, readings and sites stay with their rows.
    moved = {name: own[name].take(order).to_numpy() for name in analysis.columns}
    shuffled = replace(
        data,
        table=own.assign(**moved),
        outcome=data.outcome[train][order],
        groups=data.groups[train],
        time=None if data.time is None else data.time[train][order],
    )
    try:
        models = fit_models(
            kind, shuffled, np.arange(len(train)), analysis, int(rng.integers(2**31 - 1))
        )
        return score_ratios(models)
    except (AnalysisError, ArithmeticError) as error:
        return str(error)
