"""Settings of the cohort's tables."""

from __future__ import annotations

import difflib
from typing import Literal

from pydantic import Field, field_validator

from osteoflow.resources import read_resource
from osteoflow.settings.section import Levels, Name, Section

METRICS = tuple(row["metric"] for row in read_resource("measurements.tsv"))


def known_metric(metric: str) -> str:
    """The metric, if the dictionary of measurements has it.

    Raises
    ------
    ValueError
        With the nearest known one.
    """
    if metric not in METRICS:
        near = difflib.get_close_matches(metric, METRICS, n=1, cutoff=0.5)
        advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(METRICS)}"
        raise ValueError(f"unknown metric '{metric}' ({advice})")
    return metric


class Summary(Section):
    """A measurement averaged over named levels: one column of the participants table."""

    metric: str = Field(description="Metric of the measurements table (`vbmd_mean`).")
    levels: Levels = Field(description="Levels averaged, each counted once.")
    voi: Literal["trabecular", "ellipse", "cortical"] = Field(
        "trabecular",
        description="Volume averaged; others than the trabecular one have to stand in "
        "`segmentation.further_voi`.",
    )

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        return known_metric(metric)

    @property
    def suffix(self) -> str:
        """What the volume adds to a level's name."""
        return f"_{self.voi}"

    @property
    def column(self) -> str:
        """``vbmd_mean`` over L1 and L2 -> ``vbmd_l1l2_mean``, of ellipses
        ``vbmd_ellipse_l1l2_mean``.
        """
        stem, _, statistic = self.metric.rpartition("_")
        volume = "" if self.voi == "trabecular" else f"_{self.voi}"
        return f"{stem}{volume}_{''.join(self.levels).lower()}_{statistic}"


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


class LeftOut(Section):
    """Levels that do not count in means over levels."""

    fracture_grade: int | None = Field(
        1,
        ge=1,
        le=3,
        description="Genant grade from which a level counts as fractured; absent: none does.",
    )
    dense_share: float | None = Field(
        5.0,
        gt=0,
        le=100,
        description="Share of the trabecular volume above 1000 HU, in per cent, beyond which a "
        "level counts as cemented or implanted; absent: none does.",
    )
    minimum_levels: int = Field(
        2,
        ge=1,
        description="Least number of intact levels that a mean with levels left out needs.",
    )


class Dxa(Section):
    """T-scores of a column of densities measured by DXA."""

    column: Name = Field(description="Column of the subjects table with the density in g/cm2.")
    region: Literal["femoral_neck", "total_hip"] = Field(description="Where it was measured.")
    device: Literal["hologic"] = Field(
        description="Maker of the scanner; the reference values of one are not those of another."
    )


class Cohort(Section):
    """Tables of all participants."""

    summaries: list[Summary] = Field(
        default_factory=_default_summaries,
        description="Columns of the participants table made from the measurements of the volumes "
        "of interest.",
    )
    left_out: LeftOut = Field(default_factory=LeftOut)
    classes: list[Literal["spine_qct", "l1_hu", "dxa_tscore"]] = Field(
        [],
        description="Classes by published cut-offs, each with a column of its own and one with the "
        "reason where there is none: `spine_qct` (80 and 120 mg/cm3 of the first mean vBMD of "
        "two levels or more), `l1_hu` (110 and 160 HU of L1 at 120 kV), `dxa_tscore` (WHO, of "
        "the column `dxa_tscore`). They ask for the columns `age`, `sex` and, of women below "
        "60, `menopause`.",
    )
    dxa: list[Dxa] = Field([], description="T-scores made from densities by DXA.")
