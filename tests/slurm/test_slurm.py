"""A cluster gives the same results, one job per subject, and no trouble of it costs a result."""

import re
import time
from collections import Counter, defaultdict

import pandas as pd
import pytest
from identities import any_of, identities_in, leak

from osteoflow.io.tables import read_table

from .cluster import run
from .conftest import (
    HUNGRY,
    HUNGRY_MB,
    LONGEST_RUN_S,
    OPTIONS,
    SUBJECTS,
    make_study,
    osteoflow,
    running,
    start_run,
    submissions,
)

STEPS = {"convert", "segment", "map_mri", "calibrate_ct", "extract_radiomics", "measure"}
# Run times, and what the inventory keeps for itself: when files were last looked at.
NOT_COMPARED = ("logs", "benchmarks", "inventory")
# Snakemake's own report states when each job ran and how long it took.
TIMED = {"report/workflow.html"}


def contents(study):
    """Content of every result by its path."""
    results = study / "results"
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file() and path.relative_to(results).parts[0] not in NOT_COMPARED
    }


def requests(study):
    """What each subject's rules ask for: (rule, MB, minutes), as a dry run tells."""
    told = osteoflow("run", study, "--", "-n", "--forceall", "--quiet", "host").stdout
    found = defaultdict(list)
    for block in re.split(r"\n(?=rule )", told):
        subject = re.search(r"wildcards: subject=(\S+)", block)
        if subject:
            rule = re.match(r"rule (\w+):", block).group(1)
            memory = int(re.search(r"mem_mb=(\d+)", block).group(1))
            minutes = int(re.search(r"runtime=(\d+)", block).group(1))
            found[subject.group(1)].append((rule, memory, minutes))
    return found


def wait_for_an_empty_queue():
    end = time.monotonic() + LONGEST_RUN_S
    while run("squeue", "-h").strip():
        assert time.monotonic() < end, run("squeue")
        time.sleep(1)


@pytest.fixture(scope="module")
def jobs(cluster, troubled):
    """The run's cluster jobs."""
    return submissions(cluster, troubled.text())


def of_subject(jobs, subject):
    return [job for job in jobs if subject in job.subjects]


def test_results_are_those_of_a_run_on_one_machine(studies, troubled):
    local, on_cluster = (contents(study) for study in studies)
    assert set(local) == set(on_cluster)
    assert len(local) > 200
    different = {path for path in local if local[path] != on_cluster[path]}
    assert different <= TIMED


def test_no_identity_is_in_what_a_cluster_leaves(troubled):
    """Logs of Slurm's jobs, the efficiency report, and what the run says."""
    study = troubled.study
    forbidden = any_of(identities_in(study / "raw" / "dicom"))
    places = (study / ".snakemake", study / "results" / "logs")
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert any("slurm_logs" in path.parts for path in files)
    assert any(path.name.startswith("efficiency_report") for path in files)
    found = [leak(path, forbidden) for path in [*files, study / "run.log"]]
    assert list(filter(None, found)) == []


def test_models_of_the_compared_study_hold_numbers(studies):
    """Two tables that say 'not possible' would be identical too."""
    performance = read_table(studies[1] / "results/models/osteoporosis/performance.tsv")
    assert performance["value"].notna().sum() >= 6


def test_each_subject_is_one_job_and_no_job_has_two_subjects(jobs):
    assert {len(job.subjects) for job in jobs} == {0, 1}
    for job in jobs:
        assert not job.subjects or job.rules == STEPS
    subject_of = {job.job: next(iter(job.subjects)) for job in jobs if job.subjects}
    ids = Counter(subject_of.values())
    assert ids == {subject: 1 + (subject == HUNGRY) for subject in SUBJECTS}
    cohort = [job for job in jobs if not job.subjects]
    assert sum("report_cohort" in job.rules for job in cohort) == 1
    assert len(cohort) <= 5


