"""Large cohorts in batches: shards that run on their own, and the step that joins them.

A shard is a study folder of its own inside ``batches/``, with the rows of some subjects; it owns
what it makes and Snakemake's records of it. Planning a shard costs what its own subjects cost,
whatever the size of the cohort. The joined study takes the shards' results as they are: it knows
only the rules of the cohort, so that it can never plan a shard's work again.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from osteoflow.config import Config
from osteoflow.errors import StudyError
from osteoflow.inventory.build import study_salt
from osteoflow.io.tables import EXCLUSION_COLUMNS, INDEX_COLUMNS, read_rows, write_rows
from osteoflow.io.whole import write_text
from osteoflow.layout import INVENTORY, JOINED, SUBJECTS, SubjectFiles, steps_of
from osteoflow.running.events import JobEnd, failures
from osteoflow.running.failed import leave_out
from osteoflow.running.finished import changed_since, read_finish
from osteoflow.running.shards import ASKED, BATCHES, assign_subjects, in_ranges, shard_name
from osteoflow.study import CONFIG_YAML, SUBJECTS_TSV
from osteoflow.subjects import PATH_COLUMNS, Subject, SubjectsTable

LOGS = "logs"
# What the steps of a subject depend on; everything else concerns the cohort.
SUBJECT_SECTIONS = ("segmentation", "mri", "ct", "radiomics", "cohort")

ARRAY = """\
#!/bin/bash
#SBATCH --job-name=osteoflow-shards
#SBATCH --array={shards}
#SBATCH --cpus-per-task={cores}
#SBATCH --mem={memory}
#SBATCH --time=24:00:00
#SBATCH --output={folder}/logs/shard-%3a.log
# One shard per task. Without Slurm: `bash array.sh 3` runs the third.
# Add your partition and account above; every shard may run any number of times.
set -euo pipefail
shard=$(printf 'shard-%03d' "${{SLURM_ARRAY_TASK_ID:-${{1:-}}}}")
grep -qx "$shard" {folder}/shards.txt || {{ echo "$shard is not planned" >&2; exit 2; }}
# Steps that together need more than this job's memory wait for each other.
exec {python} -m osteoflow.cli run {folder}/"$shard" --cores "${{SLURM_CPUS_PER_TASK:-{cores}}}" \\
  -- participants --retries 2 --resources mem_mb="${{SLURM_MEM_PER_NODE:-{memory_mb}}}"
