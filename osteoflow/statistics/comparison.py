"""Group comparisons by the test that the study declared, with effect sizes.

No test is ever chosen by a test of normality: that would change the error rate of what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from osteoflow.settings.statistics import TESTS_OF_CATEGORIES, TESTS_OF_MEANS, TESTS_OF_TWO
from osteoflow.statistics.categories import category_test, cross_table
from osteoflow.statistics.effects import (
    epsilon_squared,
    eta_squared,
    hedges_g,
    omega_squared,
    rank_biserial,
    welch_anova,
)
from osteoflow.statistics.intervals import benjamini_hochberg
from osteoflow.statistics.posthoc import METHODS, post_hoc
from osteoflow.statistics.rules import group_labels, holds_numbers, unknown_column
from osteoflow.wording import mean_sd, median_quartiles, quantity

if TYPE_CHECKING:
    from osteoflow.settings.statistics import GroupComparison

Array = NDArray[np.float64]

_MIN_GROUP = 2
PAIR_COLUMNS = (
    *("name", "group", "variable", "group_1", "group_2", "n_1", "n_2", "test"),
    *("difference", "ci_low", "ci_high", "statistic", "df", "p"),
    *("effect", "effect_name", "effect_low", "effect_high"),
)


@dataclass(frozen=True)
class GroupTest:
    """A test and its effect size with 95 % limits; values are NaN where not defined."""

    test: str
    statistic: float
    p: float
    effect: float
    effect_name: str
    low: float
    high: float
    note: str = ""


def compare_groups(groups: Sequence[ArrayLike], test: str, seed: int = 0) -> GroupTest:
    """Compare groups by a declared test.

    Parameters
    ----------
    groups
        Values of each group, missing ones removed; the effect of two groups is first minus second.
    test
        ``welch`` (Hedges g), ``mann_whitney`` (rank-biserial correlation), ``anova`` (eta
        squared), ``welch_anova`` (omega squared) or ``kruskal`` (epsilon squared).
    seed
        Of the bootstrap behind the limits of omega and epsilon squared.

    Raises
    ------
    ValueError
        With other than two groups for a two-group test, fewer than two groups, or fewer than two
        values in a group.
    """
    samples = [np.asarray(group, dtype=float) for group in groups]
    if any(not np.isfinite(sample).all() for sample in samples):
        raise ValueError("groups have missing or infinite values")
    if len(samples) < 2 or (test in TESTS_OF_TWO and len(samples) != 2):
        raise ValueError(f"test '{test}' does not compare {len(samples)} groups")
    if min(len(sample) for sample in samples) < _MIN_GROUP:
        raise ValueError(f"a group has fewer than {_MIN_GROUP} values")
    if np.ptp(np.concatenate(samples)) == 0:
        return _undefined(test, "the variable does not vary")
    if test in TESTS_OF_MEANS and max(np.ptp(sample) for sample in samples) == 0:
        return _undefined(test, "no group varies")  # any difference would be infinite errors wide
    if test == "welch_anova" and min(np.ptp(sample) for sample in samples) == 0:
        return _undefined(test, "a group does not vary")
    statistic, p, effect = _TESTS[test](samples, seed)
    value, low, high = effect
    return GroupTest(_NAMES[test], statistic, p, value, _EFFECTS[test], low, high)


def _undefined(test: str, note: str) -> GroupTest:
    nan = float("nan")
    return GroupTest(_NAMES[test], nan, nan, nan, _EFFECTS.get(test, ""), nan, nan, note)


_NAMES = {
    "welch": "Welch t",
    "mann_whitney": "Mann-Whitney U",
    "anova": "one-way ANOVA F",
    "welch_anova": "Welch ANOVA F",
    "kruskal": "Kruskal-Wallis H",
    "chi2": "chi-squared",
    "fisher": "Fisher exact",
}
_EFFECTS = {
    "welch": "Hedges g",
    "mann_whitney": "rank-biserial r",
    "anova": "eta squared",
    "welch_anova": "omega squared",
    "kruskal": "epsilon squared",
}


def _of_scipy(found: Any) -> tuple[float, float]:
    return float(found.statistic), float(found.pvalue)


_TESTS: dict[str, Any] = {
    "welch": lambda s, _: (
        *_of_scipy(stats.ttest_ind(s[0], s[1], equal_var=False)),
        hedges_g(s[0], s[1]),
    ),
    "mann_whitney": lambda s, _: (
        *_of_scipy(stats.mannwhitneyu(s[0], s[1], alternative="two-sided")),
        rank_biserial(s[0], s[1]),
    ),
    "anova": lambda s, _: (*_of_scipy(stats.f_oneway(*s)), eta_squared(s)),
    "welch_anova": lambda s, seed: (*welch_anova(s)[::2], omega_squared(s, seed)),
    "kruskal": lambda s, seed: (*_of_scipy(stats.kruskal(*s)), epsilon_squared(s, seed)),
}


def compare_categories(values: pd.Series, groups: pd.Series, test: str, seed: int = 0) -> GroupTest:
    """Compare the shares of levels between groups (see
    :func:`osteoflow.statistics.categories.category_test`), with a note where counts are small.

    Raises
    ------
    ValueError
        With one group or level alone.
    """
    counts = cross_table(values, groups)
    found = category_test(counts.to_numpy(), test, [str(name) for name in counts.columns], seed)
    note = ""
    if test == "chi2" and found.low_cells:
        note = f"fewer than 5 expected in {found.low_cells} of {counts.size} cells"
    if found.effect_name.startswith("odds ratio") and (counts.to_numpy() == 0).any():
        note = "a cell is empty: the odds ratio is 0 or infinite"
    return GroupTest(
        *(found.test, found.statistic, found.p, found.effect, found.effect_name),
        *(found.low, found.high, note),
    )


def comparisons_table(
    table: pd.DataFrame, comparisons: Sequence[GroupComparison], seed: int
) -> pd.DataFrame:
    """All declared comparisons; p values adjusted over the variables of one comparison.

    Parameters
    ----------
    table
        One row per participant.
    comparisons
        Names, groups (a column or rule), variables and tests.
    seed
        Of bootstrap limits.

    Returns
    -------
    pandas.DataFrame
        name, group, variable, then ``group_1``, ``n_1``, ``summary_1`` ... (groups in
        alphabetical order, for a rule "no" before "yes"; effects are first minus second), test,
        statistic, p, p_fdr, effect, effect_name, effect_low, effect_high, n, note. A comparison
        that cannot be made has its reason in ``note``.

    Raises
    ------
    ValueError
        For unknown columns, or variables that are not numbers where the test needs them.
    """
    tables = []
    for item in comparisons:
        part = pd.DataFrame(_comparison_rows(table, item, seed))
        part.insert(part.columns.get_loc("p") + 1, "p_fdr", benjamini_hochberg(part["p"]))
        tables.append(part)
    if not tables:
        return pd.DataFrame(columns=["name", "group", "variable", "test", "p", "p_fdr"])
    found_table = pd.concat(tables, ignore_index=True)
    per_group = [name for name in found_table if name.rpartition("_")[2].isdigit()]
    others = [name for name in found_table if name not in per_group]
    per_group.sort(key=lambda name: int(name.rpartition("_")[2]))
    return found_table[[*others[:3], *per_group, *others[3:]]]


def _comparison_rows(table: pd.DataFrame, item: GroupComparison, seed: int) -> list[dict[str, Any]]:
    """One row per variable of a comparison."""
    labels = group_labels(item.group, table)
    names = sorted(labels.dropna().unique())
    rows = []
    for variable in item.variables:
        row: dict[str, Any] = {"name": item.name, "group": item.group, "variable": variable}
        if item.test in TESTS_OF_CATEGORIES:
            values = category_column(table, variable)
            cells = [values[(labels == name) & values.notna()] for name in names]
            summaries = [count_levels(cell, sorted(values.dropna().unique())) for cell in cells]
        else:
            values = numeric_column(table, variable)
            cells = [values[(labels == name) & values.notna()].to_numpy() for name in names]
            summaries = [summarise(cell, item.test in TESTS_OF_MEANS) for cell in cells]
        for number, name in enumerate(names):
            row[f"group_{number + 1}"] = name
            row[f"n_{number + 1}"] = len(cells[number])
            row[f"summary_{number + 1}"] = summaries[number]
        try:
            if item.test in TESTS_OF_CATEGORIES:
                found = compare_categories(values, labels, item.test, seed)
            else:
                found = compare_groups(cells, item.test, seed)
        except ValueError as error:
            found = _undefined(item.test, str(error))
        rows.append(
            row
            | {
                "test": found.test,
                "statistic": found.statistic,
                "p": found.p,
                "effect": found.effect,
                "effect_name": found.effect_name,
                "effect_low": found.low,
                "effect_high": found.high,
                "n": sum(len(cell) for cell in cells),
                "note": found.note,
            }
        )
    return rows


def pairs_table(table: pd.DataFrame, comparisons: Sequence[GroupComparison]) -> pd.DataFrame:
    """Tests of all pairs of groups of comparisons that declare one.

    Parameters
    ----------
    table
        One row per participant.
    comparisons
        Those without ``post_hoc`` give no rows.

    Returns
    -------
    pandas.DataFrame
        :data:`PAIR_COLUMNS`; ``p`` is adjusted over the pairs of one variable by the test itself.
        A variable that cannot be compared has no rows: the comparison's own row says why.
    """
    rows = []
    for item in comparisons:
        if item.post_hoc is None:
            continue
        labels = group_labels(item.group, table)
        names = sorted(labels.dropna().unique())
        for variable in item.variables:
            values = numeric_column(table, variable)
            samples = [values[(labels == name) & values.notna()].to_numpy() for name in names]
            if len(samples) < 2 or min(map(len, samples)) < _MIN_GROUP:
                continue
            effect = "rank-biserial r" if item.post_hoc == "dunn" else "Hedges g"
            for pair in post_hoc(samples, item.post_hoc):
                rows.append(
                    {
                        "name": item.name,
                        "group": item.group,
                        "variable": variable,
                        "group_1": names[pair.first],
                        "group_2": names[pair.second],
                        "n_1": len(samples[pair.first]),
                        "n_2": len(samples[pair.second]),
                        "test": METHODS[item.post_hoc],
                        "difference": pair.difference,
                        "ci_low": pair.low,
                        "ci_high": pair.high,
                        "statistic": pair.statistic,
                        "df": pair.df,
                        "p": pair.p,
                        "effect": pair.effect,
                        "effect_name": effect,
                        "effect_low": pair.effect_low,
                        "effect_high": pair.effect_high,
                    }
                )
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def numeric_column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers.

    Raises
    ------
    ValueError
        If it is unknown or holds text.
    """
    if name not in table.columns:
        raise ValueError(unknown_column(name, table.columns))
    if not holds_numbers(table[name]):
        raise ValueError(f"column '{name}' holds text, not numbers")
    return table[name].astype(float)


def category_column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as the names of its categories; whole numbers without decimals.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name not in table.columns:
        raise ValueError(unknown_column(name, table.columns))
    return table[name].map(level_text, na_action="ignore").astype(object)


def level_text(value: object) -> str:
    """Name of a category."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return str(int(value)) if number and float(value).is_integer() else str(value)  # type: ignore[arg-type]


def summarise(values: ArrayLike, by_mean: bool) -> str:
    """``mean (SD)`` or ``median [quartiles]``; "n/a" without values."""
    values = np.asarray(values, dtype=float)
    if not len(values):
        return "n/a"
    if by_mean:
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        return mean_sd(values.mean(), spread)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return median_quartiles(low, middle, high)


def count_levels(values: pd.Series, levels: Sequence[str]) -> str:
    """``F: 12 (60.0 %), M: 8 (40.0 %)``; "n/a" without values."""
    if not len(values):
        return "n/a"
    counts = [int((values == level).sum()) for level in levels]
    return ", ".join(
        f"{level}: {n} ({quantity('share', n / len(values))} %)"
        for level, n in zip(levels, counts, strict=True)
    )
