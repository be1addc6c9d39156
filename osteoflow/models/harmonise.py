"""Harmonisation of features between sites by empirical-Bayes ComBat.

Johnson, Li and Rabinovic, Biostatistics 2007;8:118. A feature of site i is modelled as

``x = mean + covariates * b + sd * (gamma_i + sqrt(delta_i) * e)``

where the sites' shifts gamma_i and spreads delta_i are shrunk towards what the site does to all
features on average (normal and inverse-gamma priors, their parameters by the method of moments).
Removed are gamma_i and delta_i; mean, covariates' effect and pooled SD stay. Everything is learned
from the rows fitted on, and rows met later are harmonised with what was learned.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from osteoflow.models.clinical_design import ClinicalDesign
from osteoflow.models.folds import AnalysisError
from osteoflow.models.transformers import _ColumnSelector
from osteoflow.wording import listing

Array = NDArray[np.float64]

# The published iteration ends at this relative change; going further would differ from it.
_CHANGE = 1e-4
_MAX_STEPS = 10_000
# Of what rounding leaves of a variance, relative to the squared magnitude.
_NO_VARIANCE = 1e-24


class SiteEffect(NamedTuple):
    """What a site does to each standardised feature: shift and variance ratio, shape (p,)."""

    gamma: Array
    delta: Array


class CombatHarmoniser(_ColumnSelector):
    """Take the differences between sites (scanners, protocols) out of features.

    Site and covariates are looked up by the index of the table that is fitted or transformed, so
    that the step works within a pipeline and within folds. It stands after the imputation and the
    variance filter: features must be complete.

    The outcome must not be among the covariates, nor anything that defines it: new rows do not have
    it, and where sites differ in their share of events, keeping its effect writes the outcome into
    useless features (Nygaard, Rødland and Hovig, Biostatistics 2016;17:29). The caller guarantees
    this; the step cannot see it.

    With few rows per site and hundreds of features, what shrinkage and chance leave of the shifts
    still tells the sites apart: where sites differ in their share of events, a model may predict
    the site. Performance is therefore told within sites, too
    (:func:`osteoflow.models.tables.by_site.performance_by_site`).

    Parameters
    ----------
    site
        Site of each row, by row name; None: nothing is harmonised.
    covariates
        What differs between sites for other reasons than the site (age, sex) and is to be kept,
        by row name: numbers, or text coded by its levels. Missing ones become the median or
        the commonest level of the rows fitted on.
    unseen
        What becomes of rows whose site is missing or, met later, was not among the rows fitted on:
        ``refuse``, or ``leave`` them as they are.
    mean_only
        Remove shifts alone. Done for all sites if any of them has a single row, because its
        variance cannot be known.

    Attributes
    ----------
    sites_ : dict
        Number of rows fitted on by site.
    effects_ : dict
        Site -> :class:`SiteEffect`; empty where nothing is harmonised.
    unadjusted_ : list
        Features left as they are: constant within a site, or explained wholly by the covariates.
    warning_
        What was not done as asked among the rows fitted on, or "".
    """

    def __init__(
        self,
        site: pd.Series | None,
        covariates: pd.DataFrame | None = None,
        unseen: Literal["refuse", "leave"] = "refuse",
        mean_only: bool = False,
    ) -> None:
        self.site = site
        self.covariates = covariates
        self.unseen = unseen
        self.mean_only = mean_only

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the sites' effects; ``y`` plays no part.

        Raises
        ------
        AnalysisError
            If a site is missing and ``unseen`` refuses, or sites and covariates cannot be told
            apart.
        ValueError
            If a row has no entry in ``site`` or ``covariates``, or a feature is missing.
        """
        if self.unseen not in ("refuse", "leave"):
            raise ValueError(f"unseen must be 'refuse' or 'leave', not '{self.unseen}'")
        self._remember(X, np.ones(X.shape[1], dtype=bool))
        self.sites_: dict[str, int] = {}
        self.effects_: dict[str, SiteEffect] = {}
        self.unadjusted_: list[str] = []
        self.design_ = None
        notes: list[str] = []
        values = _complete(X)
        if self.site is None:
            self.warning_ = "no sites are declared: the features were not harmonised"
            return self
        labels = self._labels(X)
        known = labels != ""
        if not known.all():
            words = f"{int((~known).sum())} of {len(X)} rows have no site"
            if self.unseen == "refuse":
                raise AnalysisError(f"{words}: their features cannot be harmonised")
            notes.append(f"{words} and were neither learned from nor harmonised")
        names, place, sizes = np.unique(labels[known], return_inverse=True, return_counts=True)
        self.sites_ = dict(zip(names.tolist(), sizes.tolist(), strict=True))
        if len(names) < 2:
            named = f"site {names[0]} only" if len(names) else "no site"
            notes.append(f"rows of {named}: the features were not harmonised")
        elif X.shape[1]:
            terms = self._fit_covariates(X[known], notes)
            self._learn(values[known], place, terms, notes)
        self.warning_ = "; ".join(notes)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The harmonised features.

        Raises
        ------
        AnalysisError
            If the site of a row is missing or was not fitted on, and ``unseen`` refuses.
        ValueError
            As :meth:`fit`, or if the columns are not those fitted on.
        """
        check_is_fitted(self, "kept_")
        values = self._values(X)
        labels = self._labels(X)
        strange = self._strange_sites(labels)
        if strange and self.unseen == "refuse":
            raise AnalysisError(
                f"the features of {', '.join(strange)} cannot be harmonised: the training rows are "
                f"of site{'s' * (len(self.sites_) > 1)} {', '.join(self.sites_)}"
            )
        if not self.effects_:
            return pd.DataFrame(values, index=X.index, columns=self.columns_out_)
        _complete(X)
        used = self.adjusted_
        centre = self.grand_mean_ + self._terms(X) @ self.slopes_
        for name, effect in self.effects_.items():
            rows = np.flatnonzero(labels == name)
            cells = np.ix_(rows, used)
            scaled = (values[cells] - centre[rows]) / self.scale_
            scaled = (scaled - effect.gamma) / np.sqrt(effect.delta)
            values[cells] = scaled * self.scale_ + centre[rows]
        return pd.DataFrame(values, index=X.index, columns=self.columns_out_)

    def warnings_for(self, X: pd.DataFrame) -> list[str]:
        """Sentences on rows of ``X`` that stay unharmonised, and on levels of covariates unknown.

        For rows met after the fit; what concerns the fit is in ``warning_``.
        """
        check_is_fitted(self, "kept_")
        strange = self._strange_sites(self._labels(X))
        found = []
        if strange:
            found.append(
                f"{listing(strange)}: not among the rows fitted on, features left unharmonised"
            )
        if self.design_ is not None:
            found += [
                f"{level}: not among the rows fitted on, counts as the reference level in the "
                "harmonisation"
                for level in self.design_.unseen_levels(self._looked_up(self.covariates, X))
            ]
        return found

    def _strange_sites(self, labels: NDArray[np.object_]) -> list[str]:
        """Sites that were not fitted on, with the number of their rows, in words."""
        if self.site is None:
            return []
        names, sizes = np.unique(labels.astype(str), return_counts=True)
        return [
            f"{size} row{'s' * (size > 1)} {f'of site {name}' if name else 'without a site'}"
            for name, size in zip(names.tolist(), sizes.tolist(), strict=True)
            if name not in self.sites_
        ]

    def _labels(self, X: pd.DataFrame) -> NDArray[np.object_]:
        """Site of each row as text; "" where it is missing."""
        if self.site is None:
            return np.full(len(X), "", dtype=object)
        site = self._looked_up(self.site, X)
        labels = np.array([site_name(label) for label in site], dtype=object)
        labels[site.isna().to_numpy()] = ""
        return labels

    @staticmethod
    def _looked_up(source: Any, X: pd.DataFrame) -> Any:
        """Rows of a table or column that belong to the rows of ``X``."""
        if not source.index.is_unique:
            raise ValueError("sites and covariates need one entry per row name")
        absent = ~X.index.isin(source.index)
        if absent.any():
            raise ValueError(f"{int(absent.sum())} rows have no entry in the sites or covariates")
        return source.loc[X.index]

    def _fit_covariates(self, X: pd.DataFrame, notes: list[str]) -> Array:
        """Learn how covariates are coded; their columns for the rows fitted on."""
        if self.covariates is None or not self.covariates.shape[1]:
            return np.zeros((len(X), 0))
        table = self._looked_up(self.covariates, X)
        columns = [name for name in table.columns if len(table[name].dropna().unique()) > 1]
        same = [str(name) for name in table.columns if name not in columns]
        if same:
            notes.append(f"covariates without variation play no part: {', '.join(same)}")
        if not columns:
            return np.zeros((len(X), 0))
        self.design_ = ClinicalDesign(columns).fit(table)
        if self.design_.n_missing_:
            notes.append(f"{self.design_.n_missing_} missing values of covariates were replaced")
        return self._terms(X)

    def _terms(self, X: pd.DataFrame) -> Array:
        """Columns of the covariates, shape (n, terms)."""
        if self.design_ is None:
            return np.zeros((len(X), 0))
        table = self._looked_up(self.covariates, X)
        return self.design_.transform(table).to_numpy(dtype=float)

    def _learn(
        self, values: Array, place: NDArray[np.intp], terms: Array, notes: list[str]
    ) -> None:
        """Means, pooled variances, and the sites' effects with their priors."""
        n, names = len(values), list(self.sites_)
        member = (place[:, None] == np.arange(len(names))).astype(float)
        design = np.column_stack([member, terms])
        # Columns of one size, so that the rank does not hang on units.
        if np.linalg.matrix_rank(design / np.linalg.norm(design, axis=0)) < design.shape[1]:
            raise AnalysisError(
                "sites and covariates of the harmonisation cannot be told apart: a covariate is "
                "fixed by the site or by the other covariates"
            )
        fitted = np.linalg.solve(design.T @ design, design.T @ values)
        variance = ((values - design @ fitted) ** 2).mean(axis=0)
        self.adjusted_ = np.flatnonzero(_varies(values, place, variance))
        self.unadjusted_ = [str(name) for name in self.columns_in_.delete(self.adjusted_)]
        if self.unadjusted_:
            notes.append(
                f"{len(self.unadjusted_)} features are constant within a site, or explained wholly "
                "by covariates, and were not harmonised"
            )
        if not len(self.adjusted_):
            return
        fitted, values = fitted[:, self.adjusted_], values[:, self.adjusted_]
        self.scale_ = np.sqrt(variance[self.adjusted_])
        sizes = member.sum(axis=0)
        self.grand_mean_, self.slopes_ = sizes / n @ fitted[: len(names)], fitted[len(names) :]
        scaled = (values - self.grand_mean_ - terms @ self.slopes_) / self.scale_
        means_alone = self._means_alone(notes)
        if len(self.adjusted_) < 2:
            notes.append("a single feature is harmonised without shrinkage: it has no others")
        self.effects_ = {
            name: _site_effect(scaled[place == number], means_alone)
            for number, name in enumerate(names)
        }

    def _means_alone(self, notes: list[str]) -> bool:
        """Whether only shifts are removed."""
        single = [name for name, size in self.sites_.items() if size == 1]
        if single and not self.mean_only:
            notes.append(
                f"one row of site {', '.join(single)}: only the sites' means were harmonised, not "
                "their variances"
            )
        return self.mean_only or bool(single)


