"""A study folder as a run sees it: fixed when the run begins."""

import shutil

import pytest
import yaml

from osteoflow.errors import StudyError
from osteoflow.resources import ROOT
from osteoflow.study import CONFIG_YAML, SUBJECTS_TSV, frozen_study, load_study, take_snapshot


def test_a_cluster_job_sees_the_study_as_it_was_when_the_run_began(tmp_path):
    """Rows added and settings changed during a run of hours are the next run's."""
    study = tmp_path / "study"
    shutil.copytree(ROOT / "tests" / "fixtures" / "study", study)
    config, table = study / CONFIG_YAML, study / SUBJECTS_TSV
    took = load_study(study, yaml.safe_load(config.read_text()))
    take_snapshot(study)
    content = yaml.safe_load(config.read_text())
    content["segmentation"] = {"erosion_mm": took.config.segmentation.erosion_mm + 1}
    config.write_text(yaml.safe_dump(content))
    header, first = table.read_text().splitlines()[:2]
    table.write_text(table.read_text() + first.replace("01", "99", 1) + "\n")
    with pytest.raises(StudyError, match="changed since the last inventory"):
        load_study(study, content)
    frozen = frozen_study(study, {})
    assert frozen.config == took.config
    assert frozen.table == took.table
    assert frozen.radiomics_settings() == took.radiomics_settings()
    # Settings given on the command line count in every job.
    given = frozen_study(study, {"segmentation": {"erosion_mm": 2.5}})
    assert given.config.segmentation.erosion_mm == 2.5
    assert given.config.mri == took.config.mri
