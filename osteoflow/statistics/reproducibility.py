"""How well measurements and features are reproduced: agreement, limits and precision of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osteoflow.settings.statistics import Reproducibility
from osteoflow.statistics.agreement import (
    FORM_COLUMNS,
    MIN_SUBJECTS,
    form_of,
    icc_of_squares,
    mean_squares,
)
from osteoflow.statistics.clustered import MIN_PARTICIPANTS, RESAMPLED, cluster_intervals
from osteoflow.statistics.limits import Limits, bland_altman
from osteoflow.statistics.precision import MIN_DF, Precision, precision, set_moments
from osteoflow.statistics.readings import (
    COMPARISONS,
    FEATURE_COMPARISONS,
    PERTURBATION,
    Readings,
    feature_readings,
    measurement_readings,
    of_levels,
    place_readings,
)

ICC_COLUMNS = tuple(name + end for name in FORM_COLUMNS for end in ("", "_low", "_high"))
# Forms that take the first reading of everybody as made by the same rater.
ORDERED_FORMS = tuple(name for name in ICC_COLUMNS if not name.startswith("icc11"))
STATISTICS = ("mean", *ICC_COLUMNS, *Limits._fields, *Precision._fields)
COUNTS = ("n", "n_sets", "n_readings", "n_excluded", "n_flagged")
REPRODUCIBILITY_COLUMNS = (
    *("comparison", "image", "roi", "variable", "unit"),
    *COUNTS,
    *STATISTICS,
    *("icc_form", "intervals", "note"),
)
BLAND_ALTMAN_COLUMNS = (
    *("comparison", "image", "roi", "variable", "unit", "n", "bias", "bias_low", "bias_high"),
    *("sd_difference", "loa_low", "loa_low_low", "loa_low_high"),
    *("loa_high", "loa_high_low", "loa_high_high", "slope", "slope_p"),
)
POINT_COLUMNS = (
    *("comparison", "image", "roi", "variable", "unit", "participant_id", "mean", "difference"),
)
EXACT = "F (ICC), Student's t (bias, slope), non-central t (limits), chi-square (precision)"
RESAMPLING = "resampled participants"


def measurement_reproducibility(
    measurements: pd.DataFrame,
    people: pd.DataFrame,
    settings: Reproducibility,
    level_name: str,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, list[Readings]]]:
    """Reproducibility of every measurement in each comparison that the study has.

    Each level has a row, the mean of the levels, and all levels taken as one
    (``L1-L4_each_trabecular``), whose intervals come from resampled participants.

    Parameters
    ----------
    measurements
        Long: participant_id, session, rater, reading, roi, image, metric, value, unit, flag.
    people
        The participants table.
    settings
        Section ``statistics.reproducibility`` of the configuration.
    level_name
        Name of the levels together (``L1-L4``).
    seed
        Of the resampling.

    Returns
    -------
    table, readings
        ``REPRODUCIBILITY_COLUMNS``, and the readings of each comparison: of the regions, and of
        the mean of the levels.

    Raises
    ------
    ValueError
        If a value is there twice for one reading.
    """
    parts, found = [], {}
    for comparison in COMPARISONS:
        placed = _placed(measurements, people, comparison, settings)
        if placed.empty:
            continue
        readings = measurement_readings(placed)
        mean, each = of_levels(readings, settings.levels, level_name)
        parts += [
            describe_readings(readings, comparison),
            describe_readings(mean, comparison),
            describe_readings(each, comparison, settings.bootstraps, seed),
        ]
        found[comparison] = [readings, mean]
    return _joined(parts), found


def feature_reproducibility(
    features: pd.DataFrame,
    people: pd.DataFrame,
    settings: Reproducibility,
    level_name: str,
    seed: int,
    perturbed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Reproducibility of every radiomic feature (see :func:`measurement_reproducibility`).

    ``perturbed`` holds features of perturbed images. Their repetitions have no order: only ICC(1,1)
    and precision are given of them, and ``icc_form`` names the form to read of every comparison.
    """
    parts = []
    for comparison in FEATURE_COMPARISONS:
        table = features
        if comparison == PERTURBATION:
            table = pd.DataFrame() if perturbed is None else perturbed
        placed = _placed(table, people, comparison, settings)
        if placed.empty:
            continue
        blocks = list(feature_readings(placed))
        parts += [describe_readings(block, comparison) for block in blocks]
        for each in _levels_of_features(blocks, settings.levels, level_name):
            parts.append(describe_readings(each, comparison, settings.bootstraps, seed))
    return _joined(parts)


