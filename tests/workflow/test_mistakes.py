"""Mistakes stop before anything runs, all at once; data that is not there excludes."""

import subprocess
import sys

from osteoflow.io.tables import read_table
from osteoflow.resources import ROOT

from .conftest import osteoflow, write_study

TABLE = "participant_id\tdicom\tage\nsub-01\traw/a\t60\nsub-02\traw/b\t70\n"


def snakemake(study, *options):
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--directory", study]
        + ["--cores", "1", *options],
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_mistakes_of_both_files_are_listed(tmp_path):
    config = """\
segmentation: {erosoin_mm: 4}
statistics: {table1_variables: [ages]}
analyses:
  - name: low
    outcome: vbmd_l1l2_mean < 80
    clinical: [age, vbmd_l1l2l3l4_mean]
    radiomics: {image: pdff}
"""
    write_study(tmp_path, TABLE + "2\traw/c\t1\n", config)
    done = osteoflow("run", tmp_path, check=False)
    assert done.returncode == 2
    assert "unknown key 'segmentation.erosoin_mm' (did you mean 'erosion_mm'?)" in done.stderr
    assert "differ only in leading zeros" in done.stderr
    assert not (tmp_path / "results").exists()

    write_study(tmp_path, TABLE, config.replace("erosoin", "erosion"))
    done = osteoflow("check", tmp_path, check=False)
    assert done.returncode == 2
    assert "unknown column 'ages' (did you mean 'age'?)" in done.stderr
    assert "'vbmd_l1l2l3l4_mean' defines the outcome" in done.stderr


def test_plain_snakemake_asks_for_the_inventory(tmp_path):
    write_study(tmp_path, TABLE, "{}")
    done = snakemake(tmp_path, "-n")
    assert done.returncode != 0
    assert "run `osteoflow inventory`" in done.stdout + done.stderr
    osteoflow("inventory", tmp_path)
    write_study(tmp_path, TABLE.replace("raw/b", "raw/c"), "{}")
    done = snakemake(tmp_path, "-n")
    assert "the paths in subjects.tsv changed" in done.stdout + done.stderr


def test_a_cohort_of_absent_folders_ends_with_exclusions_not_with_an_error(tmp_path):
    write_study(tmp_path, TABLE, "figures: {formats: [png], dpi: 72}")
    osteoflow("run", tmp_path, "--cores", 2)
    table = read_table(tmp_path / "results" / "cohort" / "exclusions.tsv")
    assert table["code"].tolist() == ["folder_missing"] * 4
    assert not (tmp_path / "results" / "subjects").exists()
    assert (tmp_path / "results" / "report" / "index.html").stat().st_size > 1000


def test_a_study_cannot_be_made_twice(tmp_path):
    osteoflow("init", tmp_path / "new")
    assert osteoflow("init", tmp_path / "new", check=False).returncode == 2
