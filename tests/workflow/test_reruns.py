"""Only what changed reruns, said in words: a real cohort of six, planned after every change.

The study is run by a copy of the code, which the tests may edit and move.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.resources import ROOT
from osteoflow.simulate.cohort import simulate_cohort
from osteoflow.simulate.protocol import TINY

from .conftest import CONFIG, write_study

SUBJECT_RULES = ("convert", "segment", "map_mri", "calibrate_ct", "extract_radiomics", "measure")
COHORT_RULES = {
    "assemble_cohort",
    "describe_cohort",
    "compare_readings",
    "test_measurements",
    "compare_truth",
    "fit_models",
    "count_stard",
    "write_calculator",
    "draw_cohort_figure",
    "draw_model_figure",
    "write_manuscript_tables",
    "write_manuscript_text",
    "report_cohort",
}


class Study:
    """A finished study, and the copy of the code that ran it."""

    def __init__(self, folder, clone):
        self.folder, self.clone, self.first_run = folder, clone, ""

    def osteoflow(self, *arguments, check=True):
        done = subprocess.run(
            [sys.executable, "-m", "osteoflow.cli", *map(str, arguments)],
            cwd=self.clone,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"osteoflow {arguments}\n{done.stdout}\n{done.stderr}")
        return done

    def why(self, counted=False):
        """What `osteoflow why` says: (who, rule) -> reason; if asked, counted against Snakemake."""
        lines = self.osteoflow("why", self.folder).stdout.splitlines()
        cells = [re.split(r" {2,}", line) for line in lines if line.startswith(("sub-", "cohort"))]
        said = {(who, rule): reason for who, rule, reason in cells}
        if counted:
            planned = self.planned()
            assert {rule: sum(r == rule for _, r in said) for rule in planned} == planned
            assert {rule for _, rule in said} == planned.keys()
        return said

    def planned(self):
        """Jobs that Snakemake itself plans, by rule."""
        done = self.osteoflow("run", self.folder, "--", "-n", "--quiet", "rules", "reason", "host")
        text = done.stdout + done.stderr
        assert "total" in text or "Nothing to be done" in text, text
        jobs = re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)
        targets = ("total", "all", "cohort", "participants")
        return {rule: int(count) for rule, count in jobs if rule not in targets}

    def rules_of(self, said, subject):
        return {rule for who, rule in said if who == subject}

    def cohort_rules(self, said):
        return {rule for who, rule in said if who.startswith("cohort")}


@contextmanager
def edited(path, *changes):
    """A file with replacements in its text, as it was afterwards."""
    text = path.read_text(encoding="utf-8")
    new = text
    for old, replacement in changes:
        assert old in new, f"{path} has no {old!r}"
        new = new.replace(old, replacement, 1)
    path.write_text(new, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    clone = tmp_path_factory.mktemp("code") / "clone"
    keep = ("Snakefile", "rules", "scripts", "osteoflow", "config", "resources", "envs", "profiles")
    for name in (*keep, "requirements.lock"):
        source = ROOT / name
        if source.is_dir():
            # With what Python and numba compiled of it, which is valid as long as times are kept.
            # Others may be compiling now: what has no final name yet may be gone when it is copied.
            unfinished = shutil.ignore_patterns("*.pyc.*", "*.tmp.*")
            shutil.copytree(source, clone / name, ignore=unfinished)
        else:
            clone.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, clone / name)
    folder = tmp_path_factory.mktemp("study")
    simulate_cohort(folder / "raw", 6, 11, TINY, processes=2, path_prefix="raw/", broken=False)
    config = CONFIG.replace("formats: [pdf, svg]", "formats: [png]")
    write_study(folder, (folder / "raw" / "subjects.tsv").read_text(), config)
    made = Study(folder, clone)
    first = made.osteoflow("run", folder, "--cores", 2, "--", "--verbose")
    made.first_run = first.stdout + first.stderr
    assert made.why(counted=True) == {}
    return made


def chosen_file(study, subject, modality="ct"):
    entry = read_json(study.folder / "results" / "inventory" / f"{subject}.json")
    return study.folder / entry[modality]["files"][0]["path"]


def test_snakemake_plans_once_for_each_job_that_ends(study):
    (steps,) = set(re.findall(r"\d+ of (\d+) steps", study.first_run))
    rounds = study.first_run.count("Ready jobs:")
    assert 0 < rounds <= int(steps) + 1


def test_touched_raw_files_are_not_changed_files(study):
    touched = [path for path in (study.folder / "raw").rglob("*") if path.is_file()]
    assert len(touched) > 100
    for path in touched:
        path.touch()
    assert study.why() == {}


def test_a_changed_pixel_reruns_its_subject_and_the_cohort(study):
    path = chosen_file(study, "sub-02")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        said = study.why(counted=True)
    finally:
        path.write_bytes(content)
        study.osteoflow("inventory", study.folder)
    assert {who for who, _ in said if who.startswith("sub-")} == {"sub-02"}
    assert study.rules_of(said, "sub-02") == set(SUBJECT_RULES)
    assert study.cohort_rules(said) == COHORT_RULES
    assert said["sub-02", "convert"] == "CT files: 1 changed"
    assert "after measure of sub-02" in said["cohort", "assemble_cohort"]
    # The bytes are as they were: so is what is up to date.
    assert study.why() == {}


def test_a_dropped_subject_reruns_the_cohort_alone(study):
    table = study.folder / "config" / "subjects.tsv"
    last = table.read_text().splitlines()[-1]
    with edited(table, (last + "\n", "")):
        said = study.why()
        assert {who.split()[0] for who, _ in said} == {"cohort"}
        assert "no longer: sub-06" in said["cohort", "assemble_cohort"]
    study.osteoflow("inventory", study.folder)


def test_an_added_subject_runs_with_the_cohort(study):
    table = study.folder / "config" / "subjects.tsv"
    first = table.read_text().splitlines()[1]
    with edited(table, (first, first + "\n" + first.replace("sub-01", "sub-07", 1))):
        said = study.why()
        assert {who for who, _ in said if who.startswith("sub-")} == {"sub-07"}
        assert study.rules_of(said, "sub-07") == set(SUBJECT_RULES)
        assert said["sub-07", "convert"] == "not made yet"
        assert study.cohort_rules(said) == COHORT_RULES
    study.osteoflow("inventory", study.folder)
    assert study.why() == {}


def test_a_clinical_value_reruns_the_cohort_alone(study):
    table = study.folder / "config" / "subjects.tsv"
    head, first = table.read_text().splitlines()[:2]
    cells = first.split("\t")
    cells[head.split("\t").index("age")] = "70.5"
    with edited(table, (first, "\t".join(cells))):
        said = study.why()
    assert {who.split()[0] for who, _ in said} == {"cohort"}
    assert said["cohort", "assemble_cohort"] == "subjects.tsv changed"


def test_another_erosion_reruns_from_segmentation_on(study):
    config = study.folder / "config" / "config.yaml"
    with edited(config, ("radiomics:", "segmentation: {erosion_mm: 3.5}\nradiomics:")):
        said = study.why(counted=True)
    rules = {"segment", "extract_radiomics", "measure"}
    for subject in (f"sub-{n:02d}" for n in range(1, 7)):
        assert study.rules_of(said, subject) == rules
    assert said["sub-01", "segment"] == "erosion_mm: 4.0 -> 3.5"
    assert study.cohort_rules(said) == COHORT_RULES


def test_a_setting_of_one_figure_draws_it_alone(study):
    config = study.folder / "config" / "config.yaml"
    with edited(config, ("dpi: 100", "dpi: 90")):
        said = study.why()
    assert {rule for _, rule in said} == {
        "draw_cohort_figure",
        "draw_model_figure",
        "report_cohort",
    }
    assert "dpi: 100 -> 90" in said["cohort flow", "draw_cohort_figure"]


@pytest.mark.parametrize(
    ("change", "rule", "figure"),
    [
        (
            ("    measurements: [vbmd", "    prevalence: 0.2\n    measurements: [vbmd"),
            "test_measurements",
            "measurement_roc_measurements",
        ),
        (
            (
                "  correlation_matrices:",
                "  reproducibility: {levels: [L1]}\n  correlation_matrices:",
            ),
            "compare_readings",
            "bland_altman",
        ),
        (("  table1_group:", "  table1_smd: true\n  table1_group:"), "describe_cohort", ""),
    ],
)
def test_a_setting_of_one_topic_of_the_statistics_runs_it_alone(study, change, rule, figure):
    with edited(study.folder / "config" / "config.yaml", change):
        said = study.why()
    statistics = {"describe_cohort", "compare_readings", "test_measurements"}
    assert {name for _, name in said} & statistics == {rule}
    assert "fit_models" not in {name for _, name in said}
    if figure:
        drawn = {who for who, name in said if name == "draw_cohort_figure"}
        assert drawn == {f"cohort {figure}"}


def test_a_comment_or_docstring_in_a_science_module_changes_nothing(study):
    module = study.clone / "osteoflow" / "mri" / "varpro.py"
    with edited(module, ('"""', '"""Another sentence. '), ("\nimport", "\n# a comment\nimport")):
        assert study.why() == {}


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("osteoflow/segmentation/voi.py", {"segment"}),
        ("osteoflow/mri/varpro.py", {"map_mri"}),
        ("osteoflow/ct/rod_row.py", {"calibrate_ct"}),
        ("osteoflow/radiomics/preprocess.py", {"extract_radiomics", "check_radiomics"}),
        ("osteoflow/statistics/roc.py", {"describe_cohort", "test_measurements", "fit_models"}),
    ],
)
def test_a_constant_reruns_exactly_the_rules_that_import_it(study, module, rules):
    path = study.clone / module
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\nANOTHER_CONSTANT = 42\n", encoding="utf-8")
    try:
        said = study.why()
    finally:
        path.write_text(text, encoding="utf-8")
    direct = {rule for (_, rule), reason in said.items() if f"code changed: {module}" in reason}
    assert direct == rules
    # Everything else waits for one of these.
    others = {reason for (_, rule), reason in said.items() if rule not in rules}
    assert all(reason.startswith("after ") for reason in others)
    assert "convert" not in {rule for _, rule in said}


def test_an_edited_script_reruns_its_rule(study):
    with edited(
        study.clone / "scripts" / "calibrate_ct.py", ("def main(", "UNUSED = 1\n\n\ndef main(")
    ):
        said = study.why()
    direct = {rule for (_, rule), reason in said.items() if "code changed" in reason}
    assert direct == {"calibrate_ct"}
    assert said["sub-01", "calibrate_ct"] == "code changed: scripts/calibrate_ct.py"
    assert "map_mri" not in {rule for _, rule in said}


def test_a_bumped_science_package_reruns_the_rules_that_use_it(study):
    lock = study.clone / "requirements.lock"
    version = re.search(r"^pyradiomics-bhklab==(\S+)", lock.read_text(), re.MULTILINE)[1]
    with edited(lock, (f"pyradiomics-bhklab=={version}", "pyradiomics-bhklab==99.1")):
        said = study.why()
    direct = {rule for (_, rule), reason in said.items() if "code changed" in reason}
    assert direct == {"extract_radiomics", "check_radiomics"}
    assert said["sub-01", "extract_radiomics"] == "code changed: pyradiomics-bhklab"


def test_a_checkout_with_new_times_and_a_moved_clone_change_nothing(study):
    files = [path for path in study.clone.rglob("*") if path.is_file()]
    times = [path.stat() for path in files]
    for path in files:
        path.touch()
    assert study.why() == {}
    moved = study.clone.with_name("elsewhere")
    study.clone.rename(moved)
    try:
        assert Study(study.folder, moved).why() == {}
    finally:
        moved.rename(study.clone)
    # As they were, so that the tests that follow need not compile everything anew.
    for path, before in zip(files, times, strict=True):
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_replaced_mask_reruns_its_subject_from_segmentation_on(study):
    masks = read_json(study.folder / "results" / "inventory" / "sub-03_masks.json")["masks"]
    path = study.folder / masks["ct_mask"]["path"]
    path.touch()
    assert study.why() == {}
    other = read_json(study.folder / "results" / "inventory" / "sub-04_masks.json")["masks"]
    content = path.read_bytes()
    path.write_bytes((study.folder / other["ct_mask"]["path"]).read_bytes())
    try:
        said = study.why()
    finally:
        path.write_bytes(content)
        study.osteoflow("inventory", study.folder)
    assert study.rules_of(said, "sub-03") == {"segment", "extract_radiomics", "measure"}
    assert {who for who, _ in said if who.startswith("sub-")} == {"sub-03"}
    assert said["sub-03", "segment"] == "mask files: 1 changed"


def test_a_removed_result_is_made_again(study):
    shutil.rmtree(study.folder / "results" / "subjects" / "sub-05" / "ct")
    said = study.why()
    assert said["sub-05", "calibrate_ct"] == "not made yet"
    assert study.rules_of(said, "sub-05") == {"calibrate_ct", "extract_radiomics", "measure"}
    assert {who for who, _ in said if who.startswith("sub-")} == {"sub-05"}
    # Tables that only a figure needs, and the figure is up to date.
    results = study.folder / "results"
    lost = [results / "statistics" / "bland_altman_points.tsv", results / "cohort" / "flow.tsv"]
    content = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    before = read_table(results / "cohort" / "measurements.tsv")
    study.osteoflow("run", study.folder, "--cores", 2)
    assert read_table(results / "cohort" / "measurements.tsv").equals(before)
    assert [path.read_bytes() for path in lost] == content


def test_a_removed_table_of_the_cohort_is_made_again_alone(study):
    """Snakemake itself would not make what lies before a figure that is up to date."""
    (study.folder / "results" / "statistics" / "bland_altman_points.tsv").unlink()
    said = study.why()
    assert said["cohort", "compare_readings"] == "a result is gone"
    assert {who for who, _ in said if who.startswith("sub-")} == set()
    study.osteoflow("run", study.folder, "--cores", 2)
    assert study.why() == {}


def test_a_row_whose_data_is_missing_is_an_exclusion(study):
    table = study.folder / "config" / "subjects.tsv"
    first = table.read_text().splitlines()[1]
    cells = first.split("\t")
    cells[0], cells[1] = "sub-08", "raw/not_there"
    with edited(table, (first, first + "\n" + "\t".join(cells))):
        said = study.why()
        assert {who.split()[0] for who, _ in said} == {"cohort"}
        study.osteoflow("run", study.folder, "--cores", 2)
        cohort = study.folder / "results" / "cohort"
        excluded = read_table(cohort / "exclusions.tsv")
        mine = excluded[excluded["participant_id"] == "sub-08"]
        assert set(mine["code"]) == {"folder_missing"}
        assert "sub-08" not in set(read_table(cohort / "measurements.tsv")["participant_id"])
        status = read_table(study.folder / "results" / "status.tsv").set_index("subject")
        assert status.loc["sub-08", "inventory"].startswith("excluded: ct folder_missing")
        assert status.loc["sub-08", "convert"] == "no data"
    study.osteoflow("run", study.folder, "--cores", 2)


def test_a_failed_step_costs_one_subject(study):
    """A step that breaks is named with its log; the cohort waits, or goes on without it."""
    folder = study.folder / "results" / "subjects" / "sub-03" / "anat"
    image = folder / "sub-03_ct.nii.gz"
    content = image.read_bytes()
    image.write_bytes(b"no image")
    config = study.folder / "config" / "config.yaml"
    with edited(config, ("radiomics:", "segmentation: {erosion_mm: 3.5}\nradiomics:")):
        done = study.osteoflow("run", study.folder, "--cores", 2, check=False)
        assert done.returncode != 0
        said = done.stdout
        assert "1 job failed" in said
        assert "segment of sub-03: see results/logs/segment/sub-03.log" in said
        assert "ImageFileError" in said
        status = read_table(study.folder / "results" / "status.tsv").set_index("subject")
        assert status.loc["sub-03", "segment"].startswith("failed: see results/logs/segment")
        assert status.loc["sub-03", "measure"] == "not run"
        assert set(status.drop("sub-03")["measure"]) == {"done"}

        study.osteoflow("run", study.folder, "--cores", 2, "--without-failed")
        cohort = study.folder / "results" / "cohort"
        excluded = read_table(cohort / "exclusions.tsv")
        mine = excluded[excluded["participant_id"] == "sub-03"]
        assert set(mine["code"]) == {"step_failed"}
        assert set(mine["step"]) == {"segment"}
        assert "sub-03" not in set(read_table(cohort / "measurements.tsv")["participant_id"])
        page = (study.folder / "results" / "report" / "index.html").read_text(encoding="utf-8")
        assert "step failed" in page
        # The next run tries again.
        image.write_bytes(content)
        study.osteoflow("run", study.folder, "--cores", 2)
        assert "sub-03" in set(read_table(cohort / "measurements.tsv")["participant_id"])
        assert len(read_table(cohort / "exclusions.tsv")) == len(excluded) - len(mine)


def test_a_second_run_at_the_same_time_is_refused(study):
    owner = Path(study.folder, ".snakemake", "osteoflow-owner.json")
    owner.write_text('{"host": "another-host.example", "processes": [[1, 1.0]]}', encoding="utf-8")
    try:
        done = study.osteoflow("run", study.folder, "--", "-n", check=False)
        assert done.returncode == 2
        assert "another-host.example" in done.stderr
    finally:
        owner.unlink()
