"""How much marrow fat lowers a density by single-energy CT, where MRI measured the fat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from osteoflow.images import FIRST_READING

# mg/cm3 by which a single-energy density reads too low for each per cent of marrow fat: fat instead
# of red marrow. An estimate: 7 to 10 mg/cm3 for 10 % (Mazess, Calcif Tissue Int 1983;35:148; Glüer
# and Genant, J Comput Assist Tomogr 1989;13:1023). In specimens it was 11 (85 kV) to 13 mg/cm3
# (130 kV) for 100 mg/cm3 of fat, which are about 12 % (Laval-Jeantet et al., Radiology
# 1986;159:463).
PER_PERCENT = {"vbmd_fat_error_low": 0.7, "vbmd_fat_error_high": 1.0}
ESTIMATE = "estimate"


def fat_error_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Estimates of the marrow-fat error beside every density whose level has a fat fraction.

    Parameters
    ----------
    rows
        Complete measurement rows of one subject, every reading.

    Returns
    -------
    list of dict
        Two rows for each trabecular region with ``vbmd_mean`` and, of the first rater,
        ``pdff_mean``: the lower and the upper estimate of how much higher the density would be
        without fat. The density itself is left as measured. Signal fat fractions are not used:
        they are not proton densities.
    """
    fat = {
        row["roi"]: row
        for row in rows
        if row["metric"] == "pdff_mean"
        and (row["rater"], row["reading"]) == FIRST_READING
        and np.isfinite(row["value"])
    }
    found = []
    for row in rows:
        measured = fat.get(row["roi"]) if row["roi"].endswith("_trabecular") else None
        if row["metric"] != "vbmd_mean" or measured is None or not np.isfinite(row["value"]):
            continue
        parts = ";".join((row["flag"], measured["flag"])).split(";")
        flags = [ESTIMATE, *filter(None, parts)]
        for metric, per_percent in PER_PERCENT.items():
            found.append(
                {
                    **row,
                    "image": "vbmd_fat",
                    "metric": metric,
                    "value": per_percent * measured["value"],
                    "method": f"{per_percent:g} mg/cm3 per % PDFF of the same level in MRI",
                    "n_voxels": measured["n_voxels"],
                    "flag": ";".join(dict.fromkeys(flags)),
                }
            )
    return found
