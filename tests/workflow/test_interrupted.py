"""A run that lives is left alone; one that finds no place on the disk says so."""

import os
import signal
import subprocess

import nibabel as nib
import numpy as np
import psutil
import pytest
from processes import processes_of, wait_for

from osteoflow.io.volume import read_json

from .conftest import osteoflow
from .three import Run, new_study, raw_of_three


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return raw_of_three(tmp_path_factory)


def test_a_living_run_is_not_disturbed(raw, tmp_path):
    study = new_study(tmp_path, raw)
    process = Run(study)
    owner = study / ".snakemake" / "osteoflow-owner.json"
    try:
        wait_for(owner.exists, process)
        second = osteoflow("run", study, check=False)
        assert second.returncode == 2
        assert f"under way on this host (process {process.pid})" in second.stderr
    finally:
        process.kill_all()


def test_snakemake_killed_alone_leaves_nothing_to_clear(raw, tmp_path):
    """The kernel picks the largest process when memory runs out, not the whole run."""
    study = new_study(tmp_path, raw)
    process = Run(study)
    log = process.log
    wait_for(lambda: "Select jobs to execute" in log.read_text(), process)
    (child,) = psutil.Process(process.pid).children()
    assert "snakemake" in child.cmdline()
    assert child in processes_of(study)
    child.kill()
    assert process.finish() != 0
    assert "Snakemake was ended by signal 9" in log.read_text()
    assert not (study / ".snakemake" / "osteoflow-owner.json").exists()
    assert not (study / ".snakemake" / "locks").exists()
    assert processes_of(study) == []
    # Steps that were running are made again, not taken as they are.
    done = osteoflow("run", study, "--cores", 2, "--", "participants")
    assert "Done in" in done.stdout
    for path in (study / "results" / "subjects").glob("*/status.json"):
        assert read_json(path)["files"]


def test_ctrl_c_ends_the_run_in_order(raw, tmp_path):
    study = new_study(tmp_path, raw)
    process = Run(study)
    log = process.log
    wait_for(lambda: "Select jobs to execute" in log.read_text(), process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.finish() == 130
    assert "Stopped. Finished work is kept" in log.read_text()
    assert "failed" not in (study / "results" / "status.tsv").read_text()
    assert not (study / ".snakemake" / "osteoflow-owner.json").exists()
    assert not (study / "results" / "inventory" / "finished.json").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB at ``results``, which can be made read-only."""
    folder = tmp_path / "study" / "results"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs rights that this user does not have")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_and_leaves_no_half_files(raw, small_disk):
    study = new_study(small_disk.parent, raw)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 3_000_000)
    done = osteoflow("run", study, "--cores", 2, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "No space left on device" in said
    for path in small_disk.rglob("*.nii.gz"):
        if path.parent.suffix != ".part":
            assert np.isfinite(np.asanyarray(nib.load(path).dataobj)).any()
    for path in small_disk.rglob("*.json"):
        if path.parent.suffix != ".part":
            assert read_json(path)
    # The trouble was the disk's, so that no subject may be excluded for it.
    assert not list((small_disk / "subjects").glob("*/anat/status.json"))
    filler.unlink()


def test_read_only_results_are_named(raw, small_disk):
    study = new_study(small_disk.parent, raw)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = osteoflow("run", study, check=False)
    assert done.returncode == 3
    assert "cannot be written" in done.stderr
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr
