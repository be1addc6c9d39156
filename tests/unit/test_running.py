"""Around the workflow: who runs it, what happened, how far it is, what changed, in words."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from osteoflow.errors import StudyError
from osteoflow.inventory.change import describe_change
from osteoflow.io.whole import whole_file
from osteoflow.layout import SubjectFiles
from osteoflow.running.events import EVENTS, failures
from osteoflow.running.owner import OWNER, Ownership
from osteoflow.running.records import MARKS, RECORDS, distrust_unrecorded
from osteoflow.running.run import describe_failures
from osteoflow.running.status import status_rows, status_summary
from osteoflow.running.why import _difference, _parameter_words


def dead_process():
    """Number and time of birth of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return [process.pid, 1.0]


def own(study, host=None, process=None):
    path = study / OWNER
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"host": host or socket.gethostname(), "processes": [process or dead_process()]}
    path.write_text(json.dumps(content))
    return path


def test_an_owner_is_written_and_removed(tmp_path):
    with Ownership(tmp_path, pytest.fail):
        content = json.loads((tmp_path / OWNER).read_text())
        assert content["host"] == socket.gethostname()
        assert content["processes"][0][0] == os.getpid()
        with pytest.raises(StudyError, match="under way on this host"):
            Ownership(tmp_path, pytest.fail).__enter__()
    assert not (tmp_path / OWNER).exists()


def test_a_dead_owner_is_cleared_away(tmp_path):
    own(tmp_path)
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir()
    (locks / "0.input.lock").write_text("x")
    left = tmp_path / "results" / "cohort" / ".abc.part"
    left.mkdir(parents=True)
    (left / "table.tsv").write_text("half")
    said = []
    with Ownership(tmp_path, said.append):
        assert not locks.exists()
    assert "ended without finishing" in said[0]
    assert not left.exists()


def record_of(study, kind, result):
    """Path of a record as Snakemake itself names it."""
    return Path(FilePersistence(path=study / ".snakemake")._record_path(study / kind, result))


def test_results_without_a_whole_record_are_marked_as_unfinished(tmp_path):
    """Jobs that outlive their run, and records that were cut off."""
    long = "results/subjects/sub-" + "x" * 120 + "/" + "y" * 120
    made = {
        "results/cohort/recorded.tsv": "{}",
        "results/cohort/cut_off.tsv": '{"inp',
        "results/cohort/outlived.tsv": None,
        "results/subjects/sub-01/anat/.snakemake_timestamp": None,
        f"{long}/.snakemake_timestamp": "{}",
        "results/logs/convert/sub-01.log": None,
        "results/inventory/sub-01.json": None,
        "results/report/workflow.html": None,
    }
    for path, record in made.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("made")
        if record is not None:
            result = path.removesuffix("/.snakemake_timestamp")
            where = record_of(tmp_path, RECORDS, result)
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(record)
    (tmp_path / "results/subjects/sub-02").symlink_to(tmp_path / "results/subjects/sub-01")
    assert distrust_unrecorded(tmp_path) == 3
    unfinished = [
        "results/cohort/cut_off.tsv",
        "results/cohort/outlived.tsv",
        "results/subjects/sub-01/anat",
    ]
    marks = {path for path in (tmp_path / MARKS).rglob("*") if path.is_file()}
    assert marks == {record_of(tmp_path, MARKS, result) for result in unfinished}
    known = FilePersistence(path=tmp_path / ".snakemake")._filter_incomplete_keys(
        [*unfinished, "results/cohort/recorded.tsv"]
    )
    assert known == set(unfinished)
    # Once more finds nothing new.
    assert distrust_unrecorded(tmp_path) == 0


def test_a_number_used_again_by_another_process_is_no_living_owner(tmp_path):
    own(tmp_path, process=[os.getpid(), 1.0])
    said = []
    with Ownership(tmp_path, said.append):
        assert said


def test_an_owner_elsewhere_cannot_be_judged(tmp_path):
    path = own(tmp_path, host="node7")
    with pytest.raises(StudyError, match="node7"):
        Ownership(tmp_path, pytest.fail).__enter__()
    assert path.exists()


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "table.tsv"
    with pytest.raises(ZeroDivisionError), whole_file(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert list(path.parent.iterdir()) == []
    with whole_file(path) as part:
        part.write_text("whole")
    assert [p.name for p in path.parent.iterdir()] == ["table.tsv"]


def event(what, rule, subject=None):
    wildcards = {"subject": subject} if subject else {}
    log = f"results/logs/{rule}/{subject}.log" if subject else f"results/logs/{rule}.log"
    return json.dumps({"event": what, "rule": rule, "wildcards": wildcards, "log": log})


def happened(study, *events):
    path = study / EVENTS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(events) + "\n" + '{"event": "fini')


