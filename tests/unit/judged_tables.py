"""Subjects tables whose analyses are judged, and what is told of them."""

from __future__ import annotations

from pathlib import Path

from osteoflow.config import load_config
from osteoflow.study_columns import agreement_problems, analysis_warnings
from osteoflow.subjects import SubjectsTable, read_subjects

ORDINAL = {"kind": "ordinal", "classes": ["low", "middle", "high"]}
SURVIVAL = {"kind": "survival", "outcome": "fracture", "time": "years"}
BASIC = {"name": "a", "clinical": ["age"], "outcome": "fracture", "holdout_fraction": 0.3}
N = 60


def columns(**changes: list[str]) -> dict[str, list[str]]:
    """Cells of 60 participants with whom every analysis here can be fitted."""
    return {
        "age": [str(50 + i % 30) for i in range(N)],
        "fracture": [str(i % 2) for i in range(N)],
        "years": [f"{1 + i / 10:.1f}" for i in range(N)],
        "grade": [("low", "middle", "high")[i % 3] for i in range(N)],
        "genant": [str(i % 3) for i in range(N)],
        "dxa_tscore": [f"{-4 + i / 10:.1f}" for i in range(N)],
        "site": ["A" if i % 5 else "B" for i in range(N)],
        **changes,
    }


def written(
    folder: Path, cells: dict[str, list[str]], ids: list[str] | None = None
) -> SubjectsTable:
    """A table of these cells, read as a study's is; ids: participant and session."""
    n = len(next(iter(cells.values())))
    labels = ids or [f"{i:03d}\tn/a" for i in range(n)]
    lines = ["\t".join(["participant_id", "session", "dicom", *cells])]
    rows = zip(labels, *cells.values(), strict=True)
    lines += ["\t".join([label, f"raw/{i}", *row]) for i, (label, *row) in enumerate(rows)]
    path = folder / "subjects.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_subjects(path, [])


def told(table: SubjectsTable, **settings: object) -> tuple[list[str], list[str]]:
    """Mistakes and warnings of one analysis of clinical columns."""
    given = BASIC | settings
    config = load_config({"analyses": [given]})
    return agreement_problems(config, table), analysis_warnings(config, table)
