"""What names a person in DICOM files, and the search for it in files of any kind."""

import base64
import binascii
import gzip
import html
import io
import re
import zipfile
import zlib
from collections import defaultdict
from itertools import permutations

import pydicom

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientAddress",
    "InstitutionAddress",
    "AccessionNumber",
    "InstitutionName",
    "StationName",
    "StudyDate",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
)
# A shorter value is found by chance in the bytes of images.
SHORTEST = 5
_EMBEDDED = re.compile(rb";base64,\s*([A-Za-z0-9+/\s]+=*)")
_PDF_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
# Where a PDF moves within a line of text: between two brackets of its pieces.
_KERNING = re.compile(rb"\)\s*-?[\d.]*\s*\(")
_TAG = re.compile(rb"<[^<>]*>")


def identities(dataset):
    """Values of a DICOM file that must not get into anything that is handed on."""
    values = {str(dataset.get(keyword, "")).strip() for keyword in IDENTIFYING}
    values |= {str(element.value).strip() for element in dataset if element.tag.is_private}
    return {value for value in values if len(value) >= SHORTEST}


def identities_in(raw):
    """Identities of a folder of DICOM, one folder a person: of files here and there, and its names.

    Parameters
    ----------
    raw
        Its name (``raw/dicom``) within the study must get nowhere either.
    """
    values = {"/".join(raw.parts[-2:])}
    for folder in raw.iterdir():
        values.add(folder.name)
        for path in sorted(p for p in folder.rglob("*") if p.is_file())[::40]:
            values |= identities(pydicom.dcmread(path, stop_before_pixels=True, force=True))
    return values


def any_of(values):
    """Pattern, over bytes in small letters, that finds any of these values.

    Digits are found as a number of their own: eight digits of a date or of an accession number are
    found by chance within the many digits of measurements. Parts of a name are found in any order
    and with anything but a letter between them.
    """
    rests = defaultdict(set)
    for value in values:
        for first, rest in _forms(value.encode().lower()):
            rests[re.escape(first)].add(rest)
    # Few alternatives, each of which begins with a letter: images are megabytes of other bytes.
    begins = (b + b"(?:" + b"|".join(sorted(rests[b])) + b")" for b in sorted(rests))
    return re.compile(b"|".join(begins))


def _forms(value):
    """Ways to write a value: its first byte, and the pattern of what follows."""
    first = value[:1]
    parts = [part for part in value.split(b"^") if part]
    if value.isdigit():
        alone = rb"(?<![0-9]" + first + rb")(?<![0-9]\." + first + rb")"
        yield first, alone + value[1:] + rb"(?![0-9])"
    elif len(parts) > 1 and b" " not in value:
        for begin, *others in permutations(parts):
            rest = [re.escape(part) for part in (begin[1:], *others)]
            yield begin[:1], rb"[^a-z<>]{1,3}".join(rest)
    else:
        yield first, re.escape(value[1:])


def leak(path, forbidden):
    """First place where a pattern is found in a file or its path, in words; None if nowhere."""
    named = str(path).encode()
    for what, content in [("its path", named), *_file_name(path), *unpacked(path.read_bytes())]:
        if found := forbidden.search(content.lower()):
            return f"{path}: {found[0]!r} in {what}"
    return None


def unpacked(content, what="its content"):
    """Yield what a reader of this content may see, and in which part of it.

    Archives (also Word's documents), compressed data, Parquet tables and streams of PDF are
    unpacked, and so is what pages embed as base64, which itself is cut out of the page.
    """
    if content.startswith(b"\x1f\x8b"):
        yield from unpacked(gzip.decompress(content), f"{what}, unpacked")
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield f"{what}, names", name.encode()
                yield from unpacked(archive.read(name), f"{what}, {name}")
    elif content.startswith(b"PAR1"):
        yield from _table(content, what)
    else:
        yield what, _EMBEDDED.sub(b"", content)
        for number, found in enumerate(_EMBEDDED.finditer(content), 1):
            yield from unpacked(base64.b64decode(found[1]), f"{what}, embedded {number}")
        if content.startswith(b"%PDF"):
            yield from _pdf_streams(content, what)
        elif content.lstrip()[:1] == b"<":
            # As it is read: a word may begin in one element and end in another.
            text = _TAG.sub(b"", _EMBEDDED.sub(b"", content)).decode("utf-8", errors="replace")
            yield f"{what}, its text", html.unescape(text).encode()


def _table(content, what):
    """A Parquet table's cells as text, and what its schema keeps besides."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(content))
    yield f"{what}, cells", table.to_pandas().to_csv(index=False).encode()
    for key, value in (table.schema.metadata or {}).items():
        yield f"{what}, {key.decode()}", value


def _pdf_streams(content, what):
    for number, found in enumerate(_PDF_STREAM.finditer(content), 1):
        try:
            stream = zlib.decompress(found[1])
        except zlib.error:
            # Not compressed, and searched with the file.
            continue
        # Letters of a subset of a font have two bytes, the first of which is zero.
        yield f"{what}, stream {number}", _KERNING.sub(b"", stream.replace(b"\0", b""))


def _file_name(path):
    """Snakemake names its records by the base64 of what was made."""
    try:
        yield "its decoded name", base64.b64decode(path.name, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return
