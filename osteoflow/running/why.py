"""What the next run will do and because of what: Snakemake's plan in the study's words."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from osteoflow.code_version import changed_parts, load_history
from osteoflow.errors import StudyError
from osteoflow.layout import INVENTORY
from osteoflow.resources import ROOT

# What a change of these inputs means; beginnings of paths inside the study.
INPUT_WORDS = {
    "config/subjects.tsv": "subjects.tsv changed",
    "config/review.tsv": "review.tsv changed",
    f"{INVENTORY}/exclusions.tsv": "other exclusions by the inventory",
    f"{INVENTORY}/failed.tsv": "other subjects left out because a step failed",
}
SHOWN = 3


def why(study: Path) -> Iterator[str]:
    """One line per subject and step that will run, then one per step of the cohort, then counts.

    The inventory must be up to date.

    Raises
    ------
    StudyError
        Snakemake cannot plan the study.
    """
    dag = _plan(study.resolve())
    history = load_history(study / INVENTORY / "code_history.json")
    changes = _changes(study)
    jobs = [job for job in dag.needrun_jobs() if job.output]
    rank = {rule: number for number, rule in enumerate(_rule_order(dag))}
    jobs.sort(
        key=lambda job: (job.wildcards_dict.get("subject", "~"), rank[job.rule.name], job.output[0])
    )
    widths = [max((len(text(job)) for job in jobs), default=0) for text in (_who, _rule)]
    for job in jobs:
        reasons = _reasons(job, dag, history, changes)
        yield f"{_who(job):{widths[0]}s}  {_rule(job):{widths[1]}s}  {'; '.join(reasons)}"
    counts = Counter(job.rule.name for job in jobs)
    total = ", ".join(f"{counts[rule]} {rule}" for rule in rank if counts[rule])
    yield f"{len(jobs)} jobs: {total}" if jobs else "Nothing to do: every result is up to date."


def _plan(study: Path) -> Any:
    """Snakemake's graph of jobs, planned as by ``snakemake --dry-run --quiet``."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        DAGSettings,
        OutputSettings,
        ResourceSettings,
        SchedulingSettings,
    )

    profile = yaml.safe_load((ROOT / "profiles/default/profile.yaml").read_text(encoding="utf-8"))
    triggers = profile["rerun-triggers"]
    output = OutputSettings(dryrun=True, quiet={Quietness.RULES, Quietness.PROGRESS})
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            with SnakemakeApi(output) as api:
                workflow = api.workflow(
                    ResourceSettings(cores=1), snakefile=ROOT / "Snakefile", workdir=study
                )
                plan = workflow.dag(
                    DAGSettings(
                        rerun_triggers=frozenset(RerunTrigger.parse_choice(t) for t in triggers),
                        force_incomplete=True,
                    )
                )
                plan.execute_workflow(
                    executor="local",
                    pseudo_executor="dryrun",
                    scheduling_settings=SchedulingSettings(scheduler="greedy"),
                )
                dag = workflow._workflow.dag
        except Exception as error:
            raise StudyError([f"Snakemake cannot plan this study: {error}"]) from error
    return dag


def _rule_order(dag: Any) -> list[str]:
    """Rules in the order of the workflow."""
    return [rule.name for rule in dag.workflow.rules]


def _who(job: Any) -> str:
    wildcards = job.wildcards_dict
    if "subject" in wildcards:
        return wildcards["subject"]
    return " ".join(["cohort", *wildcards.values()])


def _rule(job: Any) -> str:
    return job.rule.name


def _reasons(
    job: Any, dag: Any, history: dict[str, dict[str, str]], changes: dict[str, str]
) -> Iterator[str]:
    reason = dag.reason(job)
    if reason.missing_output and len(reason.missing_output) == len(job.output):
        yield "not made yet"
        return
    if reason.params_changed:
        yield from _parameter_words(job, reason.params_changed, history)
    if reason.missing_output:
        yield "a result is gone"
    if reason.incomplete_output:
        yield "was interrupted"
    before = _inputs_before(job, dag)
    new = {str(path) for path in job.input} - before if before else set()
    for path in sorted(reason.updated_input - reason.updated_input_run):
        if str(path) in new & INPUT_WORDS.keys():
            continue  # said below: a table that the study did not have before
        yield _input_words(str(path), changes)
    # Snakemake looks at the set of inputs only where nothing else made the job run.
    if reason.input_changed or "subject" not in job.wildcards_dict:
        yield from _input_set_words(job, dag)
    if reason.updated_input_run:
        yield _after_words(job, dag, reason.updated_input_run)
    if reason.software_stack_changed:
        yield "software environment changed"