def _placed(
    table: pd.DataFrame, people: pd.DataFrame, comparison: str, settings: Reproducibility
) -> pd.DataFrame:
    if table.empty:
        return table
    return place_readings(table, people, comparison, settings.repeat_sessions)


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(REPRODUCIBILITY_COLUMNS))
    table = pd.concat(filled, ignore_index=True)
    order = pd.Categorical(table["comparison"], FEATURE_COMPARISONS, ordered=True)
    keys = ["order", "image", "roi", "variable", "unit"]
    table = table.assign(order=order).sort_values(keys, kind="stable", ignore_index=True)
    return table[list(REPRODUCIBILITY_COLUMNS)]


def _levels_of_features(
    blocks: Sequence[Readings], levels: Sequence[str], level_name: str
) -> Iterator[Readings]:
    """Features of several levels of an image as one set of readings; levels of one recipe."""
    by_image: dict[str, list[Readings]] = {}
    for block in blocks:
        about = block.variables.iloc[:1]
        if len(about) and about["roi"].iloc[0].partition("_")[0] in levels:
            by_image.setdefault(str(about["image"].iloc[0]), []).append(block)
    for singles in by_image.values():
        people = sorted({person for block in singles for person in block.participants})
        at = [pd.Index(people).get_indexer(block.participants) for block in singles]
        p = sum(len(block.variables) for block in singles)
        shape = (len(people), singles[0].numbers.shape[1], p)
        value, flagged = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        start = 0
        for block, rows in zip(singles, at, strict=True):
            end = start + len(block.variables)
            value[rows, :, start:end], flagged[rows, :, start:end] = block.numbers, block.flagged
            start = end
        whole = Readings(
            value,
            flagged,
            np.concatenate([block.n_excluded for block in singles]),
            people,
            pd.concat([block.variables for block in singles], ignore_index=True),
        )
        yield of_levels(whole, levels, level_name)[1]


def describe_readings(
    readings: Readings, comparison: str, draws: int = 0, seed: int = 0
) -> pd.DataFrame:
    """All statistics of reproducibility of each variable.

    Parameters
    ----------
    readings
        One row per participant, or with ``draws`` per participant and level.
    comparison
        What is compared.
    draws, seed
        Number of resamples of participants behind the intervals; 0: the rows are independent.

    Returns
    -------
    pandas.DataFrame
        ``REPRODUCIBILITY_COLUMNS``. With fewer than three complete rows there are no statistics,
        and the note says so.
    """
    x, k = readings.numbers, readings.numbers.shape[1]
    if not len(readings.variables):
        return pd.DataFrame(columns=list(REPRODUCIBILITY_COLUMNS))
    people, clusters = np.unique(readings.participants, return_inverse=True)
    complete = np.isfinite(x).all(axis=1)
    member = clusters[:, None] == np.arange(len(people))
    columns = _statistics(x)
    if comparison == PERTURBATION:
        unordered = np.full(x.shape[2], np.nan)
        columns |= dict.fromkeys([*ORDERED_FORMS, *Limits._fields], unordered)
    if draws:
        limits = cluster_intervals(x, clusters, draws, seed)
        columns |= {f"{name}_low": limits[name][0] for name in RESAMPLED if "loa" not in name}
        columns |= {f"{name}_high": limits[name][1] for name in RESAMPLED if "loa" not in name}
        for name in ("loa_low", "loa_high"):
            columns[f"{name}_low"], columns[f"{name}_high"] = limits[name]
        # Levels share a participant: a test that takes them as independent is none.
        columns["slope_p"] = np.full(x.shape[2], np.nan)
    table = readings.variables.assign(
        comparison=comparison,
        n=(member.T.astype(float) @ complete > 0).sum(axis=0),
        n_sets=complete.sum(axis=0),
        n_readings=k,
        n_excluded=readings.n_excluded,
        n_flagged=(readings.flagged.any(axis=1) & complete).sum(axis=0),
        icc_form=FORM_COLUMNS[form_of(comparison)],
        intervals=RESAMPLING if draws else EXACT,
        **columns,
    )
    return table.assign(note=_notes(x, table, comparison, bool(draws)))[
        list(REPRODUCIBILITY_COLUMNS)
    ]


