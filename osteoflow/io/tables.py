"""Tables on disk: tab-separated for people, Parquet for programs."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteoflow.io.volume import write_text

if TYPE_CHECKING:
    import pandas as pd

# Radiomic features: image (``original``, ``wavelet-HHL``), class and name, as pyradiomics writes.
FEATURE_COLUMN = re.compile(r"^.+_(shape|firstorder|glcm|glrlm|glszm|ngtdm|gldm)_\w+$")
MEASUREMENT_COLUMNS = (
    "participant_id",
    "session",
    "rater",
    "roi",
    "image",
    "metric",
    "value",
    "unit",
    "method",
    "n_voxels",
    "flag",
)


def feature_columns(columns: Iterable[object]) -> list[str]:
    """The radiomic features among a table's columns."""
    return [str(name) for name in columns if FEATURE_COLUMN.match(str(name))]


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write ``.tsv`` (``n/a`` for missing, as in BIDS) or ``.parquet`` by the path's ending."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        temporary = path.with_name(f".{os.getpid()}.{path.name}")
        table.to_parquet(temporary, index=False)
        temporary.replace(path)
        return
    buffer = io.StringIO()
    table.to_csv(buffer, sep="\t", index=False, na_rep="n/a", float_format="%.10g")
    write_text(path, buffer.getvalue())


def read_table(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read ``.tsv`` or ``.parquet``; an empty file is an empty table.

    Identifiers (``participant_id``, ``session``, ``subject``) stay text.
    """
    import pandas as pd

    path = Path(path)
    if path.stat().st_size == 0:
        return pd.DataFrame()
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    identifiers = {"participant_id": str, "session": str, "subject": str}
    # Only BIDS's "n/a" and the empty cell are missing: "NA" or "None" may be a site's name.
    return pd.read_csv(
        path,
        sep="\t",
        dtype=identifiers,
        keep_default_na=False,
        na_values=["n/a", ""],
        **options,
    )


def concatenate(tables: Iterable[pd.DataFrame], columns: Iterable[str] = ()) -> pd.DataFrame:
    """Rows of all non-empty tables; the given columns alone where there is no row."""
    import pandas as pd

    present = [table for table in tables if not table.empty]
    if not present:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(present, ignore_index=True)