def _input_words(path: str, changes: dict[str, str]) -> str:
    if path in INPUT_WORDS:
        return INPUT_WORDS[path]
    name = Path(path).name
    if Path(path).parent == INVENTORY:
        return changes.get(name, "mask changed" if "_masks" in name else "raw data changed")
    return f"{path} is newer"


def _after_words(job: Any, dag: Any, updated: Any) -> str:
    """The jobs that will run before, of which subjects."""
    makers = [other for other, files in dag.dependencies[job].items() if set(files) & set(updated)]
    rules = dict.fromkeys(other.rule.name for other in makers)
    words = []
    for rule in rules:
        subjects = sorted(
            {
                o.wildcards_dict["subject"]
                for o in makers
                if o.rule.name == rule and _of_other(o, job)
            }
        )
        more = f" and {len(subjects) - SHOWN} more" if len(subjects) > SHOWN else ""
        words.append(rule + (f" of {', '.join(subjects[:SHOWN])}{more}" if subjects else ""))
    return "after " + ", ".join(words)


def _of_other(other: Any, job: Any) -> bool:
    return "subject" in other.wildcards_dict and "subject" not in job.wildcards_dict


def _input_set_words(job: Any, dag: Any) -> Iterator[str]:
    """Subjects (or other folders of inputs) that joined or left since the last time."""
    known = _inputs_before(job, dag)
    now = {str(path) for path in job.input}
    for what, paths in (("new", now - known), ("no longer", known - now)):
        names = sorted({_set_name(path) for path in paths})
        if names and known:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            yield f"{what}: {', '.join(names[:SHOWN])}{more}"


def _inputs_before(job: Any, dag: Any) -> set[str]:
    """Inputs that a job had when it last ran; none if it never did."""
    known: set[str] = set()
    for path in job.output:
        known |= set(dag.workflow.persistence.input(path) or [])
    return known


def _set_name(path: str) -> str:
    """Subject of an input; the table itself of one that the study has or has not."""
    return Path(path).name if path in INPUT_WORDS else Path(path).parent.name


def _parameter_words(job: Any, change: Any, history: dict[str, dict[str, str]]) -> Iterator[str]:
    """Settings by name with old and new value; code by the files that changed."""
    now = {repr(value): name for name, value in job.params.items()}
    old = sorted(change.only_old)
    for text in sorted(change.only_new):
        name = now.get(text, "a setting")
        before = _closest(text, old)
        if before is not None:
            old.remove(before)
        if name == "code":
            yield _code_words(_literal(before), _literal(text), history)
        else:
            yield f"{name}: {_difference(_literal(before), _literal(text))}"
    for text in old:
        yield f"a setting is gone: {_shorten(text)}"


def _closest(text: str, candidates: Sequence[str]) -> str | None:
    """The old value that a new one replaces: the most similar one."""
    import difflib

    ranked = sorted(
        candidates, key=lambda other: -difflib.SequenceMatcher(None, other, text).quick_ratio()
    )
    # A code version resembles only another of the same length.
    same = [other for other in ranked if len(other) == len(text)]
    return (same or ranked or [None])[0]


def _literal(text: str | None) -> Any:
    import ast

    if text is None:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    if isinstance(value, str) and value[:1] in "[{":
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def _code_words(before: Any, after: Any, history: dict[str, dict[str, str]]) -> str:
    parts = changed_parts(history.get(str(before)), history.get(str(after)))
    if not parts:
        return "code changed"
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return f"code changed: {', '.join(parts[:SHOWN])}{more}"


def _difference(before: Any, after: Any) -> str:
    """``4.0 -> 3.5``; of nested settings only the keys that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        return ", ".join(f"{key}: {_difference(before.get(key), after.get(key))}" for key in keys)
    return f"{_shorten(before)} -> {_shorten(after)}"


def _shorten(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _changes(study: Path) -> dict[str, str]:
    """What the inventory last saw change in each of its files."""
    path = study / INVENTORY / "changes.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