def log_of(study, rule, subject, text):
    path = study / f"results/logs/{rule}/{subject}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def step_done(study, subject, step, items):
    path = SubjectFiles(study / "results" / "subjects" / subject).status_of(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"step": step, "items": items}))


OK = {"item": "ct", "status": "ok", "warnings": []}


def test_of_a_failed_group_the_step_that_failed_is_named(tmp_path):
    """Snakemake calls every step of a cluster job failed, whichever did."""
    happened(
        tmp_path,
        *(event("failed", rule, "sub-1") for rule in ("convert", "segment", "measure")),
        event("failed", "convert", "sub-2"),
        event("finished", "convert", "sub-2"),
        event("failed", "convert", "sub-3"),
        event("failed", "segment", "sub-3"),
        event("failed", "fit_models"),
    )
    step_done(tmp_path, "sub-1", "convert", [OK])
    log_of(tmp_path, "convert", "sub-1", "")
    log_of(tmp_path, "segment", "sub-1", "INFO took 1 s\nKeyError: 'L1'\n")
    found = failures(tmp_path)
    assert [(end.rule, end.subject) for end in found] == [
        ("segment", "sub-1"),
        ("convert", "sub-3"),  # cancelled before it began
        ("fit_models", ""),
    ]
    text = "\n".join(describe_failures(tmp_path, found))
    assert "segment of sub-1: see results/logs/segment/sub-1.log" in text
    assert "KeyError: 'L1'" in text
    assert "convert of sub-3" in text
    assert "cancelled" in text
    assert "fit_models of the cohort" in text


def test_status_says_done_excluded_failed_or_not_run(tmp_path):
    inventory = tmp_path / "results" / "inventory"
    inventory.mkdir(parents=True)
    (inventory / "exclusions.tsv").write_text(
        "participant_id\tsession\tmodality\tcode\nsub-2\t1\tmri\techoes_unequal\n"
    )
    slice_lost = {
        "item": "ct",
        "status": "excluded",
        "origin": "convert",
        "code": "missing_slice",
        "warnings": [],
    }
    passed_on = {key: slice_lost[key] for key in ("item", "status", "origin", "warnings")}
    step_done(tmp_path, "sub-1", "convert", [slice_lost, OK | {"item": "mri"}])
    step_done(tmp_path, "sub-1", "calibrate_ct", [passed_on])
    happened(tmp_path, event("failed", "map_mri", "sub-1"))
    log_of(tmp_path, "map_mri", "sub-1", "x")
    index = [
        {"subject": "sub-1", "ct": "yes", "mri": "yes"},
        {"subject": "sub-2_ses-1", "ct": "absent", "mri": "excluded"},
    ]
    first, second = status_rows(tmp_path, index)
    assert first["inventory"] == "done"
    assert first["convert"] == "done; excluded: ct missing_slice"
    assert first["calibrate_ct"] == "excluded: ct at convert"
    assert first["map_mri"] == "failed: see results/logs/map_mri/sub-1.log"
    assert first["segment"] == first["measure"] == "not run"
    assert second["inventory"] == "excluded: mri echoes_unequal"
    assert second["convert"] == "no data"
    summary = "\n".join(status_summary([first, second]))
    assert "1 done with exclusions" in summary
    assert "1 failed" in summary


def test_changes_of_raw_data_are_counted_not_named():
    def entry(**files):
        listed = [{"path": path, "sha256": content} for path, content in files.items()]
        return {"ct": {"files": listed}, "mri": None, "problems": [], "warnings": []}

    before = entry(a="1", b="2", c="3")
    words = describe_change(json.dumps(before), entry(a="1", b="9", d="4"))
    assert words == "CT files: 1 changed, 1 new, 1 gone"
    assert describe_change("", before) == "seen for the first time"
    assert describe_change(json.dumps(before), before | {"problems": [1]}) == (
        "what can be used changed"
    )


def test_changed_settings_are_named_with_both_values():
    class Job:
        params = {"erosion_mm": 3.5, "code": "b" * 16, "settings": '{"bins": 32, "size": 1}'}

    class Change:
        only_old = {"4.0", repr("a" * 16), repr('{"bins": 25, "size": 1}')}
        only_new = {"3.5", repr("b" * 16), repr('{"bins": 32, "size": 1}')}

    history = {"a" * 16: {"x.py": "1", "scipy": "1.0"}, "b" * 16: {"x.py": "2", "scipy": "1.0"}}
    assert set(_parameter_words(Job, Change, history)) == {
        "erosion_mm: 4.0 -> 3.5",
        "code changed: x.py",
        "settings: bins: 25 -> 32",
    }
    assert _difference({"a": {"b": 1}}, {"a": {"b": 2}}) == "a: b: 1 -> 2"
