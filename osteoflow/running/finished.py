"""That a run of all subjects came to its end: with which code, settings and table, and who failed.

Whoever takes a study's results without planning it, as the join of a study in batches does, can
tell from it that they are those of the code, settings and table of today.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from osteoflow.code_version import code_version
from osteoflow.io.volume import read_json, write_json
from osteoflow.layout import BACK_ENDS, INVENTORY
from osteoflow.study import CONFIG_YAML, SUBJECTS_TSV

FINISHED = INVENTORY / "finished.json"
# Scripts that make the subjects' results.
SUBJECT_SCRIPTS = (
    "convert_images.py",
    "segment_vertebrae.py",
    "map_mri.py",
    "calibrate_ct.py",
    "extract_features.py",
    "measure_subject.py",
    *(f"outline_{name}.py" for name in BACK_ENDS),
)


@dataclass(frozen=True)
class Finish:
    """What a run rested on, and the subjects of which a step failed."""

    code: dict[str, str]
    config: str
    table: str
    failed: frozenset[str]


def begin(study: Path) -> dict[str, object]:
    """A run begins: what it rests on. What the last one rested on does not count any more."""
    (study / FINISHED).unlink(missing_ok=True)
    return _now(study)


def finish(study: Path, begun: dict[str, object], failed: set[str]) -> None:
    """A run of all subjects came to its end."""
    write_json(study / FINISHED, {**begun, "failed": sorted(failed)})


def read_finish(study: Path) -> Finish | None:
    """How the last run ended; None where it did not, or did not make all subjects."""
    if not (study / FINISHED).exists():
        return None
    content = read_json(study / FINISHED)
    return Finish(**{**content, "failed": frozenset(content["failed"])})


def changed_since(study: Path, finish: Finish) -> list[str]:
    """What is not as it was when a run ended, in words."""
    now = _now(study)
    words = {
        "code": "the code changed",
        "config": "the settings changed",
        "table": "the rows changed",
    }
    return [text for name, text in words.items() if now[name] != getattr(finish, name)]


def _now(study: Path) -> dict[str, object]:
    return {
        "code": {name: code_version(name) for name in SUBJECT_SCRIPTS},
        "config": _hash_of_settings(study),
        "table": _hash(study / SUBJECTS_TSV),
    }


def _hash_of_settings(study: Path) -> str:
    """Of the configuration, and of the table of phantom scans that it may name."""
    import yaml

    path = study / CONFIG_YAML
    ct = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("ct") or {}
    table = (ct.get("asynchronous") or {}).get("table")
    if table and (study / table).is_file():
        return sha256(path.read_bytes() + (study / table).read_bytes()).hexdigest()
    return _hash(path)


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
