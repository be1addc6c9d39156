"""Every fault ends in its reason and nowhere else; the sound participants never notice."""

import json
from pathlib import Path

import pydicom
import pytest

from osteoflow.io.tables import read_table

from .conftest import osteoflow, write_study
from .fault_cohort import CONFIG, FAULTS, KERNEL, MAKER, SOUND, table_of, write_raw


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def faulty(rows, tmp_path_factory):
    """The whole workflow over all participants."""
    study = tmp_path_factory.mktemp("faulty")
    write_study(study, table_of(rows), CONFIG)
    osteoflow("run", study, "--cores", 2)
    return study


@pytest.fixture(scope="module")
def exclusions(faulty):
    return read_table(faulty / "results" / "cohort" / "exclusions.tsv")


def status(study, subject):
    path = study / "results" / "subjects" / subject / "status.json"
    return json.loads(path.read_text())["items"] if path.exists() else []


def test_every_fault_is_excluded_where_and_why_it_must_be(exclusions):
    found = {
        label: {(r.modality, r.step, r.code) for r in rows.itertuples()}
        for label, rows in exclusions.groupby("participant_id")
    }
    expected = {label: set(fault.excluded) for label, fault in FAULTS.items() if fault.excluded}
    assert found == expected
    assert exclusions["hint"].str.len().min() > 20
    assert exclusions["message"].str.len().min() > 15


def test_the_status_of_a_participant_states_the_same(faulty):
    for label, fault in FAULTS.items():
        stated = {
            (item["step"], item["code"]) for item in status(faulty, label) if item.get("code")
        }
        within = {(step, code) for _, step, code in fault.excluded if step != "inventory"}
        assert stated == within, label
        for item in status(faulty, label):
            assert item["status"] in ("ok", "excluded", "absent")
            assert "hint" in item or item["status"] != "excluded" or item["origin"] != item["step"]


def test_what_is_sound_about_a_faulty_participant_is_measured(faulty):
    """A fault of the CT leaves the MRI, and the reverse; a lost density leaves the HU."""
    people = read_table(faulty / "results" / "cohort" / "participants.tsv")
    measured = people.set_index("participant_id")[
        ["hu_l1l2_mean", "vbmd_l1l2_mean", "pdff_l1l2l3_mean"]
    ].notna()
    assert measured.loc["sub-tworeconstructions"].tolist() == [False, False, True]
    assert measured.loc["sub-echowithoutimages"].tolist() == [True, True, False]
    assert measured.loc["sub-phantomcutoff"].tolist() == [True, False, False]
    assert measured.loc["sub-warningsonly"].tolist() == [True, True, False]
    assert measured.loc[list(SOUND)].all(axis=None)


def test_warnings_reach_the_status(faulty):
    for label, fault in FAULTS.items():
        warnings = [
            warning.split(":")[0]
            for item in status(faulty, label)
            if item["step"] == "convert"
            for warning in item["warnings"]
        ]
        assert fault.warned <= set(warnings), label


def test_sound_participants_are_measured_as_if_alone(faulty, rows, tmp_path):
    write_study(tmp_path, table_of(rows[: len(SOUND)]), CONFIG)
    osteoflow("run", tmp_path, "--cores", 2, "--", "participants")
    for subject in SOUND:
        for name in ("measurements.tsv", f"radiomics/{subject}_features.tsv"):
            path = f"results/subjects/{subject}/{name}"
            assert (tmp_path / path).read_bytes() == (faulty / path).read_bytes(), path
        assert len(read_table(faulty / f"results/subjects/{subject}/measurements.tsv")) > 20


def kept(study):
    """Everything that a run leaves behind outside the private inventory."""
    return [
        path
        for path in study.rglob("*")
        if path.is_file() and not {"inventory", "config"} & set(path.relative_to(study).parts)
    ]


def test_markup_from_headers_is_shown_as_text(faulty):
    page = (faulty / "results" / "report" / "index.html").read_text(encoding="utf-8")
    assert "kernel &lt;script&gt;x()//" in page
    for path in kept(faulty):
        if path.suffix == ".html" and path.name != "workflow.html":
            text = path.read_text(encoding="utf-8")
            assert KERNEL not in text, path.name
            assert MAKER not in text, path.name


def test_no_name_of_a_folder_is_run_and_no_name_of_a_person_kept(faulty, rows):
    """Paths hold a command and a name, headers an identity: none leaves the inventory."""
    assert not list(faulty.rglob("executed"))
    folder = dict(row[:2] for row in rows)["sub-warningsonly"]
    header = pydicom.dcmread(next(Path(folder).rglob("copy_*")))
    secrets = [
        "Doe;$",
        str(header.PatientName),
        str(header.PatientID),
        str(header.PatientBirthDate),
        str(header.AccessionNumber),
        str(header.SeriesInstanceUID),
    ]
    assert all(len(secret) > 3 for secret in secrets)
    for path in kept(faulty):
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path
