"""Settings of the cohort's tables."""

from __future__ import annotations

import difflib

from pydantic import Field, field_validator

from osteoflow.resources import read_resource
from osteoflow.settings.section import Levels, Section

METRICS = tuple(row["metric"] for row in read_resource("measurements.tsv"))


class Summary(Section):
    """A measurement averaged over named levels: one column of the participants table."""

    metric: str = Field(description="Metric of the measurements table (`vbmd_mean`).")
    levels: Levels = Field(description="Levels averaged, each counted once.")

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        if metric not in METRICS:
            near = difflib.get_close_matches(metric, METRICS, n=1, cutoff=0.5)
            advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(METRICS)}"
            raise ValueError(f"unknown metric '{metric}' ({advice})")
        return metric

    @property
    def column(self) -> str:
        """``vbmd_mean`` over L1 and L2 -> ``vbmd_l1l2_mean``."""
        stem, _, statistic = self.metric.rpartition("_")
        return f"{stem}_{''.join(self.levels).lower()}_{statistic}"


def _default_summaries() -> list[Summary]:
    lumbar = ["L1", "L2", "L3", "L4"]
    return [
        Summary(metric="vbmd_mean", levels=["L1", "L2"]),
        Summary(metric="vbmd_mean", levels=lumbar),
        Summary(metric="hu_mean", levels=["L1", "L2"]),
        Summary(metric="pdff_mean", levels=lumbar),
        Summary(metric="r2star_mean", levels=lumbar),
        Summary(metric="t2star_mean", levels=lumbar),
    ]


class Cohort(Section):
    """Tables of all participants."""

    summaries: list[Summary] = Field(
        default_factory=_default_summaries,
        description="Columns of the participants table made from the trabecular measurements.",
    )
    minimum_levels: int = Field(
        2,
        ge=1,
        description="Least number of levels of a mean where a review rejected some of them; a mean "
        "of fewer has no value.",
    )
