"""Around the workflow: who runs it, what happened, how far it is, what changed, in words."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.cli import parse_args
from snakemake.persistence.file import FilePersistence
from snakemake.scheduling.job_scheduler import JobRateLimiter

from osteoflow import cli
from osteoflow.errors import StudyError
from osteoflow.inventory.change import describe_change
from osteoflow.io.whole import whole_file
from osteoflow.layout import SubjectFiles
from osteoflow.running import why as why_module
from osteoflow.running.engine import asked_for
from osteoflow.running.events import EVENTS, JobEnd, every_subject_ended, failures, log_state
from osteoflow.running.failed import FAILED_TSV, leave_out, left_out
from osteoflow.running.lost import notice_lost_folders
from osteoflow.running.owner import MARKER, OWNER, Ownership
from osteoflow.running.records import MARKS, RECORDS, distrust_unrecorded
from osteoflow.running.run import describe_failures
from osteoflow.running.scheduling import lift_default_limit
from osteoflow.running.status import status_rows, status_summary
from osteoflow.running.why import _difference, _parameter_words


def dead_process():
    """Number and time of birth of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return [process.pid, 1.0]


def own(study, host=None, process=None, **more):
    path = study / OWNER
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"host": host or socket.gethostname(), "processes": [process or dead_process()]}
    content |= more
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
        "results/review/pictures/sub-01/ct_L1.png": None,
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


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Puts a `squeue` that runs a script on the path."""

    def put(script):
        program = tmp_path / "bin" / "squeue"
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n" + script + "\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return put


def test_a_cluster_job_elsewhere_is_asked_for(tmp_path, squeue, monkeypatch):
    """A shard of a job array whose node went down goes on on another one."""
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    own(tmp_path, host="node7", slurm_job="41")
    squeue("echo 41; echo 42")
    with pytest.raises(StudyError, match="node7"):
        Ownership(tmp_path, pytest.fail).__enter__()
    squeue("echo slurm_load_jobs error >&2; exit 1")
    with pytest.raises(StudyError, match="squeue does not answer"):
        Ownership(tmp_path, pytest.fail).__enter__()
    # The very job, requeued; then one that is over.
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    with Ownership(tmp_path, lambda text: None):
        pass
    monkeypatch.delenv("SLURM_JOB_ID")
    own(tmp_path, host="node7", slurm_job="41")
    squeue("echo 42")
    with Ownership(tmp_path, lambda text: None):
        content = json.loads((tmp_path / OWNER).read_text())
        assert content["host"] == socket.gethostname()


def test_a_cluster_that_does_not_answer_is_not_taken_for_an_empty_one(tmp_path, squeue):
    path = own(tmp_path, on_cluster=True)
    squeue("exit 1")
    with pytest.raises(StudyError, match="may have left cluster jobs"):
        Ownership(tmp_path, lambda text: None).__enter__()
    assert path.exists()


def test_steps_that_a_dead_run_left_behind_are_ended(tmp_path):
    """They would go on writing beside the next run."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    mine, other = (
        subprocess.Popen(sleep, env={**os.environ, MARKER: str(folder)})
        for folder in (tmp_path.resolve(), tmp_path / "other")
    )
    try:
        own(tmp_path)
        said = []
        with Ownership(tmp_path, said.append):
            # who ended it has also waited for it, so that its exit code is gone
            assert mine.wait(timeout=20) is not None
            assert other.poll() is None
        assert any("Ended 1 processes" in text for text in said)
    finally:
        other.kill()
        other.wait()


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
    line = {"time": 1.0, "event": what, "rule": rule, "wildcards": wildcards, "log": log}
    return json.dumps(line)


def planned(**counts):
    return json.dumps({"time": 1.0, "event": "planned", "counts": counts})


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


BEGAN, ENDED = "INFO began\n", "INFO took 1.0 s (CPU 1.0 s), peak memory 9 MB\n"


def test_of_a_failed_group_the_step_that_failed_is_named(tmp_path):
    """Snakemake calls every step of a cluster job failed, and makes logs of those not begun."""
    group = ("extract_radiomics", "convert", "segment", "measure")
    happened(
        tmp_path,
        *(event("failed", rule, "sub-1") for rule in group),
        *(event("failed", rule, "sub-2") for rule in group),
        *(event("failed", rule, "sub-3") for rule in group),
        event("failed", "convert", "sub-4"),
        event("finished", "convert", "sub-4"),
        event("failed", "fit_models"),
    )
    log_of(tmp_path, "convert", "sub-1", BEGAN + ENDED)
    log_of(tmp_path, "segment", "sub-1", BEGAN + "CRITICAL failed\nKeyError: 'L1'\n" + ENDED)
    log_of(tmp_path, "measure", "sub-1", "")
    log_of(tmp_path, "convert", "sub-2", BEGAN + ENDED)
    log_of(tmp_path, "segment", "sub-2", BEGAN + "INFO half-way\n")
    log_of(tmp_path, "convert", "sub-3", "")
    found = failures(tmp_path)
    assert [(end.rule, end.subject, end.told) for end in found] == [
        ("segment", "sub-1", "failed"),
        ("segment", "sub-2", "cut off"),
        ("convert", "sub-3", "not begun"),
        ("fit_models", "", "not begun"),
    ]
    text = "\n".join(describe_failures(tmp_path, found))
    assert "4 jobs failed" in text
    assert "segment of sub-1: see results/logs/segment/sub-1.log" in text
    assert "KeyError: 'L1'" in text
    assert "ended from outside" in text
    assert "convert of sub-3" in text
    assert "cancelled" in text
    assert "fit_models of the cohort" in text
    assert "--without-failed" in text
    assert "--without-failed" not in "\n".join(describe_failures(tmp_path, found, True))


