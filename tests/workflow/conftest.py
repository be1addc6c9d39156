"""A real run of the whole workflow on a tiny simulated cohort, shared by this folder's tests."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
study:
  title: Tiny cohort
  truth: raw/truth.tsv
radiomics:
  images:
    vbmd: {settings: vbmd, levels: [L1, L2, L3]}
    pdff: {settings: pdff, levels: [L1, L2, L3]}
cohort:
  summaries:
    - {metric: vbmd_mean, levels: [L1, L2]}
    - {metric: hu_mean, levels: [L1, L2]}
    - {metric: pdff_mean, levels: [L1, L2, L3]}
statistics:
  table1_group: dxa_tscore <= -2.5
  table1_variables: [age, sex, bmi, site, vbmd_l1l2_mean, pdff_l1l2l3_mean]
  comparisons:
    - name: osteoporosis
      group: dxa_tscore <= -2.5
      variables: [vbmd_l1l2_mean, pdff_l1l2l3_mean]
  correlations:
    - {x: pdff_l1l2l3_mean, y: vbmd_l1l2_mean, covariates: [age, sex, bmi]}
  correlation_matrices:
    - {name: bone, variables: [age, vbmd_l1l2_mean, pdff_l1l2l3_mean]}
  mixed_models:
    - {name: vbmd, metric: vbmd_mean, levels: [L1, L2, L3], fixed: [level, age]}
  measurement_roc:
    outcome: dxa_tscore <= -2.5
    measurements: [vbmd_l1l2_mean, pdff_l1l2l3_mean]
    bootstraps: 100
figures:
  formats: [pdf, svg]
  dpi: 100
analyses:
  - name: osteoporosis
    outcome: dxa_tscore <= -2.5
    outcome_label: Osteoporosis (DXA)
    clinical: [age, sex, bmi]
    radiomics: {image: pdff}
    outer_folds: 3
    repeats: 2
    inner_folds: 2
    holdout_fraction: 0.25
    bootstraps: 100
    permutations: 4
    score_permutations: 4
"""
PARTICIPANTS = 18


def osteoflow(*arguments, check=True):
    """Run the command as a user does; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "osteoflow.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        pytest.fail(f"osteoflow {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")
    return done


def write_study(folder: Path, table: str, config: str = CONFIG) -> None:
    """A study folder with its two files."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "config.yaml").write_text(config)
    (folder / "config" / "subjects.tsv").write_text(table)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The study after a whole run: 18 participants, three of them broken on purpose."""
    from osteoflow.simulate.cohort import simulate_cohort
    from osteoflow.simulate.protocol import TINY

    study = tmp_path_factory.mktemp("study")
    simulate_cohort(
        study / "raw", PARTICIPANTS, seed=3, protocol=TINY, processes=2, path_prefix="raw/"
    )
    write_study(study, (study / "raw" / "subjects.tsv").read_text())
    osteoflow("run", study, "--cores", 2)
    return study