"""
REDUCE = """\
#!/bin/bash
#SBATCH --job-name=osteoflow-join
#SBATCH --cpus-per-task={cores}
#SBATCH --mem={memory}
#SBATCH --time=24:00:00
#SBATCH --output={folder}/logs/join.log
# Joins the shards and makes the cohort's tables, figures and report. Options are passed on:
# `bash reduce.sh --without-failed` lists subjects that a shard could not finish as failed.
set -euo pipefail
exec {python} -m osteoflow.cli join {study} --cores "${{SLURM_CPUS_PER_TASK:-{cores}}}" "$@"
"""


def plan_batches(
    study: Path, config: Config, table: SubjectsTable, batches: int, cores: int = 4
) -> list[Path]:
    """Write the shards, ``array.sh`` and ``reduce.sh`` into ``batches/`` of a study.

    Planning again after rows were added or dropped leaves every other subject in its shard; new
    subjects go to the smallest ones. A shard whose rows were all dropped is planned no more.

    Parameters
    ----------
    study
        Study folder.
    config, table
        Its checked configuration and subjects table.
    batches
        Number of shards.
    cores
        Cores of one shard's job.

    Returns
    -------
    Folders of the shards.

    Raises
    ------
    StudyError
        The study was planned with another number of shards, or run without any.
    """
    study = study.resolve()
    folder = study / BATCHES
    assigned = assign_subjects(folder, batches, table.subjects)
    _refuse_own_results(study)
    salt = study_salt(study / INVENTORY)
    shards = [folder / shard_name(number) for number in assigned]
    for shard, subjects in zip(shards, assigned.values(), strict=True):
        write_text(shard / "config" / "config.yaml", _shard_config(study, config))
        columns = ["participant_id", "session", *PATH_COLUMNS]
        rows = [_shard_row(study, shard, subject) for subject in subjects]
        write_rows(shard / "config" / "subjects.tsv", columns, rows)
        write_text(shard / INVENTORY / "salt", salt + "\n")
    write_text(folder / "shards.txt", "\n".join(shard.name for shard in shards) + "\n")
    write_text(folder / ASKED, f"{batches}\n")
    (folder / LOGS).mkdir(exist_ok=True)
    words = {
        "shards": in_ranges(list(assigned)),
        "cores": cores,
        "memory": f"{4 * cores}G",
        "memory_mb": 4096 * cores,
        "python": shlex.quote(sys.executable),
        "folder": shlex.quote(str(folder)),
        "study": shlex.quote(str(study)),
    }
    for script, text in (("array.sh", ARRAY), ("reduce.sh", REDUCE)):
        write_text(folder / script, text.format(**words))
        (folder / script).chmod((folder / script).stat().st_mode | stat.S_IXUSR)
    return shards


def join_batches(
    study: Path,
    config: Config,
    table: SubjectsTable,
    without_failed: bool,
    say: Callable[[str], None],
) -> None:
    """Make a study's inventory and subjects those of its shards.

    Parameters
    ----------
    study
        Study folder.
    config, table
        Its checked configuration and subjects table.
    without_failed
        List subjects that a shard did not finish as failed, instead of stopping.
    say
        Takes messages.

    Raises
    ------
    StudyError
        A row is in no shard; a shard has not run to its end, or has with other settings, rows or
        code than today's; or subjects are not finished.
    """
    study = study.resolve()
    shards = _shards(study)
    _check_up_to_date(study, config, table, shards)
    index = [row for shard in shards for row in _inventory_rows(shard, "inventory.tsv")]
    exclusions = [row for shard in shards for row in _inventory_rows(shard, "exclusions.tsv")]
    home = {row["subject"]: shard for shard in shards for row in _shard_index(shard)}
    wanted = [subject.name for subject in table.subjects]
    lacking = [name for name in wanted if name not in home]
    if lacking:
        raise StudyError(
            [
                f"{len(lacking)} rows were not looked at by any shard: {_some(lacking)}; run "
                "`osteoflow plan` and the shards"
            ]
        )
    kept = [row for row in index if row["subject"] in set(wanted)]
    unfinished = _unfinished(kept, home)
    for end in unfinished:
        say(f"  {end.subject}: {end.rule} did not end in {home[end.subject].name}; see {end.log}")
    if unfinished and not without_failed:
        raise StudyError(
            [
                f"{len(unfinished)} subjects are not finished: run their shards again, or join "
                "with --without-failed"
            ]
        )
    folder = study / INVENTORY
    order = {name: number for number, name in enumerate(wanted)}
    kept.sort(key=lambda row: order[row["subject"]])
    people = {(s.participant_id, s.session or "n/a"): order[s.name] for s in table.subjects}
    mine = [row for row in exclusions if (row["participant_id"], row["session"]) in people]
    mine.sort(key=lambda row: people[row["participant_id"], row["session"]])
    _write_rows_if_different(folder / "inventory.tsv", INDEX_COLUMNS, kept)
    _write_rows_if_different(folder / "exclusions.tsv", EXCLUSION_COLUMNS, mine)
    write_text(folder / "paths.sha256", table.paths_digest() + "\n")
    write_text(study / JOINED, f"{len(shards)}\n")
    leave_out(study, unfinished)
    _link_subjects(study, home, kept)


def _check_up_to_date(
    study: Path, config: Config, table: SubjectsTable, shards: list[Path]
) -> None:
    """Shards hold what the study's settings, rows and code would make."""
    problems = []
    wanted = yaml.safe_load(_shard_config(study, config))
    rows = {subject.name: subject for subject in table.subjects}
    for shard in shards:
        finish = read_finish(shard)
        if finish is None:
            problems.append(f"{shard.name} has not run to its end: run it (again)")
            continue
        stale = changed_since(shard, finish)
        planned = yaml.safe_load((shard / CONFIG_YAML).read_text(encoding="utf-8"))
        if planned != wanted:
            stale.append("the study's settings are not those of the plan")
        for row in read_rows(shard / SUBJECTS_TSV):
            subject = rows.get(SubjectFiles.named(row["participant_id"], row["session"]))
            if subject is not None and not _same(row, _shard_row(study, shard, subject)):
                stale.append(f"the paths of {subject.name} are not those of the plan")
        if stale:
            problems.append(f"{shard.name}: {'; '.join(stale)}")
    if problems:
        advice = "plan the study (`osteoflow plan`, the same number) and run these shards again"
        raise StudyError([*problems, advice])


def _same(row: dict[str, str], wanted: dict[str, str | None]) -> bool:
    """Whether two rows of a shard's table say the same; ``n/a`` is an empty cell."""
    return all((row[key] if row[key] != "n/a" else "") == (wanted[key] or "") for key in wanted)


