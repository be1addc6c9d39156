"""Nothing that names a person passes from headers and paths into what the workflow keeps."""

import json
import logging
import warnings

import pydicom
import pytest
from dicom_series import ct_series, edit, multi_echo_series
from reasons import look, warned

from osteoflow.ct.header import ct_warnings
from osteoflow.io.header import LONGEST_TEXT, acquisition, plain_text
from osteoflow.io.intake import load_ct, load_multi_echo

SIX = [1.2, 2.2, 3.2, 4.2, 5.2, 6.2]
PERSON = {
    "PatientName": "Doe^Jane^^Dr",
    "PatientID": "MRN1",
    "PatientBirthDate": "19480229",
    "PatientAddress": "7 Hollow Lane",
    "AccessionNumber": "A4711",
    "OtherPatientIDs": ["X99", "Y88"],
    "ReferringPhysicianName": "House^Gregory",
    "InstitutionName": "Mercy Hospital",
    "StationName": "ROOM3",
    "StudyDescription": "spine of Jane",
    "SeriesDescription": "Doe axial",
    "PatientComments": "lives alone",
    "StudyDate": "20240301",
}
SECRETS = [
    "doe",
    "jane",
    "mrn1",
    "19480229",
    "hollow",
    "4711",
    "x99",
    "gregory",
    "mercy",
    "room3",
    "alone",
    "20240301",
    "private note",
    "1.2.826.0.1",
]


def tell_all(_, dataset):
    for name, value in PERSON.items():
        setattr(dataset, name, value)
    block = dataset.private_block(0x0029, "VENDOR", create=True)
    block.add_new(1, "LO", "private note")


def leaks(content):
    text = json.dumps(content, default=str).lower()
    return [secret for secret in SECRETS if secret in text]


@pytest.fixture
def study(tmp_path):
    """A CT and a multi-echo MRI of a person, in a folder that has her name."""
    raw = tmp_path / "raw" / "Doe_Jane_MRN1"
    uid = "1.2.826.0.1.77"
    common = {"SeriesInstanceUID": uid, "Manufacturer": "Vendor", "ConvolutionKernel": "B30"}
    paths = ct_series(raw / "ct", [0, 2, 4], **common)
    multi_echo_series(raw / "mr", {"M": SIX, "P": SIX})
    edit([*paths, *(raw / "mr").iterdir()], tell_all)
    return tmp_path


def test_sidecars_and_warnings_name_nobody(study, caplog):
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        entry = look(study)
        ct = load_ct(entry["ct"], study)[1:]
        mri = load_multi_echo(entry["mri"], study)[2:]
    assert ct[0]["ConvolutionKernel"] == "B30"
    assert leaks([ct, mri]) == []
    assert leaks([entry["problems"], entry["warnings"]]) == []
    assert leaks([record.getMessage() for record in caplog.records]) == []
    assert leaks([str(item.message) for item in heard]) == []


def test_values_that_break_the_rules_are_not_quoted_in_warnings(study):
    """pydicom quotes them: a UID with a name in it, a date that is none."""
    paths = sorted((study / "raw").rglob("ct/*.dcm"))
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"1.2.826.0.1.77", b"1.2.Doe^Jane.7"))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        load_ct(look(study)["ct"], study)
    assert [str(item.message) for item in heard] == []


@pytest.mark.parametrize(
    "text",
    [
        "Iomeprol for Mrs Doe",
        "DOE_JANE",
        "agent/mrn1",
        "b. 19480229",
        "order A4711",
        "x99",
        "J.DOE",
    ],
)
def test_a_name_typed_into_another_field_is_withheld(study, text):
    paths = sorted((study / "raw").rglob("ct/*.dcm"))
    edit(paths, lambda _, dataset: setattr(dataset, "ContrastBolusAgent", text))
    _, sidecar, found = load_ct(look(study)["ct"], study)
    assert sidecar["ContrastBolusAgent"] == "withheld"
    assert found == [
        "identity_withheld: ContrastBolusAgent holds words of the patient's identity: left out"
    ]
    # That an agent was given is no secret.
    assert "contrast_agent" in warned(ct_warnings(sidecar))
    assert sidecar["ConvolutionKernel"] == "B30"


def test_short_names_within_words_are_no_names():
    dataset = pydicom.Dataset()
    dataset.PatientName = "Ard^Sie"
    dataset.Manufacturer = "SIEMENS"
    dataset.ConvolutionKernel = ["STANDARD", "3"]
    header, withheld = acquisition(dataset)
    assert header == {"Manufacturer": "SIEMENS", "ConvolutionKernel": ["STANDARD", "3"]}
    assert withheld == set()


def test_texts_are_plain(study):
    assert plain_text("B30\n\r\tf\x00\u2028") == "B30 f"
    assert len(plain_text("x" * 500)) == LONGEST_TEXT
    # Markup is text like any other; pages escape it.
    assert plain_text("<script>alert(1)</script>") == "<script>alert(1)</script>"
    dataset = pydicom.Dataset()
    dataset.Manufacturer = "Vendor\nsecond line\x1b[31m"
    assert acquisition(dataset)[0]["Manufacturer"] == "Vendor second line [31m"


def test_series_are_known_by_a_salted_hash(study):
    entry = look(study)
    for modality in ("ct", "mri"):
        assert len(entry[modality]["series"]) == 16
        assert set(entry[modality]["series"]) <= set("0123456789abcdef")


def test_reasons_do_not_quote_headers_that_name_somebody(study):
    """Two volumes are told apart by kernel and thickness; names in a kernel stay out."""
    ct_series(study / "raw" / "b", [0, 1, 2], ConvolutionKernel="MRN1 Doe", PatientID="MRN1")
    entry = look(study)
    (problem,) = [p for p in entry["problems"] if p["modality"] == "ct"]
    assert problem["code"] == "ct_ambiguous"
    assert leaks(problem) == []
