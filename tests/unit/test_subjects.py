"""The subjects table: what is accepted, and every mistake with its line."""

import pytest

from osteoflow.errors import StudyError
from osteoflow.subjects import read_subjects

SCHEMES = ["verse", "totalsegmentator_v2"]
HEADER = "participant_id\tdicom\tct_mask\tmask_scheme\tage\n"


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "subjects.tsv"
    path.write_bytes(text.encode(encoding))
    return read_subjects(path, SCHEMES)


def problems(tmp_path, text):
    with pytest.raises(StudyError) as caught:
        read(tmp_path, text)
    return caught.value.problems


def test_reads_rows_with_bom_and_crlf(tmp_path):
    text = "\ufeff" + HEADER.replace("\n", "\r\n") + "01\traw/a\tm.nii.gz\tverse\t61\r\n\r\n"
    table = read(tmp_path, text)
    (subject,) = table.subjects
    assert subject.name == subject.participant_id == "sub-01"
    assert subject.paths == {"dicom": "raw/a", "ct_mask": "m.nii.gz", "mask_scheme": "verse"}
    assert subject.clinical == {"age": "61"}
    assert table.clinical_columns == ("age",)


def test_session_is_part_of_the_name(tmp_path):
    table = read(tmp_path, "participant_id\tsession\tdicom\nsub-7\t2\ta\nsub-7\t1\tb\n")
    assert [s.name for s in table.subjects] == ["sub-7_ses-2", "sub-7_ses-1"]


def test_all_mistakes_are_listed_at_once(tmp_path):
    found = problems(
        tmp_path,
        HEADER
        + "sub-01\traw\tm.nii\tn/a\t60\n"
        + "../x\traw\tn/a\tn/a\t60\n"
        + "02\traw\tm.nii\tverze\t60\n"
        + "03\traw\n",
    )
    assert len(found) == 4
    assert "line 2: 'ct_mask' needs a 'mask_scheme'" in found[0]
    assert "line 3: participant_id '../x' may hold letters and digits only" in found[1]
    assert "line 4: unknown mask_scheme 'verze' (did you mean 'verse'?)" in found[2]
    assert "line 5: 2 cells where the header has 5" in found[3]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("01\ta\nsub-01\tb\n", "duplicate of line 2 (sub-01)"),
        ("01\ta\n1\tb\n", "differ only in leading zeros or in case"),
        ("AB\ta\nab\tb\n", "differ only in leading zeros or in case"),
    ],
)
def test_duplicate_and_ambiguous_participants(tmp_path, rows, expected):
    (found,) = problems(tmp_path, "participant_id\tdicom\n" + rows)
    assert expected in found


def test_rows_with_and_without_session_are_ambiguous(tmp_path):
    text = "participant_id\tsession\tdicom\n1\tn/a\ta\n1\t2\tb\n"
    (found,) = problems(tmp_path, text)
    assert "rows with and without a session" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("participant\tdicom\n1\ta\n", "'participant_id' is missing (found 'participant')"),
        ("participant_id,dicom\n1,a\n", "must be separated by tabs"),
        ("participant_id\tage\n1\t5\n", "a column 'dicom' or 'bids'"),
        ("participant_id\tdicom\tct_msk\n1\ta\tb\n", "did you mean 'ct_mask'?"),
        ("", "is empty"),
        ("participant_id\tdicom\n", "no subjects"),
    ],
)
def test_header_mistakes(tmp_path, text, expected):
    assert any(expected in problem for problem in problems(tmp_path, text))


def test_a_slip_in_a_column_of_numbers_is_named(tmp_path):
    rows = "".join(f"{n}\ta\tn/a\tn/a\t{60 + n}\n" for n in range(1, 8))
    assert len(read(tmp_path, HEADER + rows).subjects) == 7
    (found,) = problems(tmp_path, HEADER + rows + "8\ta\tn/a\tn/a\t6o\n")
    assert "column 'age' holds numbers but for 1 cells: '6o' (line 9)" in found
    (found,) = problems(tmp_path, HEADER + rows + "8\ta\tn/a\tn/a\t61,5\n")
    assert "line 9: '61,5' in column 'age' has a decimal comma" in found


def test_only_paths_decide_the_digest(tmp_path):
    rows = "1\ta\tm\tverse\t60\n2\tb\tm\tverse\t70\n"
    before = read(tmp_path, HEADER + rows).paths_digest()
    assert read(tmp_path, HEADER + rows.replace("60", "61")).paths_digest() == before
    reordered = "2\tb\tm\tverse\t70\n1\ta\tm\tverse\t60\n"
    assert read(tmp_path, HEADER + reordered).paths_digest() == before
    assert read(tmp_path, HEADER + rows.replace("\tb\t", "\tc\t")).paths_digest() != before
