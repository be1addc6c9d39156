"""Agreement, precision and overlap of what was read or scanned again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from osteoflow.manuscript.inputs import Inputs
from osteoflow.manuscript.table import Column, ManuscriptTable, Marks, Row, nothing
from osteoflow.manuscript.words.cells import (
    agreement_cells,
    estimate_cell,
    image_name,
    interval_cell,
    note_of,
    text_of,
    title_of,
    value_cell,
)
from osteoflow.radiomics.dictionary import family_of
from osteoflow.statistics.agreement import FORM_COLUMNS, form_of
from osteoflow.statistics.overlap import ALL_LEVELS
from osteoflow.statistics.pooled import of_pooled_regions
from osteoflow.wording import (
    COMPARISON_WORDS,
    DASH,
    quantity,
    region_name,
    unit_name,
)

NOT_REPEATED = "Nothing was read or scanned again."
# Lower limits of features that count as excellent, good and moderate (Koo and Li 2016).
LEAST = (0.9, 0.75, 0.5)
_POOLED = "Levels of a participant pooled: intervals from resampled participants (bootstrap)."


def agreement(inputs: Inputs) -> ManuscriptTable:
    """Intraclass correlations, bias and limits of agreement of the study's measurements."""
    title = "Agreement of repeated readings"
    return _measured(
        inputs,
        title,
        ("ICC(2,1) (95 % CI)", "Bias (95 % CI)", "Limits of agreement"),
        lambda row: (
            _estimate("icc", row, "icc21"),
            *agreement_cells(row),
        ),
        "ICC(2,1): absolute agreement of a single reading, two-way random effects, interval by the "
        "F distribution. Bias: later less earlier reading, Student's interval; limits of "
        "agreement: bias ± 1.96 SD of the differences (Bland and Altman).",
    )


def precision(inputs: Inputs) -> ManuscriptTable:
    """Root mean square SD and CV and the least significant change."""
    title = "Precision of repeated readings"
    return _measured(
        inputs,
        title,
        ("RMS-SD (95 % CI)", "RMS-CV, % (95 % CI)", "Least significant change"),
        lambda row: (
            _estimate("rms_sd", row, "rms_sd"),
            _estimate("rms_cv", row, "rms_cv"),
            value_cell("lsc", row["lsc"]),
        ),
        "RMS-SD and least significant change (2.77 RMS-SD) in the unit of the measurement; "
        "intervals by chi-square (Glüer et al. 1995). Only repeated scans include positioning and "
        "scanner.",
    )


def _measured(
    inputs: Inputs, title: str, headings: tuple[str, ...], cells: Any, note: str
) -> ManuscriptTable:
    """A table of the measurements that the study summarises, a section for each comparison."""
    table = inputs.table("reproducibility")
    if not table.empty:
        pairs = zip(table["metric"], table["roi"], strict=True)
        table = table[[pair in inputs.study.regions for pair in pairs]]
    if table.empty:
        return nothing(inputs.name, title, NOT_REPEATED)
    marks = Marks()
    rows = []
    for comparison, part in _sections(table):
        rows.append(Row((title_of(COMPARISON_WORDS.get(comparison, comparison)),), section=True))
        for row in part.to_dict("records"):
            unit = unit_name(note_of(row["unit"]))
            name = inputs.study.metric(row["metric"]) + (f" ({unit})" if unit else "")
            mark = marks.of(_POOLED) if "_each" in row["roi"] else ""
            region = region_name(row["roi"]) + mark
            rows.append(Row((name, region, text_of(row["n"]), *cells(row)), indent=1))
    columns = (Column("Measurement", "left"), Column("Region", "left"), Column("n"))
    columns += tuple(Column(heading) for heading in headings)
    counts = "; ".join(
        f"{COMPARISON_WORDS.get(name, name)}, n = {_range(part['n'])}"
        for name, part in _sections(table)
    )
    notes = (note, "n: participants with complete readings.", *marks.notes)
    return ManuscriptTable(inputs.name, f"{title} ({counts})", columns, tuple(rows), notes)


