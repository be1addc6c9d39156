"""The study report's line for each subject: how far every step of hers came, and why no further."""

import re

import pandas as pd
import pytest

from osteoflow.cohort.flow import count_flow
from osteoflow.io.tables import read_table
from osteoflow.reports.cohort import CohortReport, render_cohort
from osteoflow.reports.subject_list import subject_entries

STATUS = """\
subject	participant_id	session	modality	step	item	status	code	message	n_warnings
sub-01	sub-01	n/a	ct	convert	ct	ok			2
sub-01	sub-01	n/a	mri	convert	mri	ok			0
sub-01	sub-01	n/a	ct	segment	ct	ok			0
sub-01	sub-01	n/a	ct	segment	ct_rater2	excluded	mask_empty	The mask is empty.	0
sub-01	sub-01	n/a	ct	calibrate_ct	vbmd	excluded	phantom_not_found	No rods.	1
sub-01	sub-01	n/a	mri	map_mri	mri	ok			0
sub-02	sub-02	n/a	ct	inventory	ct	excluded	folder_missing	No folder.	0
sub-02	sub-02	n/a	mri	inventory	mri	excluded	folder_missing	No folder.	0
sub-03	sub-03	n/a	ct	convert	ct	absent			0
sub-03	sub-03	n/a	mri	convert	mri	ok			0
sub-03	sub-03	n/a	mri	map_mri	mri	failed	step_failed	map_mri ended.	0
sub-03	sub-03	n/a	mri	map_mri	t2	ok			0
"""


@pytest.fixture
def statuses(tmp_path):
    path = tmp_path / "status.tsv"
    path.write_text(STATUS)
    return read_table(path)


def rows_of(page, caption):
    """Cells of the table with this caption, as they are read."""
    table = re.search(f"<caption>{caption}</caption>(.*?)</table>", page, re.DOTALL)[1]
    cells = r"<t[hd][^>]*>(.*?)</t[hd]>"
    return [
        [" ".join(re.sub(r"<[^>]+>", "", cell).split()) for cell in re.findall(cells, row, re.S)]
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    ]


def test_the_worst_item_stands_for_a_step_and_a_second_reading_for_none(statuses):
    one, two, three = subject_entries(statuses)
    assert one.statuses == {"CT": "excluded", "MRI": "ok"}
    assert one.reasons == {"CT": "phantom not found"}
    assert one.n_warnings == 3
    assert list(one.steps.values()) == ["ok", "ok", "excluded", "ok"]
    assert (two.href, two.steps) == (None, {})
    assert three.statuses == {"CT": "absent", "MRI": "failed"}
    assert list(three.steps.values()) == ["ok", "failed"]


def test_the_report_lists_every_step_of_every_subject(statuses):
    flow = count_flow(statuses, {"ct": "CT", "mri": "MRI"})
    subjects = subject_entries(statuses)
    page = render_cohort(
        CohortReport(title="Study", flow=flow, exclusions=pd.DataFrame(), subjects=subjects)
    )
    no_folder, done, nothing = "✗ excluded folder missing", "✓ done", "–"
    steps = ["Conversion", "Masks", "CT calibration", "MRI maps"]
    assert rows_of(page, "Status of each participant") == [
        ["Participant", "CT", "MRI", *steps, "Warnings"],
        ["sub-01", "✗ excluded phantom not found", "✓ ok", done, done, "✗ excluded", done, "3"],
        ["sub-02", no_folder, no_folder, *[nothing] * 4, "0"],
        ["sub-03", "– absent", "✗ failed step failed", done, nothing, nothing, "✗ failed", "0"],
    ]
