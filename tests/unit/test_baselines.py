"""The mean density or CT number that radiomic features of a CT are compared with by default."""

from __future__ import annotations

import pytest
import yaml

from osteoflow.cli import main
from osteoflow.config import Config, load_config
from osteoflow.models.baselines import baseline_words
from osteoflow.models.predictor_notes import predictor_notes
from osteoflow.settings.analysis import Analysis

VBMD = {"metric": "vbmd_mean", "levels": ["L1", "L2"]}
HU = {"metric": "hu_mean", "levels": ["L1"]}
SHELL = {"metric": "vbmd_mean", "levels": ["L1"], "voi": "cortical"}
PDFF = {"metric": "pdff_mean", "levels": ["L1"]}
DXA = "dxa_tscore <= -2.5"


def read(summaries: list, outcome: str = DXA, image: str = "vbmd", **changes) -> Config:
    analysis = {"name": "a", "outcome": outcome, "clinical": ["age"], "radiomics": {"image": image}}
    content = {
        "analyses": [analysis | changes],
        "cohort": {"summaries": summaries},
        "radiomics": {"images": {name: {"settings": name} for name in ("ct", "vbmd", "pdff")}},
        "segmentation": {"further_voi": ["cortical"]},
    }
    return load_config(content)


@pytest.mark.parametrize(
    ("summaries", "changes", "wanted"),
    [
        ([PDFF, HU, VBMD], {}, ["vbmd_l1l2_mean"]),
        ([PDFF, HU, VBMD], {"image": "ct"}, ["vbmd_l1l2_mean"]),
        ([HU, SHELL], {}, ["hu_l1_mean"]),
        # What defines the outcome is none; the other one is.
        ([HU, VBMD], {"outcome": "vbmd_l1l2_mean < 80"}, ["hu_l1_mean"]),
        ([HU, VBMD], {"outcome": "l1_hu_class == osteoporosis"}, ["vbmd_l1l2_mean"]),
        ([HU, VBMD], {"outcome": "vbmd_l1l2_mean < 80 and hu_l1_mean < 110"}, []),
        ([HU, VBMD], {"kind": "survival", "time": "years"}, ["vbmd_l1l2_mean"]),
        # Declared ones stay, and so do models of density alone.
        ([HU, VBMD], {"baselines": ["hu_l1_mean"]}, ["hu_l1_mean"]),
        ([HU, VBMD], {"baselines": ["age"]}, ["age"]),
        ([HU, VBMD], {"baselines": []}, []),
        ([HU, VBMD], {"measurements": ["hu_l1_mean"]}, []),
        ([HU, VBMD, PDFF], {"measurements": ["hu_l1_mean", "pdff_l1_mean"]}, ["vbmd_l1l2_mean"]),
        # MRI is not measured by what CT says.
        ([HU, VBMD], {"image": "pdff"}, []),
        ([HU, VBMD], {"image": ["pdff", "vbmd"]}, ["vbmd_l1l2_mean"]),
        ([HU, VBMD], {"radiomics": None}, []),
    ],
)  # fmt: skip
def test_baselines_by_default(summaries, changes, wanted):
    (analysis,) = read(summaries, **changes).analyses
    assert analysis.baselines == wanted
    assert analysis.models[: len(wanted)] == [f"baseline_{name}" for name in wanted]
    assert not any("HU alone" in text for text in predictor_notes(analysis))
    # What the workflow hands over is what was read.
    assert Analysis(**analysis.model_dump(mode="json")) == analysis


def test_a_mean_that_is_missing_is_told_with_the_line_to_add():
    (analysis,) = read([PDFF, SHELL]).analyses
    assert analysis.baselines is None and analysis.models == ["clinical", "radiomics", "combined"]
    (note,) = predictor_notes(analysis)
    line = note.partition("add the line '")[2].partition("'")[0]
    added = yaml.safe_load(line)
    assert read([PDFF, *added]).analyses[0].baselines == ["hu_l1l2_mean"]
    assert "no such mean is declared" in baseline_words(analysis)["baselines"]
    # Where CT numbers define the outcome, the density is asked for.
    (analysis,) = read([HU], outcome="hu_l1_mean < 110").analyses
    assert "metric: vbmd_mean" in predictor_notes(analysis)[0]


def test_baselines_are_told_in_the_methods():
    def words(**changes) -> dict[str, str]:
        return baseline_words(read([HU, VBMD], **changes).analyses[0])

    assert words()["baselines"].startswith("vBMD L1–L2 alone, which every other")
    assert "declares none" in words(baselines=[])["baselines"]
    assert words(baselines=["age"])["baselines"].startswith("age alone, which every other")
    assert words(baselines=["age"])["baselines"].endswith("HU alone: the study declares none")
    both = "vbmd_l1l2_mean < 80 and hu_l1_mean < 110"
    assert "both define the outcome" in words(outcome=both)["baselines"]
    assert words(image="pdff") == {} == words(measurements=["hu_l1_mean"])


def test_an_outcome_that_cannot_be_read_is_left_to_its_own_check():
    assert read([HU, VBMD], outcome="a < < 3").analyses[0].baselines == []


def test_an_analysis_outside_a_configuration_has_no_baselines_yet():
    analysis = Analysis(name="a", outcome=DXA, radiomics={"image": "vbmd"})
    assert analysis.models == ["radiomics"] and analysis.columns == []


def test_a_check_asks_for_a_baseline(tmp_path, capsys):
    rows = "".join(f"{n}\traw/{n}\t{50 + n}\t{-n / 8}\n" for n in range(40))
    config = (
        "cohort: {summaries: [{metric: pdff_mean, levels: [L1]}]}\n"
        f"analyses: [{{name: a, outcome: {DXA}, clinical: [age], radiomics: {{image: vbmd}}}}]\n"
    )
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "subjects.tsv").write_text(
        "participant_id\tdicom\tage\tdxa_tscore\n" + rows, encoding="utf-8"
    )
    for text, expected in (
        (config, 1),
        (config.replace("clinical: [age]", "clinical: [age], baselines: []"), 0),
    ):
        (tmp_path / "config" / "config.yaml").write_text(text, encoding="utf-8")
        assert main(["check", str(tmp_path)]) == 0
        printed = [line for line in capsys.readouterr().out.splitlines() if "Warning: ana" in line]
        assert len(printed) == expected
        assert all("analyses.a: no model of vBMD or HU alone" in line for line in printed)
