"""Which participants each modality loses, where and why."""

from __future__ import annotations

import pandas as pd

from osteoflow.figures.flow import count_flow
from osteoflow.subjects import SubjectsTable

# What has to be usable for a modality's main map, and its name in the diagram.
MODALITIES = {"ct": "CT: vBMD", "mri": "MRI: PDFF"}
STEPS = ("inventory", "convert", "segment", "map_mri", "calibrate_ct")


def cohort_flow(statuses: pd.DataFrame, table: SubjectsTable) -> pd.DataFrame:
    """Counts for the flow diagram.

    Parameters
    ----------
    statuses
        From :func:`osteoflow.cohort.assemble.status_table`. Second raters do not count, nor do
        features: they follow the maps.
    table
        The subjects table: those without any step are in the study all the same.
    """
    first_rater = ~statuses["item"].str.endswith("rater2")
    used = statuses[first_rater & statuses["step"].isin(STEPS)]
    unseen = pd.DataFrame(
        [
            {"subject": s.name, "step": "inventory", "modality": m, "status": "absent"}
            for s in table.subjects
            if s.name not in set(used["subject"])
            for m in MODALITIES
        ],
        columns=used.columns,
    )
    return count_flow(pd.concat([used, unseen], ignore_index=True), MODALITIES)
