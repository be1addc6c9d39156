"""Features that were read or scanned again, for the reliability filter of an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from osteoflow.statistics.readings import feature_readings, place_readings

# What stands beside the first reading, in the sentences of warnings.
FURTHER = {
    "inter_rater": "second rater",
    "intra_rater": "repeated outlines",
    "scan_rescan": "repeated scans",
    "perturbation": "perturbed images",
}
TWICE = {
    "inter_rater": "were rated twice",
    "intra_rater": "were outlined twice by one rater",
    "scan_rescan": "were scanned twice",
    "perturbation": "have perturbed images",
}


@dataclass(frozen=True)
class RepeatedFeatures:
    """Readings of the same features by the same participants.

    Attributes
    ----------
    comparison
        ``inter_rater``, ``intra_rater``, ``scan_rescan`` or ``perturbation``.
    readings
        The first reading and the further ones, each with the same index and columns; the index is
        that of the participants' rows in the analysis.
    separate
        The participants take no part in the analysis (a declared reliability set): all of them
        are used. Otherwise only those that are fitted on.
    """

    comparison: str
    readings: tuple[pd.DataFrame, ...]
    separate: bool = False


def repeated_features(
    features: pd.DataFrame,
    participants: pd.DataFrame,
    rows: pd.Series,
    comparison: str,
    columns: Sequence[str],
    repeat_sessions: Sequence[Sequence[str]] = (),
    separate: bool = False,
) -> tuple[RepeatedFeatures | None, list[str]]:
    """Readings of one region's features, and a warning about those that could not be used.

    Parameters
    ----------
    features
        Feature rows of one image and region, every session and reading (or perturbation).
    participants
        The participants table; its order is that of the sessions.
    rows
        Participant -> its row in the analysis (or in the reliability set); others are left out.
    comparison
        What is compared.
    columns
        Features of the analysis.
    repeat_sessions
        Sessions that are repeated scans of each other.
    separate
        See :class:`RepeatedFeatures`.

    Returns
    -------
    tuple
        None where nothing was read again.
    """
    mine = features[features["participant_id"].astype(str).isin(rows.index)]
    placed = place_readings(mine, participants, comparison, repeat_sessions)
    blocks = list(feature_readings(placed)) if len(placed) else []
    if not blocks:
        return None, []
    (block,) = blocks
    index = pd.Index(rows.loc[block.participants].to_numpy(dtype=object), name="key")
    frames = [
        pd.DataFrame(block.numbers[:, position], index, block.variables["variable"].to_numpy())
        for position in range(block.numbers.shape[1])
    ]
    # A region that lacks levels is another region: none of its features is used.
    whole = np.logical_and.reduce([frame.notna().any(axis=1).to_numpy() for frame in frames])
    found = tuple(frame[whole].reindex(columns=columns).sort_index().copy() for frame in frames)
    lost = int((~whole).sum())
    warnings = [
        f"{lost} feature rows of the {FURTHER[comparison]} lack levels of region "
        f"{block.variables['roi'].iloc[0]} or a partner and were not used"
    ]
    return RepeatedFeatures(comparison, found, separate), warnings * (lost > 0)
