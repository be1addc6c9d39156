"""Settings of tests and descriptive statistics."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from osteoflow.settings.cohort import known_metric
from osteoflow.settings.section import Levels, Name, Section

Test = Literal["welch", "mann_whitney", "anova", "welch_anova", "kruskal", "chi2", "fisher"]
# What each test compares, and of how many groups.
TESTS_OF_MEANS = ("welch", "anova", "welch_anova")
TESTS_OF_RANKS = ("mann_whitney", "kruskal")
TESTS_OF_CATEGORIES = ("chi2", "fisher")
TESTS_OF_TWO = ("welch", "mann_whitney")
# Keys of `table1_tests` that stand for all rows of a kind.
TABLE1_KINDS = ("means", "medians", "categories")
# Columns about the reference test and treatment: Table 1 has those that the study has.
REFERENCE_COLUMNS = (
    "reference_interval_days",
    "dxa_interval_days",
    "dxa_site",
    "menopause",
    "treatment",
)
_POST_HOC = {
    "tukey": ("anova",),
    "games_howell": ("anova", "welch_anova"),
    "dunn": ("kruskal",),
}


def _each_once(names: Iterable[str], what: str) -> None:
    """Raise if a name stands twice."""
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} named twice: {', '.join(twice)}")


class GroupComparison(Section):
    """Two or more groups compared on several variables."""

    name: Name = Field(description="Name of the comparison in the tables.")
    group: str = Field(
        description="A column, or a rule such as `dxa_tscore <= -2.5`, that makes the groups."
    )
    variables: list[str] = Field(min_length=1, description="Columns compared.")
    test: Test = Field(
        "mann_whitney",
        description="The test, declared beforehand and stated in the table: `welch` or "
        "`mann_whitney` of two groups; `anova`, `welch_anova` (unequal variances) or `kruskal` of "
        "more; `chi2` or `fisher` of variables that are categories.",
    )
    post_hoc: Literal["tukey", "games_howell", "dunn"] | None = Field(
        None,
        description="Tests of all pairs of groups: `tukey` (after `anova`), `games_howell` "
        "(unequal variances; after `anova` or `welch_anova`), `dunn` (after `kruskal`, p by Holm); "
        "absent: none.",
    )

    @model_validator(mode="after")
    def _pairs_belong_to_the_test(self) -> GroupComparison:
        if self.post_hoc is not None and self.test not in _POST_HOC[self.post_hoc]:
            raise ValueError(
                f"post_hoc: {self.post_hoc} belongs to {' or '.join(_POST_HOC[self.post_hoc])}, "
                f"not to {self.test}"
            )
        _each_once(self.variables, "variables:")
        return self


class Correlation(Section):
    """A correlation between two variables."""

    x: str = Field(description="A column.")
    y: str = Field(description="A column.")
    covariates: list[str] = Field(
        [],
        description="Columns partialled out in a second row; text counts as categories.",
    )
    method: Literal["pearson", "spearman"] = Field("spearman", description="The coefficient.")

    @property
    def figure(self) -> str:
        """Name of its figure: letters, digits and underscores."""
        words = re.sub(r"[^A-Za-z0-9]+", "_", f"{self.x}_{self.y}").strip("_")
        return f"correlation_{words}"


class CorrelationMatrix(Section):
    """Correlations of all pairs of several variables, as a table and a heat map."""

    name: Name = Field(description="Name in the table and of the figure.")
    variables: list[str] = Field(min_length=3, max_length=16, description="Columns.")
    covariates: list[str] = Field(
        [], description="Columns partialled out of every pair; text counts as categories."
    )
    method: Literal["pearson", "spearman"] = Field("spearman", description="The coefficient.")

    @model_validator(mode="after")
    def _variables_once(self) -> CorrelationMatrix:
        _each_once([*self.variables, *self.covariates], "variables or covariates:")
        return self

    @property
    def figure(self) -> str:
        """Name of its figure."""
        return f"heatmap_{self.name}"


class MixedModel(Section):
    """A linear mixed model of a measurement of vertebrae, random intercept by participant."""

    name: Name = Field(description="Name in the tables.")
    metric: str = Field(description="Metric of the measurements table (`vbmd_mean`).")
    voi: Literal["trabecular", "ellipse", "cortical"] = Field(
        "trabecular",
        description="Volume measured; others than the trabecular one have to stand in "
        "`segmentation.further_voi`.",
    )
    levels: Levels = Field(
        ["L1", "L2", "L3", "L4"], description="Vertebrae; the first one is the reference."
    )
    fixed: list[str] = Field(
        min_length=1,
        description="Fixed effects: `level`, columns (text counts as categories, the first in "
        "alphabetical order is the reference), rules such as `dxa_tscore <= -2.5`.",
    )

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        return known_metric(metric)

    @model_validator(mode="after")
    def _several_levels(self) -> MixedModel:
        if len(self.levels) < 2:
            raise ValueError("levels: vertebrae within participants need two levels or more")
        _each_once(self.fixed, "fixed:")
        return self

    @property
    def columns(self) -> list[str]:
        """Fixed effects that come from the participants table."""
        return [item for item in self.fixed if item != "level"]


class MeasurementRoc(Section):
    """How well each single measurement tells an outcome."""

    name: Name = Field("measurements", description="Name in the tables and of the figure.")
    outcome: str = Field(description="A 0/1 column, or a rule such as `dxa_tscore <= -2.5`.")
    outcome_label: str = Field("Event", description="The event's name in the figure.")
    measurements: list[str] = Field(
        min_length=1,
        max_length=12,
        description="Columns of numbers, none of which may define the outcome.",
    )
    direction: dict[str, Literal["higher", "lower"]] = Field(
        {},
        description="Which values of a measurement speak for the event. Absent: lower ones of bone "
        "densities, CT numbers, T-scores and R2*, higher ones of all others; never chosen by the "
        "data.",
    )
    cutoffs: dict[str, list[float]] = Field(
        {},
        description="Further cut-offs of a measurement, fixed beforehand. Published ones are "
        "taken by themselves where they hold: 80 and 120 mg/cm3 of K2HPO4 for a mean vBMD of two "
        "levels or more, 110 and 160 HU for L1, T-scores of -2.5 and -1.",
    )
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Prevalence in the target population for predictive values; absent: that of "
        "the data.",
    )
    bootstraps: int = Field(
        1000, ge=100, description="Resamplings that correct a cut-off found in the same data."
    )

    @model_validator(mode="after")
    def _of_these_measurements(self) -> MeasurementRoc:
        _each_once(self.measurements, "measurements:")
        for key in ("direction", "cutoffs"):
            for name in getattr(self, key):
                if name not in self.measurements:
                    raise ValueError(f"{key}: '{name}' is not one of the measurements")
        return self

    @property
    def figure(self) -> str:
        """Name of its figure."""
        return f"measurement_roc_{self.name}"


class Reproducibility(Section):
    """Agreement of raters, of repeated outlines and of repeated scans."""

    # YAML reads a session of 1 as a number.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    repeat_sessions: list[list[str]] = Field(
        [],
        description="Groups of sessions that are repeated scans of each other, such as "
        '`[["1", "2"]]`: participants who have two of them serve the precision of the whole '
        "measurement.",
    )
    levels: Levels = Field(
        ["L1", "L2", "L3", "L4"],
        description="Vertebrae whose mean is analysed beside each of them, and that are pooled.",
    )
    bootstraps: int = Field(
        1000, ge=100, description="Resamplings of participants behind intervals of pooled levels."
    )

    @model_validator(mode="after")
    def _sessions_are_named_once(self) -> Reproducibility:
        named = [session for group in self.repeat_sessions for session in group]
        if any(len(group) < 2 for group in self.repeat_sessions):
            raise ValueError("repeat_sessions: a group needs two sessions or more")
        if len({len(group) for group in self.repeat_sessions}) > 1:
            raise ValueError("repeat_sessions: all groups need the same number of sessions")
        if len(set(named)) < len(named):
            raise ValueError("repeat_sessions: a session is named twice")
        return self


class Statistics(Section):
    """Descriptive statistics and tests."""

    table1_group: str | None = Field(
        None, description="Column or rule that makes the columns of Table 1."
    )
    table1_variables: list[str] = Field([], description="Rows of Table 1.")
    nonnormal: list[str] = Field(
        [], description="Rows given as median [quartiles] instead of mean (SD)."
    )
    table1_tests: dict[str, Test] = Field(
        {},
        description="Tests of Table 1 by row (`age: welch`) or for all rows of a kind (`means`, "
        "`medians`, `categories`). Absent: Welch's t of two groups and one-way ANOVA of more for "
        "means, Mann-Whitney and Kruskal-Wallis for medians, Fisher's exact test of 2 x 2 tables "
        "and chi-squared of larger ones for categories.",
    )
    table1_smd: bool = Field(
        False, description="Standardised mean differences as a column of Table 1."
    )
    table1_fdr: bool = Field(
        False,
        description="p values of Table 1 adjusted over its rows (Benjamini-Hochberg) as a column.",
    )
    comparisons: list[GroupComparison] = Field([], description="Group comparisons.")
    correlations: list[Correlation] = Field([], description="Correlations.")
    correlation_matrices: list[CorrelationMatrix] = Field(
        [], description="Correlations of all pairs of several variables."
    )
    mixed_models: list[MixedModel] = Field(
        [], description="Linear mixed models of vertebrae within participants."
    )
    measurement_roc: list[MeasurementRoc] = Field(
        [], description="ROC analyses of single measurements; one may stand without a list."
    )
    volume_confounding: float = Field(
        0.7,
        gt=0,
        lt=1,
        description="A feature is marked as confounded with its region's volume where the lower "
        "95 % limit of |Spearman's rho| exceeds this.",
    )
    reproducibility: Reproducibility = Field(
        default_factory=Reproducibility,
        description="Agreement and precision of what was read or scanned again.",
    )

    @field_validator("measurement_roc", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _names_and_tests(self) -> Statistics:
        for key in ("correlation_matrices", "mixed_models", "measurement_roc"):
            _each_once([item.name for item in getattr(self, key)], f"{key}:")
        for name, test in self.table1_tests.items():
            fits = _tests_of(name, self)
            if fits is None:
                raise ValueError(f"table1_tests: '{name}' is no row of table1_variables")
            if test not in fits:
                raise ValueError(f"table1_tests: {name}: {test} is none of {', '.join(fits)}")
        return self


def _tests_of(name: str, settings: Statistics) -> tuple[str, ...] | None:
    """Tests that a row or kind of Table 1 can have, as far as its name tells."""
    if name == "means":
        return TESTS_OF_MEANS
    if name == "medians":
        return TESTS_OF_RANKS
    if name == "categories":
        return TESTS_OF_CATEGORIES
    if name not in (*settings.table1_variables, *REFERENCE_COLUMNS):
        return None
    if name in settings.nonnormal:
        return TESTS_OF_RANKS
    return (*TESTS_OF_MEANS, *TESTS_OF_RANKS, *TESTS_OF_CATEGORIES)
