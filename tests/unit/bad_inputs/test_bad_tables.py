"""subjects.tsv as spreadsheet programs, scripts and tired people leave it."""

import pytest

from osteoflow.errors import StudyError
from osteoflow.subjects import read_subjects

HEADER = "participant_id\tdicom\tage\tsite\n"
ROWS = "1\ta\t61\tNorth\n2\tb\t62\tSouth\n3\tc\t63\tNorth\n"


def read(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "subjects.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_subjects(path, ["verse"])


def problems(tmp_path, content, encoding="utf-8"):
    with pytest.raises(StudyError) as caught:
        read(tmp_path, content, encoding)
    return caught.value.problems


def test_byte_order_mark_crlf_and_old_mac_line_ends(tmp_path):
    for text in ("\ufeff" + HEADER + ROWS, (HEADER + ROWS).replace("\n", "\r\n")):
        assert [s.clinical["age"] for s in read(tmp_path, text).subjects] == ["61", "62", "63"]
    table = read(tmp_path, (HEADER + ROWS).replace("\n", "\r"))
    assert [s.name for s in table.subjects] == ["sub-1", "sub-2", "sub-3"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path, encoding):
    (found,) = problems(tmp_path, HEADER + ROWS, encoding)
    assert found.startswith("subjects.tsv is UTF-16 text; save it as UTF-8 with tabs")


def test_other_bytes_are_named_with_their_line(tmp_path):
    (found,) = problems(tmp_path, HEADER + ROWS + "4\td\t64\tSüd\n", "latin-1")
    assert found.startswith("subjects.tsv is not UTF-8 text (line 5); save it as UTF-8")
    assert read(tmp_path, HEADER + ROWS + "4\td\t64\tSüd\n").subjects[3].clinical["site"] == "Süd"


def test_a_tab_within_a_name_is_a_cell_too_many(tmp_path):
    (found,) = problems(tmp_path, HEADER + ROWS + "4\td\t64\tNorth\tWing\n")
    assert found == "subjects.tsv line 5: 5 cells where the header has 4"
    (found,) = problems(tmp_path, HEADER + ROWS + '4\td\t64\t"North\tWing"\n')
    assert found.startswith("subjects.tsv line 5: a cell holds a line break, a tab")


def test_an_open_quotation_mark_does_not_swallow_rows(tmp_path):
    """Without a check the second row would vanish into a cell of the first one."""
    text = HEADER + '1\ta\t61\t"North\n2\tb\t62\tSouth"\n3\tc\t63\tNorth\n'
    (found,) = problems(tmp_path, text)
    assert found.startswith("subjects.tsv line 2: a cell holds a line break")
    (found,) = problems(tmp_path, HEADER + ROWS + '4\t"d\t64\tNorth\n')
    assert "line 5" in found
    assert "not closed" in found


def test_quoted_cells_are_cells(tmp_path):
    table = read(tmp_path, HEADER + '1\t"raw, with ""quotes"""\t61\tNorth\n')
    assert table.subjects[0].paths == {"dicom": 'raw, with "quotes"'}


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    (found,) = problems(tmp_path, HEADER + "\n\n" + ROWS + "\n4\td\n")
    assert found.startswith("subjects.tsv line 8: 2 cells")


def test_duplicates(tmp_path):
    (found,) = problems(tmp_path, HEADER + ROWS + "sub-2\td\t64\tNorth\n")
    assert found == "subjects.tsv line 5: duplicate of line 3 (sub-2)"


@pytest.mark.parametrize("cell", ["61,5", "-2,5", "1.061,5"])
def test_decimal_commas(tmp_path, cell):
    (found,) = problems(tmp_path, HEADER + ROWS + f"4\td\t{cell}\tNorth\n")
    assert f"line 5: '{cell}' in column 'age' has a decimal comma; write a point" in found


@pytest.mark.parametrize(
    "cell",
    [
        "2024-03-01 00:00:00",
        "2024-03-01",
        "2024-03-01T10:20:30.5",
        "01.03.2024",
        "1.3.24",
        "3/1/2024 12:00",
        "1-Mar",
        "Mar-01",
        "01. Mrz",
        "3-Okt-24",
        "May 2024",
    ],
)
@pytest.mark.parametrize("everywhere", [False, True])
def test_dates_are_no_values(tmp_path, cell, everywhere):
    """One slip among numbers, or a column of dates, which would identify persons."""
    rows = ROWS.replace("61", cell).replace("62", cell) if everywhere else ROWS
    (found,) = problems(tmp_path, HEADER + rows + f"4\td\t{cell}\tNorth\n")
    assert f"'{cell}' in column 'age' is a date" in found
    assert f"({3 if everywhere else 1} cell" in found
    assert f"line {2 if everywhere else 5}" in found


@pytest.mark.parametrize("cell", ["North 12", "T12", "L1-L4", "1.5", "10-12", "CTA-01", "v1.2.3"])
def test_other_text_is_no_date(tmp_path, cell):
    rows = ROWS.replace("North", cell).replace("South", cell)
    assert read(tmp_path, HEADER + rows).subjects[0].clinical["site"] == cell


@pytest.mark.parametrize("label", ["Mar-01", "1-Mar", "2024-03-01"])
def test_ids_that_became_dates(tmp_path, label):
    (found,) = problems(tmp_path, HEADER + f"{label}\ta\t61\tNorth\n")
    assert "may hold letters and digits only; a spreadsheet program may have made a date" in found


@pytest.mark.parametrize(
    "label",
    ["../x", "..", "a/b", "a b", "a;b", "$(touch x)", "`x`", "a'b", 'a"b', "a|b", "a*", "ä", "a_b"],
)
@pytest.mark.parametrize("column", ["participant_id", "session"])
def test_labels_hold_letters_and_digits_only(tmp_path, label, column):
    ids = f"{label}\t1" if column == "participant_id" else f"1\t{label}"
    (found,) = problems(tmp_path, f"participant_id\tsession\tdicom\n{ids}\ta\n")
    assert f"{column} {label!r} may hold letters and digits only" in found


def test_line_breaks_in_labels(tmp_path):
    (found,) = problems(tmp_path, HEADER + '"1\n2"\ta\t61\tNorth\n')
    assert "a line break" in found


def test_paths_are_taken_as_they_are(tmp_path):
    paths = ["../raw/a", "a b;$(touch x)", "`x`", "C:\\data", "ä/ö"]
    rows = "".join(f"{n}\t{path}\t6{n}\tNorth\n" for n, path in enumerate(paths))
    assert [s.paths["dicom"] for s in read(tmp_path, HEADER + rows).subjects] == paths


def test_a_folder_in_place_of_the_table(tmp_path):
    (tmp_path / "subjects.tsv").mkdir()
    with pytest.raises(StudyError, match="cannot be read"):
        read_subjects(tmp_path / "subjects.tsv", ["verse"])