def _statistics(x: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Columns of ``STATISTICS`` for readings of shape (rows, k, variables)."""
    squares = mean_squares(x)
    enough = squares.n >= MIN_SUBJECTS
    forms = icc_of_squares(squares)
    parts = [part for form in FORM_COLUMNS.values() for part in forms[form]]
    found = {
        name: np.where(enough, part, np.nan) for name, part in zip(ICC_COLUMNS, parts, strict=True)
    }
    if x.shape[1] == 2:
        found |= bland_altman(x[:, 0], x[:, 1])._asdict()
    else:
        found |= dict.fromkeys(Limits._fields, np.full(x.shape[2], np.nan))
    found |= precision(x)._asdict()
    count, mean, _ = set_moments(x)
    sets = (count >= 2).sum(axis=0)
    total = np.where(count >= 2, mean, 0.0).sum(axis=0)
    found["mean"] = np.where(sets, total / np.maximum(sets, 1), np.nan)
    return found


def _notes(x: NDArray[np.float64], table: pd.DataFrame, comparison: str, pooled: bool) -> list[str]:
    """What a reader must know of each row, in clauses."""
    count, mean, squares = set_moments(x)
    used = count >= 2
    few = table["n_sets"].to_numpy() < MIN_SUBJECTS
    # The mean of equal numbers may differ from them by its rounding.
    squares = np.where(squares <= count * (1e-14 * mean) ** 2, 0.0, squares)
    identical = ~few & (squares.sum(axis=0) == 0)
    df = table["n"].to_numpy() * (x.shape[1] - 1.0) if pooled else table["df"].to_numpy()
    bias = (table["bias_low"] > 0) | (table["bias_high"] < 0)
    grows = (table["slope_low"] > 0) | (table["slope_high"] < 0)
    perturbed = comparison == PERTURBATION
    alike_text = (
        "the perturbations do not change it"
        if perturbed
        else ("all readings are identical: were they made apart?")
    )
    no_icc = table[form_of(comparison)].isna().to_numpy()
    clauses = {
        "fewer than 3 complete sets: no agreement": few,
        alike_text: identical,
        "the participants do not differ: no ICC": ~few & no_icc,
        "means not above zero: no RMS-CV": ~few & (used & (mean <= 0)).any(axis=0),
        "systematic difference, which counts as error in RMS-SD": bias.to_numpy(),
        "the difference changes with the mean (proportional bias)": grows.to_numpy(),
        "limits of agreement are of pairs": np.full(len(table), x.shape[1] > 2 and not perturbed),
    }
    if pooled:
        some = table["n"].to_numpy() >= MIN_PARTICIPANTS
        clauses["levels of a participant are not independent: intervals from resampled people"] = (
            ~few & some
        )
        clauses[f"no intervals: fewer than {MIN_PARTICIPANTS} people to resample"] = ~few & ~some
    notes = [[] for _ in range(len(table))]
    for clause, where in clauses.items():
        for number in np.flatnonzero(where):
            notes[number].append(clause)
    alike = (used & (squares == 0)).sum(axis=0)
    for number in np.flatnonzero((alike > 0) & ~identical & ~few):
        notes[number].append(f"identical readings in {alike[number]} sets")
    for number in np.flatnonzero(df < MIN_DF):
        notes[number].append(f"{df[number]:.0f} degrees of freedom, precision needs {MIN_DF}")
    return ["; ".join(found) for found in notes]


def bland_altman_tables(
    table: pd.DataFrame, readings: dict[str, list[Readings]], wanted: set[tuple[str, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Limits of agreement of chosen measurements, and the points behind them, for the figures.

    Parameters
    ----------
    table, readings
        From :func:`measurement_reproducibility`.
    wanted
        Pairs of metric and region.

    Returns
    -------
    tuple of pandas.DataFrame
        ``BLAND_ALTMAN_COLUMNS`` and ``POINT_COLUMNS``; differences are the later reading less the
        earlier one.
    """
    pairs = zip(table["variable"], table["roi"], strict=True)
    chosen = pd.Series([pair in wanted for pair in pairs], index=table.index, dtype=bool)
    limits = table.loc[chosen & table["bias"].notna(), list(BLAND_ALTMAN_COLUMNS)]
    points = []
    for row in limits.to_dict("records"):
        key = ["image", "roi", "variable", "unit"]
        people, numbers = _numbers_of(readings[row["comparison"]], [row[name] for name in key])
        complete = np.isfinite(numbers).all(axis=1)
        points.append(
            pd.DataFrame(
                {
                    **{name: row[name] for name in ("comparison", *key)},
                    "participant_id": np.array(people, dtype=object)[complete],
                    "mean": numbers[complete].mean(axis=1),
                    "difference": numbers[complete, 1] - numbers[complete, 0],
                }
            )
        )
    if not points:
        return limits.reset_index(drop=True), pd.DataFrame(columns=list(POINT_COLUMNS))
    return limits.reset_index(drop=True), pd.concat(points, ignore_index=True)


def _numbers_of(
    parts: Sequence[Readings], wanted: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Participants and readings of one variable, from the part that has it."""
    for part in parts:
        same = (part.variables[["image", "roi", "variable", "unit"]] == list(wanted)).all(axis=1)
        if same.any():
            return part.participants, part.numbers[:, :, np.flatnonzero(same)[0]]
    raise KeyError(tuple(wanted))
