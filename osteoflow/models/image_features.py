"""The radiomic predictors of one image: its region, complete rows, and several images as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from osteoflow.io.tables import feature_columns, of_reading
from osteoflow.models.folds import AnalysisError
from osteoflow.models.repeated import RepeatedFeatures
from osteoflow.models.voxel_sizes import voxel_warnings
from osteoflow.statistics.sessions import session_keys

# How a feature row's flag begins that names the levels its pooled region lacks ("missing:L2+L3"):
# not outlined, or left out of the cohort.
_MISSING_LEVELS = ("missing:", "left_out:")


@dataclass(frozen=True)
class ImageFeatures:
    """Features of one region of one image.

    Attributes
    ----------
    image, roi
        The image, and the region its features come from.
    readings
        Rows of every reading, indexed by participant and session.
    first
        Rows of the first reading.
    table
        Finite features of the first reading; rows and columns that have any.
    """

    image: str
    roi: str
    readings: pd.DataFrame
    first: pd.DataFrame
    table: pd.DataFrame

    def lacking(self, index: pd.Index) -> pd.Series:
        """Why rows of an index have no features of a complete region; only those rows."""
        reasons = pd.Series("", index=index, dtype=object)
        reasons[~index.isin(self.table.index)] = (
            f"no features of region {self.roi} in image {self.image}"
        )
        absent = _absent_levels(self.first)
        for key, levels in absent[absent != ""].items():
            if key in reasons.index:
                reasons[key] = f"region {self.roi} lacks {levels} in image {self.image}"
        return reasons[reasons != ""]

    def warnings(self, used: pd.Index) -> list[str]:
        """Sentences on the flags and voxel sizes of the rows in use."""
        rows = self.first.loc[used]
        return _flag_warnings(rows) + voxel_warnings(rows)


def image_features(features: pd.DataFrame, image: str, roi: str | None = None) -> ImageFeatures:
    """Features of one image's region.

    Parameters
    ----------
    features
        One row per participant, session, rater, region and image.
    image
        The image.
    roi
        Region; absent: the pooled trabecular region (see :func:`pooled_region`).

    Raises
    ------
    AnalysisError
        If there are no features, the region is not clear, or a row stands twice.
    """
    roi, readings = _region_rows(features, image, roi)
    first = of_reading(readings)
    if not first.index.is_unique:
        twice = first.index[first.index.duplicated()][0]
        raise AnalysisError(f"region '{roi}' of '{twice}' has features more than once")
    # An all-missing feature row is the trace of a region that could not be analysed; an all-missing
    # column is a feature of other images.
    values = _finite(first).dropna(how="all").dropna(axis=1, how="all")
    return ImageFeatures(image, roi, readings, first, values)


def join_columns(tables: Sequence[pd.DataFrame], images: Sequence[str]) -> pd.DataFrame:
    """Features of several images side by side; of more than one, names begin with the image."""
    if len(tables) == 1:
        return tables[0]
    named = [
        table.rename(columns=lambda name, image=image: f"{image}:{name}")
        for table, image in zip(tables, images, strict=True)
    ]
    return pd.concat(named, axis=1) if named else pd.DataFrame()


def join_images(
    parts: Sequence[RepeatedFeatures | None], images: Sequence[str]
) -> RepeatedFeatures | None:
    """Repeated features of several images as one; what a participant lacks of one is missing.

    Of images that were read a different number of times, the readings that all have are used.
    """
    present = [(part, image) for part, image in zip(parts, images, strict=True) if part is not None]
    if len(images) == 1 or not present:
        return present[0][0] if present else None
    names = [image for _, image in present]
    n_readings = min(len(part.readings) for part, _ in present)
    readings = tuple(
        join_columns([part.readings[place] for part, _ in present], names).sort_index()
        if len(present) > 1
        else present[0][0].readings[place].rename(columns=lambda name: f"{names[0]}:{name}")
        for place in range(n_readings)
    )
    first = present[0][0]
    return RepeatedFeatures(first.comparison, readings, first.separate)


def pooled_region(regions: Sequence[str]) -> str:
    """The trabecular region that pools several levels, or the only region there is.

    Raises
    ------
    AnalysisError
        If there is not exactly one.
    """
    trabecular = sorted(name for name in regions if name.endswith("_trabecular"))
    pooled = [name for name in trabecular if not name.removesuffix("_trabecular").isalnum()]
    found = pooled or trabecular or sorted(regions)
    if len(found) != 1:
        raise AnalysisError(f"which region is meant is not clear: {', '.join(found)}")
    return found[0]


def _region_rows(features: pd.DataFrame, image: str, roi: str | None) -> tuple[str, pd.DataFrame]:
    """Region, and every reading's feature rows of it, indexed by participant and session."""
    if features.empty or {"image", "roi", "rater"} - set(features.columns):
        raise AnalysisError("there are no radiomic features")
    of_image = keyed(features[features["image"] == image])
    if of_image.empty:
        raise AnalysisError(f"there are no radiomic features of image '{image}'")
    roi = roi or pooled_region(of_image["roi"].unique().tolist())
    return roi, of_image[of_image["roi"] == roi]


def _finite(rows: pd.DataFrame) -> pd.DataFrame:
    """The feature columns; a value that is not finite is a missing one."""
    values = rows[feature_columns(rows.columns)].astype(float)
    return values.where(np.isfinite(values))


def _flags(rows: pd.DataFrame) -> pd.Series:
    """Flags of feature rows; "" where there is none."""
    if "flag" not in rows.columns:
        return pd.Series("", index=rows.index, dtype=object)
    flag = rows["flag"].astype(object)
    return flag.where(flag.notna(), "").astype(str)


def _absent_levels(rows: pd.DataFrame) -> pd.Series:
    """Levels that each row's pooled region lacks, in words; "" where it is complete."""

    def words(flag: str) -> str:
        levels = [
            level
            for part in flag.split(";")
            if part.startswith(_MISSING_LEVELS)
            for level in part.partition(":")[2].split("+")
        ]
        return f"level{'s' * (len(levels) > 1)} {', '.join(levels)}" if levels else ""

    return _flags(rows).map(words).astype(object)


def _flag_warnings(rows: pd.DataFrame) -> list[str]:
    """A sentence on the flags of the rows in use, if any."""
    flags = _flags(rows)
    raised = flags[flags != ""]
    if raised.empty:
        return []
    return [f"{len(raised)} feature rows in use are flagged: {', '.join(sorted(set(raised)))}"]


def keyed(table: pd.DataFrame) -> pd.DataFrame:
    """The table indexed by participant and session."""
    return table.set_axis(pd.Index(session_keys(table).to_numpy(dtype=object), name="key"), axis=0)