def site_name(label: Any) -> str:
    """A site's name; a number without decimals stays one, even in a column with missing values."""
    whole = isinstance(label, (float, np.floating)) and float(label).is_integer()
    return str(int(label)) if whole else str(label)


def _complete(X: pd.DataFrame) -> Array:
    """The table as numbers, none missing."""
    values = X.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("features have missing or infinite values: impute them first")
    return values


def _varies(values: Array, place: NDArray[np.intp], variance: Array) -> NDArray[np.bool_]:
    """Features that vary within every site of several rows, and beyond the covariates."""
    floor = _NO_VARIANCE * np.abs(values).max(axis=0) ** 2
    varies = variance > floor
    for number in range(place.max() + 1):
        rows = values[place == number]
        if len(rows) > 1:
            varies &= rows.var(axis=0) > floor
    return varies


def _site_effect(scaled: Array, means_alone: bool) -> SiteEffect:
    """Shrunken shift and variance of one site from its standardised rows, shape (n, p)."""
    n, p = scaled.shape
    shift = scaled.mean(axis=0)
    if means_alone:
        if p < 2:
            return SiteEffect(shift, np.ones(p))
        # As published, the prior's weight against one observation, however many rows there are.
        spread = shift.var(ddof=1)
        return SiteEffect(_posterior_shift(shift, shift.mean(), 1.0, 1.0, spread), np.ones(p))
    variance = scaled.var(axis=0, ddof=1)
    if p < 2:
        return SiteEffect(shift, variance)
    centre, spread = float(shift.mean()), float(shift.var(ddof=1))
    mean, s2 = float(variance.mean()), float(variance.var(ddof=1))
    if s2 <= _NO_VARIANCE * mean**2:  # the prior is a point
        delta = np.full(p, mean)
        return SiteEffect(_posterior_shift(shift, centre, n, delta, spread), delta)
    shape, rate = (2 * s2 + mean**2) / s2, (mean * s2 + mean**3) / s2
    gamma, delta = shift, variance
    for _ in range(_MAX_STEPS):
        new_gamma = _posterior_shift(shift, centre, n, delta, spread)
        squares = (n - 1) * variance + n * (shift - new_gamma) ** 2
        new_delta = (squares / 2 + rate) / (n / 2 + shape - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Signed in the shift, as in the published program: the same number of steps.
            change = np.nanmax([np.abs(new_gamma - gamma) / gamma,
                                np.abs(new_delta - delta) / delta])  # fmt: skip
        gamma, delta = new_gamma, new_delta
        if change <= _CHANGE:
            return SiteEffect(gamma, delta)
    raise ArithmeticError("the site effects of the harmonisation did not converge")


def _posterior_shift(
    shift: Array, centre: float, n: float, delta: Array | float, spread: float
) -> Array:
    """Posterior mean of a shift with a normal prior."""
    return (n * spread * shift + delta * centre) / (n * spread + delta)
