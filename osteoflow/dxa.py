"""T-scores from bone densities measured by DXA."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from osteoflow.resources import read_resource

# Densities in g/cm2 of adult hips; others are in another unit.
PLAUSIBLE = (0.2, 2.0)


def t_scores(bmd: ArrayLike, region: str, device: str) -> np.ndarray:
    """T-scores by the young women of NHANES III, for both sexes.

    Parameters
    ----------
    bmd
        Areal densities (n,) in g/cm2; NaN where missing.
    region
        ``femoral_neck`` or ``total_hip``.
    device
        Maker of the scanner (``hologic``).

    Returns
    -------
    numpy.ndarray
        T-scores (n,), NaN where missing.

    Raises
    ------
    ValueError
        No reference for this region and device, or a value that is no density in g/cm2.

    Notes
    -----
    One reference for both sexes is what ISCD recommends (Official Positions 2019, adult). Spine
    T-scores need the maker's own reference, and Z-scores means by age: neither is in
    ``resources/dxa_reference.tsv``.
    """
    rows = read_resource("dxa_reference.tsv")
    found = [row for row in rows if (row["region"], row["device"]) == (region, device)]
    if not found:
        known = ", ".join(f"{row['region']} ({row['device']})" for row in rows)
        raise ValueError(f"no reference for {region} by {device}; known: {known}")
    values = np.asarray(bmd, float)
    present = values[np.isfinite(values)]
    odd = present[(present < PLAUSIBLE[0]) | (present > PLAUSIBLE[1])]
    if odd.size:
        raise ValueError(f"{odd[0]:g} is no density of a hip in g/cm2")
    return (values - float(found[0]["mean"])) / float(found[0]["sd"])
