"""Columns of the participants table that are made beside the measured means."""

from __future__ import annotations

from osteoflow.ct.header import ACQUISITION
from osteoflow.settings.cohort import Cohort

TEXTS = ("ct_kernel", "ct_contrast")


def made_columns(settings: Cohort) -> dict[str, bool]:
    """Name of each column that is made, and whether it holds numbers.

    Parameters
    ----------
    settings
        Section ``cohort`` of the configuration.
    """
    columns = {name: name not in TEXTS for name in ACQUISITION}
    columns |= {f"{item.column}_tscore": True for item in settings.dxa}
    for scheme in settings.classes:
        columns |= {f"{scheme}_class": False, f"{scheme}_class_reason": False}
    return columns