def test_a_log_of_an_earlier_run_tells_nothing(tmp_path):
    log = tmp_path / "segment.log"
    log.write_text(BEGAN + "CRITICAL failed\nKeyError\n" + ENDED)
    os.utime(log, (1000, 1000))
    assert log_state(log, since=900) == "failed"
    assert log_state(log, since=1100) == "not begun"
    assert log_state(tmp_path / "none.log", since=0) == "not begun"


def test_subjects_that_a_run_gave_up_are_noticed(tmp_path):
    done = [event("finished", "measure", "sub-1"), event("failed", "segment", "sub-2")]
    happened(tmp_path, planned(measure=2, convert=2), *done)
    assert every_subject_ended(tmp_path)
    happened(tmp_path, planned(measure=3, convert=3), *done)
    assert not every_subject_ended(tmp_path)
    happened(tmp_path, planned(total=1, assemble_cohort=1), event("failed", "assemble_cohort"))
    assert every_subject_ended(tmp_path)  # all of them before
    # Ended before it planned: by Ctrl-C, a signal, a mistake in the settings.
    happened(tmp_path, json.dumps({"time": 1.0, "event": "stopped"}))
    assert not every_subject_ended(tmp_path)
    (tmp_path / EVENTS).unlink()
    assert not every_subject_ended(tmp_path)


@pytest.mark.parametrize(
    ("options", "whole", "subjects", "runs"),
    [
        ([], True, True, True),
        (["--default-resources", "slurm_partition=cpu", "slurm_account=lab"], True, True, True),
        (["participants", "--retries", "2"], False, True, True),
        (["results/status.tsv"], False, False, True),
        # Ends well, with subjects that are not (all) what today's code and settings make.
        (["participants", "--until", "convert"], False, False, True),
        (["participants", "--touch"], False, False, True),
        (["participants", "--rerun-triggers", "mtime"], False, False, True),
        (["participants", "--config", "study={seed: 1}"], False, False, True),
        (["-n"], False, False, False),
        (["--lint"], False, False, False),
    ],
)
def test_what_options_ask_for(options, whole, subjects, runs):
    asked = asked_for(options)
    assert (asked.whole, asked.subjects, asked.runs) == (whole, subjects, runs)


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


def test_asking_why_forgets_nobody_who_failed(tmp_path, monkeypatch, capsys):
    """The next run tries everybody again; until it does, the list of the last one stands."""
    inventory = tmp_path / "results" / "inventory"
    inventory.mkdir(parents=True)
    index = [{"subject": "sub-1", "ct": "yes", "mri": "yes"}]
    (inventory / "inventory.tsv").write_text("subject\tct\tmri\nsub-1\tyes\tyes\n")
    (inventory / "exclusions.tsv").write_text("participant_id\tsession\tmodality\tcode\n")
    leave_out(tmp_path, [JobEnd("segment", "sub-1", "results/logs/segment/sub-1.log", "failed")])
    listed = tmp_path / FAILED_TSV
    os.utime(listed, ns=(10**18, 10**18))
    before = listed.read_text()

    def plan(study):
        yield f"{len(left_out(study))} left out"
        raise StudyError(["Snakemake cannot plan this study"])

    monkeypatch.setattr(cli, "_take_inventory", lambda study: None)
    monkeypatch.setattr(why_module, "why", plan)
    assert cli.main(["why", str(tmp_path)]) == 2
    assert capsys.readouterr().out == "0 left out\n"
    assert listed.read_text() == before
    assert listed.stat().st_mtime_ns == 10**18
    (row,) = status_rows(tmp_path, index)
    assert row["segment"] == "failed: see results/logs/segment/sub-1.log"


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


def test_a_lost_folder_is_noticed_and_a_new_modality_is_none(tmp_path):
    files = SubjectFiles(tmp_path / "results" / "subjects" / "sub-1")
    for step in ("convert", "segment", "calibrate_ct"):
        files.folder(step).mkdir(parents=True)
    steps = [{"step": step} for step in ("convert", "segment", "calibrate_ct")]
    files.status.write_text(json.dumps({"items": steps}))
    index = [{"subject": "sub-1", "ct": "yes", "mri": "yes"}]
    assert notice_lost_folders(tmp_path, index) == []
    files.folder("segment").rmdir()
    assert notice_lost_folders(tmp_path, index) == ["sub-1"]
    assert files.status.exists()
    mark = record_of(tmp_path, MARKS, "results/subjects/sub-1/status.json")
    assert mark.is_file()


def test_the_limit_that_nobody_gave_is_lifted_and_a_given_one_kept():
    def limiter(*options):
        limit = parse_args(["--cores", "1", *options])[1].max_jobs_per_timespan
        scheduler = SimpleNamespace(job_rate_limiter=JobRateLimiter(limit))
        lift_default_limit(scheduler)
        return scheduler.job_rate_limiter

    # every scheduling round under a limit starts a timer for another round
    assert limiter() is None
    given = limiter("--max-jobs-per-timespan", "30/1m")
    assert (given.max_jobs, given.timespan) == (30, 60)
