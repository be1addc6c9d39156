"""A study folder: its checked configuration and table, and what the inventory found."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from osteoflow.config import Config, load_config
from osteoflow.ct.certificate import certified_phantom
from osteoflow.errors import StudyError
from osteoflow.io.tables import read_rows
from osteoflow.io.whole import whole_file
from osteoflow.layout import INVENTORY, JOINED
from osteoflow.resources import ROOT
from osteoflow.review.table import REVIEW_TSV, review_problems
from osteoflow.running.failed import left_out
from osteoflow.segmentation.schemes import scheme_names
from osteoflow.settings.ct import Ct
from osteoflow.study_columns import agreement_problems
from osteoflow.study_recipes import recipe_problems
from osteoflow.subjects import MASK_COLUMNS, SubjectsTable, read_subjects

SUBJECTS_TSV = Path("config") / "subjects.tsv"
CONFIG_YAML = Path("config") / "config.yaml"
# Settings and table with which a run began, for its cluster jobs; the table holds raw paths.
SNAPSHOT = INVENTORY / "run"


@dataclass(frozen=True)
class Study:
    """A study that may run.

    ``subjects`` maps each name to what the inventory found: ``ct`` and ``mri`` (whether images
    were chosen) and ``megabytes`` of raw data. ``failed`` are subjects that the run leaves out;
    ``joined`` is set where shards make the subjects' results; ``settings`` is where ``config/``
    lies.
    """

    folder: Path
    config: Config
    table: SubjectsTable
    subjects: dict[str, dict[str, Any]]
    failed: frozenset[str] = frozenset()
    joined: bool = False
    settings: Path = Path()

    @cached_property
    def review(self) -> list[str]:
        """The table of review decisions as the study folder sees it; empty without a review."""
        return [str(REVIEW_TSV)] if (self.settings / REVIEW_TSV).exists() else []

    @cached_property
    def with_images(self) -> list[str]:
        """Subjects with at least one modality, without those that failed."""
        return [
            name
            for name, found in self.subjects.items()
            if (found["ct"] or found["mri"]) and name not in self.failed
        ]

    @cached_property
    def has_repeats(self) -> bool:
        """Whether a rater outlined anybody twice."""
        repeats = [name for name in MASK_COLUMNS if name.endswith("_repeat")]
        return any(name in subject.paths for subject in self.table.subjects for name in repeats)

    @cached_property
    def phantom_scans(self) -> list[Any]:
        """Scans of a separate phantom; empty where CTs are calibrated otherwise."""
        if self.config.ct.calibration != "asynchronous":
            return []
        return _phantom_scans(self.settings, self.folder, self.config.ct)

    @cached_property
    def _ct_scans(self) -> dict[str, Any]:
        """What the inventory knows of each subject's CT scan (private: dates)."""
        path = self.folder / INVENTORY / "ct_scans.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def ct_match(self, subject: str) -> dict[str, Any] | None:
        """The phantom scan that calibrates a subject's CT; None where none is needed."""
        if self.config.ct.calibration != "asynchronous":
            return None
        from osteoflow.ct.subject_match import subject_match

        days = self.config.ct.asynchronous.maximum_days
        return subject_match(self._ct_scans.get(subject), self.phantom_scans, days)

    @cached_property
    def _first_sessions(self) -> frozenset[str]:
        """Each participant's first row in the table: the one that models use."""
        first: dict[str, str] = {}
        for subject in self.table.subjects:
            first.setdefault(subject.participant_id, subject.name)
        return frozenset(first.values())

    def is_perturbed(self, subject: str) -> bool:
        """Whether a subject's images are perturbed: participants whom a hash chooses, whoever else
        is in the table, with their first session."""
        perturbation = self.config.radiomics.perturbation
        if perturbation is None or subject not in self._first_sessions:
            return False
        from osteoflow.radiomics.perturbation.draws import is_chosen

        share = 1.0 if perturbation.participants == "all" else perturbation.participants
        return is_chosen(self.config.study.seed, subject.partition("_ses-")[0], share)

    def radiomics_settings(self) -> dict[str, dict[str, Any]]:
        """Settings of each image's features, as read from their YAML files."""
        return {
            image: _read_yaml(settings_path(self.folder, item.settings, self.settings))
            for image, item in self.config.radiomics.images.items()
        }


