"""Levels left out of means: by their measurements, by the subjects table, by review.

Leaving a level out is an opinion about it, not about its image: nothing is measured anew. The rows
of single levels stay and say so in their flag; the means over levels are formed again from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from osteoflow.errors import StudyError
from osteoflow.images import RATERS, space_of
from osteoflow.intact_levels import DENSE, GRADE, not_intact
from osteoflow.io.tables import of_reading
from osteoflow.measurements import MEAN_OF_LEVELS, average_levels, level_range, levels_of
from osteoflow.segmentation.schemes import verse_id
from osteoflow.settings.cohort import LeftOut, Summary
from osteoflow.subjects import SubjectsTable

if TYPE_CHECKING:
    import pandas as pd

ANY = "*"
COLUMN = "exclude_levels"
LEVEL_AND_REASON = re.compile(r"^(?P<level>[A-Z]\d+)(?:[ =:]+(?P<reason>[^;:+=]+))?$")
NAMED = "named in the subjects table"
REJECTED = "rejected in review"


class Place(NamedTuple):
    """What is left out: a level of a participant's session, on one grid and of one rater.

    Attributes
    ----------
    participant_id
        ``sub-01``.
    session
        ``1``; empty without sessions.
    level
        ``L1``.
    space
        ``ct``, ``mri``, ``t2``, ``dwi``, ``t1w`` or ``t2w``; :data:`ANY`: all.
    rater
        ``1`` or ``2``; :data:`ANY`: both.
    """

    participant_id: str
    session: str
    level: str
    space: str = ANY
    rater: str = ANY


def joined(*parts: Mapping[Place, str]) -> dict[Place, str]:
    """Several mappings as one; for the same place the first one's reason stands."""
    found: dict[Place, str] = {}
    for part in parts:
        for place, reason in part.items():
            found.setdefault(place, reason)
    return found


def named(table: SubjectsTable) -> dict[Place, str]:
    """Levels that the subjects table leaves out in its column ``exclude_levels``.

    ``L1;L3`` names levels alone, ``L1 metastasis; L3 screws`` with reasons.

    Raises
    ------
    StudyError
        A cell that names no level.
    """
    found: dict[Place, str] = {}
    problems = []
    for subject in table.subjects:
        for part in filter(None, map(str.strip, subject.clinical.get(COLUMN, "").split(";"))):
            match = LEVEL_AND_REASON.match(part)
            try:
                verse_id(match["level"] if match else part)
            except ValueError as error:
                problems.append(f"subjects.tsv: {subject.name}: {COLUMN}: '{part}': {error}")
                continue
            place = Place(subject.participant_id, subject.session, match["level"])
            found[place] = (match["reason"] or "").strip() or NAMED
    if problems:
        raise StudyError(problems)
    return found


def rejected(places: Iterable[tuple[str, str, str, str]]) -> dict[Place, str]:
    """Levels that a review rejected, whose own rows the tables have lost.

    Parameters
    ----------
    places
        (participant, session or "", mask item, region) of each; regions that are no levels do no
        harm.
    """
    found: dict[Place, str] = {}
    for participant, session, item, region in places:
        space, rater, _ = RATERS[item]
        found[Place(participant, session, region, space, str(rater))] = REJECTED
    return found


def automatic(measurements: pd.DataFrame, settings: LeftOut) -> dict[Place, str]:
    """Fractured, cemented and implanted levels of everybody, from their measurements."""
    if measurements.empty:
        return {}
    use = of_reading(measurements)
    use = use[use["metric"].isin([GRADE, DENSE])]
    use = use.assign(_space=[space_of(image) for image in use["image"]])
    found: dict[Place, str] = {}
    for (person, session), rows in use.groupby(["participant_id", "session"], dropna=False):
        ordered = sorted(rows.groupby("_space"), key=lambda item: item[0])
        masks = [part.to_dict("records") for _, part in ordered]
        for level, reason in not_intact(masks, settings.model_dump()).items():
            found[Place(str(person), _text(session), level)] = reason
    return found


