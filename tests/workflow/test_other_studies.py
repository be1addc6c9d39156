"""Studies that are not like the demo: one modality, sessions, no masks; and nothing crashes."""

import pydicom
import pytest

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json
from osteoflow.simulate.cohort import simulate_cohort
from osteoflow.simulate.protocol import TINY

from .conftest import osteoflow, write_study

CONFIG = """\
radiomics:
  images:
    vbmd: {settings: vbmd, levels: [L1, L2, L3], per_level: true}
    pdff: {settings: pdff, levels: [L1]}
  perturbation: {images: [vbmd], repetitions: 2}
cohort:
  summaries:
    - {metric: vbmd_mean, levels: [L1, L2]}
    - {metric: pdff_mean, levels: [L1, L2, L3]}
statistics:
  table1_variables: [age, sex, vbmd_l1l2_mean]
  correlations: [{x: pdff_l1l2l3_mean, y: vbmd_l1l2_mean}]
figures: {formats: [png], dpi: 72}
analyses:
  - name: fracture
    outcome: fracture
    clinical: [age, sex]
    radiomics: {image: vbmd}
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    simulate_cohort(folder, 4, seed=5, protocol=TINY, processes=2, broken=False)
    return folder


def run(study, rows, columns):
    lines = ["\t".join(columns), *("\t".join(row) for row in rows)]
    write_study(study, "\n".join(lines) + "\n", CONFIG)
    osteoflow("run", study, "--cores", 2)
    return study / "results"


def modality(path):
    return pydicom.dcmread(path, specific_tags=["Modality"]).Modality


def patients(raw):
    return sorted(path for path in (raw / "dicom").iterdir())


def test_mri_alone_without_masks_and_in_sessions(raw, tmp_path):
    """No CT, so no bone density; no masks, so no regions: exclusions, a report, no crash."""
    only_mri = tmp_path / "raw"
    for number, patient in enumerate(patients(raw)[:2]):
        for path in patient.rglob("*"):
            if path.is_file() and modality(path) == "MR":
                target = only_mri / str(number) / path.relative_to(patient)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    columns = ["participant_id", "session", "dicom", "age", "sex", "fracture"]
    rows = [["01", "1", "raw/0", "60", "F", "0"], ["01", "2", "raw/1", "62", "F", "1"]]
    results = run(tmp_path, rows, columns)
    status = read_table(results / "cohort" / "status.tsv")
    assert set(status["subject"]) == {"sub-01_ses-1", "sub-01_ses-2"}
    made = status[(status["step"] == "map_mri") & (status["status"] == "ok")]
    assert len(made) == 2
    assert not (status["step"] == "calibrate_ct").any()
    excluded = read_table(results / "cohort" / "exclusions.tsv")
    assert set(excluded["code"]) == {"mask_not_given"}
    page = (results / "report" / "index.html").read_text(encoding="utf-8")
    assert "fracture" in page
    assert (results / "figures" / "fracture" / "nomogram.png").stat().st_size > 0


def test_ct_mask_alone_and_features_per_level(raw, tmp_path):
    """Only CT outlined: bone density and features per level, and the MRI's exclusion is named."""
    masks = sorted((raw / "masks").glob("*_ct_mask.nii.gz"))
    table = read_table(raw / "subjects.tsv")
    columns = ["participant_id", "dicom", "ct_mask", "mask_scheme", "age", "sex", "fracture"]
    rows = [
        [str(r.participant_id), str(raw / r.dicom), str(mask), r.mask_scheme, "60", "F", "0"]
        for r, mask in zip(table.itertuples(), masks, strict=True)
    ][:3]
    results = run(tmp_path, rows, columns)
    people = read_table(results / "cohort" / "participants.tsv")
    assert people["vbmd_l1l2_mean"].notna().all()
    assert people["pdff_l1l2l3_mean"].isna().all()
    features = read_table(results / "cohort" / "features.tsv")
    rois = {"L1-L3_trabecular", "L1_trabecular", "L2_trabecular", "L3_trabecular"}
    assert set(features["roi"]) == rois
    _check_perturbations(results)
    excluded = read_table(results / "cohort" / "exclusions.tsv")
    assert set(zip(excluded["modality"], excluded["code"], strict=True)) == {
        ("mri", "mask_not_given")
    }


def _check_perturbations(results):
    """Features of perturbed images, their agreement, and correlations with the volume."""
    perturbed = read_table(results / "cohort" / "perturbed_features.tsv")
    keys = perturbed[["image", "roi", "perturbation"]].value_counts()
    assert keys.to_dict() == {("vbmd", "L1-L3_trabecular", number): 3 for number in (1, 2)}
    mean = perturbed["original_firstorder_Mean"]
    assert mean.notna().all() and mean.nunique() == 6
    agreement = read_table(results / "statistics" / "reproducibility_features.tsv")
    assert set(agreement["comparison"]) == {"perturbation"}
    assert set(agreement["icc_form"]) == {"ICC(1,1)"}
    found = agreement.set_index("feature").loc["original_firstorder_Mean"]
    wide = perturbed.pivot(index="participant_id", columns="perturbation", values=mean.name)
    between, within = 2 * wide.mean(axis=1).var(), wide.var(axis=1).mean()
    assert found["icc11"] == pytest.approx((between - within) / (between + within))
    volume = read_table(results / "statistics" / "feature_volume.tsv")
    assert set(volume["roi"]) >= {"L1-L3_trabecular", "L1_trabecular"}
    about = next((results / "subjects").glob("*/radiomics/*_perturbed_features.json"))
    assert len(read_json(about)["vbmd"]["Perturbations"]) == 2
    page = (results / "report" / "index.html").read_text(encoding="utf-8")
    assert "Robust features of each family" in page and "2 perturbed versions" in page
