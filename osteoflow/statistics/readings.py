"""Readings of one quantity beside each other: two raters, repeated outlines, scans, images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.io.tables import feature_columns, of_reading
from osteoflow.measurements import levels_of
from osteoflow.statistics.sessions import session_keys, session_names

# What is compared, and the rater and reading that stands beside the first one.
OUTLINED_TWICE = {"inter_rater": (2, 1), "intra_rater": (1, 2)}
COMPARISONS = (*OUTLINED_TWICE, "scan_rescan")
# Features of perturbed images, whose repetitions have no order: a table of their own.
PERTURBATION = "perturbation"
FEATURE_COMPARISONS = (*COMPARISONS, PERTURBATION)
# A number so flagged is of another region than its partner, or of one that a rater outlines as
# far as he likes.
NOT_COMPARABLE = ("missing", "outlined_part")


@dataclass(frozen=True)
class Readings:
    """Readings of several variables by the same people.

    Attributes
    ----------
    numbers
        Shape (participants, readings, variables); NaN where there is none or none of use.
    flagged
        Of the same shape: values in use that carry a flag.
    n_excluded
        Participants with some reading of a variable who lack another one, shape (variables,).
    participants
        Of the rows.
    variables
        One row per variable: ``image``, ``roi``, ``variable``, ``unit``.
    """

    numbers: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    n_excluded: NDArray[np.intp]
    participants: list[str]
    variables: pd.DataFrame


def place_readings(
    table: pd.DataFrame,
    people: pd.DataFrame,
    comparison: str,
    repeat_sessions: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """Rows of measurements or features that a comparison rests on, with their ``position``.

    Each participant counts once for each image: with the first session of the participants table
    that was outlined again or perturbed, or with the first group of repeated scans that has two of
    them.

    Parameters
    ----------
    table
        Measurements or features of the cohort; of perturbations the features of perturbed images,
        with the column ``perturbation``.
    people
        The participants table; its order is that of the sessions.
    comparison
        One of ``FEATURE_COMPARISONS``.
    repeat_sessions
        Groups of sessions that are repeated scans of each other, in their order.
    """
    # A copy lies in few blocks; columns put into a table joined column by column are slow.
    table = table.copy().assign(
        participant_id=table["participant_id"].astype(str), session=session_names(table)
    )
    if comparison == "scan_rescan":
        return _repeated_scans(of_reading(table), repeat_sessions)
    order = {key: number for number, key in enumerate(session_keys(people))}
    if comparison == PERTURBATION:
        both = further = table.assign(position=table["perturbation"].astype(int) - 1)
    else:
        first, further = of_reading(table), of_reading(table, *OUTLINED_TWICE[comparison])
        both = pd.concat([first.assign(position=0), further.assign(position=1)])
    chosen = (
        further.assign(rank=session_keys(further).map(order))
        .dropna(subset=["rank"])
        .sort_values("rank", kind="stable")
        .drop_duplicates(["participant_id", "image"])[["participant_id", "session", "image"]]
    )
    return both.merge(chosen, on=["participant_id", "session", "image"])


def _repeated_scans(first: pd.DataFrame, groups: Sequence[Sequence[str]]) -> pd.DataFrame:
    slots = {
        session: (number, position)
        for number, sessions in enumerate(groups)
        for position, session in enumerate(sessions)
    }
    placed = first[first["session"].isin(slots)]
    placed = placed.assign(
        group=[slots[session][0] for session in placed["session"]],
        position=[slots[session][1] for session in placed["session"]],
    )
    scans = placed.drop_duplicates(["participant_id", "image", "group", "position"])
    scans = scans.groupby(["participant_id", "image", "group"], sort=True).size()
    repeated = scans[scans >= 2].reset_index().drop_duplicates(["participant_id", "image"])
    return placed.merge(
        repeated[["participant_id", "image", "group"]], on=["participant_id", "image", "group"]
    ).drop(columns="group")


def _of_other_levels(rows: pd.DataFrame, flags: pd.Series, key: Sequence[str]) -> pd.Series:
    """Means over levels whose readings do not lack the same ones: they are of other bone."""

    def lost(flag: str) -> str:
        parts = [part for part in flag.split(";") if part.startswith("left_out:")]
        names = [name.split(" ")[0] for part in parts for name in part[9:].split("+")]
        return "+".join(sorted(names))

    several = rows["roi"].map(lambda roi: len(levels_of(roi)) > 1).astype(bool)
    levels = flags.map(lost).where(several, "")
    places = [rows[column] for column in key if column != "position"]
    return levels.groupby(places, dropna=False).transform("nunique") > 1


def measurement_readings(placed: pd.DataFrame) -> Readings:
    """All measurements beside each other: one variable per image, region, metric and unit.

    Raises
    ------
    ValueError
        If a value is there twice.
    """
    key = ["participant_id", "position", "image", "roi", "metric", "unit"]
    rows = placed.assign(unit=placed["unit"].astype(object).where(placed["unit"].notna(), ""))
    if rows.duplicated(key).any():
        raise ValueError("a measurement is there twice for one reading")
    flags = _flags(rows)
    unlike = flags.map(_not_comparable).astype(bool) | _of_other_levels(rows, flags, key)
    value = rows["value"].astype(float).mask(unlike)
    cells = pd.DataFrame({"value": value, "flagged": flags != "", "there": 1.0})
    cells = cells.set_index(pd.MultiIndex.from_frame(rows[key]))
    # unstack, unlike pivot_table, never averages rows that should not be there
    wide = {
        name: cells[name].unstack(key[1:]).sort_index()  # noqa: PD010
        for name in ("value", "flagged", "there")
    }
    columns = wide["value"].columns
    variables = columns.droplevel("position").unique().sort_values()
    size = len(wide["value"]), _positions(placed), len(variables)
    arrays = {name: np.full(size, np.nan) for name in wide}
    places = variables.get_indexer(columns.droplevel("position"))
    position = columns.get_level_values("position").to_numpy(dtype=int)
    for name, table in wide.items():
        arrays[name][:, position, places] = table.to_numpy(dtype=float)
    frame = variables.to_frame(index=False).rename(columns={"metric": "variable"})
    return _readings(arrays, [str(name) for name in wide["value"].index], frame)


def feature_readings(placed: pd.DataFrame) -> Iterator[Readings]:
    """Features beside each other, one set of readings per image and region.

    Raises
    ------
    ValueError
        If the features of a region are there twice.
    """
    names = feature_columns(placed.columns)
    for (image, roi), block in placed.groupby(["image", "roi"], sort=True):
        if block.duplicated(["participant_id", "position"]).any():
            raise ValueError(f"features of {roi} in {image} are there twice for one reading")
        made = [name for name in names if block[name].notna().any()]
        people = sorted(block["participant_id"].unique())
        flags = _flags(block)
        comparable = ~flags.map(_not_comparable).astype(bool).to_numpy()
        at = pd.Index(people).get_indexer(block["participant_id"]), block["position"].to_numpy(int)
        arrays = {
            name: np.full((len(people), _positions(placed), len(made)), np.nan)
            for name in ("value", "flagged", "there")
        }
        values = block[made].to_numpy(dtype=float)
        arrays["value"][at] = np.where(comparable[:, None], values, np.nan)
        arrays["flagged"][at] = (flags != "").to_numpy(dtype=float)[:, None]
        arrays["there"][at] = 1.0
        variables = pd.DataFrame({"image": image, "roi": roi, "variable": made, "unit": ""})
        yield _readings(arrays, people, variables)


def _readings(arrays: dict, participants: list[str], variables: pd.DataFrame) -> Readings:
    values = np.where(np.isfinite(arrays["value"]), arrays["value"], np.nan)
    there = np.isfinite(arrays["there"]).any(axis=1)
    complete = np.isfinite(values).all(axis=1)
    flagged = np.isfinite(values) & (arrays["flagged"] == 1)
    return Readings(values, flagged, (there & ~complete).sum(axis=0), participants, variables)


def _positions(placed: pd.DataFrame) -> int:
    """Readings per participant: two, or as many repeated scans as were made."""
    return max(int(placed["position"].max()) + 1, 2)


def _flags(rows: pd.DataFrame) -> pd.Series:
    """Flags of rows; "" where there is none."""
    if "flag" not in rows.columns:
        return pd.Series("", index=rows.index, dtype=object)
    flag = rows["flag"].astype(object)
    return flag.where(flag.notna(), "").astype(str)


def _not_comparable(flag: str) -> bool:
    return any(part.partition(":")[0] in NOT_COMPARABLE for part in flag.split(";"))


def of_levels(readings: Readings, levels: Sequence[str], roi: str) -> tuple[Readings, Readings]:
    """The mean of named levels, and all of them as one: rows of every level, one after the other.

    Parameters
    ----------
    readings
        With regions such as ``L1`` and ``L1_trabecular``.
    levels
        Vertebrae; those that nobody has do not count.
    roi
        Name of the levels together (``L1-L4``); the mean takes it, the pooled rows ``L1-L4_each``.

    Returns
    -------
    mean, each
        The mean where every level has a value and no region of that name is there already. The
        rows of ``each`` are participants of the first level, then of the second, and so on;
        variables with fewer than two levels are left out.
    """
    table = readings.variables.copy()
    split = table["roi"].str.partition("_")
    table["level"], table["part"] = split[0], split[2]
    table["column"] = np.arange(len(table))
    known = set(zip(table["image"], table["roi"], table["variable"], table["unit"], strict=True))
    means, pooled = [], []
    found = table[table["level"].isin(levels)]
    key = ["image", "part", "variable", "unit"]
    for (image, part, variable, unit), group in found.groupby(key, sort=True):
        if len(group) < 2:
            continue
        columns = group["column"].to_numpy()
        end = f"_{part}" if part else ""
        about = {"image": image, "variable": variable, "unit": unit}
        pooled.append(({**about, "roi": f"{roi}_each{end}"}, columns))
        if (image, roi + end, variable, unit) not in known:
            means.append(({**about, "roi": roi + end}, columns))
    return _mean_of(readings, means), _rows_of(readings, pooled)


def _mean_of(readings: Readings, wanted: list) -> Readings:
    shape = readings.numbers.shape[:2]
    value, flagged = np.full((*shape, len(wanted)), np.nan), np.zeros((*shape, len(wanted)), bool)
    excluded = np.zeros(len(wanted), dtype=int)
    for number, (_, columns) in enumerate(wanted):
        part = readings.numbers[:, :, columns]
        value[:, :, number] = part.mean(axis=2)
        flagged[:, :, number] = readings.flagged[:, :, columns].any(axis=2)
        some = np.isfinite(part).any(axis=(1, 2))
        excluded[number] = (some & ~np.isfinite(value[:, :, number]).all(axis=1)).sum()
    flagged &= np.isfinite(value)
    frame = _about(wanted)
    return Readings(value, flagged, excluded, readings.participants, frame)


def _rows_of(readings: Readings, wanted: list) -> Readings:
    n, k = readings.numbers.shape[:2]
    depth = max((len(columns) for _, columns in wanted), default=0)
    value = np.full((depth, n, k, len(wanted)), np.nan)
    flagged = np.zeros(value.shape, dtype=bool)
    excluded = np.zeros(len(wanted), dtype=int)
    for number, (_, columns) in enumerate(wanted):
        for place, column in enumerate(columns):
            value[place, :, :, number] = readings.numbers[:, :, column]
            flagged[place, :, :, number] = readings.flagged[:, :, column]
        excluded[number] = readings.n_excluded[columns].sum()
    shape = (depth * n, k, len(wanted))
    people = readings.participants * depth
    return Readings(value.reshape(shape), flagged.reshape(shape), excluded, people, _about(wanted))


def _about(wanted: list) -> pd.DataFrame:
    rows = [about for about, _ in wanted]
    return pd.DataFrame(rows, columns=["image", "roi", "variable", "unit"])


def usable_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of regions that are comparable between participants: with all their levels."""
    comparable = ~_flags(rows).map(_not_comparable).astype(bool)
    return rows[comparable]