def apply(
    measurements: pd.DataFrame,
    left_out: Mapping[Place, str],
    summaries: Sequence[Summary],
    minimum_levels: int = 2,
) -> pd.DataFrame:
    """Flag the levels that are left out, and form the means over levels without them.

    Parameters
    ----------
    measurements
        The long table of all participants, means over levels included.
    left_out
        Reason by place; levels that nobody measured do no harm.
    summaries
        The means: metric, levels and volume.
    minimum_levels
        Least number of levels that a mean with levels left out needs.

    Returns
    -------
    DataFrame
        The same rows in the same order. Every mean of ``summaries`` is formed from the levels'
        rows anew, so that what was left out before (by the subject's own step) counts again unless
        ``left_out`` names it. Flags: ``left_out:fractured`` of a level's rows, ``left_out:L1
        fractured`` and ``too_few_levels`` of a mean.
    """
    if measurements.empty:
        return measurements
    table = measurements.copy()
    table["flag"] = [_text(flag) for flag in table["flag"]]
    people = {(place.participant_id, place.session) for place in left_out}
    keys = list(zip(table["participant_id"].astype(str), map(_text, table["session"]), strict=True))
    spaces = [space_of(image) for image in table["image"]]
    raters = [str(int(rater)) for rater in table["rater"]]
    levels = [roi.partition("_")[0] for roi in table["roi"]]
    flags, values, counts = (table[name].tolist() for name in ("flag", "value", "n_voxels"))
    for index, (key, level) in enumerate(zip(keys, levels, strict=True)):
        if key in people:
            reason = _reason(left_out, (*key, level, spaces[index], raters[index]))
            flags[index] = _with(flags[index], f"left_out:{reason}") if reason else flags[index]
    readings = table["reading"].astype(int)
    places = list(zip(keys, spaces, raters, readings, strict=True))
    for index, row in _means(table, places, left_out, summaries, minimum_levels):
        for column, cells in (("value", values), ("n_voxels", counts), ("flag", flags)):
            cells[index] = row[column]
    return _flagged(table.assign(value=values, n_voxels=counts), flags)


def mark_features(features: pd.DataFrame, left_out: Mapping[Place, str]) -> pd.DataFrame:
    """Flag radiomic features of regions that hold a level which is left out.

    A pooled region cannot be parted after its features were extracted: the flag
    (``holds:L1 fractured``) says which level is in it all the same.
    """
    if features.empty or not left_out:
        return features
    flags = []
    for row in features[[*FEATURE_PLACE, "flag"]].itertuples():
        key = (str(row.participant_id), _text(row.session))
        rest = (space_of(row.image), str(int(row.rater)))
        why = {
            level: reason
            for level in levels_of(row.roi)
            if (reason := _reason(left_out, (*key, level, *rest)))
        }
        words = "holds:" + "+".join(f"{level} {reason}" for level, reason in why.items())
        flags.append(_with(_text(row.flag), words) if why else _text(row.flag))
    return _flagged(features, flags)


FEATURE_PLACE = ["participant_id", "session", "rater", "roi", "image"]


def _means(
    table: pd.DataFrame,
    places: list[tuple[tuple[str, str], str, str, int]],
    left_out: Mapping[Place, str],
    summaries: Sequence[Summary],
    minimum_levels: int,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Position of each mean over levels, and its row formed anew."""
    wanted = table["metric"].isin({summary.metric for summary in summaries}).to_numpy().nonzero()[0]
    records = dict(zip(wanted, table.iloc[wanted].to_dict("records"), strict=True))
    groups: dict[Any, list[int]] = {}
    for index in wanted:
        groups.setdefault((*places[index], records[index]["metric"]), []).append(index)
    for (key, space, rater, _, metric), indices in groups.items():
        means, rows = {}, []
        for index in indices:
            row = records[index]
            if str(row["method"]).endswith(MEAN_OF_LEVELS):
                means[row["roi"]] = index
            else:
                rows.append({**row, "flag": _without(row["flag"])})
        for summary in summaries:
            index = means.get(level_range(summary.levels) + summary.suffix)
            if summary.metric != metric or index is None:
                continue
            why = {
                level: reason
                for level in summary.levels
                if (reason := _reason(left_out, (*key, level, space, rater)))
            }
            row = average_levels(
                rows,
                metric,
                summary.levels,
                suffix=summary.suffix,
                left_out=why,
                minimum_levels=minimum_levels,
            )
            if row is not None:
                yield index, row


def _flagged(table: pd.DataFrame, flags: list[str]) -> pd.DataFrame:
    """The table with other flags; an empty one is missing."""
    import pandas as pd

    return table.assign(flag=pd.Series([flag or None for flag in flags], table.index, object))


def _reason(left_out: Mapping[Place, str], place: tuple[str, ...]) -> str | None:
    person, session, level, space, rater = place
    for where in (space, ANY):
        for who in (rater, ANY):
            reason = left_out.get(Place(person, session, level, where, who))
            if reason is not None:
                return reason
    return None


def _text(value: Any) -> str:
    """Text of a cell; what is missing, and BIDS's ``n/a``, is empty."""
    return "" if value is None or value != value or value == "n/a" else str(value)  # noqa: PLR0124


def _with(flag: str, more: str) -> str:
    return f"{flag};{more}" if flag else more


def _without(flag: str) -> str:
    """A level's flag without what only says that it is left out."""
    return ";".join(part for part in flag.split(";") if not part.startswith("left_out:"))
