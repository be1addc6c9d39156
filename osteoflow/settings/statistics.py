"""Settings of tests and descriptive statistics."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from osteoflow.settings.section import Name, Section


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
