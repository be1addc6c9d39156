"""Rows of regions that pool several levels."""

from __future__ import annotations

import pandas as pd

from osteoflow.measurements import levels_of


def of_pooled_regions(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of each image's regions that pool several levels, if it has any: those that models use.

    With a row for every level and family a page would be longer than anybody reads.

    Parameters
    ----------
    table
        ``image`` and ``roi``, and any other columns.
    """
    pooled = [len(levels_of(roi)) > 1 and "_each" not in roi for roi in table["roi"]]
    some = pd.Series(pooled, table.index, dtype=bool).groupby(table["image"]).transform("any")
    return table[pd.Series(pooled, table.index, dtype=bool) | ~some.astype(bool)]
