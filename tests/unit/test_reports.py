"""Reports: escaped, self-contained, complete; overlays show the patient the right way round."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import report_tables
from PIL import Image

from osteoflow.cohort.flow import count_flow
from osteoflow.figures.flow import draw_flow
from osteoflow.figures.style import save
from osteoflow.io.volume import Volume
from osteoflow.reports.analysis import AnalysisReport
from osteoflow.reports.cohort import CohortReport, SubjectEntry, render_cohort
from osteoflow.reports.html import cell_text, make_table
from osteoflow.reports.overlay import ImageView, RodMark, best_slice, compress, draw_overlays
from osteoflow.reports.picture import ReportFigure
from osteoflow.reports.reproducibility import reproducibility_tables
from osteoflow.reports.statistics import statistics_tables
from osteoflow.reports.subject import measurement_tables, render_subject
from osteoflow.reports.truth import compare_truth, quantity_label
from osteoflow.settings.figures import Figures

EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Tags, texts and addresses of a page; fails on tags that are not closed in order."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.images: list[dict] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(attrs)
        self.addresses += [attrs[key] for key in ("src", "href") if key in attrs]
        assert not any(name.startswith("on") for name in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.words.append(data.strip())


def check_self_contained(text: str) -> Page:
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    for address in page.addresses:
        assert re.match(r"(data:image/png;base64,|#|\.\./)", address), address[:60]
    assert all(image["alt"] for image in page.images)
    assert "url(" not in text and "@import" not in text
    return page


def block(flip: bool = False) -> tuple[Volume, np.ndarray]:
    """A volume with two vertebrae and a bright corner: right, anterior, superior."""
    data = np.zeros((40, 50, 30), np.float32)
    data[30:, 40:, 22:] = 400
    labels = np.zeros(data.shape, np.uint8)
    labels[15:26, 20:32, 3:12] = 21
    labels[15:26, 20:32, 15:25] = 20
    data[labels > 0] = 200
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[:3, 3] = [-20, -25, -45]
    if flip:
        # The same anatomy stored as scanners do: towards left and posterior.
        data, labels = data[::-1, ::-1], labels[::-1, ::-1]
        affine = affine @ np.array([[-1, 0, 0, 39], [0, -1, 0, 49], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    return Volume(data, affine), labels


def view(flip: bool = False, **options) -> ImageView:
    volume, labels = block(flip)
    rods = (RodMark("A", (10.0, -15.0, 0.0), 6.0), RodMark("B", (-10.0, -15.0, 0.0), np.nan))
    options = {"labels": labels, "rods": rods, "planes": ("sagittal", "axial")} | options
    return ImageView("CT", volume, "HU", (0, 400), **options)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def bright(png: bytes, white: int = 250) -> np.ndarray:
    """Centre (row, column), as shares of the picture, of its largest white area."""
    from scipy import ndimage

    image = pixels(png)
    area, n = ndimage.label(image.min(axis=2) >= white)
    biggest = 1 + np.argmax(np.bincount(area.ravel(), minlength=n + 1)[1:])
    return np.argwhere(area == biggest).mean(axis=0) / image.shape[:2]


@pytest.mark.parametrize("flip", [False, True])
def test_axial_shows_right_on_the_left_and_anterior_on_top(flip):
    volume, labels = block(flip)
    labels = np.where(labels == 20, 20, 0)  # the axial slice goes through the upper vertebra
    volume.data[...] = np.where(volume.data == 400, 400, 0)
    volume.data[..., 19:] = volume.data.max(axis=2, keepdims=True)
    (overlay,) = draw_overlays(
        ImageView("CT", volume, "HU", (0, 400), labels=labels, planes=("axial",))
    )
    row, column = bright(overlay.png)
    assert row < 0.3 and column < 0.3
    height, width = pixels(overlay.png).shape[:2]
    assert width / height == pytest.approx(40 / 50, rel=0.02)
    assert "slice 21 of 30, patient right on the left" in overlay.text


@pytest.mark.parametrize("flip", [False, True])
def test_sagittal_shows_anterior_left_superior_up_in_proportion(flip):
    volume, labels = block(flip)
    volume.data[...] = np.where(volume.data.max(axis=0, keepdims=True) == 400, 400, 0)
    (overlay,) = draw_overlays(
        ImageView("CT", volume, "HU", (0, 400), labels=labels, planes=("sagittal",))
    )
    row, column = bright(overlay.png)
    assert row < 0.35 and column < 0.3
    height, width = pixels(overlay.png).shape[:2]
    assert width / height == pytest.approx(50 / 90, rel=0.02)


def test_overlays_are_the_same_for_any_storage_order_and_reproducible():
    first, second, again = (draw_overlays(view(flip)) for flip in (False, True, True))
    for a, b, c in zip(first, second, again, strict=True):
        assert b.png == c.png and a.contours == b.contours
        assert np.abs(pixels(a.png) - pixels(b.png)).mean() < 1.0
    assert first[0].contours == ("labels",) and first[1].contours == ("labels", "rods")


def test_overlay_rejects_masks_of_another_shape():
    with pytest.raises(ValueError, match="labels of shape"):
        draw_overlays(view(labels=np.zeros((3, 3, 3))))
    with pytest.raises(ValueError, match="unknown plane: coronal"):
        draw_overlays(view(planes=("coronal",)))


def test_best_slice_without_labels_is_the_middle():
    assert best_slice(None, (10, 12, 14), "axial") == 7
    assert best_slice(np.zeros((10, 12, 14)), (10, 12, 14), "sagittal") == 5


def test_noise_is_compressed_below_the_limit():
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    small = compress(buffer.getvalue(), 150_000)
    assert len(small) <= 150_000
    assert pixels(small).shape[0] > 200


def measurements(participant: str = "01") -> pd.DataFrame:
    rows = []
    for roi in ("L1", "L1_trabecular", "L2_trabecular", "L1-L2_trabecular"):
        for image, metric, value, unit in (
            ("ct", "hu_mean", 145.25, "HU"),
            ("vbmd", "vbmd_mean", 94.128, "mg/cm3 K2HPO4"),
            ("pdff", "pdff_mean", np.nan if roi.startswith("L2") else 52.337, "%"),
        ):
            flag = "few_voxels" if metric == "pdff_mean" and roi.startswith("L2") else ""
            rows.append([participant, "", 1, roi, image, metric, value, unit, EVIL, 900, flag])
    return pd.DataFrame(
        rows,
        columns=["participant_id", "session", "rater", "roi", "image", "metric", "value", "unit"]
        + ["method", "n_voxels", "flag"],
    )


STATUSES = [
    {"step": "convert", "modality": "ct", "status": "ok"},
    {
        "step": "calibrate_ct",
        "modality": "ct",
        "status": "excluded",
        "code": "phantom_not_found",
        "message": f"No rods {EVIL}",
        "hint": "Use a larger field of view.",
    },
    {"step": "map_mri", "modality": "mri", "status": "absent"},
]


def test_subject_page_is_escaped_self_contained_and_complete():
    text = render_subject(
        participant_id="sub-01",
        session=None,
        study_title=f"Study {EVIL}",
        statuses=STATUSES,
        measurements=measurements().to_dict("records"),
        warnings=[{"source": EVIL, "message": "slice step differs"}],
        images=[view(), view(planes=("sagittal",), colour_map="viridis", rods=())],
        versions={"osteoflow": "0.1"},
        cohort_link="../../report/index.html",
    )
    page = check_self_contained(text)
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") >= 5
    assert len(page.images) == 3
    for word in ("✗ excluded", "– absent", "Use a larger field of view.", "Slice step differs."):
        assert word in page.words
    assert "(phantom_not_found)" in page.words and "CT calibration" in page.words
    assert len(text) < 3 * 150_000 * 4 / 3 + 30_000


def test_subject_page_without_any_data():
    text = render_subject(
        participant_id="sub-02",
        session="a",
        study_title="Study",
        statuses=[{"step": "convert", "modality": "ct", "status": "absent"}],
        measurements=[],
    )
    page = check_self_contained(text)
    assert "Nothing was measured." in page.words and "No usable image." in page.words
    assert "sub-02, session a" in page.words
    with pytest.raises(ValueError, match="unknown status: lost"):
        render_subject(
            participant_id="x",
            session=None,
            study_title="",
            statuses=[{"step": "convert", "modality": "ct", "status": "lost"}],
            measurements=[],
        )


def test_measurement_tables_give_units_flags_and_gaps():
    trabecular, whole = measurement_tables(measurements().to_dict("records"))
    assert [cell.text for cell in trabecular.headings] == ["Measurement", "L1", "L2", "L1–L2"]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in trabecular.rows}
    assert list(rows) == ["hu_mean (HU)", "vbmd_mean (mg/cm³ K₂HPO₄)", "pdff_mean (%)"]
    assert rows["hu_mean (HU)"][:2] == ["145.2", "145.2"]
    assert rows["pdff_mean (%)"][:2] == ["52.34", "– [a]"]
    assert trabecular.note == "[a] few voxels" and len(whole.headings) == 2


def test_cells():
    assert cell_text(float("nan")) == "–" and cell_text(True) == "yes"
    assert cell_text(0.0004, "p") == "< 0.001" and cell_text(0.034, "p_fdr") == "0.034"
    assert cell_text(12.0, "n") == "12" and cell_text(np.int64(3)) == "3"
    assert cell_text(-0.5, digits=2) == "−0.50"
    assert cell_text("L1-L4_trabecular", "roi") == "L1–L4 trabecular"
    table = make_table(pd.DataFrame({"variable": ["a"], "value": [1.5]}), "t", label=str.upper)
    assert [cell.text for cell in table.rows[0]] == ["A", "1.50"]
    assert [cell.numeric for cell in table.rows[0]] == [False, True]


def statuses(n: int) -> pd.DataFrame:
    rows = [
        [f"sub-{i:02d}", "convert", modality, "ok", "", ""]
        for i in range(1, n + 1)
        for modality in ("ct", "mri")
    ]
    table = pd.DataFrame(rows, columns=["subject", "step", "modality", "status", "code", "message"])
    table.loc[0, ["status", "code"]] = ["excluded", "missing_slice"]
    return table


def cohort_report(flow, figure, reproducibility, tables) -> CohortReport:
    return CohortReport(
        title=f"Study {EVIL}",
        flow=flow,
        exclusions=pd.DataFrame(
            [["sub-01", "", "ct", "convert", "missing_slice", EVIL, "Send all slices."]],
            columns=["participant_id", "session", "modality", "step", "code", "message", "hint"],
        ),
        subjects=[
            SubjectEntry(
                f"sub-{i:02d}",
                f"../subjects/sub-{i:02d}/report.html",
                {"ct": "excluded" if i == 1 else "ok", "mri": "ok"},
                {"ct": "missing slice"} if i == 1 else {},
                i % 2,
                {"Conversion": "excluded" if i == 1 else "ok", "Masks": "ok"},
            )
            for i in range(1, 41)
        ],
        flow_figure=figure,
        figures=[figure] * 6,
        manuscript=[(f"Table 1. {EVIL}", {"Word": "../manuscript/tables/a.docx"})],
        statistics=statistics_tables(
            {
                "table1": pd.DataFrame({"": ["age, mean (SD)"], "Overall": ["66.1 (8.2)"]}),
                "correlations": pd.DataFrame(
                    [["pdff", "vbmd", "spearman", "age,sex", 39, -0.61, -0.8, -0.3, 2e-4, 4e-4]],
                    columns=["x", "y", "method", "covariates", "n", "r", "ci_low", "ci_high"]
                    + ["p", "p_fdr"],
                ),
            },
            {"group": None},
            lambda name: {"pdff": "PDFF (%)"}.get(name, name),
        ),
        reproducibility=reproducibility,
        analyses=[
            AnalysisReport("osteoporosis_qct", tables["summary"], tables, [figure] * 5),
            AnalysisReport("fracture", problem="only 3 participants have the event"),
        ],
        methods={"CT": "calibrated with five rods"},
        versions={"osteoflow": "0.1"},
        warnings=[f"glcm_Contrast is {EVIL}"],
        files={"what every feature is": "../cohort/features_dictionary.tsv"},
        label=lambda name: {"pdff": "PDFF (%)"}.get(name, name),
    )


def test_cohort_page_holds_everything_below_its_size(tmp_path):
    tables = report_tables.analysis()
    flow = count_flow(statuses(40), {"ct": "CT", "mri": "MRI"})
    drawn, caption = draw_flow(flow, Figures())
    save(drawn, tmp_path / "flow", ["png", "svg"], 300, caption)
    figure = ReportFigure.from_files("Flow", tmp_path / "flow", caption, "../figures")
    assert figure.links == {"SVG": "../figures/flow.svg", "PNG": "../figures/flow.png"}
    features = pd.DataFrame(
        [
            ["inter_rater", "pdff", "L1-L4_trabecular", f"f{i}", 13, low]
            for i, low in enumerate((0.2, 0.6, 0.8, 0.85, 0.95, np.nan))
        ],
        columns=["comparison", "image", "roi", "feature", "n", "icc21_low"],
    )
    reproducibility = reproducibility_tables(None, features, None, set())
    bands = [cell.text for cell in reproducibility[0].rows[0]]
    assert bands == ["two raters", "pdff", "L1–L4 trabecular", "13", "6", "1", "1", "2", "1", "1"]
    report = cohort_report(flow, figure, reproducibility, tables)
    text = render_cohort(report)
    page = check_self_contained(text)
    assert len(text) < 3_000_000
    assert EVIL not in text and "&lt;script&gt;" in text
    for word in (
        "Send all slices.",
        "PDFF (%)",
        "Only 3 participants have the event.",
        "4.2 events per candidate predictor; at least 10 are usual.",
        "GLCM Contrast",
        "Calibrated with five rods.",
        "✗ excluded",
        "age, sex",
    ):
        assert word in page.words, word
    assert any(word.startswith("Incorporation bias:") for word in page.words)
    assert "Radiomic features that depart from the IBSI standard" in page.words
    assert "what every feature is" in page.words
    assert "../cohort/features_dictionary.tsv" in page.addresses
    assert "../manuscript/tables/a.docx" in page.addresses and "#manuscript" in page.addresses
    assert sum(a.startswith("../subjects/") for a in page.addresses) == 40
    auc = tables["performance"].query("model == 'combined' and set == 'cv' and metric == 'auc'")
    assert f"{auc['value'].iloc[0]:.3f} (" in text
    assert "Radiomic features by the lower 95 % limit of the intraclass correlation" in page.words


def test_cohort_page_of_an_empty_study():
    text = render_cohort(
        CohortReport(
            title="Empty",
            flow=count_flow(statuses(1), {"mri": "MRI"}),
            exclusions=pd.DataFrame(),
            subjects=[SubjectEntry("sub-01", None, {"mri": "ok"})],
        )
    )
    page = check_self_contained(text)
    assert "Nobody was excluded." in page.words and "Statistics" not in page.words


TRUTH_COLUMNS = ["participant_id", "roi", "metric", "value", "unit", "scan_model"]
MEASURED_COLUMNS = ["participant_id", "session", "rater", "roi", "metric", "value", "unit"]


def truth_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    truth, measured = [], []
    for participant, error, model in (
        ("01", 0.5, "matched"),
        ("02", -1.1, "matched"),
        ("03", 4.0, "other_spectrum"),
    ):
        for level, value in (("L1", 40.0), ("L2", 50.0)):
            truth.append([participant, f"{level}_trabecular", "pdff", value, "%", model])
            truth.append([participant, level, "vbmd_apparent", 90.0, "mg/cm3", "matched"])
            truth.append([participant, level, "vbmd_mineral", 110.0, "mg/cm3", "matched"])
            for rater, roi, metric, v, unit in (
                (1, f"{level}_trabecular", "pdff_mean", value + error, "%"),
                (2, f"{level}_trabecular", "pdff_mean", 0.0, "%"),
                (1, level, "pdff_mean", 0.0, "%"),
                (1, f"{level}_trabecular", "vbmd_mean", 90 + 4 * error, "mg/cm3 K2HPO4"),
            ):
                measured.append([participant, "", rater, roi, metric, v, unit])
        truth.append([participant, "L1-L2_trabecular", "pdff", 45.0, "%", model])
        truth.append([participant, "ct", "snr", 50.0, "1", "matched"])
    return (
        pd.DataFrame(measured, columns=MEASURED_COLUMNS),
        pd.DataFrame(truth, columns=TRUTH_COLUMNS),
    )


def test_truth_errors_per_scan_model_and_limits():
    per_vertebra, summary = compare_truth(*truth_tables())
    rows = summary.set_index(["metric", "scan_model"])
    pdff = rows.loc[("pdff", "matched")]
    assert (pdff["n"], pdff["n_missing"]) == (4, 0)
    assert pdff["mean_absolute_error"] == pytest.approx(0.8)
    assert pdff["mean_error"] == pytest.approx(-0.3)
    assert pdff["sd_error"] == pytest.approx(np.std([0.5, 0.5, -1.1, -1.1], ddof=1))
    assert pdff["max_absolute_error"] == pytest.approx(1.1)
    assert pdff["limit"] == 1.0 and pdff["met"]
    other = rows.loc[("pdff", "other_spectrum")]
    assert other["mean_absolute_error"] == pytest.approx(4.0)
    assert np.isnan(other["limit"]) and pd.isna(other["met"])
    vbmd = rows.loc[("vbmd_apparent", "matched")]
    assert vbmd["mean_absolute_error"] == pytest.approx((2 + 4.4 + 16) / 3)
    assert vbmd["limit"] == 3.0 and not vbmd["met"]
    assert np.isnan(rows.loc[("vbmd_mineral", "matched"), "limit"])
    assert len(per_vertebra) == 18 and set(per_vertebra["roi"]) == {"L1", "L2"}
    assert quantity_label("pdff") == "PDFF (%)"


def test_truth_counts_what_was_not_measured_and_refuses_doubt():
    measured, truth = truth_tables()
    without = measured[measured["participant_id"] != "02"]
    _, summary = compare_truth(without, truth)
    row = summary.set_index(["metric", "scan_model"]).loc[("pdff", "matched")]
    assert (row["n"], row["n_missing"]) == (2, 2)
    _, none = compare_truth(measured.iloc[:0], truth)
    assert (none["n"] == 0).all() and none["met"].isna().all()
    with pytest.raises(ValueError, match="measured in 1, simulated in %"):
        compare_truth(measured.assign(unit="1"), truth)
    with pytest.raises(ValueError, match="pdff of 01 L1 is given twice"):
        compare_truth(measured, pd.concat([truth, truth.iloc[:1]]))
    with pytest.raises(ValueError, match="truth: no column scan_model"):
        compare_truth(measured, truth.drop(columns="scan_model"))