def test_jobs_ask_for_what_the_rules_ask(studies, jobs):
    """Steps run one after the other: the largest memory, the sum of the times, one core."""
    asked = requests(studies[1])
    assert set(asked) == set(SUBJECTS)
    for subject in SUBJECTS:
        first = of_subject(jobs, subject)[0]
        assert {rule for rule, _, _ in asked[subject]} == STEPS
        assert first.memory_mb == max(memory for _, memory, _ in asked[subject])
        assert first.minutes == sum(minutes for _, _, minutes in asked[subject])
        assert first.cpus == 1
    for job in jobs:
        assert 0 < job.minutes < 24 * 60


def test_a_job_without_enough_memory_is_submitted_again_with_more(cluster, jobs):
    first, second = of_subject(jobs, HUNGRY)
    assert first.state in ("OUT_OF_MEMORY", "CANCELLED", "FAILED")
    assert second.state == "COMPLETED"
    assert first.memory_mb < HUNGRY_MB < second.memory_mb == 2 * first.memory_mb
    assert second.minutes > 1.9 * first.minutes
    steps = cluster.sacct("-j", first.job, "--units=M", columns=("JobID", "MaxRSS"))
    used = [float(step["MaxRSS"].removesuffix("M")) for step in steps if step["MaxRSS"]]
    assert max(used) > first.memory_mb


def test_a_drained_node_loses_nothing(troubled, jobs):
    assert troubled.seen["state while draining"] in ("draining", "drained")
    assert troubled.seen["waiting while drained"]
    for subject in SUBJECTS:
        assert of_subject(jobs, subject)[-1].state == "COMPLETED"


def test_a_requeued_job_starts_again(troubled, jobs):
    requeued = troubled.seen["requeued"]
    starts = [job.state for job in jobs if job.job == requeued.job]
    assert starts == ["REQUEUED", "COMPLETED"]


def test_efficiency_report_names_every_job(troubled, jobs):
    (path,) = (troubled.study / "results" / "logs").glob("efficiency_report_*.csv")
    table = pd.read_csv(path)
    assert set(table["MainJobID"].astype(str)) == {job.job for job in jobs}
    assert (table["RequestedMem_MB"] > 0).all()
    assert table["MaxRSS_MB"].max() > HUNGRY_MB
    assert table["RuleName"].str.startswith("rule_").all()


@pytest.mark.parametrize(("study", "profile"), [(0, "slurm"), (1, "default")])
def test_the_other_profile_has_nothing_to_do(cluster, studies, troubled, study, profile):
    """A study may move from one machine to the cluster and back without being computed again."""
    done = osteoflow("run", studies[study], "--profile", profile, "--", "-n")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_cancelled_job_costs_one_subject(cluster, raw, tmp_path):
    """The others finish and the run names what is missing; then the cohort goes without it."""
    study = make_study(tmp_path / "study", raw, 3)
    going = start_run(study, "--cores", "1", "--", "--retries", "0", *OPTIONS)
    assert cancel(cluster, going, "sub-01") != 0
    jobs = submissions(cluster, going.text())
    states = {next(iter(job.subjects)): job.state for job in jobs}
    assert states == {"sub-01": "CANCELLED", "sub-02": "COMPLETED", "sub-03": "COMPLETED"}
    # The step that the job was in, and no other of its steps.
    named = re.search(r"^1 job failed:\n  (\w+) of (sub-\d+): see .+\n +(.+)", going.text(), re.M)
    assert named[1] in STEPS
    assert named[2] == "sub-01"
    assert "cancelled" in named[3]
    for subject in ("sub-02", "sub-03"):
        assert (study / "results" / "subjects" / subject / "report.html").stat().st_size > 0
    assert not (study / "results" / "cohort").exists()

    going = start_run(study, "--cores", "1", "--without-failed", "--", "--retries", "0", *OPTIONS)
    assert cancel(cluster, going, "sub-01") == 0
    assert all(job.subjects in ({"sub-01"}, set()) for job in submissions(cluster, going.text()))
    table = read_table(study / "results" / "cohort" / "exclusions.tsv")
    rows = table[["participant_id", "modality", "code"]].to_numpy().tolist()
    assert rows == [["sub-01", "ct", "step_failed"], ["sub-01", "mri", "step_failed"]]
    people = read_table(study / "results" / "cohort" / "participants.tsv")
    measured = people.set_index("participant_id")["vbmd_l1l2_mean"].notna()
    assert measured.to_dict() == {"sub-01": False, "sub-02": True, "sub-03": True}