def is_joined(study: Path) -> bool:
    """Whether a study's subjects are those of its shards."""
    return (study / JOINED).exists()


def _refuse_own_results(study: Path) -> None:
    own = [path.name for path in (study / SUBJECTS).glob("sub-*") if not path.is_symlink()]
    if own:
        raise StudyError(
            [
                f"this study has results of its own ({_some(own)}): a study is run either as a "
                f"whole or in batches; move {SUBJECTS} away first"
            ]
        )


def _shard_config(study: Path, config: Config) -> str:
    """The sections that subjects' steps depend on; files of the study by their full path."""
    content: dict[str, Any] = config.model_dump(mode="json", include=set(SUBJECT_SECTIONS))
    # Of the cohort's section, what the subjects' own means rest on: its other settings name
    # clinical columns, which shards do not have.
    content["cohort"] = {name: content["cohort"][name] for name in ("summaries", "left_out")}
    for item in content["radiomics"]["images"].values():
        own = study / item["settings"]
        if own.is_file():
            item["settings"] = str(own)
    for item in content["segmentation"]["backends"].values():
        if isinstance(item, dict):
            item["weights"] = str((study / Path(item["weights"]).expanduser()).absolute())
            if os.sep in (item["executable"] or ""):
                item["executable"] = str((study / Path(item["executable"]).expanduser()).absolute())
    scans = study / content["ct"]["asynchronous"]["table"]
    if scans.is_file():
        content["ct"]["asynchronous"]["table"] = str(scans)
    content["study"] = {"title": config.study.title}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _shard_row(study: Path, shard: Path, subject: Subject) -> dict[str, str | None]:
    """A row with identity and paths, relative ones seen from the shard."""
    row: dict[str, str | None] = dict.fromkeys(PATH_COLUMNS)
    row |= {"participant_id": subject.participant_id, "session": subject.session or None}
    for column, path in subject.paths.items():
        relative = column != "mask_scheme" and not Path(path).is_absolute()
        row[column] = os.path.relpath(study / path, shard) if relative else path
    return row


def _shards(study: Path) -> list[Path]:
    names = study / BATCHES / "shards.txt"
    if not names.exists():
        raise StudyError([f"{BATCHES}/ does not exist: plan the study with `osteoflow plan`"])
    return [study / BATCHES / name for name in names.read_text(encoding="utf-8").split()]


def _shard_index(shard: Path) -> list[dict[str, str]]:
    return _inventory_rows(shard, "inventory.tsv")


def _inventory_rows(shard: Path, name: str) -> list[dict[str, str]]:
    path = shard / INVENTORY / name
    if not path.exists():
        raise StudyError([f"{shard.name} has not run yet: no {INVENTORY / name} in it"])
    return read_rows(path)


def _unfinished(index: list[dict[str, str]], home: dict[str, Path]) -> list[JobEnd]:
    """One entry per subject with images but without a status: the step that failed, if known."""
    known = {
        end.subject: replace(end, log=f"{BATCHES}/{shard.name}/{end.log}")
        for shard in dict.fromkeys(home.values())
        for end in failures(shard)
        if end.subject
    }
    ends = []
    for row in index:
        name = row["subject"]
        modalities = row["ct"] == "yes", row["mri"] == "yes"
        files = SubjectFiles(home[name] / SUBJECTS / name)
        whole = files.status.exists() and all(
            files.folder(step).is_dir() for step in steps_of(*modalities)
        )
        if any(modalities) and (name in known or not whole):
            log = f"{BATCHES}/{LOGS}/{home[name].name}.log"
            ends.append(known.get(name, JobEnd("convert", name, log, "failed")))
    return ends


def _link_subjects(study: Path, home: dict[str, Path], index: list[dict[str, str]]) -> None:
    folder = study / SUBJECTS
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {row["subject"] for row in index if "yes" in (row["ct"], row["mri"])}
    for path in folder.glob("sub-*"):
        if path.is_symlink() and path.name not in wanted:
            path.unlink()
    for name in sorted(wanted):
        target = os.path.relpath(home[name] / SUBJECTS / name, folder)
        link = folder / name
        if link.is_symlink() and str(link.readlink()) != target:
            link.unlink()
        if not link.is_symlink():
            link.symlink_to(target)


def _write_rows_if_different(
    path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]
) -> None:
    if not path.exists() or read_rows(path) != rows:
        write_rows(path, columns, rows)


def _some(names: list[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