def settings_path(study: Path, settings: str, fixed: Path | None = None) -> Path:
    """A preset by name (``vbmd``), or a file by its path as seen from the study folder.

    ``fixed`` is where a run has a copy of ``config/``; what lies elsewhere has no copy.
    """
    preset = ROOT / "config" / "radiomics" / f"{settings}.yaml"
    if preset.exists():
        return preset
    copy = (fixed or study) / settings
    return copy if copy.exists() else study / settings


def check_folder(folder: Path) -> tuple[Config, SubjectsTable]:
    """Configuration and table of a study folder (see :func:`check_study`)."""
    try:
        content = _read_yaml(folder / CONFIG_YAML)
    except FileNotFoundError:
        raise StudyError(
            [f"{CONFIG_YAML} does not exist: make a study folder with `osteoflow init`"]
        ) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StudyError([f"{CONFIG_YAML} cannot be read: {error}"]) from None
    return check_study(folder, content)


def take_snapshot(folder: Path) -> None:
    """Keep a study's settings and table as they are at the begin of a run.

    Raises
    ------
    OSError
        A file cannot be copied, as on a full disk; the last run's copy stays then.
    """
    target = folder / SNAPSHOT
    with whole_file(target) as part:
        _copy_folder(folder / "config", part / "config")
        if target.exists():
            shutil.rmtree(target)


def _copy_folder(source: Path, copy: Path) -> None:
    """Copy a folder; unlike ``shutil.copytree`` stop at the first error and tell it as it is."""

    def stop(error: OSError) -> None:
        raise error

    for root, _, names in os.walk(source, onerror=stop, followlinks=True):
        here = copy / Path(root).relative_to(source)
        here.mkdir(parents=True)
        for path in (Path(root) / name for name in names):
            if path.exists():  # the lock of an editor is a link that leads nowhere
                shutil.copy2(path, here / path.name)


def frozen_study(folder: Path, given: dict[str, Any]) -> Study:
    """The study as it was when its run began.

    A cluster job parses the workflow hours after the run began: rows added or settings changed in
    the meantime are the next run's.

    Parameters
    ----------
    folder
        Study folder with a snapshot.
    given
        Settings given on the command line, which override the file's.
    """
    content = _read_yaml(folder / SNAPSHOT / CONFIG_YAML)
    return load_study(folder, _overridden(content, given), folder / SNAPSHOT)


