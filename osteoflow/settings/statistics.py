"""Settings of tests and descriptive statistics."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from osteoflow.settings.section import Levels, Name, Section


class GroupComparison(Section):
    """Two or more groups compared on several variables."""

    name: Name = Field(description="Name of the output table.")
    group: str = Field(
        description="A column, or a rule such as `dxa_tscore <= -2.5`, that makes the groups."
    )
    variables: list[str] = Field(min_length=1, description="Columns compared.")
    test: Literal["welch", "mann_whitney", "anova", "kruskal"] = Field(
        "mann_whitney", description="The test, declared beforehand and stated in the table."
    )


class Correlation(Section):
    """A correlation between two variables."""

    x: str = Field(description="A column.")
    y: str = Field(description="A column.")
    covariates: list[str] = Field([], description="Columns partialled out in a second row.")
    method: Literal["pearson", "spearman"] = Field("spearman", description="The coefficient.")

    @property
    def figure(self) -> str:
        """Name of its figure: letters, digits and underscores."""
        words = re.sub(r"[^A-Za-z0-9]+", "_", f"{self.x}_{self.y}").strip("_")
        return f"correlation_{words}"


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
    comparisons: list[GroupComparison] = Field([], description="Group comparisons.")
    correlations: list[Correlation] = Field([], description="Correlations.")
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
