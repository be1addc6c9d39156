"""Heat map of correlations and ROC curves of single measurements: page, texts, captions, report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_figures import check_page, text_boxes

from osteoflow.figures.heatmap import draw_heatmap
from osteoflow.figures.measurement_roc import draw_measurement_roc
from osteoflow.io.tables import MEASUREMENT_COLUMNS, read_table, write_table
from osteoflow.io.volume import write_json
from osteoflow.models.measurements import measurement_roc_tables
from osteoflow.reports.cohort_figures import CohortFigures
from osteoflow.reports.statistics import FILES, outcome_warnings, read_statistics
from osteoflow.settings.figures import Figures
from osteoflow.settings.statistics import (
    CorrelationMatrix,
    GroupComparison,
    MeasurementRoc,
    MixedModel,
    Statistics,
)
from osteoflow.statistics.comparison import comparisons_table, pairs_table
from osteoflow.statistics.correlation import correlations_table, matrices_table
from osteoflow.statistics.mixed_table import mixed_tables
from osteoflow.statistics.table1 import declared_table1

SETTINGS = Figures()
LONG = "Trabecular bone mineral density L1–L4 (mg/cm³ K₂HPO₄)"


def related(m: int) -> pd.DataFrame:
    rng = np.random.default_rng(m)
    table = rng.normal(size=(60, m)) + rng.normal(size=(60, 1)) * rng.normal(size=m)
    return pd.DataFrame(table, columns=[f"v{place}" for place in range(m)])


def matrix(table: pd.DataFrame, **more) -> pd.DataFrame:
    variables = [name for name in table if name.startswith("v")]
    return matrices_table(table, [CorrelationMatrix(name="a", variables=variables, **more)])


@pytest.mark.parametrize(("m", "columns"), [(3, 1), (4, 1), (9, 2), (16, 2)])
def test_heat_maps_of_any_size_keep_their_texts_apart(m, columns):
    found = matrix(related(m))
    figure, caption = draw_heatmap(
        found, SETTINGS, lambda name: LONG if int(name[1:]) % 3 == 0 else f"Age {name}"
    )
    width = SETTINGS.single_column_mm if columns == 1 else SETTINGS.double_column_mm
    check_page(figure, width)
    texts = [text for text, _ in text_boxes(figure)]
    # Every pair has its number, and every variable its place below.
    numbers = [text for text in texts if text.replace("−", "-").lstrip("-")[:2] in ("0.", "1.")]
    assert len([text for text in numbers if " " not in text]) == m * (m - 1) // 2
    assert str(m) in texts
    assert f"over the {m * (m - 1) // 2} pairs" in caption


def test_heat_map_marks_what_is_significant_and_what_is_unknown():
    table = related(4).assign(v3=1.0, sex=["F", "M"] * 30)
    found = matrix(table, covariates=["sex"], method="pearson")
    figure, caption = draw_heatmap(found, SETTINGS)
    bold = {
        text.get_text()
        for axes in figure.axes
        for text in axes.texts
        if text.get_fontweight() == "bold"
    }
    expected = found[found["p_fdr"] < 0.05]["r"]
    assert len(bold) == len({f"{r:.2f}" for r in expected})
    assert caption.startswith("Partial Pearson correlations given sex, n = 60.")
    assert "could not be computed" in caption
    assert sum(text == "–" for text, _ in text_boxes(figure)) == 3
    figure, caption = draw_heatmap(found.assign(r=np.nan), SETTINGS)
    assert caption.startswith("No correlation")


def roc_tables(n_measurements: int):
    table = related(n_measurements)
    rng = np.random.default_rng(0)
    table["fracture"] = (table["v0"] + rng.normal(size=60) > 0.3).astype(float)
    names = [name for name in table if name.startswith("v")]
    item = MeasurementRoc(name="a", outcome="fracture", measurements=names, bootstraps=100)
    return table, item, measurement_roc_tables(table, [item], [], {}, 1)


@pytest.mark.parametrize("n_measurements", [1, 5, 12])
def test_roc_of_any_number_of_measurements(n_measurements):
    _, _, found = roc_tables(n_measurements)
    figure, caption = draw_measurement_roc(
        found["points"],
        found["roc"],
        found["cutoffs"],
        "vertebral fracture",
        SETTINGS,
        lambda name: LONG if name == "v2" else f"Measurement {name}",
    )
    check_page(figure, SETTINGS.single_column_mm)
    (axes,) = figure.axes
    left, bottom, right, top = axes.get_position().extents
    width, height = figure.get_size_inches()
    assert (right - left) * width == pytest.approx((top - bottom) * height)
    assert caption.count("(95 % interval") == n_measurements
    styles = {
        (line.get_color(), str(line._dash_pattern))
        for line in axes.lines
        if len(line.get_xdata()) > 2
    }
    assert len(styles) == n_measurements
    best = found["roc"].sort_values("auc", ascending=False).iloc[0]
    assert caption.index(f"Measurement {best['measurement']}" if best["measurement"] != "v2"
                         else LONG) < 500  # fmt: skip


def test_roc_without_curves_says_why():
    table, item, _ = roc_tables(2)
    found = measurement_roc_tables(table.assign(fracture=0.0), [item], [], {}, 1)
    _, caption = draw_measurement_roc(
        found["points"], found["roc"], found["cutoffs"], "fracture", SETTINGS
    )
    assert "fewer than 2 with or without the event" in caption


@pytest.fixture
def statistics(tmp_path):
    """Tables of a small study, written as the workflow writes them."""
    table, roc, found = roc_tables(4)
    table["participant_id"] = [f"sub-{number:02d}" for number in range(60)]
    table["site"] = ["A", "B", "C"] * 20
    table["dxa_interval_days"] = 12.0
    settings = Statistics(
        table1_group="fracture",
        table1_variables=["v1", "site"],
        table1_smd=True,
        comparisons=[
            GroupComparison(
                name="c", group="site", variables=["v1"], test="anova", post_hoc="tukey"
            )
        ],
        correlation_matrices=[CorrelationMatrix(name="a", variables=["v0", "v1", "v2"])],
        mixed_models=[
            MixedModel(name="m", metric="vbmd_mean", levels=["L1", "L2"], fixed=["level", "v1"])
        ],
        measurement_roc=[roc],
    )
    rng = np.random.default_rng(1)
    measurements = pd.DataFrame(
        [
            {
                "participant_id": name,
                "roi": f"{level}_trabecular",
                "metric": "vbmd_mean",
                "value": 100 + 10 * value + rng.normal(0, 4),
                "unit": "mg/cm3 K2HPO4",
                "flag": None,
            }
            for name, value in zip(table["participant_id"], table["v1"], strict=True)
            for level in ("L1", "L2")
        ]
    )
    effects, models = mixed_tables(measurements, table, settings.mixed_models)
    made = declared_table1(table, settings, {}, 1)
    tables = {
        "table1": made.table,
        "comparisons": comparisons_table(table, settings.comparisons, 1),
        "comparison_pairs": pairs_table(table, settings.comparisons),
        "correlations": correlations_table(table, []),
        "correlation_matrices": matrices_table(table, settings.correlation_matrices),
        "mixed_effects": effects,
        "mixed_models": models,
        "measurement_roc": found["roc"],
        "measurement_cutoffs": found["cutoffs"],
        "measurement_pairs": found["pairs"],
        "measurement_roc_points": found["points"],
    }
    for name, part in tables.items():
        write_table(tmp_path / f"{name}.tsv", part)
    write_json(tmp_path / "table1.json", made.document)
    return tmp_path, settings, table


def test_report_tables_of_written_statistics(statistics):
    folder, _, _ = statistics
    assert {path.stem for path in folder.glob("*.tsv")} >= set(FILES)
    found = {table.caption: table for table in read_statistics(folder, str)}
    assert list(found) == [
        "Table 1: characteristics of the participants",
        "Group comparisons",
        "Pairs of groups, with 95 % intervals",
        "Mixed model “m”: vBMD (mg/cm³ K₂HPO₄)",
        "ROC analysis “a”: fracture",
        "Cut-offs, “a”",
        "Differences of areas, “a”",
    ]
    for table in found.values():
        assert all(len(row) == len(table.headings) for row in table.rows)
        assert not any(cell.text in ("nan", "None") for row in table.rows for cell in row)
    compared, written = found["Group comparisons"], read_table(folder / "comparisons.tsv")
    place = [cell.text for cell in compared.headings].index("Groups")
    for row, line in zip(compared.rows, written.to_dict("records"), strict=True):
        for number in ("1", "2"):
            summary = f"(n = {line[f'n_{number}']:.0f}) {line[f'summary_{number}']}"
            assert summary in row[place].text
    assert len(compared.headings) <= 10
    mixed = found["Mixed model “m”: vBMD (mg/cm³ K₂HPO₄)"]
    assert [row[0].text for row in mixed.rows] == ["Intercept", "Level", "v1"]
    assert "120 vertebrae of 60 participants" in mixed.note
    assert "Satterthwaite" in mixed.note
    assert "SMD: absolute" in found["Table 1: characteristics of the participants"].note


def test_outcomes_by_dxa_ask_for_the_interval(statistics):
    _, _, table = statistics
    people = table.drop(columns="dxa_interval_days")
    (said,) = outcome_warnings(["dxa_tscore <= -2.5", "fracture"], people)
    assert said.startswith("'dxa_tscore <= -2.5' rests on DXA")
    assert outcome_warnings(["dxa_tscore <= -2.5"], table) == []
    assert outcome_warnings(["vbmd_l1l2_mean < 80"], people) == []


def test_figures_by_name(statistics):
    folder, settings, _ = statistics
    figures = CohortFigures(SETTINGS, settings, {})
    _, caption = figures.draw("heatmap_a", [folder / "correlation_matrices.tsv"])
    assert "over the 3 pairs" in caption
    names = ("measurement_roc_points", "measurement_roc", "measurement_cutoffs")
    _, caption = figures.draw("measurement_roc_a", [folder / f"{name}.tsv" for name in names])
    assert caption.startswith("ROC curves of single measurements for Event.")
    with pytest.raises(KeyError):
        figures.draw("pie", [])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_study_of_almost_nobody_has_tables_with_reasons(tmp_path, n):
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{place}" for place in range(n)],
            "session": [None] * n,
            "age": np.arange(n) + 60.0,
            "sex": pd.Series(["F", "M", "F"][:n], dtype=object),
            "dxa_tscore": [-3.0, -1.0, -2.6][:n],
            "vbmd_l1l2_mean": np.full(n, np.nan),
        }
    )
    write_table(tmp_path / "none.parquet", pd.DataFrame(columns=MEASUREMENT_COLUMNS))
    group, numbers = "dxa_tscore <= -2.5", ["age", "vbmd_l1l2_mean"]
    settings = Statistics(
        table1_group=group,
        table1_variables=["age", "sex", "vbmd_l1l2_mean"],
        table1_smd=True,
        table1_fdr=True,
        comparisons=[
            GroupComparison(
                name="a", group=group, variables=numbers, test="kruskal", post_hoc="dunn"
            ),
            GroupComparison(name="b", group=group, variables=["sex"], test="fisher"),
        ],
        correlation_matrices=[CorrelationMatrix(name="a", variables=[*numbers, "dxa_tscore"])],
        mixed_models=[MixedModel(name="m", metric="vbmd_mean", fixed=["level", "age", group])],
        measurement_roc=[MeasurementRoc(outcome=group, measurements=numbers)],
    )
    none = read_table(tmp_path / "none.parquet")
    effects, models = mixed_tables(none, table, settings.mixed_models)
    assert effects.empty
    assert models["note"].iloc[0].startswith("nobody has")
    made = declared_table1(table, settings, {}, 1).table
    numeric = made[made["variable"].str.endswith("mean (SD)")]
    assert numeric["p"].isna().all()
    assert numeric["test"].str.startswith("none: ").all()
    compared = comparisons_table(table, settings.comparisons, 1)
    of_numbers = compared[compared["name"] == "a"]
    assert of_numbers["p"].isna().all()
    assert (of_numbers["note"] != "").all()
    # Fisher's test is exact for two people as well.
    assert (compared["p"].notna() | (compared["note"] != "")).all()
    assert pairs_table(table, settings.comparisons).empty
    found = measurement_roc_tables(table, settings.measurement_roc, [], {}, 1)
    assert found["cutoffs"].empty
    assert (found["roc"]["note"] != "").all()
    assert (found["pairs"]["note"] != "").all()
    assert matrices_table(table, settings.correlation_matrices)["r"].isna().all()
