"""The cohort's tables without what a review, the study or the measurements leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from osteoflow.cohort import left_out
from osteoflow.cohort.assemble import (
    columns_dictionary,
    failed_items,
    fat_errors_anew,
    join_perturbed,
    join_subjects,
    participants_table,
)
from osteoflow.cohort.classes import add_columns
from osteoflow.cohort.review import Reviewed
from osteoflow.io.volume import read_json
from osteoflow.layout import SubjectFiles
from osteoflow.settings.cohort import Cohort
from osteoflow.subjects import SubjectsTable


@dataclass(frozen=True)
class CohortTables:
    """What all subjects' own tables give together.

    Attributes
    ----------
    participants
        One row per scan session.
    columns
        Label, unit and definition of each of its columns.
    measurements, features, perturbed_features
        Long tables; what a level left out touches says so in its flag.
    dice
        Overlap of readings.
    """

    participants: pd.DataFrame
    columns: dict[str, dict[str, str]]
    measurements: pd.DataFrame
    features: pd.DataFrame
    perturbed_features: pd.DataFrame
    dice: pd.DataFrame


def cohort_tables(
    done: Sequence[SubjectFiles], table: SubjectsTable, reviewed: Reviewed, settings: Cohort
) -> CohortTables:
    """Join all subjects' tables and leave out what the cohort does not use.

    A rejected region loses its rows. Other levels that are left out keep theirs, with a flag, and
    the means over levels are formed again without them.

    Parameters
    ----------
    done
        Subjects with results.
    table
        The subjects table.
    reviewed
        What a review decided.
    settings
        Section ``cohort`` of the configuration.

    Raises
    ------
    StudyError
        As :func:`osteoflow.cohort.left_out.named`,
        :func:`osteoflow.cohort.assemble.participants_table` and
        :func:`osteoflow.cohort.classes.add_columns` do.
    """
    summaries = settings.summaries
    measurements, features, dice = join_subjects(done, reviewed.places)
    automatic = left_out.automatic(measurements, settings.left_out)
    # What a review rejected is gone from the features: only other levels mark what is left.
    out = left_out.joined(left_out.named(table), automatic)
    features = left_out.mark_features(features, out)
    perturbed = left_out.mark_features(join_perturbed(done, reviewed.places), out)
    out = left_out.joined(left_out.rejected(reviewed.places), out)
    least = settings.left_out.minimum_levels
    measurements = fat_errors_anew(left_out.apply(measurements, out, summaries, least))
    people = participants_table(table, measurements, summaries)
    scans = {files.name: read_json(files.status).get("acquisition", {}) for files in done}
    people, made = add_columns(people, measurements, scans, settings)
    columns = {**columns_dictionary(table, measurements, summaries), **made}
    return CohortTables(people, columns, measurements, features, perturbed, dice)


def ended_items(
    done: Sequence[SubjectFiles], failed: Iterable[dict[str, str]], reviewed: Reviewed
) -> dict[str, list[dict[str, Any]]]:
    """How every step of every subject ended, as items of a status, by subject.

    Parameters
    ----------
    done
        Subjects with results.
    failed
        Rows of ``results/inventory/failed.tsv``: subjects that a run left out.
    reviewed
        What a review decided; images of which it left nothing are excluded by it.
    """
    found = {files.name: read_json(files.status)["items"] for files in done}
    found.update(failed_items(failed))
    for name, items in reviewed.status_items().items():
        found[name] = found[name] + items
    return found
