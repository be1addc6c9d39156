"""Tables on disk: tab-separated for people, Parquet for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteoflow.io.whole import whole_file, write_text

if TYPE_CHECKING:
    import pandas as pd

# Radiomic features: image (``original``, ``wavelet-HHL``), class and name, as pyradiomics writes.
FEATURE_COLUMN = re.compile(
    r"^[^_]+_(shape|firstorder|glcm|glrlm|glszm|ngtdm|gldm|morphology|local|spatial|intensity"
    r"|histogram|ivh|gldzm|fractal)_\w+$"
)
FEATURE_KEYS = (
    *("participant_id", "session", "rater", "reading", "roi", "image"),
    *("n_voxels", "voxel_mm", "flag"),
)
PERTURBED_KEYS = (*FEATURE_KEYS, "perturbation")
MEASUREMENT_COLUMNS = (
    "participant_id",
    "session",
    "rater",
    "reading",
    "roi",
    "image",
    "metric",
    "value",
    "unit",
    "method",
    "n_voxels",
    "flag",
)
# The inventory's tables; the cohort's exclusions have the same columns.
INDEX_COLUMNS = ("subject", "participant_id", "session", "ct", "mri", "megabytes")
EXCLUSION_COLUMNS = (
    "participant_id",
    "session",
    "modality",
    "step",
    "item",
    "code",
    "message",
    "hint",
)


def feature_columns(columns: Iterable[object]) -> list[str]:
    """The radiomic features among a table's columns."""
    return [str(name) for name in columns if FEATURE_COLUMN.match(str(name))]


def of_reading(table: pd.DataFrame, rater: int = 1, reading: int = 1) -> pd.DataFrame:
    """Rows of a rater's first (or further) reading of each image, of measurements or features.

    Everything but agreement rests on the first reading of rater 1. A table without one of the
    columns ``rater`` and ``reading`` holds 1 there.
    """
    for column, wanted in (("rater", rater), ("reading", reading)):
        if column in table.columns:
            table = table[table[column].astype(int) == wanted]
        elif wanted != 1:
            table = table.iloc[:0]
    return table


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write ``.tsv`` (``n/a`` for missing, as in BIDS) or ``.parquet`` by the path's ending."""
    path = Path(path)
    if path.suffix == ".parquet":
        with whole_file(path) as part:
            table.to_parquet(part, index=False)
        return
    rows = table.astype(object).itertuples(index=False, name=None)
    _write_tsv(path, [str(name) for name in table.columns], rows)


def write_rows(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write ``.tsv`` as :func:`write_table` does, without the time that importing pandas takes.

    Raises
    ------
    KeyError
        A row lacks a column.
    """
    _write_tsv(Path(path), columns, ([row[name] for name in columns] for row in rows))


def write_uneven_rows(
    path: str | Path, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write ``.tsv`` of rows that do not all have the same columns: ``n/a`` where one has none.

    Columns are ``keys``, then the others as they come. Images may have recipes of their own, and so
    features of their own.
    """
    columns = list(dict.fromkeys([*keys, *(name for row in rows for name in row)]))
    write_rows(path, columns, [dict.fromkeys(columns) | row for row in rows])


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Rows of a ``.tsv`` as text, without the time that importing pandas takes."""
    with Path(path).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def _write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_text(path, buffer.getvalue())


def _cell(value: Any) -> str:
    """Ten digits of a number, ``n/a`` for what is missing, else the text."""
    # Missing is what does not equal itself (NaN, NaT), None, and pandas' NA, which has no truth.
    if value is None or type(value).__name__ == "NAType" or value != value:  # noqa: PLR0124
        return "n/a"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


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