def cancel(cluster, going, subject):
    """Cancel a subject's job while it runs; the exit code of the whole run."""
    try:
        job = going.wait_until(f"a job of {subject}", lambda: running(cluster, going, subject))[0]
        run("scancel", job.job)
        return going.finish()
    finally:
        going.kill()


def test_a_row_added_during_a_run_is_the_next_runs(cluster, raw, tmp_path):
    """Cluster jobs parse the workflow when they begin; the table may have changed since."""
    study = make_study(tmp_path / "study", raw, 2)
    table = study / "config" / "subjects.tsv"
    going = start_run(study, "--cores", "1", "--", "participants", *OPTIONS)
    try:
        going.wait_until("submitted jobs", going.submits)
        first = table.read_text().splitlines()[1]
        table.write_text(table.read_text() + first.replace("sub-01", "sub-09", 1) + "\n")
        assert going.finish() == 0
    finally:
        going.kill()
    assert {job.state for job in submissions(cluster, going.text())} == {"COMPLETED"}
    planned = osteoflow("why", study).stdout
    assert set(re.findall(r"^sub-\d+", planned, re.MULTILINE)) == {"sub-09"}


def test_jobs_that_outlive_their_run_leave_nothing_unnoticed(cluster, raw, tmp_path):
    """The login node dies, the jobs go on: what they make must still follow later changes."""
    study = make_study(tmp_path / "study", raw, 2)
    going = start_run(study, "--cores", "1", "--", "participants", *OPTIONS)
    try:
        going.wait_until(
            "both subjects' jobs",
            lambda: len(running(cluster, going, "sub-01", "sub-02")) == 2,
        )
    finally:
        going.kill()
    wait_for_an_empty_queue()
    assert {job.state for job in submissions(cluster, going.text())} == {"COMPLETED"}
    config = study / "config" / "config.yaml"
    config.write_text(config.read_text() + "segmentation: {erosion_mm: 3.5}\n")
    planned = osteoflow("run", study, "--", "-n", "--quiet", "rules", "reason", "host").stdout
    counts = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    assert counts.get("segment") == "2"


def test_a_job_array_of_shards_gives_the_same_cohort(cluster, studies, raw, tmp_path):
    """`osteoflow plan` and the two scripts it writes, submitted as they are."""
    study = make_study(tmp_path / "study", raw, len(SUBJECTS))
    osteoflow("plan", study, "--batches", 2, "--cores", 1)
    scripts = study / "batches"
    array = run("sbatch", "--parsable", str(scripts / "array.sh")).strip()
    join = run(
        "sbatch", "--parsable", f"--dependency=afterany:{array}", str(scripts / "reduce.sh")
    ).strip()
    wait_for_an_empty_queue()
    rows = cluster.sacct("-X", "-j", f"{array},{join}", columns=("JobID", "State"))
    states = {row["JobID"]: row["State"] for row in rows}
    assert states == dict.fromkeys([f"{array}_1", f"{array}_2", join], "COMPLETED")
    whole, joined = contents(studies[0]), contents(study)
    tables = {path for path in whole if path.split("/")[0] in ("cohort", "statistics", "models")}
    assert len(tables) > 30
    assert {path for path in tables if joined.get(path) != whole[path]} == set()
    # The array left its logs beside the shards; planning again is what every new row needs.
    assert (scripts / "logs" / "shard-001.log").stat().st_size > 0
    assert "in 2 shards" in osteoflow("plan", study, "--batches", 2, "--cores", 1).stdout