def _overridden(content: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Nested settings with some of them replaced."""
    result = dict(content)
    for key, value in given.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _overridden(result[key], value) if nested else value
    return result


def check_study(
    folder: Path, content: dict[str, Any], settings: Path | None = None
) -> tuple[Config, SubjectsTable]:
    """Configuration and table of a study, each mistake of both and of the review listed.

    Parameters
    ----------
    folder
        Study folder.
    content
        Of ``config.yaml``.
    settings
        Where ``config/`` lies, if not in the study folder.

    Raises
    ------
    StudyError
    """
    problems: list[str] = []
    config: Config | None = None
    table: SubjectsTable | None = None
    try:
        config = load_config(content)
    except StudyError as error:
        problems.extend(error.problems)
    try:
        table = read_subjects((settings or folder) / SUBJECTS_TSV, scheme_names())
    except StudyError as error:
        problems.extend(error.problems)
    problems.extend(review_problems(settings or folder, table))
    if config is not None:
        problems.extend(_settings_problems(folder, settings or folder, config))
    if config is not None and table is not None:
        problems.extend(agreement_problems(config, table))
    if problems or config is None or table is None:
        raise StudyError(problems)
    return config, table


def load_study(folder: Path, content: dict[str, Any], settings: Path | None = None) -> Study:
    """A study whose inventory is up to date with its table; parameters as of :func:`check_study`.

    Raises
    ------
    StudyError
        With every mistake; or because the inventory is missing or of another table.
    """
    config, table = check_study(folder, content, settings)
    digest = folder / INVENTORY / "paths.sha256"
    if not digest.exists():
        raise StudyError(
            ["no inventory of the raw data yet: run `osteoflow inventory` (or `osteoflow run`)"]
        )
    if digest.read_text(encoding="ascii").strip() != table.paths_digest():
        raise StudyError(
            [
                "the paths in subjects.tsv changed since the last inventory: "
                "run `osteoflow inventory` (or `osteoflow run`)"
            ]
        )
    subjects = {
        row["subject"]: {
            "ct": row["ct"] == "yes",
            "mri": row["mri"] == "yes",
            "megabytes": float(row["megabytes"]),
        }
        for row in read_rows(folder / INVENTORY / "inventory.tsv")
    }
    failed = frozenset(row["subject"] for row in left_out(folder))
    joined = (folder / JOINED).exists()
    return Study(folder, config, table, subjects, failed, joined, settings or folder)


def _settings_problems(folder: Path, settings: Path, config: Config) -> list[str]:
    problems = []
    for image, item in config.radiomics.images.items():
        place = f"config: radiomics.images.{image}.settings"
        path = settings_path(folder, item.settings, settings)
        if not path.exists():
            problems.append(f"{place}: '{item.settings}' is neither a preset nor a file")
            continue
        problems.extend(f"{place}: {text}" for text in recipe_problems(path, image))
    problems.extend(f"config: ct: {text}" for text in _phantom_problems(config.ct))
    problems.extend(f"config: {text}" for text in _back_end_problems(folder, config))
    problems.extend(_calibration_problems(settings, folder, config))
    if config.study.truth is not None and not (folder / config.study.truth).exists():
        problems.append(f"config: study.truth: the file '{config.study.truth}' does not exist")
    return problems


def _back_end_problems(folder: Path, config: Config) -> list[str]:
    settings = config.segmentation.backends
    # A study in batches: the shards have their own settings and did all of this.
    if (settings.ct is None and settings.mri is None) or (folder / JOINED).exists():
        return []
    from osteoflow.segmentation.backends.check import back_end_problems

    return back_end_problems(settings, folder)


def _phantom_problems(settings: Ct) -> list[str]:
    try:
        certificate = certified_phantom(settings.phantom, settings.certificate or [])
    except ValueError as error:
        return [str(error)]
    if certificate.geometry is None and settings.calibration == "phantom":
        return [f"phantom '{settings.phantom}' cannot be found in an image automatically yet"]
    return []


def _calibration_problems(settings: Path, folder: Path, config: Config) -> list[str]:
    """A table of phantom scans that cannot be used, and densities that will not exist."""
    if config.ct.calibration == "asynchronous":
        try:
            _phantom_scans(settings, folder, config.ct)
        except StudyError as error:
            return [f"config: ct.asynchronous.table: {text}" for text in error.problems]
    if config.ct.calibration == "none":
        used = [f"radiomics.images.{name}" for name in config.radiomics.images if name == "vbmd"]
        used += [
            f"cohort.summaries: {summary.metric}"
            for summary in config.cohort.summaries
            if summary.metric.startswith("vbmd")
        ]
        return [f"config: {place}: there is no density with ct.calibration: none" for place in used]
    return []


def _phantom_scans(settings: Path, folder: Path, ct: Ct) -> list[Any]:
    """Scans in the configured table: as a run has fixed it, else in the study folder."""
    from osteoflow.ct.asynchronous import read_scans

    certificate = certified_phantom(ct.phantom, ct.certificate or [])
    fixed = settings / ct.asynchronous.table
    return read_scans(fixed if fixed.exists() else folder / ct.asynchronous.table, certificate)


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
