"""A subject without a mask is outlined by a segmentation program, here a stand-in of one."""

import shutil

import numpy as np
import pytest
import yaml
from stand_in_programs import calls, install

from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json, read_volume, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.running.events import read_events
from osteoflow.segmentation.backends.registry import BACK_ENDS
from osteoflow.subjects import MASK_COLUMNS

from .conftest import osteoflow, write_study
from .three import raw_of_three

CONFIG = {
    "radiomics": {"images": {"pdff": {"settings": "pdff", "levels": ["L1", "L2"]}}},
    "cohort": {"summaries": [{"metric": "vbmd_mean", "levels": ["L1", "L2"]}]},
}
TASKS = {"ct": "vertebrae_body", "mri": "vertebrae_mr"}


def jobs(study):
    """Rules of the subject that the last run carried out."""
    return {end.rule for end in read_events(study).ends.values() if end.subject}


def run(study, table, **backends):
    config = CONFIG | ({"segmentation": {"backends": backends}} if backends else {})
    text = table.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n")
    write_study(study, text, yaml.safe_dump(config))
    return osteoflow("run", study, "--cores", 2, "--", "participants", check=False)


@pytest.fixture
def study(tmp_path, tmp_path_factory):
    shutil.copytree(raw_of_three(tmp_path_factory), tmp_path / "raw")
    return tmp_path


def prepare_program(study, files):
    """Weights, and a stand-in that answers with the given masks in the program's labels."""
    results = {}
    for modality, shift in (("ct", 51), ("mri", 26)):
        mask = read_volume(files.regions(modality, "mask"))
        labels = np.where(mask.data > 0, shift - mask.data.astype(int), 0).astype(np.uint8)
        name = "total" if modality == "ct" else "vertebrae_mr"
        results[name] = study / "prepared" / f"{name}.nii.gz"
        write_volume(results[name], mask.like(labels))
    bodies = read_volume(results["total"])
    results["vertebrae_body"] = study / "prepared" / "vertebrae_body.nii.gz"
    write_volume(results["vertebrae_body"], bodies.like((bodies.data > 0).astype(np.uint8)))
    for modality, task in TASKS.items():
        for item in BACK_ENDS["totalsegmentator"].needs(modality, task):
            (study / "weights" / item).mkdir(parents=True)
            (study / "weights" / item / "checkpoint_final.pth").write_bytes(item.encode())
    about = ("TotalSegmentator", "TotalSegmentator", "2.18.0")
    return install(study / "environment", *about, results=results)


def test_an_outlined_subject_measures_like_one_with_the_same_masks(study):
    table = read_table(study / "raw" / "subjects.tsv").iloc[:1]
    assert run(study, table).returncode == 0
    (name,) = (path.name for path in (study / "results" / "subjects").iterdir())
    files = SubjectFiles(study / "results" / "subjects" / name)
    given = read_table(files.measurements)
    assert not (files.root / "totalsegmentator").exists()
    program = prepare_program(study, files)

    # The masks are gone; the program is named, but its weights are not where they are looked for.
    bare = table.drop(columns=[*MASK_COLUMNS, "mask_scheme"], errors="ignore")
    back_end = {
        "name": "totalsegmentator",
        "weights": "elsewhere",
        "executable": "environment/bin/TotalSegmentator",
    }
    stopped = run(study, bare, ct=back_end, mri=back_end)
    assert stopped.returncode == 2
    assert "TOTALSEG_WEIGHTS_PATH=elsewhere totalseg_download_weights -t total" in stopped.stderr
    assert calls(program) == []

    back_end["weights"] = "weights"
    done = run(study, bare, ct=back_end, mri=back_end)
    assert done.returncode == 0, done.stdout + done.stderr
    again = {"totalsegmentator", "segment", "extract_radiomics", "measure"}
    assert jobs(study) == again
    asked = [call["argv"][6] for call in calls(program)]
    assert asked == ["total", "vertebrae_body", "vertebrae_mr"]
    assert not any(call["sent"] or call["fetched"] for call in calls(program))

    found = read_table(files.measurements)
    first = given[given["rater"] == 1].reset_index(drop=True)
    assert len(first) > 20
    assert found.equals(first)
    segmented = read_json(files.regions("ct", "mask").with_suffix("").with_suffix(".json"))
    assert segmented["OutlinedBy"] == "TotalSegmentator 2.18.0, task vertebrae_body"
    items = {(i["step"], i["item"]): i for i in read_json(files.status)["items"]}
    assert items["totalsegmentator", "mri"]["status"] == "ok"
    assert any("whole vertebrae" in w for w in items["totalsegmentator", "mri"]["warnings"])
    page = files.report.read_text(encoding="utf-8")
    assert "TotalSegmentator" in page
    status = read_table(study / "results" / "status.tsv")
    assert list(status["totalsegmentator"]) == ["done"] and "spineps" not in status

    # Nothing changed, nothing runs; other weights are another result.
    run(study, bare, ct=back_end, mri=back_end)
    assert jobs(study) == set()
    changed = study / "weights" / BACK_ENDS["totalsegmentator"].needs("mri", "vertebrae_mr")[0]
    (changed / "checkpoint_final.pth").write_bytes(b"a newer release")
    assert run(study, bare, ct=back_end, mri=back_end).returncode == 0
    assert "totalsegmentator" in jobs(study) and "convert" not in jobs(study)
    assert read_table(files.measurements).equals(found)

    # A mask that is given after all comes first, and the program is not asked.
    before = len(calls(program))
    assert run(study, table, ct=back_end, mri=back_end).returncode == 0
    assert len(calls(program)) == before
    assert "totalsegmentator" not in jobs(study)
    assert read_table(files.measurements).equals(given)
