"""Features that tell their region's volume: closed forms, limits of the flag, the report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from osteoflow.io.volume import Volume
from osteoflow.radiomics.extract import extract_regions
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.reports.analysis import volume_notes
from osteoflow.reports.reproducibility import volume_table
from osteoflow.statistics.correlation import correlate
from osteoflow.statistics.feature_volume import FEATURE_VOLUME_COLUMNS, feature_volume_table

MESH = "original_shape_MeshVolume"


def cohort(n: int = 30, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    volume = rng.uniform(5e3, 2e4, n)
    features = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02d}" for number in range(n)],
            "session": np.nan,
            "rater": 1,
            "reading": 1,
            "roi": "L1-L4_trabecular",
            "image": "vbmd",
            "n_voxels": (volume / 2).astype(int),
            "flag": np.nan,
            MESH: volume,
            # Energy of constant intensity c in voxels of volume v is c^2 V / v.
            "original_firstorder_Energy": 120.0**2 * volume / 2,
            "original_firstorder_Mean": rng.normal(120, 20, n),
            "original_shape_SurfaceVolumeRatio": volume ** (-1 / 3),
            "original_firstorder_Constant": 1.0,
            "original_glcm_Weak": volume / 4e3 + rng.normal(size=n),
        }
    )
    return features, features[["participant_id", "session"]]


def test_energy_of_a_constant_image_is_its_volume() -> None:
    features, people = cohort()
    table = feature_volume_table(features, people, 0.7).set_index("feature")
    assert list(table.reset_index()[list(FEATURE_VOLUME_COLUMNS)]) == list(FEATURE_VOLUME_COLUMNS)
    assert MESH not in table.index and (table["volume"] == MESH).all()
    energy = table.loc["original_firstorder_Energy"]
    assert (energy["rho"], energy["rho_low"], energy["volume_confounded"]) == (1, 1, "yes")
    inverse = table.loc["original_shape_SurfaceVolumeRatio"]
    assert (inverse["rho"], inverse["rho_high"], inverse["volume_confounded"]) == (-1, -1, "yes")
    mean = table.loc["original_firstorder_Mean"]
    assert mean["volume_confounded"] == "no" and mean["rho_low"] < 0 < mean["rho_high"]
    constant = table.loc["original_firstorder_Constant"]
    assert constant["note"] == "the feature or the volume does not vary"
    assert pd.isna(constant["volume_confounded"])
    # The limit of the correlation counts, not the correlation.
    weak = table.loc["original_glcm_Weak"]
    expected = correlate(features["original_glcm_Weak"], features[MESH])
    assert tuple(weak[["rho", "rho_low", "rho_high"]]) == pytest.approx(
        (expected.r, expected.low, expected.high)
    )
    between = (weak["rho"] + weak["rho_low"]) / 2
    marks = [
        feature_volume_table(features, people, threshold).set_index("feature")
        for threshold in (between, weak["rho_low"] - 0.01)
    ]
    assert [t.loc["original_glcm_Weak", "volume_confounded"] for t in marks] == ["no", "yes"]
    adjusted = table["p_fdr"] >= table["p"]
    assert adjusted[table["p"].notna()].all()


def test_extracted_energy_follows_the_size_and_mean_does_not() -> None:
    """Regions of several sizes in images of one kind, by the feature extraction itself."""
    settings = RadiomicsSettings(
        name="t", image="HU", unit="HU", range=(-500, 500), bin_width=25,
        classes=("shape", "firstorder"),
    )  # fmt: skip
    rows = []
    for number, width in enumerate([6, 7, 8, 9, 10, 11, 12, 13]):
        rng = np.random.default_rng(number)
        image = Volume(rng.normal(100, 20, (20, 20, 20)), np.eye(4))
        mask = np.zeros((20, 20, 20), bool)
        mask[3 : 3 + width, 3:11, 3:11] = True
        found = extract_regions(image, {"a": mask}, settings)["a"]
        identity = {"participant_id": f"sub-{number}", "rater": 1, "reading": 1}
        rows.append({**identity, "roi": "a", "image": "ct", "n_voxels": 1} | found.features)
    features = pd.DataFrame(rows).assign(session=np.nan, flag=np.nan)
    table = feature_volume_table(features, features[["participant_id", "session"]], 0.7)
    table = table.set_index("feature")
    for name in ("firstorder_Energy", "firstorder_TotalEnergy", "shape_VoxelVolume"):
        assert table.loc[f"original_{name}", "rho"] == pytest.approx(1, abs=1e-12)
        assert table.loc[f"original_{name}", "volume_confounded"] == "yes"
    assert table.loc["original_firstorder_Mean", "volume_confounded"] == "no"


def test_one_row_per_participant_and_whole_regions_alone_count() -> None:
    features, people = cohort()
    plain = feature_volume_table(features, people, 0.7)
    more = features.copy()
    more[MESH] = more[MESH].to_numpy()[::-1]
    crowd = pd.concat(
        [features, more.assign(rater=2), more.assign(reading=2), more.assign(session="2")],
        ignore_index=True,
    )
    pd.testing.assert_frame_equal(feature_volume_table(crowd, people, 0.7), plain)
    lacking = features.copy()
    lacking["flag"] = ["missing:L2"] + [None] * 29
    assert (feature_volume_table(lacking, people, 0.7)["n"] == 29).all()
    few = feature_volume_table(features[:3], people, 0.7)
    assert few["rho"].isna().all() and few["note"].str.contains("do not suffice").all()
    counted = feature_volume_table(features.drop(columns=MESH), people, 0.7)
    assert set(counted["volume"]) == {"n_voxels"}
    assert counted["note"].str.contains("number of voxels").all()
    assert feature_volume_table(pd.DataFrame(), people, 0.7).empty


def test_report_counts_and_names_them() -> None:
    features, people = cohort()
    table = feature_volume_table(features, people, 0.7)
    shown = volume_table(table, 0.7)
    cells = "\n".join(str(row) for row in shown.rows)
    assert "Morphology" in cells and "Intensity" in cells
    selection = pd.DataFrame(
        {
            "feature": ["original_firstorder_Energy", "original_firstorder_Mean", MESH],
            "coefficient": [0.4, -0.2, 0.1],
        }
    )
    (note,) = volume_notes(selection, table)
    assert note.startswith("2 of 3 selected features mostly tell the region's volume")
    assert "First-order Energy (rho 1.00)" in note and "MeshVolume (the volume itself)" in note
    assert volume_notes(selection.iloc[1:2], table) == []
    assert volume_notes(selection, None) == []
    assert volume_table(pd.DataFrame(), 0.7) is None
