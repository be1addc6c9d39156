"""This installation against the IBSI-1 digital phantom: the count is real, failures are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from osteoflow.cli import main
from osteoflow.config import load_config
from osteoflow.radiomics import compliance, extract, families
from osteoflow.radiomics.compliance import (
    Agreement,
    Deviation,
    check_digital_phantom,
    check_installation,
    compare,
    deviations,
    digital_phantom,
    reference_values,
    statement,
)
from osteoflow.radiomics.dictionary import features, ibsi_tag
from osteoflow.radiomics.settings import FeatureClass, RadiomicsSettings
from osteoflow.reports.ibsi import read_compliance
from osteoflow.reports.methods import describe_methods
from osteoflow.resources import ROOT

EXTERNAL = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
RECIPE = RadiomicsSettings(name="a", image="b", unit="1", range=(1, 6), bin_width=1)


def mapped(texture: str) -> list[str]:
    """Features with a reference value, counted apart from the code that compares."""
    return [name for name in features() if ibsi_tag(name, texture) in reference_values()]


def test_the_shipped_phantom_is_the_published_one() -> None:
    image, mask = digital_phantom()
    assert image.data.shape == mask.shape == (5, 4, 4)
    assert mask.sum() == 74 and np.isfinite(image.data).all()
    # Mean and largest value as the standard gives them.
    assert image.data[mask].mean() == pytest.approx(2.149, abs=5e-4)
    assert image.data[mask].max() == 6 and image.data.max() == 9
    heads = (ROOT / "resources" / "ibsi").glob("*.tsv")
    texts = ["".join(line for line in path.open() if line.startswith("#")) for path in heads]
    assert len(texts) == 2 and all("theibsi.github.io" in text for text in texts)
    assert any("CC BY 4.0" in text and "Zwanenburg" in text for text in texts)


@pytest.mark.skipif(not EXTERNAL, reason="OSTEOFLOW_EXTERNAL_DATA is unset: no IBSI files")
def test_the_shipped_tables_are_those_of_ibsi() -> None:
    from osteoflow.io.volume import read_volume

    folder = Path(EXTERNAL) / "radiomics"
    image, mask = digital_phantom()
    theirs = read_volume(folder / "ibsi_1_digital_phantom/nifti/image/phantom.nii.gz", float)
    region = read_volume(folder / "ibsi_1_digital_phantom/nifti/mask/mask.nii.gz")
    assert image.same_grid(theirs) and np.array_equal(image.data, theirs.data)
    assert np.array_equal(mask, region.data > 0)
    lines = (folder / "ibsi_1_reference_values/ibsi_1_dig_phantom.csv").read_text("utf-8-sig")
    cells = [line.split(";") for line in lines.splitlines()[1:]]
    assert reference_values() == {
        tag: (float(value), float(tolerance)) for value, tolerance, tag in cells if value
    }


def test_all_mapped_features_agree() -> None:
    solid, flat = check_installation()
    assert deviations([solid, flat]) == []
    assert solid.total == solid.passed == len(mapped("3D")) >= 102
    sized = [n for n in mapped("2D") if ibsi_tag(n, "2D").startswith(("morph_", "loc_"))]
    assert flat.total == len(mapped("2D")) - len(sized) >= 91
    assert statement([solid, flat]) == (
        f"IBSI-1 digital phantom {solid.total}/{solid.total} on this installation "
        f"(merged 2D: {flat.total}/{flat.total})"
    )


@pytest.mark.parametrize("texture", ["3D", "2D"])
def test_another_discretisation_is_reported_as_fewer(texture, monkeypatch) -> None:
    right = extract.discretise

    def wrong(values, settings, filtered):
        return right(values, settings, filtered) + (values > 3)

    monkeypatch.setattr(extract, "discretise", wrong)
    found = check_digital_phantom(texture)
    assert found.total == check_total(texture) and found.passed < found.total - 40
    named = {item.feature for item in found.failed}
    assert "glcm_Contrast" in named and "gldm_HighGrayLevelEmphasis" in named
    # Intensities are not discretised, and an entropy does not ask what a level is called.
    assert not {"firstorder_Mean", "firstorder_Entropy"} & named


def check_total(texture: str) -> int:
    names = mapped(texture)
    if texture == "2D":
        names = [n for n in names if not ibsi_tag(n, "2D").startswith(("morph_", "loc_"))]
    return len(names)


def test_one_wrong_or_missing_feature_is_named(monkeypatch) -> None:
    family = families.FAMILIES["glszm"]

    def wrong(roi):
        values = family.compute(roi)
        values["ZoneVariance"] *= 1.01
        del values["ZoneEntropy"]
        return values

    table = {**families.FAMILIES, "glszm": families.Family(wrong)}
    monkeypatch.setattr(extract, "FAMILIES", table)
    found = check_digital_phantom("3D")
    assert {item.feature for item in found.failed} == {"glszm_ZoneVariance", "glszm_ZoneEntropy"}
    assert found.passed == found.total - 2
    text = "\n".join(deviations([found]))
    assert "glszm_ZoneVariance (szm_zs_var_3D) is 334, the reference 331" in text
    assert "glszm_ZoneEntropy (szm_zs_entr_3D) is nan" in text
    assert f"{found.total - 2}/{found.total} on this installation" in statement([found])


def test_a_feature_that_gains_a_tag_joins_the_count(monkeypatch) -> None:
    expected = {**reference_values(), "novel": (1.0, 0.0)}
    monkeypatch.setattr(compliance, "reference_values", lambda: expected)
    plain = compliance.ibsi_tag
    monkeypatch.setattr(
        compliance,
        "ibsi_tag",
        lambda name, way: "novel" if name == "glcm_MCC" else plain(name, way),
    )
    found = check_digital_phantom("3D")
    assert found.total == len(mapped("3D")) + 1
    assert [item.feature for item in found.failed] == ["glcm_MCC"]


def test_values_are_compared_in_three_digits_within_the_tolerance() -> None:
    expected = {"stat_mean": (2.15, 0.0), "stat_var": (3.05, 0.1), "stat_skew": (1.08, 0.0)}
    values = {"original_firstorder_Mean": 2.1486, "original_firstorder_Variance": 3.16}
    found = compare(values, RECIPE, expected)
    assert (found.total, found.passed) == (3, 1)
    assert [item.tag for item in found.failed] == ["stat_skew", "stat_var"]
    assert compare(values, RECIPE.model_copy(update={"classes": ("glcm",)}), expected).total == 0


def test_all_classes_are_checked() -> None:
    asked = {feature.feature_class for feature in features().values() if feature.ibsi_tag}
    assert asked <= set(get_args(FeatureClass))


def write_study(folder: Path) -> Path:
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("study: {title: A}\n")
    (folder / "config" / "subjects.tsv").write_text("participant_id\tdicom\nsub-01\traw\n")
    return folder


def test_check_states_it_and_names_what_fails(tmp_path, capsys, monkeypatch) -> None:
    study = write_study(tmp_path / "study")
    assert main(["check", str(study)]) == 0
    said = capsys.readouterr()
    assert f"IBSI-1 digital phantom {len(mapped('3D'))}/" in said.out
    assert "Warning" not in said.out and said.err == ""
    item = Deviation("glcm_Contrast", "cm_contrast_3D_avg", 5.0, 5.32, 0.0)
    monkeypatch.setattr(compliance, "check_installation", lambda: [Agreement("3D", 102, (item,))])
    assert main(["check", str(study)]) == 0
    said = capsys.readouterr().out
    assert "IBSI-1 digital phantom 101/102 on this installation" in said
    assert "Warning: IBSI-1 digital phantom, 3D: glcm_Contrast" in said


def test_the_command_loads_nothing_of_it_before_it_is_asked() -> None:
    code = "import sys, osteoflow.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"radiomics", "SimpleITK", "numpy"} & set(done.stdout.split())


def test_methods_state_it_where_there_is_radiomics() -> None:
    settings = load_config({}).model_dump(mode="json")
    told = describe_methods(settings, {}, compliance="IBSI-1 digital phantom 102/102")
    assert told["extract_radiomics"].endswith(". IBSI-1 digital phantom 102/102")
    settings["radiomics"]["images"] = {}
    assert "102/102" not in str(describe_methods(settings, {}, compliance="102/102"))


def test_the_report_reads_what_the_job_wrote(tmp_path) -> None:
    assert read_compliance([]).statement == "" and not read_compliance([]).files
    path = tmp_path / "ibsi_compliance.json"
    path.write_text(json.dumps({"statement": "101/102", "warnings": ["glcm_Contrast"]}))
    found = read_compliance([path])
    assert (found.statement, list(found.warnings)) == ("101/102", ["glcm_Contrast"])
    assert all(address.startswith("../") for address in found.files.values())
