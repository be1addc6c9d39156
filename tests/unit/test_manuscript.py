"""Tables of a manuscript: the same words in every format, rounded by one rule, safe and fixed."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser

import manuscript_study
import numpy as np
import pandas as pd
import pytest
from docx import Document
from docx.oxml.ns import qn

from osteoflow import wording
from osteoflow.config import load_config
from osteoflow.io.tables import read_table
from osteoflow.manuscript.abbreviations import abbreviations_in, known_abbreviations
from osteoflow.manuscript.builders import BUILDERS, build_table, build_tables
from osteoflow.manuscript.catalogue import CATALOGUE, files_of, planned_tables
from osteoflow.manuscript.docx import docx_bytes
from osteoflow.manuscript.html import html_text
from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.latex import _COMMANDS, beyond_pdflatex, escape, latex_text
from osteoflow.manuscript.table import (
    Column,
    ManuscriptTable,
    Marks,
    Row,
    nothing,
    numbered,
)
from osteoflow.manuscript.tsv import tsv_text
from osteoflow.manuscript.words.cells import model_name as name_in_tables
from osteoflow.manuscript.words.cells import rule_words
from osteoflow.manuscript.write import write_tables
from osteoflow.model_names import model_name
from osteoflow.reports.manuscript import manuscript_links
from osteoflow.resources import ROOT
from osteoflow.settings.statistics import Statistics
from osteoflow.statistics.table1 import declared_table1, table1

EVIL = manuscript_study.EVIL
FORMATS = ["tsv", "html", "docx", "tex"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    manuscript_study.make_results(folder)
    return folder


@pytest.fixture(scope="module")
def tables(results):
    planned = planned_tables(manuscript_study.config())
    return {table.name: table for table in build_tables(planned, results, manuscript_study.words())}


@pytest.fixture(scope="module")
def written(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder, list(tables.values()), FORMATS)
    return folder


# --- the rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("auc", 0.81249, "0.812"),
        ("icc", -0.0004, "0.000"),
        ("brier", 0.0996, "0.100"),
        ("sensitivity", 0.98765, "98.8"),
        ("correlation", -0.615, "−0.61"),
        ("effect", 2.2149, "2.21"),
        ("calibration_slope", -0.0049, "0.00"),
        ("odds_ratio", 1.0449, "1.04"),
        ("odds_ratio", 0.0996, "0.10"),
        ("odds_ratio", 0.04321, "0.043"),
        ("odds_ratio", 9.997, "10.0"),
        ("odds_ratio", 12.345, "12.3"),
        ("odds_ratio", 1234.6, "1235"),
        ("odds_ratio", 2.5e8, "2.50 × 10⁸"),
        ("rms_sd", 1.2, "1.20"),
        ("rms_sd", 9.996, "10.0"),
        ("coefficient", -0.012345, "−0.0123"),
        ("coefficient", 1.26e-7, "1.26 × 10⁻⁷"),
        ("auc", float("nan"), "not estimable"),
        ("odds_ratio", float("inf"), "not estimable"),
    ],
)
def test_a_number_is_rounded_by_what_it_is(kind, value, words):
    assert wording.quantity(kind, value) == words


def test_numbers_of_one_interval():
    estimate = wording.quantity_estimate
    assert estimate("auc", 0.8, 0.7, 1.0) == "0.800 (0.700 to 1.000)"
    # One unit, one length: the largest number has three digits.
    assert estimate("bias", 0.671, -0.2112, 1.541) == "0.67 (−0.21 to 1.54)"
    assert estimate("bias", 0.001, -0.004, 123.4) == "0 (0 to 123)"
    assert estimate("odds_ratio", 0.5, 0.0123, 20.11) == "0.50 (0.012 to 20.1)"
    assert estimate("auc", 0.8, float("nan"), 1.0) == "0.800"
    assert wording.quantity_interval("limits", -2.0, 3.333) == "−2.00 to 3.33"
    assert wording.quantity_interval("limits", float("nan"), 3) == "not estimable"


def test_a_bias_has_the_decimals_of_its_limits():
    words = wording.agreement_words
    assert words(-0.0127, -0.0317, 0.0064, -0.136, 0.111) == (
        "−0.013 (−0.032 to 0.006)",
        "−0.136 to 0.111",
    )
    assert words(0.671, np.nan, np.nan, -3.82, 15.14) == ("0.7", "−3.8 to 15.1")
    assert words(np.nan, 1, 2, np.nan, np.nan) == ("not estimable", "not estimable")


def test_decimals_of_a_summary_come_from_its_spread():
    assert wording.mean_sd(98.34, 15.44) == "98.3 (15.4)"
    assert wording.mean_sd(-2.468, 0.851) == "−2.47 (0.85)"
    assert wording.mean_sd(1234.5, 321.9) == "1234 (322)"
    assert wording.mean_sd(0.00041, 0.00321) == "0.0004 (0.0032)"
    assert wording.mean_sd(7.0, 0.0) == "7.00 (0.00)"
    assert wording.mean_sd(7.0, float("nan")) == "7.00 (–)"
    assert wording.median_quartiles(46, 51.24, 58.1) == "51.2 [46.0, 58.1]"
    assert wording.true_minus("-0.0 (1.0) -0.04 [-3.1, -0]") == "0.0 (1.0) −0.04 [−3.1, 0]"


def test_p_values_have_three_decimals():
    said = {0.0: "< 0.001", 0.00099: "< 0.001", 0.001: "0.001", 0.0496: "0.050", 0.5: "0.500"}
    assert {p: wording.p_number(p) for p in said} == said
    assert wording.p_number(0.99951) == "> 0.999" and wording.p_number(float("nan")) == "–"
    assert wording.p_value(0.0496) == "p = 0.050" and wording.p_value(1.0) == "p > 0.999"


def test_nobody_rounds_by_himself():
    """What readers see of numbers comes from one module."""
    by_hand = re.compile(r"""\{[^{}"']*:[+ ]?\d*\.(?:\d+|\{\w+\})[fge%]""")
    # A line for the console, and limits that stand as headings.
    allowed = {"reports/truth.py": 1, "reports/reproducibility.py": 1}
    allowed["manuscript/words/reproducibility.py"] = 1
    allowed["reports/canvas.py"] = 1  # ticks of a colour bar
    allowed["reports/calculator.py"] = 1  # what a field holds, to be read by a program
    found = {}
    for room in ("figures", "reports", "manuscript"):
        for path in sorted((ROOT / "osteoflow" / room).rglob("*.py")):
            lines = path.read_text(encoding="utf-8").splitlines()
            n = sum(bool(by_hand.search(line)) for line in lines)
            if n and path.name != "latex.py":
                found[path.relative_to(ROOT / "osteoflow").as_posix()] = n
    assert found == allowed


# --- formats -------------------------------------------------------------------------------------


class Grid(HTMLParser):
    """Rows of a page's table as (text, columns spanned), its caption and its notes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, int]]] = []
        self.caption, self.notes, self.tags = "", [], []
        self.at: list[str] = []
        self.feed(text)
        assert self.at == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        assert not any(name.startswith("on") for name in attributes)
        assert not {"src", "href"} & set(attributes)
        if tag == "meta":
            return
        self.at.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append(("", int(attributes.get("colspan", 1))))
        if tag == "p":
            self.notes.append("")

    def handle_endtag(self, tag):
        assert self.at.pop() == tag

    def handle_data(self, data):
        if "caption" in self.at:
            self.caption += data
        elif self.at and self.at[-1] in ("td", "th"):
            text, size = self.rows[-1][-1]
            self.rows[-1][-1] = text + data, size
        elif "p" in self.at:
            self.notes[-1] += data


def expected(table: ManuscriptTable) -> list[list[tuple[str, int]]]:
    """What every format must show, row by row."""
    rows: list[list[tuple[str, int]]] = []
    if not table.empty:
        if table.spans():
            rows.append(
                [
                    part
                    for text, size in table.spans()
                    for part in ([(text, size)] if text else [("", 1)] * size)
                ]
            )
        rows.append([(column.heading, 1) for column in table.columns])
    size = len(table.columns)
    for row in table.rows:
        rows.append([(row.cells[0], size)] if row.section else [(text, 1) for text in row.cells])
    return rows


def of_word(made) -> list[list[tuple[str, int]]]:
    """Cells of a Word table with the columns that each spans."""
    rows = []
    for line in made._tbl.tr_lst:
        cells = []
        for cell in line.tc_lst:
            text = "".join(part.text or "" for part in cell.iter(qn("w:t")))
            cells.append((text, cell.grid_span))
        rows.append(cells)
    return rows


# Commands of the writer -> the sign that each prints; of two for one sign, the first.
PRINTS: dict[str, str] = {}
for sign, command in _COMMANDS.items():
    PRINTS.setdefault(command, sign)
LAYOUT = re.compile(r"\\hspace\*\{\d+em\}|\\itshape |\{\}")
BY_LENGTH = sorted(PRINTS, key=len, reverse=True)


def plain(source: str) -> str:
    """LaTeX back to the text that it prints; fails on anything that is not escaped."""
    found, place = "", 0
    while place < len(source):
        layout = LAYOUT.match(source, place)
        if layout:
            place = layout.end()
            continue
        command = next((name for name in BY_LENGTH if source.startswith(name, place)), None)
        if command is None:
            assert source[place] not in '\\{}&%$#_^~"<>|`', source[place:]
        found += source[place] if command is None else PRINTS[command]
        place += len(command or " ")
    return found


def braced(source: str, start: int) -> tuple[str, int]:
    """What stands between the brace at ``start`` and its partner, and the place after it."""
    depth, place = 0, start
    while place < len(source):
        if source[place] == "\\":
            place += 2
            continue
        depth += {"{": 1, "}": -1}.get(source[place], 0)
        if depth == 0:
            return source[start + 1 : place], place + 1
        place += 1
    raise AssertionError(f"a brace is never closed: {source[start : start + 60]}")


def split_cells(line: str) -> list[str]:
    """Cells of a line: ``&`` outside braces."""
    cells, depth, current, place = [], 0, "", 0
    while place < len(line):
        sign = line[place]
        if sign == "\\":
            current += line[place : place + 2]
            place += 2
            continue
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
        if sign == "&" and depth == 0:
            cells.append(current)
            current = ""
        else:
            current += sign
        place += 1
    assert depth == 0
    return [*cells, current]


def of_latex(source: str) -> tuple[list[list[tuple[str, int]]], str, list[str], str]:
    """Rows, title, notes and name of the environment; strict about LaTeX's grammar."""
    lines = [line for line in source.splitlines() if not line.startswith("%")]
    open_: list[str] = []
    for begin, name in re.findall(r"\\(begin|end)\{([a-z]+)\}", "\n".join(lines)):
        if begin == "begin":
            open_.append(name)
        else:
            assert open_.pop() == name
    assert open_ == []
    body = "\n".join(lines)
    title, _ = braced(body, body.index(r"\caption{") + len(r"\caption"))
    kind = "longtable" if r"\begin{longtable}" in body else "tabular"
    start = body.index(rf"\begin{{{kind}}}") + len(rf"\begin{{{kind}}}")
    specification, place = braced(body, start)
    letters = re.sub(
        r">\{\\raggedright\\arraybackslash\}p\{0\.\d+\\linewidth\}", "l", specification
    )
    assert re.fullmatch("[lr]+", letters)
    inside = body[place : body.index(rf"\end{{{kind}}}")]
    if kind == "longtable":
        inside = inside[inside.index(r"\endfirsthead") :]
    rows = []
    for line in inside.splitlines():
        if not line.endswith(r"\\"):
            allowed = r"(\\(top|mid|bottom)rule|\\end\w+|(\\cmidrule\(lr\)\{\d+-\d+\})+|)"
            assert re.fullmatch(allowed, line), line
            continue
        cells = []
        for cell in split_cells(line.removesuffix(r"\\").rstrip(" ")):
            text = cell.strip(" ")
            span = re.match(r"\\multicolumn\{(\d+)\}\{[lc]\}", text)
            if span:
                text, end = braced(text, span.end())
                assert end == len(cell.strip(" "))
            cells.append((plain(text).strip(), int(span[1]) if span else 1))
        assert sum(size for _, size in cells) == len(letters), line
        rows.append(cells)
    notes = re.findall(r"^(.*)\\par$", body, flags=re.MULTILINE)
    return rows, plain(title), [plain(note) for note in notes if note], kind


def check_formats(table: ManuscriptTable) -> None:
    """The same cells, title and notes in all four formats."""
    wanted = [[(text.strip(), size) for text, size in row] for row in expected(table)]
    page = Grid(html_text(table))
    assert [[(text.strip(), size) for text, size in row] for row in page.rows] == wanted
    assert page.caption == f"{table.label}. {table.title}"
    assert page.notes == table.footnotes
    assert set(page.tags) <= {
        *("html", "head", "meta", "title", "style", "body", "div", "table", "caption", "b"),
        *("thead", "tbody", "tr", "th", "td", "p"),
    }

    document = Document(io.BytesIO(docx_bytes([table])))
    (made,) = document.tables
    assert [[(text.strip(), size) for text, size in row] for row in of_word(made)] == wanted
    paragraphs = [paragraph.text for paragraph in document.paragraphs]
    assert paragraphs == [f"{table.label}. {table.title}", *table.footnotes]

    lines = list(csv.reader(io.StringIO(tsv_text(table)), delimiter="\t"))
    assert all(len(line) == len(table.columns) for line in lines)
    body = [[text.strip() for text in line] for line in lines[1:]]
    padded = [
        [*(text.strip() for text in row.cells), *[""] * (len(table.columns) - len(row.cells))]
        for row in table.rows
    ]
    assert body == padded
    assert [text.rpartition(": ")[2] for text in lines[0]] == [
        column.heading.rpartition(": ")[2] for column in table.columns
    ]
    if not table.empty:
        rows, title, notes, _ = of_latex(latex_text(table))
        assert rows == wanted
        assert (title, notes) == (table.title, table.footnotes)


def test_every_table_reads_the_same_in_all_formats(tables):
    assert len(tables) == 35
    for table in tables.values():
        check_formats(table)


def hostile(rows: int = 3) -> ManuscriptTable:
    signs = "".join(PRINTS.values())
    words = (EVIL, "[1] *", "-- ''' ,, ?` !` “a” ‘b’", f"{signs}", "tab\tline\nend\x00\x0b", "=1+1")
    columns = (Column(EVIL, "left"), Column("b&c", over=EVIL), Column("%", over=EVIL))
    made = [Row((words[i % 6], words[(i + 1) % 6], words[(i + 2) % 6]), indent=i // 6 % 3)
            for i in range(rows)]  # fmt: skip
    made.append(Row((f"Section {EVIL}",), section=True))
    return ManuscriptTable("evil", EVIL, columns, tuple(made), (EVIL, "n_1 & 50 %"), {"A_B": EVIL})


def test_hostile_text_stays_text():
    for rows in (6, 80):
        table = hostile(rows)
        check_formats(table)
    text = html_text(table)
    assert "<script" not in text and "&lt;script&gt;" in text
    assert latex_text(hostile(6)).count(r"\begin{tabular}") == 1
    assert of_latex(latex_text(table))[3] == "longtable"
    # A bracket at the start of a line would be an argument of the line's end before it.
    assert re.search(r"^\[|^\*", latex_text(table), flags=re.MULTILINE) is None
    assert "\n{}[1] *" in latex_text(table)
    cells = [row.cells[0] for row in table.rows]
    assert not any(re.search(r"[\t\n\x00]", cell) for cell in cells)


def test_latex_says_which_signs_it_cannot_print():
    assert escape("a--b ,,c") == "a-{}-b ,{},c"
    assert beyond_pdflatex("Größe ≤ 5 µm ²ᵃ") == []
    assert beyond_pdflatex("骨 a ẞ") == ["U+1E9E", "U+9AA8"]
    table = ManuscriptTable("x", "骨", (Column("a", "left"),), (Row(("b",)),))
    assert "% Needs LuaLaTeX or XeLaTeX and a font with U+9AA8." in latex_text(table)


def test_bytes_depend_on_the_tables_alone(tables, written, tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_tables(tmp_path, list(tables.values()), FORMATS)
    names = sorted(path.name for path in written.iterdir())
    assert len(names) == 4 * 35 + 3
    for name in names:
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes(), name
    with zipfile.ZipFile(written / "tables.docx") as archive:
        assert {part.date_time for part in archive.infolist()} == {(2000, 1, 1, 0, 0, 0)}
    about = Document(written / "tables.docx").core_properties
    assert (about.author, about.last_modified_by, about.comments) == ("", "", "")
    assert about.created == about.modified and about.created.year == 2000


def test_word_tables_have_three_lines_and_a_heading_on_every_page(tables):
    table = tables["performance_osteoporosis"]
    document = Document(io.BytesIO(docx_bytes([table])))
    (made,) = document.tables
    sides = {
        child.tag.split("}")[1]: child.get(qn("w:sz"))
        for child in made._tbl.tblPr.find(qn("w:tblBorders"))
    }
    assert sides == {"top": "12", "bottom": "12"}
    lined = [len(row._tr.findall(f".//{qn('w:tcBorders')}")) for row in made.rows]
    assert lined[:3] == [1, 4, 0] and not any(lined[2:])
    repeated = [row._tr.find(f".//{qn('w:tblHeader')}") is not None for row in made.rows]
    assert repeated == [True, True] + [False] * (len(made.rows) - 2)
    assert document.paragraphs[0].style.name == "Caption"
    # Children of the properties stand in the order that the schema wants.
    order = ["tblStyle", "tblW", "jc", "tblBorders", "tblLayout", "tblLook", "tblCaption"]
    found = [child.tag.split("}")[1] for child in made._tbl.tblPr]
    assert found == sorted(found, key=order.index)
    for row in made._tbl.tr_lst:
        for cell in row.tc_lst:
            names = [child.tag.split("}")[1] for child in cell.tcPr]
            assert names == sorted(names, key=["tcW", "gridSpan", "tcBorders"].index)


def test_all_tables_in_one_document(tables, written):
    document = Document(written / "tables.docx")
    shown = [table for table in tables.values() if not table.empty]
    assert len(document.tables) == len(shown) == 25
    captions = [p for p in document.paragraphs if p.style.name == "Caption"]
    assert [p.text for p in captions] == [f"{table.label}. {table.title}" for table in shown]
    assert [table.number for table in shown] == list(range(1, 26))
    # Numbers are fields that Word counts, pages turn where a table is wide.
    assert captions[1]._p.xml.count(" SEQ Table ") == 1
    turned = [section.page_width > section.page_height for section in document.sections]
    assert turned == [table.wide for table in shown] and len(set(turned)) == 2
    last = [p.text for p in document.paragraphs][-10:]
    assert all(text.endswith("Not possible: 3 events: too few_.") for text in last)
    source = (written / "tables.tex").read_text(encoding="utf-8")
    taken = re.findall(r"\\input\{(\w+)\.tex\}", source)
    assert taken == [table.name for table in shown]
    for package in ("array", "booktabs", "longtable", "pdflscape"):
        assert package in source.split(r"\begin{document}")[0]


def test_the_index_and_the_report_s_links(tables, written):
    index = read_table(written / "index.tsv")
    assert index["name"].tolist() == list(tables)
    assert index["title"].tolist() == [table.title for table in tables.values()]
    links = manuscript_links(index, ["tsv", "docx"])
    assert links[0] == ("All tables", {"Word": "../manuscript/tables/tables.docx"})
    assert len(links) == 26 and links[1][0].startswith("Table 1. Characteristics of the")
    assert links[1][1]["TSV"] == "../manuscript/tables/characteristics.tsv"
    for _, addresses in manuscript_links(index, FORMATS):
        for address in addresses.values():
            assert (written / address.rpartition("/")[2]).exists()


# --- what the tables say -------------------------------------------------------------------------


def cells_of(table: ManuscriptTable) -> dict[str, list[tuple[str, ...]]]:
    """Rows by the section they stand in."""
    found: dict[str, list[tuple[str, ...]]] = {}
    section = ""
    for row in table.rows:
        if row.section:
            section = row.cells[0]
        else:
            found.setdefault(section, []).append(row.cells)
    return found


def test_table_1_names_groups_tests_and_what_is_missing(tables):
    table = tables["characteristics"]
    assert table.title.endswith("(n = 90), in all and by DXA T-score ≤ −2.5 SD")
    assert [column.heading for column in table.columns[:4]] == [
        *("Characteristic", "All (n = 90)", "No (n = 50)", "Yes (n = 39)"),
    ]
    assert table.spans()[2] == ("DXA T-score ≤ −2.5 SD", 2)
    rows = {row.cells[0]: row.cells for row in table.rows}
    assert rows["Age (years), mean (SD)"][5] == "1"
    # Yes or no takes one row; text takes one row for each level, set in.
    assert rows["Vertebral fracture, n (%)"][1] == "37 (41.1)"
    assert [row.cells[0] for row in table.rows if row.indent] == ["F", "M", EVIL, "B", "[C]*"]
    # What makes the groups is not tested between them.
    score = rows["DXA T-score (SD), mean (SD)"]
    assert score[4].startswith("–") and "Not tested, it makes the groups." in " ".join(table.notes)
    assert rows["Age (years), mean (SD)"][4] == f"{_age_p():.3f}ᵃ"
    assert "ᵃ Welch's t test." in " ".join(table.notes)
    assert "1 participant of no known group: overall alone." in table.notes
    assert table.abbreviations["DXA"] == "dual-energy X-ray absorptiometry"


def test_table_1_without_groups_has_no_tests():
    people, _ = manuscript_study.cohort(30)
    made = table1(people, ["dxa_tscore", "sex"], nonnormal=["dxa_tscore"])
    contents = {"table1": made.table, "about": {**made.document, "notes": []}}
    table = build_table("characteristics", Inputs("characteristics", "", contents))
    assert [column.heading for column in table.columns] == [
        *("Characteristic", "All (n = 30)", "Missing"),
    ]
    low, middle, high = people["dxa_tscore"].quantile([0.25, 0.5, 0.75])
    words = f"{middle:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")
    assert table.rows[0].cells == ("dxa_tscore, median [Q1, Q3]", words, "1")
    assert not any("p:" in note for note in table.notes)
    check_formats(table)


def test_table_1_shows_all_that_is_declared():
    people, _ = manuscript_study.cohort(60)
    people["dxa_interval_days"] = np.arange(60) % 30
    people["menopause"] = np.where(people["age"] > 62, "after", "before")
    settings = Statistics(
        table1_group="menopause",
        table1_variables=["age", "fracture"],
        table1_tests={"age": "mann_whitney", "categories": "chi2"},
        table1_smd=True,
        table1_fdr=True,
        nonnormal=["age"],
    )
    made = declared_table1(people, settings, {}, 1)
    contents = {"table1": made.table, "about": made.document}
    table = build_table("characteristics", Inputs("characteristics", "", contents))
    headings = [column.heading for column in table.columns]
    assert headings[4:] == ["p", "p (FDR)", "SMD", "Missing"]
    assert [row.cells for row in table.rows if row.section] == [("Reference test and treatment",)]
    source = made.table[made.table["variable"] == "fracture, n (%)"].iloc[0]
    rows = {row.cells[0]: row.cells for row in table.rows}
    cells = rows["fracture, n (%)"]
    assert cells[4].rstrip("ᵃᵇᶜᵈᵉ") == wording.p_number(source["p"])
    assert cells[5:7] == (wording.p_number(source["p_fdr"]), f"{source['smd']:.2f}")
    # Days of the block are tested; what makes the groups is not.
    assert rows["dxa_interval_days, median [Q1, Q3]"][4][0].isdigit()
    assert rows["menopause, n (%)"][4].startswith("–")
    notes = " ".join(table.notes)
    assert "SMD: absolute standardised mean difference." in notes and "Hochberg" in notes
    assert "Chi-squared test" in notes and "Fisher" not in notes
    assert table.abbreviations["SMD"] == "standardised mean difference"
    check_formats(table)


def test_training_and_hold_out_participants(tables, results):
    table = tables["sets_osteoporosis"]
    assert table.spans()[2] == ("Participants", 2)
    headings = [column.heading for column in table.columns]
    assert headings[1:4] == ["All (n = 89)", "Training (n = 62)", "Hold-out (n = 27)"]
    people, _ = manuscript_study.cohort(90)
    predictions = read_table(results / "models" / "osteoporosis" / "predictions.tsv")
    held = set(predictions.loc[predictions["set"] == "holdout", "participant_id"])
    ages = people.loc[people["participant_id"].isin(held), "age"]
    rows = {row.cells[0]: row.cells for row in table.rows}
    assert rows["Age (years), mean (SD)"][3] == f"{ages.mean():.1f} ({ages.std():.1f})"
    # The tests that the study declares for Table 1.
    notes = " ".join(table.notes)
    assert "One-way analysis of variance." in notes and "Welch" not in notes
    assert tables["sets_two_few"].empty


def _age_p() -> float:
    from scipy import stats

    people, _ = manuscript_study.cohort(90)
    low = people["dxa_tscore"] <= -2.5
    known = people["age"].notna() & people["dxa_tscore"].notna()
    return stats.ttest_ind(
        people["age"][low & known], people["age"][~low & known], equal_var=False
    ).pvalue


def test_group_comparisons(tables, results):
    table = tables["comparison_osteoporosis"]
    source = read_table(results / "statistics" / "comparisons.tsv")
    source = source[source["name"] == "osteoporosis"]
    assert table.title == "Comparison of groups by DXA T-score ≤ −2.5 SD (n = 89; Welch's t test)"
    for row, line in zip(table.rows, source.to_dict("records"), strict=True):
        assert row.cells[1:3] == (line["summary_1"], line["summary_2"])
        if line["variable"] == "constant":
            assert row.cells[0] == "constantᵃ" and row.cells[3:] == ("–", "–", "–")
            continue
        limits = [line[f"effect{end}"] for end in ("", "_low", "_high")]
        text = "{:.2f} ({:.2f} to {:.2f})".format(*limits).replace("-", "−")
        assert row.cells[3] == text
        assert row.cells[4:] == (wording.p_number(line["p"]), wording.p_number(line["p_fdr"]))
    notes = " ".join(table.notes)
    assert "noncentral t" in notes and "Benjamini and Hochberg" in notes
    three = tables["comparison_sites"]
    assert three.spans()[1] == (EVIL, 3) and "Kruskal-Wallis test" in three.title
    assert "bootstrap" in " ".join(three.notes) and "less the second" not in " ".join(three.notes)


def test_correlations(tables, results):
    table = tables["correlations"]
    source = read_table(results / "statistics" / "correlations.tsv")
    assert [row.cells[0] for row in table.rows] == [
        "PDFF L1–L2 and vBMD L1–L2",
        "given Age and Sex",
        "Age and Ripple",
    ]
    assert [row.indent for row in table.rows] == [0, 1, 0]
    for row, line in zip(table.rows, source.to_dict("records"), strict=True):
        assert row.cells[1] == {"pearson": "Pearson r", "spearman": "Spearman ρ"}[line["method"]]
        numbers = f"{line['r']:.2f} ({line['ci_low']:.2f} to {line['ci_high']:.2f})"
        assert row.cells[3] == numbers.replace("-", "−")
    assert "n = 89–90" in table.title


def test_pairs_of_groups_matrices_and_mixed_models(tables, results):
    folder = results / "statistics"
    pairs = read_table(folder / "comparison_pairs.tsv")
    rows = [row.cells for row in tables["post_hoc_sites"].rows if not row.section]
    assert [cells[4] for cells in rows] == pairs["p"].map(wording.p_number).tolist()
    assert [cells[3] for cells in rows] == [
        wording.quantity("statistic", z) for z in pairs["statistic"]
    ]
    assert "Holm" in tables["post_hoc_sites"].notes[0] and "post_hoc_osteoporosis" not in tables
    matrix = tables["correlation_matrix_bone"]
    source = read_table(folder / "correlation_matrices.tsv").set_index(["x", "y"])
    line = source.loc[("dxa_tscore", "vbmd_l1l2_mean")]
    assert line["p_fdr"] < 0.001
    assert matrix.rows[2].cells[2] == wording.quantity("correlation", line["r"]) + "***"
    assert matrix.rows[0].cells[1:] == ("", "", "")
    assert matrix.rows[3].cells[1:] == ("–ᵃ", "–ᵃ", "–ᵃ") and "does not vary" in matrix.notes[-1]
    mixed = tables["mixed_model_levels"]
    effects = read_table(folder / "mixed_effects.tsv")
    assert [row.cells[5] for row in mixed.rows] == effects.sort_values(
        "contrast", key=lambda names: names != "all", kind="stable"
    ).sort_values("term", key=lambda names: names.map(list(effects["term"]).index), kind="stable")[
        "p"
    ].map(wording.p_number).tolist()  # fmt: skip
    assert "(11 participants, 22 measurements; REML)" in mixed.title and "ICC, given" in " ".join(
        mixed.notes
    )


def test_single_measurements(tables, results):
    folder = results / "statistics"
    source = read_table(folder / "measurement_roc.tsv")
    rows = [row.cells for row in tables["measurement_roc_measurements"].rows]
    for cells, line in zip(rows, source.to_dict("records"), strict=True):
        auc = (line[name] for name in ("auc", "auc_low", "auc_high"))
        assert cells[4] == wording.quantity_estimate("auc", *auc)
        assert cells[6] == wording.p_number(line["p_fdr"])
    cutoffs = cells_of(tables["measurement_cutoffs_measurements"])
    assert any(cells[0].startswith("≥ 65") for part in cutoffs.values() for cells in part)
    pairs = read_table(folder / "measurement_pairs.tsv")
    rows = [row.cells for row in tables["measurement_differences_measurements"].rows]
    assert [cells[7] for cells in rows] == pairs["p_holm"].map(wording.p_number).tolist()


def test_optimism_reclassification_leaks_and_sample_size(tables, results):
    folder = results / "models" / "osteoporosis"
    source = read_table(folder / "optimism.tsv").set_index(["metric", "model", "method"])
    areas = cells_of(tables["optimism_osteoporosis"])["AUC"]
    line = source.loc[("auc", "clinical", "bootstrap")]
    limits = (line[name] for name in ("corrected", "ci_low", "ci_high"))
    assert areas[0][3] == wording.quantity_estimate("auc", *limits)
    line = source.loc[("auc", "clinical", ".632+")]
    assert areas[0][4] == wording.quantity("auc", line["corrected"])
    for name, file in (("nested_models", "nested"), ("leakage_check", "permutations")):
        table = tables[f"{name}_osteoporosis"]
        rows = [row.cells for row in table.rows if not row.section]
        wanted = read_table(folder / f"{file}.tsv")["p"].map(wording.p_number).tolist()
        assert [cells[-1] for cells in rows] == wanted
    source = read_table(folder / "reclassification.tsv")
    rows = [row.cells for row in tables["reclassification_osteoporosis"].rows if not row.section]
    assert [cells[1] for cells in rows] == [
        wording.quantity_estimate(row["index"].partition("_")[0], row["value"], *limits)
        for row, limits in zip(
            source.to_dict("records"), source[["ci_low", "ci_high"]].to_numpy(), strict=True
        )
    ]
    sizes = read_table(folder / "sample_size.tsv")
    rows = [row.cells for row in tables["sample_size_osteoporosis"].rows]
    assert [cells[7] for cells in rows] == [f"{n:.0f}" for n in sizes["n_required"]]


def test_times_to_an_event_and_what_models_presume():
    summary = {"kind": "survival", "outcome": "fracture", "n": 80, "n_events": 30}
    ratios = pd.DataFrame(
        [("clinical", "holdout", "", "per_sd", 40, 15, 2.0, 1.2, 3.3, 0.008, "Cox"),
         ("clinical", "holdout", "", "per_point", 40, 15, 2.7, 1.3, 5.6, 0.008, "Cox")],
        columns=["model", "set", "adjusted_for", "scale", "n", "n_events", "hazard_ratio",
                 "ci_low", "ci_high", "p", "method"],
    )  # fmt: skip
    made = build_table("hazard_ratios", Inputs("x", "a", {"ratios": ratios, "summary": summary}))
    wanted = ("Clinicalᵃ", "–", "2.00 (1.20 to 3.30)", "2.70 (1.30 to 5.60)", "0.008")
    assert made.rows[1].cells == wanted
    check_formats(made)
    groups = pd.DataFrame(
        [("clinical", "holdout", "log-rank", 20, 5, np.nan, 20, 10, 4.25, 2.1, 1.1, 4.2, 0.03)],
        columns=["model", "set", "method", "n_lower", "events_lower", "median_lower", "n_higher",
                 "events_higher", "median_higher", "hazard_ratio", "ci_low", "ci_high", "p"],
    )  # fmt: skip
    made = build_table("score_groups", Inputs("x", "a", {"groups": groups, "summary": summary}))
    assert made.rows[1].cells[1:6] == ("20 (5)", "–", "20 (10)", "4.25", "2.10 (1.10 to 4.20)")
    check_formats(made)
    checks = pd.DataFrame(
        [("clinical", "proportional_hazards", "sex=M", 1.234, 1, 0.27, "score test"),
         ("clinical", "proportional_hazards", np.nan, np.nan, np.nan, np.nan, "not defined")],
        columns=["model", "test", "term", "statistic", "df", "p", "method"],
    )  # fmt: skip
    made = build_table("assumptions", Inputs("x", "a", {"assumptions": checks, "summary": summary}))
    assert made.rows[1].cells[1:] == ("sex: M", "1.23", "1", "0.270")
    assert made.rows[2].cells[1:] == ("All together", "–", "–", "–")
    check_formats(made)


def test_reproducibility(tables, results):
    source = read_table(results / "statistics" / "reproducibility.tsv").set_index("roi")
    agreement = cells_of(tables["agreement"])["Two raters"]
    assert [cells[1] for cells in agreement] == [
        *("L1–L2 each trabecularᵃ", "L1–L2 trabecular", "L1 trabecular"),
    ]
    line = source.loc["L1-L2_trabecular"]
    icc = f"{line['icc21']:.3f} ({line['icc21_low']:.3f} to {line['icc21_high']:.3f})"
    assert agreement[1][0] == "vBMD (mg/cm³ K₂HPO₄)" and agreement[1][3] == icc
    assert "resampled participants" in " ".join(tables["agreement"].notes)
    precision = cells_of(tables["precision"])["Two raters"]
    assert precision[1][5] == f"{line['lsc']:.2f}" and "two raters, n = 12" in (
        tables["precision"].title
    )
    families = next(iter(cells_of(tables["feature_agreement"]).values()))
    assert families[-1][:2] == ("All families", "24")
    assert sum(int(cells[1]) for cells in families[:-1]) == 24
    overlap = cells_of(tables["outline_overlap"])["Two raters"]
    assert [cells[1] for cells in overlap] == ["L1", "L2", "Mean of the levels"]
    assert re.fullmatch(r"0\.\d{3} \(0\.\d{3}\)", overlap[0][3])


def test_performance_and_differences(tables, results):
    folder = results / "models" / "osteoporosis"
    source = read_table(folder / "performance.tsv").set_index(["set", "metric", "model"])
    table = tables["performance_osteoporosis"]
    sections = cells_of(table)
    assert list(sections) == [
        "Cross-validation (62 participants, 27 with the event)",
        "Hold-out (27 participants, 12 with the event)",
    ]
    held = {cells[0].rstrip("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏ"): cells for cells in list(sections.values())[1]}
    line = source.loc[("holdout", "auc", "combined")]
    auc = f"{line['value']:.3f} ({line['ci_low']:.3f} to {line['ci_high']:.3f})"
    assert held["AUC"][3] == auc
    line = source.loc[("holdout", "sensitivity", "clinical")] * 1
    shares = [100 * line[name] for name in ("value", "ci_low", "ci_high")]
    assert held["Sensitivity (%)"][1] == "{:.1f} ({:.1f} to {:.1f})".format(*shares)
    assert "DeLong." in " ".join(table.notes) and "Wilson" in " ".join(table.notes)
    assert "Osteoporosis (DXA T-score ≤ −2.5 SD; 89 participants, 39 with" in table.title
    differences = cells_of(tables["auc_differences_osteoporosis"])
    folds, tested = differences.values()
    assert tested[0][0] == "Combined − clinical" and re.fullmatch(r"0\.\d{3}|< 0.001", tested[0][3])
    assert {cells[2:] for cells in folds} == {("–", "–", "–")}
    # Every pair has its p value as it is and adjusted over all of them.
    source = read_table(folder / "comparisons.tsv").dropna(subset="p")
    p_values = [source[name].map(wording.p_number) for name in ("p", "p_adjusted")]
    assert [cells[3:] for cells in tested] == list(zip(*p_values, strict=True))
    notes = " ".join(tables["auc_differences_osteoporosis"].notes)
    assert "p (Holm): adjusted over all pairs tested." in notes


def test_regression_coefficients(tables, results):
    source = read_table(results / "models" / "osteoporosis" / "coefficients.tsv")
    rows = [
        cells for part in cells_of(tables["regression_osteoporosis"]).values() for cells in part
    ]
    assert len(rows) == len(source)
    for cells, line in zip(rows, source.to_dict("records"), strict=True):
        if line["term"] == "intercept":
            assert cells[3] == "–"
            continue
        limits = [line[f"odds_ratio{end}"] for end in ("", "_low", "_high")]
        assert cells[3] == "{} ({} to {})".format(*map(wording.ratio, limits))
        assert cells[4] == wording.p_number(line["p"])
    assert [cells[0] for cells in rows][-4:] == ["Intercept", "Age (years)", "Sex: M", "Rad-score"]


def _regression_with(results, changes: dict[str, dict[str, object]], kind: str = "binary"):
    """The table of coefficients with other cells in the rows of some models."""
    source = read_table(results / "models" / "osteoporosis" / "coefficients.tsv")
    for model, cells in changes.items():
        source.loc[source["model"] == model, list(cells)] = list(cells.values())
    summary = {"outcome": "fracture", "kind": kind, "n": 90, "n_events": 30}
    contents = {"coefficients": source, "summary": summary}
    made = build_table("regression", Inputs("x", "a", contents, manuscript_study.words()))
    return made, made.notes[0]


def test_a_penalised_regression_is_not_said_to_be_of_maximum_likelihood(results):
    firth = {"method": "Firth, FLIC; profile penalised likelihood"}
    ridge = {"method": "ridge (separated classes)"}
    models = ("clinical", "combined")
    _, plain = _regression_with(results, {})
    assert plain.startswith("Fitted by maximum likelihood to all participants")
    assert "Firth" not in plain and "penalised" not in plain
    made, some = _regression_with(results, {"clinical": firth})
    assert some.startswith("Fitted by maximum likelihood, or by penalised likelihood where a")
    assert "Wald intervals and two-sided Wald p values; where a footnote says Firth, prof" in some
    assert "Firth, FLIC; profile penalised likelihood." in " ".join(made.notes[1:])
    _, whole = _regression_with(results, dict.fromkeys(models, firth))
    assert "maximum likelihood" not in whole and "Wald" not in whole
    assert "profile penalised-likelihood intervals and penalised likelihood-ratio p" in whole
    _, ordinal = _regression_with(results, dict.fromkeys(models, ridge), "ordinal")
    assert "maximum likelihood" not in ordinal and "Wald intervals" in ordinal


def test_limits_of_an_odds_ratio_may_be_infinite(results):
    limits = {"odds_ratio": 8.0, "odds_ratio_low": 0.0, "odds_ratio_high": np.inf}
    made, _ = _regression_with(results, {"clinical": limits})
    assert "8.00 (0 to ∞)" in [row.cells[3] for row in made.rows if len(row.cells) > 3]


def test_differences_of_several_measures_are_adjusted_within_each():
    rows = [("b", "a", name, 0.1, 0.0, 0.2, 1.9, p, 2 * p, "paired test on the hold-out")
            for name, p in (("r2", 0.02), ("mae", 0.04))]  # fmt: skip
    columns = ["model_a", "model_b", "metric", "difference", "ci_low", "ci_high", "z", "p"]
    table = pd.DataFrame(rows, columns=[*columns, "p_adjusted", "test"])
    contents = {"comparisons": table, "summary": {"outcome": "age", "n": 50}}
    made = build_table("auc_differences", Inputs("x", "a", contents, manuscript_study.words()))
    assert "p (Holm): adjusted over the pairs of each measure." in " ".join(made.notes)
    assert [row.cells[3:] for row in made.rows[1:]] == [("0.020", "0.040"), ("0.040", "0.080")]


def test_models_and_features_have_one_name_in_tables_and_figures():
    label = {"hu_l1_mean": "CT number L1 (HU)"}.get
    for name in ("clinical", "combined", "radiomics", "radiomics_elastic_net"):
        assert name_in_tables(name, label) == model_name(name)
    assert name_in_tables("baseline_hu_l1_mean", label) == "CT number L1 alone"
    named = wording.feature_name
    assert named("pdff:original_glcm_Contrast") == "GLCM Contrast of PDFF"
    assert named("vbmd:wavelet-HHL_firstorder_Mean") == "First-order Mean (wavelet-HHL) of vBMD"
    assert named("original_shape_Volume") == "Shape Volume" and named("a:b") == "a:b"


def test_regressions_of_single_columns_go_by_the_columns_name(tables, results):
    source = read_table(results / "models" / "osteoporosis" / "coefficients.tsv")
    source["model"] = source["model"].replace("clinical", "baseline_vbmd_l1l2_mean")
    summary = {"outcome": "fracture", "n": 90, "n_events": 30}
    contents = {"coefficients": source, "summary": summary}
    made = build_table("regression", Inputs("x", "a", contents, manuscript_study.words()))
    heads = [row.cells[0] for row in made.rows if row.section]
    assert heads == ["vBMD L1–L2 alone", "Combined model"]


def test_exclusions(tables):
    sections = cells_of(tables["exclusions"])
    assert sections["CT: vBMD"] == [
        ("In the study", "90", "100.0"),
        ("Excluded: phantom cut (CT calibration)", "1", "1.1"),
        ("Analysed", "89", "98.9"),
    ]
    assert sections["MRI: fat fraction"][1] == ("Not acquired", "5", "5.6")
    modelled = sections["Outcome model osteoporosis: Osteoporosis (DXA T-score ≤ −2.5 SD)"]
    assert ("Modelled", "89", "100.0") in modelled and modelled[0][1] == "1"
    few = sections["Outcome model two_few: Ripple < 0 1/s"]
    assert few == [("Not possible: 3 events: too few_.", "", "")]


def features_table(n: int, chosen: int, top: int = 20, learner: str = "lasso") -> ManuscriptTable:
    selection = pd.DataFrame(
        {
            "feature": [f"original_glcm_Name{i:04d}" for i in range(n)],
            "frequency": np.linspace(1, 0, n),
            "coefficient": [0.5 - 0.01 * i if i < chosen else 0.0 for i in range(n)],
            "icc": np.where(np.arange(n) % 2, np.nan, 0.9),
            "icc_low": np.where(np.arange(n) % 2, np.nan, 0.8),
        }
    )
    filters = pd.DataFrame()
    if learner != "lasso":
        steps = [("reliability", n, 9), (learner, 9, 5), ("svm", 9, 9)]
        filters = pd.DataFrame(steps, columns=["step", "n_in", "n_out"])
    if learner == "random_forest":
        selection["coefficient"] = np.nan
    summary = {"outcome": "fracture", "n": 200, "n_events": 60, "models": []}
    summary["radiomics"] = {"learners": {"radiomics": {"learner": learner}}}
    contents = {"selection": selection, "filters": filters, "summary": summary}
    study = manuscript_study.words()
    inputs = Inputs("features", "a", contents, study)
    assert study.top_features == top
    return build_table("selected_features", inputs)


def test_of_1500_features_the_first_are_shown_and_the_rest_is_counted():
    table = features_table(1500, 8)
    assert [row.cells[0] for row in table.rows if row.section] == [
        "In the final model (8 features)",
        "In outer folds only (1491 features)",
    ]
    assert sum(not row.section for row in table.rows) == 20
    notes = " ".join(table.notes)
    assert "Not shown: 1479 more in outer folds only (selection.tsv)." in notes
    assert "Never selected: 1 of 1500 features." in notes
    assert table.rows[1].cells == ("GLCM Name0000", "0.500", "100.0", "0.900", "0.800")
    assert table.rows[2].cells[3:] == ("–", "–")
    check_formats(table)
    notes = " ".join(features_table(1500, 45).notes)
    assert "Not shown: 25 more in the final model and 1454 more in outer folds only" in notes


def test_features_of_other_learners_are_not_called_those_of_a_lasso():
    notes = " ".join(features_table(30, 5, learner="elastic_net").notes)
    assert "penalised logistic regression (elastic net)" in notes and "LASSO" not in notes
    # A further learner of the same features is no step behind the first one.
    assert "training participants: 30; 9 after reliability; 5 after elastic net." in notes
    made = features_table(30, 5, learner="random_forest")
    headings = [column.heading for column in made.columns]
    assert headings == ["Feature", "Selected in folds (%)", "ICC", "Lower 95 % limit"]
    assert made.rows[0].cells == ("Left to the model by the filters (29 features)",)
    assert made.rows[1].cells[1] == "100.0"
    assert made.notes[0].startswith("The learner has no coefficients. Selected:")
    check_formats(made)


# --- tables without content ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_table_of_nothing_says_so(kind):
    contents = {}
    for key, path in CATALOGUE[kind].files.items():
        contents[key] = pd.DataFrame()
        if path.endswith(".json"):
            about = {"name": "a", "outcome": "fracture", "not_possible": "no events"}
            contents[key] = {"a": about} if key == "summaries" else about
    table = build_table(kind, Inputs(kind, "a", contents))
    assert table.empty and len(table.rows) == 1 and len(table.rows[0].cells[0]) > 8
    if CATALOGUE[kind].scope == "analysis":
        assert table.rows[0].cells[0] == "Not possible: no events."
        # A fitted analysis may have nothing of this kind, too.
        contents["summary"] = {"outcome": "fracture", "n": 5, "n_events": 2}
        assert build_table(kind, Inputs(kind, "a", contents)).empty
    check_formats(table)
    assert r"\begin" not in latex_text(table)


def test_a_study_of_empty_tables_is_written(tmp_path):
    table = nothing("a", "Title", "Reason.")
    write_tables(tmp_path, numbered([table, nothing("b", "Other", "Why.")]), FORMATS)
    document = Document(tmp_path / "tables.docx")
    assert len(document.tables) == 0
    assert [p.text for p in document.paragraphs][-2:] == ["Title: Reason.", "Other: Why."]
    assert "No tables." in (tmp_path / "tables.tex").read_text()


def test_unknown_measures_models_and_sets_are_shown_all_the_same():
    """An analysis of another kind of outcome has measures of its own."""
    table = pd.DataFrame(
        [("cox", "external", "c_index", 0.71234, 0.6, 0.8, "Harrell"),
         ("cox", "external", "mae_years", 1.23456, np.nan, np.nan, None)],
        columns=["model", "set", "metric", "value", "ci_low", "ci_high", "method"],
    )  # fmt: skip
    summary = {"outcome": "years", "n": 80, "n_events": None, "n_holdout": 0}
    contents = {"performance": table, "summary": summary}
    made = build_table("performance", Inputs("x", "a", contents))
    assert [row.cells for row in made.rows] == [
        ("External (80 participants)",),
        ("Concordanceᵃ", "0.712 (0.600 to 0.800)"),
        ("Mae years", "1.23"),
    ]
    check_formats(made)


def test_many_models_stand_below_each_other():
    names = ["baseline_age", "clinical", "radiomics", "radiomics_svm", "combined"]
    rows = [
        (model, where, metric, 0.5 + 0.1 * i, 0.4, 0.95, method)
        for i, model in enumerate(names)
        for where, method in (("cv", "bootstrap"), ("holdout", "DeLong"))
        for metric in ("auc", "sensitivity")
        if (model, metric) != ("clinical", "sensitivity")
    ]
    columns = ["model", "set", "metric", "value", "ci_low", "ci_high", "method"]
    summary = {"outcome": "fracture", "n": 80, "n_events": 30, "n_holdout": 20, "models": names}
    contents = {"performance": pd.DataFrame(rows, columns=columns), "summary": summary}
    made = build_table("performance", Inputs("x", "a", contents, manuscript_study.words()))
    assert [column.heading for column in made.columns] == [
        "Model",
        "Cross-validation (60 participants, 30 with the event)",
        "Hold-out (20 participants, 0 with the event)",
    ]
    sections = cells_of(made)
    assert [cells[0] for cells in sections["AUC"]] == [
        *("Age alone", "Clinical", "Radiomics", "Radiomics (SVM)", "Combined"),
    ]
    assert sections["AUC"][1][1:] == ("0.600 (0.400 to 0.950)ᵃ", "0.600 (0.400 to 0.950)ᵇ")
    assert len(sections["Sensitivity (%)"]) == 4
    check_formats(made)


# --- parts ---------------------------------------------------------------------------------------


def test_rules_in_words():
    label = {"t": "T-score (SD)", "sex": "Sex", "f": "Fracture"}.get
    assert rule_words("t <= -2.5", label) == "T-score ≤ −2.5 SD"
    assert rule_words("t > 1 and sex == F", label) == "T-score > 1 SD and Sex = F"
    assert rule_words("f", label) == "Fracture"
    assert rule_words("a ? b < c <", str) == "a ? b < c <"


def test_marks_numbers_and_shapes():
    marks = Marks()
    letters = [marks.of(f"Note {i}.") for i in range(26)]
    assert letters[0] == "ᵃ" and letters[25] == "ᵃᵃ" and len(set(letters)) == 26
    assert marks.of("Note 0.") == "ᵃ" and marks.notes[0].startswith("ᵃ Note 0. ᵇ Note 1.")
    assert Marks().notes == []
    with pytest.raises(ValueError, match="table 'x': 1 cells, not 2"):
        ManuscriptTable("x", "t", (Column("a"), Column("b")), (Row(("1",)),))
    one = ManuscriptTable("x", "t", (Column("a"),), (Row(("1",)),))
    assert [t.label for t in numbered([one, nothing("y", "t", "r"), one])] == [
        *("Table 1", "Table", "Table 2"),
    ]


def test_abbreviations_are_whole_words():
    found = abbreviations_in(["RMS-SD of vBMD (95 % CI)", "CTX, R2* and R2", "mean (SD)", "AUCᵃ"])
    assert list(found) == ["AUC", "CI", "R2*", "RMS-SD", "SD", "vBMD"]
    assert all(long and long[0] != " " for long in known_abbreviations().values())


def test_every_kind_has_a_builder_and_files_that_a_rule_makes():
    assert set(CATALOGUE) == set(BUILDERS)
    planned = planned_tables(manuscript_study.config())
    assert len({item.name for item in planned}) == len(planned) == 35
    rules = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    for path in files_of(planned):
        stem = path.rpartition("/")[2].rpartition(".")[0]
        assert re.search(rf'["/]{stem}(\.\w+)?"', rules), path
    assert "characteristics" not in [item.name for item in planned_tables(load_config({}))]
    assert files_of(planned_tables(load_config({})))[-1] == "cohort/flow.tsv"


def test_planning_imports_nothing_heavy():
    code = (
        "import sys, osteoflow.manuscript.catalogue;"
        "print([m for m in ('numpy', 'pandas', 'docx', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
