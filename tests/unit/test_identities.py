"""The search for identities finds a planted name in every kind of file that the workflow writes."""

import base64
import gzip
import json

import numpy as np
import pandas as pd
import pydicom
import pytest
from identities import any_of, identities, leak

from osteoflow.io.tables import write_table
from osteoflow.io.volume import Volume, write_volume

NAME = "Mustermann^Erika"
FORBIDDEN = any_of({NAME, "20240229", "MRN-4711-88"})


def write_word(path, text):
    from docx import Document

    document = Document()
    document.add_table(1, 2).cell(0, 1).text = text
    document.save(path)


def write_word_in_pieces(path, text):
    """As Word does where a word was edited."""
    from docx import Document

    document = Document()
    paragraph = document.add_paragraph()
    for piece in (text[:4], text[4:]):
        paragraph.add_run(piece)
    document.save(path)


def write_parquet(path, text):
    write_table(path, pd.DataFrame({"name": ["a"] * 500 + [text], "value": range(501)}))


def write_parquet_column(path, text):
    write_table(path, pd.DataFrame({text: [1.0]}))


def write_gzip(path, text):
    path.write_bytes(gzip.compress(f"some {text} text".encode()))


def write_image(path, text):
    volume = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4))
    write_volume(path, volume, {"Description": text})
    content = bytearray(gzip.decompress(path.read_bytes()))
    # The header's description.
    content[148 : 148 + len(text)] = text.encode()
    path.write_bytes(gzip.compress(bytes(content)))


def write_page(path, text):
    within = base64.b64encode(f'<svg xmlns="x"><text>{text}</text></svg>'.encode()).decode()
    path.write_text(f'<html><img src="data:image/svg+xml;base64,\n{within}"></html>')


def write_page_in_words(path, text):
    path.write_text(f"<html><p><b>{text[:3]}</b>{text[3:]}</p></html>")


def write_figure(path, text):
    from matplotlib.figure import Figure

    from osteoflow.figures.style import look

    with look():
        figure = Figure()
        figure.text(0.1, 0.5, text)
        figure.savefig(path)


def write_json(path, text):
    path.write_text(json.dumps({"a": [text]}))


KINDS = {
    "table.docx": write_word,
    "pieces.docx": write_word_in_pieces,
    "table.parquet": write_parquet,
    "column.parquet": write_parquet_column,
    "log.gz": write_gzip,
    "image.nii.gz": write_image,
    "embedded.html": write_page,
    "words.html": write_page_in_words,
    "figure.pdf": write_figure,
    "figure.svg": write_figure,
    "status.json": write_json,
}


@pytest.mark.parametrize("value", [NAME, "20240229", "MRN-4711-88"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_value_is_found(tmp_path, kind, value):
    path = tmp_path / kind
    KINDS[kind](path, value)
    assert leak(path, FORBIDDEN)
    KINDS[kind](path, "Another^Name")
    assert leak(path, FORBIDDEN) is None


def test_names_of_files_are_searched_also_where_they_are_encoded(tmp_path):
    within = tmp_path / NAME / "status.json"
    within.parent.mkdir()
    within.touch()
    assert "its path" in leak(within, FORBIDDEN)
    record = tmp_path / base64.urlsafe_b64encode(f"results/{NAME}".encode()).decode()
    record.write_text("{}")
    assert "its decoded name" in leak(record, FORBIDDEN)


@pytest.mark.parametrize(
    "text",
    ["Erika Mustermann", "MUSTERMANN_ERIKA", "Mustermann, Erika", "the 20240229.", "=20240229"],
)
def test_a_value_is_found_however_it_is_written(tmp_path, text):
    path = tmp_path / "text.txt"
    path.write_text(f"a {text} b")
    assert leak(path, FORBIDDEN)


@pytest.mark.parametrize(
    "text", ["0.20240229", "1120240229", "2024022917", "Mustermann", "20240228"]
)
def test_numbers_that_hold_the_same_digits_and_other_people_are_no_leak(tmp_path, text):
    path = tmp_path / "text.txt"
    path.write_text(f"a {text} b")
    assert leak(path, FORBIDDEN) is None


def test_pictures_in_pages_are_not_taken_for_text(tmp_path):
    """Base64 holds any short word by chance."""
    path = tmp_path / "page.html"
    path.write_text('<img src="data:image/png;base64,iVBORCTA01AAAA==">')
    assert leak(path, any_of({"CTA01"})) is None


def test_what_is_searched_for_is_what_names_the_person():
    dataset = pydicom.Dataset()
    dataset.PatientName, dataset.PatientID, dataset.Manufacturer = NAME, "MRN-4711-88", "Vendor"
    dataset.StudyDate, dataset.StationName = "20240229", "CT1"
    block = dataset.private_block(0x0029, "VENDOR", create=True)
    block.add_new(1, "LO", "note on her")
    assert identities(dataset) == {NAME, "MRN-4711-88", "20240229", "note on her", "VENDOR"}
