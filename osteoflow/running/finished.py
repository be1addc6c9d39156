"""That a run of all subjects came to its end: with which code, settings and table, and who failed.

Whoever takes a study's results without planning it, as the join of a study in batches does, can
tell from it that they are those of the code, settings and table of today.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from osteoflow.code_version import code_version
from osteoflow.config import Config, load_config
from osteoflow.errors import StudyError
from osteoflow.io.volume import read_json, write_json
from osteoflow.layout import BACK_ENDS, INVENTORY
from osteoflow.study import CONFIG_YAML, SUBJECTS_TSV, settings_path

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
    """What a run rested on, and the subjects of which a step failed.

    ``config`` is a hash of the settings with the files that they name; ``programs`` tells weights
    and version of each segmentation program that they choose, as far as these were to be found.
    """

    code: dict[str, str]
    config: str
    table: str
    programs: dict[str, str]
    failed: frozenset[str]


def begin(study: Path) -> dict[str, Any]:
    """A run begins: what it rests on. What the last one rested on does not count any more."""
    (study / FINISHED).unlink(missing_ok=True)
    return _now(study)


def finish(study: Path, begun: dict[str, Any], failed: set[str]) -> None:
    """A run of all subjects came to its end."""
    write_json(study / FINISHED, {**begun, "failed": sorted(failed)})


def read_finish(study: Path) -> Finish | None:
    """How the last run ended; None where it did not, or did not make all subjects."""
    if not (study / FINISHED).exists():
        return None
    content = read_json(study / FINISHED)
    if set(content) != set(Finish.__dataclass_fields__):
        return None  # of another version
    return Finish(**{**content, "failed": frozenset(content["failed"])})


def changed_since(study: Path, finish: Finish) -> list[str]:
    """What is not as it was when a run ended, in words."""
    now = _now(study)
    words = {
        "code": "the code changed",
        "config": "the settings, or files that they name, changed",
        "table": "the rows changed",
    }
    changed = [text for name, text in words.items() if now[name] != getattr(finish, name)]
    # Weights that were cleared away after the run, or a program that another machine's PATH lacks,
    # say nothing about the results.
    if any(finish.programs.get(name, state) != state for name, state in now["programs"].items()):
        changed.append("the segmentation programs changed")
    return changed


def _now(study: Path) -> dict[str, Any]:
    import yaml

    text = (study / CONFIG_YAML).read_text(encoding="utf-8")
    try:
        config = load_config(yaml.safe_load(text) or {})
    except StudyError:
        config = Config()  # settings of another version: their text differs from any that ran
    return {
        "code": {name: code_version(name) for name in SUBJECT_SCRIPTS},
        "config": _hash([study / CONFIG_YAML, *_named_files(study, config)]),
        "table": _hash([study / SUBJECTS_TSV]),
        "programs": _programs(study, config),
    }


def _named_files(study: Path, config: Config) -> list[Path]:
    """Files that settings name and subjects' results depend on: recipes, scans of phantoms."""
    images = config.radiomics.images
    recipes = [settings_path(study, images[name].settings) for name in sorted(images)]
    return [*recipes, study / config.ct.asynchronous.table]


def _programs(study: Path, config: Config) -> dict[str, str]:
    """Weights and version of each segmentation program, where they are to be found."""
    chosen = {name: getattr(config.segmentation.backends, name) for name in ("ct", "mri")}
    found = {}
    for modality, settings in chosen.items():
        if settings is None:
            continue
        # Only studies with such a program load this.
        from osteoflow.outlines import outline_state
        from osteoflow.segmentation.backends.registry import BACK_ENDS as PROGRAMS
        from osteoflow.segmentation.backends.weights import MissingWeightsError

        with suppress(MissingWeightsError):
            state = outline_state(PROGRAMS[settings.name], modality, settings, study)
            found |= {f"{modality} {key}": value for key, value in state.items()}
    return {name: value for name, value in found.items() if value != "unknown"}


def _hash(paths: list[Path]) -> str:
    """Of files' contents, in their order; a file that is not there counts as such."""
    contents = [sha256(p.read_bytes()).hexdigest() if p.is_file() else "none" for p in paths]
    return sha256("\n".join(contents).encode()).hexdigest()