def feature_agreement(inputs: Inputs) -> ManuscriptTable:
    """How many radiomic features of each family reach which agreement."""
    table = inputs.table("reproducibility")
    title = "Radiomic features by the lower limit of their intraclass correlation"
    if table.empty:
        return nothing(inputs.name, title, NOT_REPEATED)
    table = of_pooled_regions(table)
    rows = []
    keys = ["comparison", "image", "roi"]
    for (comparison, image, roi), part in table.groupby(keys, sort=False):
        words = title_of(COMPARISON_WORDS.get(comparison, comparison))
        about = f"{words}: {image_name(image)}, {region_name(roi)} (n = {int(part['n'].max())})"
        rows.append(Row((about,), section=True))
        low = part[f"{form_of(comparison)}_low"].astype(float)
        families = part["feature"].map(family_of)
        for family in dict.fromkeys(sorted(families)):
            rows.append(Row(_family_cells(title_of(family), low[families == family]), indent=1))
        rows.append(Row(_family_cells("All families", low), indent=1))
    columns = (
        Column("Family", "left"),
        Column("Features"),
        *(Column(f"≥ {least:.2f}", over="Lower 95 % limit, n (%)") for least in LEAST),
    )
    forms = " and ".join(
        f"{FORM_COLUMNS[name]} of {words}"
        for name, words in (("icc21", "raters and scans"), ("icc11", "perturbed images"))
        if any(form_of(item) == name for item in pd.unique(table["comparison"]))
    )
    notes = (
        f"{forms}; interval by the F distribution; levels after Koo and Li (2016). A feature may "
        "count in several columns. Each feature: reproducibility_features.tsv.",
    )
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _family_cells(name: str, low: pd.Series) -> tuple[str, ...]:
    reached = [int((low >= least).sum()) for least in LEAST]
    shares = [f"{n} ({quantity('share', n / len(low))})" for n in reached]
    return name, str(len(low)), *shares


def outline_overlap(inputs: Inputs) -> ManuscriptTable:
    """Dice coefficients of repeated outlines."""
    table = inputs.table("overlap")
    title = "Overlap of repeated outlines of whole vertebrae (Dice coefficient)"
    if table.empty:
        return nothing(inputs.name, title, NOT_REPEATED)
    rows = []
    for comparison, part in _sections(table):
        rows.append(Row((title_of(COMPARISON_WORDS.get(comparison, comparison)),), section=True))
        for row in part.to_dict("records"):
            pooled = row["roi"] == ALL_LEVELS
            region = "Mean of the levels" if pooled else region_name(row["roi"])
            sd = value_cell("dice", row["sd"])
            mean = value_cell("dice", row["mean"]) + (f" ({sd})" if sd != DASH else "")
            ends = interval_cell("dice", row["min"], row["max"])
            grid = _grid(str(row["image"]))
            cells = (grid, region, text_of(row["n"]), mean, ends)
            counts = (text_of(row["n_one_sided"]), text_of(row["n_identical"]))
            rows.append(Row((*cells, *counts), indent=1))
    columns = (
        *(Column("Image", "left"), Column("Level", "left"), Column("n"), Column("Mean (SD)")),
        *(Column("Range"), Column("No overlap"), Column("Identical")),
    )
    notes = (
        "n: vertebrae, for the mean of the levels participants. No overlap: levels that only one "
        "reading outlined, or at different places. Identical: outlines equal in every voxel.",
    )
    return ManuscriptTable(inputs.name, title, columns, tuple(rows), notes)


def _grid(name: str) -> str:
    """``seg_mri`` -> ``MRI``: the image that the outline lies on."""
    image = name.removeprefix("seg_")
    return "CT" if image == "ct" else image_name(image)


def _sections(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in pd.unique(table["comparison"]):
        yield str(name), table[table["comparison"] == name]


def _estimate(kind: str, row: dict[str, Any], name: str) -> str:
    return estimate_cell(kind, row[name], row[f"{name}_low"], row[f"{name}_high"])


def _range(sizes: pd.Series) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return str(low) if low == high else f"{low}–{high}"
