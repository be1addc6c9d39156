"""What a whole run leaves behind: every file, every exclusion, and numbers near the truth."""

import json
import re
import subprocess
import sys

import pytest
from identities import any_of, identities_in, leak

from osteoflow.io.tables import feature_columns, read_table
from osteoflow.resources import ROOT

from .conftest import CONFIG, PARTICIPANTS, osteoflow, write_study

SUBJECTS = [f"sub-{number:02d}" for number in range(1, PARTICIPANTS + 1)]
NO_SLICE, NO_PHANTOM, TRUNCATED = SUBJECTS[-3:]
IMAGES = [
    "anat/{s}_ct",
    "ct/{s}_vBMDmap",
    "anat/{s}_part-mag_MEGRE",
    "anat/{s}_part-phase_MEGRE",
    "mri/{s}_PDFFmap",
    "mri/{s}_R2starmap",
    "mri/{s}_T2starmap",
    "mri/{s}_fieldmap",
    "mri/{s}_desc-water_MEGRE",
    "mri/{s}_desc-fat_MEGRE",
    "mri/{s}_desc-residual_MEGRE",
    "mri/{s}_desc-quality_mask",
    "mri/{s}_desc-swapSuspicion_mask",
    *(
        f"seg/{{s}}_space-{space}{entity}_dseg"
        for space in ("ct", "mri")
        for entity in ("", "_desc-rater2", "_desc-trabecular", "_desc-trabecularRater2")
    ),
]
SUBJECT_FILES = [
    *(f"{image}.{ending}" for image in IMAGES for ending in ("nii.gz", "json")),
    "ct/{s}_calibration.json",
    "seg/{s}_dseg.tsv",
    "seg/{s}_heights.tsv",
    "seg/{s}_regions.tsv",
    "seg/{s}_agreement.tsv",
    "radiomics/{s}_features.tsv",
    *(f"{folder}/status.json" for folder in ("anat", "seg", "mri", "ct", "radiomics")),
    "measurements.tsv",
    "status.json",
    "report.html",
]
# Tables of the manuscript that this study's settings ask for.
MANUSCRIPT_TABLES = [
    "characteristics",
    "comparison_osteoporosis",
    "correlations",
    "correlation_matrix_bone",
    "mixed_model_vbmd",
    *(f"measurement_{name}_measurements" for name in ("roc", "cutoffs", "differences")),
    "agreement",
    "precision",
    "outline_overlap",
    "feature_agreement",
    "exclusions",
    *(
        f"{name}_osteoporosis"
        for name in (
            *("sets", "performance", "auc_differences", "reclassification", "nested_models"),
            *("selected_features", "regression", "leakage_check", "sample_size"),
        )
    ),
]
# What only outcomes of another kind have: files without content.
OF_OTHER_KINDS = {
    f"models/osteoporosis/{table}.tsv"
    for table in (
        "assumptions",
        "confusion",
        "kaplan_meier",
        "log_rank",
        "hazard_ratios",
        "baseline_hazard",
    )
}
COHORT_FILES = [
    *OF_OTHER_KINDS,
    *(
        f"manuscript/tables/{table}.{ending}"
        for table in MANUSCRIPT_TABLES
        for ending in ("tsv", "html", "docx", "tex")
    ),
    *(f"manuscript/tables/{name}" for name in ("index.tsv", "tables.docx", "tables.tex")),
    *(
        f"cohort/{table}.{ending}"
        for table in ("participants", "measurements", "features", "perturbed_features")
        for ending in ("tsv", "parquet")
    ),
    "cohort/participants.json",
    "cohort/features_dictionary.tsv",
    *(
        f"cohort/{table}.tsv"
        for table in ("dice", "exclusions", "flow", "review", "status", "truth", "truth_summary")
    ),
    "cohort/truth.txt",
    *(
        f"statistics/{table}"
        for table in (
            "table1.tsv",
            "table1.json",
            "comparisons.tsv",
            "comparison_pairs.tsv",
            "correlations.tsv",
            "correlation_matrices.tsv",
            "measurement_roc.tsv",
            "measurement_cutoffs.tsv",
            "measurement_pairs.tsv",
            "measurement_roc_points.tsv",
            "mixed_effects.tsv",
            "mixed_models.tsv",
            "reproducibility.tsv",
            "reproducibility_features.tsv",
            "feature_volume.tsv",
            "overlap.tsv",
            "bland_altman.tsv",
            "bland_altman_points.tsv",
        )
    ),
    *(
        f"models/osteoporosis/{table}.tsv"
        for table in (
            "predictions",
            "performance",
            "comparisons",
            "selection",
            "filters",
            "coefficients",
            "lasso_path",
            "lasso_cv",
            "calibration",
            "decision_curve",
            "roc",
            "nomogram_points",
            "nomogram_calibration",
            "signature",
            "classification",
            "reclassification",
            "nested",
            "optimism",
            "permutations",
            "permuted_scores",
            "sample_size",
            "performance_by_site",
        )
    ),
    "models/osteoporosis/nomogram.json",
    "models/osteoporosis/stard.json",
    "models/osteoporosis/calculator.html",
    "models/osteoporosis/summary.json",
    *(
        f"figures/{figure}.{ending}"
        for figure in (
            "flow",
            "bland_altman",
            "correlation_pdff_l1l2l3_mean_vbmd_l1l2_mean",
            "heatmap_bone",
            "measurement_roc_measurements",
            "truth",
            *(
                f"osteoporosis/{name}"
                for name in (
                    "stard",
                    "nomogram",
                    "nomogram_calibration",
                    "roc",
                    "calibration",
                    "decision_curve",
                    "lasso",
                    "permutation",
                )
            ),
        )
        for ending in ("png", "pdf", "svg", "rst")
    ),
    "manuscript/methods.md",
    "manuscript/methods.bib",
    *(
        f"manuscript/checklist_{name}.{ending}"
        for name in ("clear", "metrics", "tripod_ai", "stard")
        for ending in ("tsv", "md", "docx")
    ),
    "report/index.html",
    "report/ibsi_compliance.json",
    "report/workflow.html",
]


def made(study):
    """Files under results, without inventory, logs and benchmarks."""
    results = study / "results"
    return {
        path.relative_to(results).as_posix()
        for path in results.rglob("*")
        if path.is_file()
        and path.relative_to(results).parts[0] not in ("inventory", "logs", "benchmarks")
        and path.name != ".snakemake_timestamp"
    }


def size(study, path):
    return (study / "results" / path).stat().st_size


# What the exclusion of a broken participant leaves out.
NOT_MADE = {
    NO_SLICE: r"anat/.*_ct\.|ct/.*(vBMDmap|calibration)|seg/.*space-ct",
    NO_PHANTOM: r"ct/.*(vBMDmap|calibration)",
    TRUNCATED: r"anat/.*MEGRE|mri/sub|seg/.*space-mri",
}


def subject_files(study):
    """Files that each subject must have: all, but those of an exclusion or of no second rater."""
    table = read_table(study / "config" / "subjects.tsv").set_index("participant_id")
    expected = set()
    for subject in SUBJECTS:
        row = table.loc[subject]
        absent = [f"space-{s}.*ater2" for s in ("ct", "mri") if row.isna()[f"{s}_mask_rater2"]]
        absent.append(NOT_MADE.get(subject, "nothing is left out"))
        for path in SUBJECT_FILES:
            full = path.format(s=subject)
            if not re.match("|".join(f"(.*{pattern})" for pattern in absent), full):
                expected.add(f"subjects/{subject}/{full}")
    return expected


def test_every_file_is_made_and_no_other(finished):
    assert made(finished) == set(COHORT_FILES) | subject_files(finished) | {"status.tsv"}


def test_every_file_has_content(finished):
    for path in made(finished):
        assert (size(finished, path) == 0) == (path in OF_OTHER_KINDS), path


def test_exclusions_name_step_and_reason(finished):
    table = read_table(finished / "results" / "cohort" / "exclusions.tsv")
    found = {(r.participant_id, r.modality, r.step, r.code) for r in table.itertuples()}
    assert found == {
        (NO_SLICE, "ct", "convert", "missing_slice"),
        (NO_PHANTOM, "ct", "calibrate_ct", "phantom_not_found"),
        (TRUNCATED, "mri", "convert", "truncated_file"),
    }
    assert table["hint"].str.len().min() > 10


def test_what_is_still_usable_counts(finished):
    people = read_table(finished / "results" / "cohort" / "participants.tsv")
    people = people.set_index("participant_id")
    measured = people[["vbmd_l1l2_mean", "hu_l1l2_mean", "pdff_l1l2l3_mean"]].notna()
    assert measured.loc[NO_SLICE].tolist() == [False, False, True]
    assert measured.loc[NO_PHANTOM].tolist() == [False, True, True]
    assert measured.loc[TRUNCATED].tolist() == [True, True, False]
    assert measured.drop([NO_SLICE, NO_PHANTOM, TRUNCATED]).all(axis=None)


def test_measurements_are_near_the_truth(finished):
    summary = read_table(finished / "results" / "cohort" / "truth_summary.tsv")
    matched = summary[summary["scan_model"] == "matched"].set_index("metric")
    assert matched.loc["pdff", "mean_absolute_error"] <= 1.0
    assert matched.loc["vbmd_apparent", "mean_absolute_error"] <= 3.0
    assert matched.loc["pdff", "n"] >= 20
    # Marrow fat lowers the single-energy density: the mineral alone is underestimated.
    assert matched.loc["vbmd_mineral", "mean_error"] < -10
    assert len(summary["scan_model"].unique()) > 1


def test_sidecars_state_unit_method_and_parameters(finished):
    folder = finished / "results" / "subjects" / SUBJECTS[0]
    pdff = json.loads((folder / "mri" / f"{SUBJECTS[0]}_PDFFmap.json").read_text())
    assert pdff["Units"] == "%"
    assert pdff["FatSpectrum"] == "bone_marrow"
    assert len(pdff["EchoTime"]) == 6
    vbmd = json.loads((folder / "ct" / f"{SUBJECTS[0]}_vBMDmap.json").read_text())
    assert vbmd["Units"] == "mg/cm3 K2HPO4"
    voi = folder / "seg" / f"{SUBJECTS[0]}_space-ct_desc-trabecular_dseg.json"
    assert json.loads(voi.read_text())["ErosionMillimetres"] == 4.0


def test_every_feature_of_the_cohort_is_described(finished):
    cohort = finished / "results" / "cohort"
    columns = feature_columns(read_table(cohort / "features.tsv").columns)
    described = read_table(cohort / "features_dictionary.tsv")
    assert set(described["name"]) == set(columns) and len(columns) > 50
    assert described[["definition", "unit", "ibsi_code"]].notna().sum().min() > len(columns) / 2
    means = described[described["name"] == "original_firstorder_Mean"].set_index("image")["unit"]
    assert means.to_dict() == {"vbmd": "mg/cm3 K2HPO4", "pdff": "%"}


def test_the_report_states_how_far_features_follow_the_standard(finished):
    report = finished / "results" / "report"
    found = json.loads((report / "ibsi_compliance.json").read_text(encoding="utf-8"))
    assert [a["failed"] for a in found["aggregations"]] == [[], []]
    for aggregation in found["aggregations"]:
        assert aggregation["passed"] == aggregation["total"] >= 91
    assert "pyradiomics-bhklab" in found["versions"]
    page = (report / "index.html").read_text(encoding="utf-8")
    assert found["statement"] in page and "../cohort/features_dictionary.tsv" in page
    assert "Radiomic features that depart" not in page


def test_models_and_nomogram_hold_numbers(finished):
    folder = finished / "results" / "models" / "osteoporosis"
    summary = json.loads((folder / "summary.json").read_text())
    assert "not_possible" not in summary
    assert summary["n"] == PARTICIPANTS - 1
    performance = read_table(folder / "performance.tsv")
    auc = performance[performance["metric"] == "auc"]
    assert set(auc["model"]) == {"clinical", "radiomics", "combined"}
    assert auc["value"].between(0, 1).all()
    # DeLong has no interval for an area of 0.5 by a constant score; the method says so.
    stated = auc["ci_low"].notna() | auc["method"].str.contains("not defined")
    assert stated.all()
    known = auc.dropna(subset=["ci_low"])
    assert len(known) >= 4
    assert ((known["ci_low"] <= known["value"]) & (known["value"] <= known["ci_high"])).all()
    predictions = read_table(folder / "predictions.tsv")
    held = set(predictions.loc[predictions["set"] == "holdout", "participant_id"])
    trained = set(predictions.loc[predictions["set"] == "cv", "participant_id"])
    assert held
    assert not held & trained


def test_no_identity_leaves_the_inventory(finished):
    values = identities_in(finished / "raw" / "dicom")
    assert len(values) > 7 * PARTICIPANTS
    assert any("operator note" in value for value in values)
    # One search for all of them: any identity in any file fails.
    forbidden = any_of(values)
    files = [
        path
        for place in (finished / "results", finished / ".snakemake")
        for path in place.rglob("*")
        if path.is_file() and "inventory" not in path.relative_to(finished).parts
    ]
    assert len(files) > 1000
    assert list(filter(None, (leak(path, forbidden) for path in files))) == []
    # The files are searched, whatever they are packed in: what each kind of them holds is found.
    for name, held in (
        ("manuscript/tables/tables.docx", "Osteoporosis"),
        ("cohort/participants.parquet", "dxa_tscore"),
        ("figures/flow.pdf", "excluded"),
    ):
        assert leak(finished / "results" / name, any_of({held})), name


def test_the_methods_tell_what_this_run_did(finished):
    folder = finished / "results" / "manuscript"
    text = (folder / "methods.md").read_text(encoding="utf-8")
    keys = set(re.findall(r"@([a-z]+\d{4})", text))
    listed = re.findall(r"^@\w+\{(\w+),", (folder / "methods.bib").read_text("utf-8"), re.MULTILINE)
    assert keys == set(listed) and len(keys) > 30
    for sentence in (
        f"The study comprised {PARTICIPANTS} participants.",
        f"For CT (vBMD), {PARTICIPANTS - 2} of {PARTICIPANTS} participants were analysed and 2 "
        "were excluded (missing slice at conversion, n = 1; phantom not found at CT calibration, "
        "n = 1).",
        "tube voltage 120 kV",
        "3-fold cross-validation, 2 times",
        "100 resamples of participants",
    ):
        assert sentence in text
    metrics = read_table(folder / "checklist_metrics.tsv")
    assert len(metrics) == 35
    assert (metrics["status"] == "filled").sum() >= 15


def test_reports_link_and_show(finished):
    index = (finished / "results" / "report" / "index.html").read_text(encoding="utf-8")
    for href in re.findall(r'href="(\.\./[^"#]+)"', index):
        assert (finished / "results" / "report" / href).resolve().exists(), href
    assert index.count("data:image/png") >= 9
    workflow = (finished / "results" / "report" / "workflow.html").read_text(encoding="utf-8")
    assert "DeLong" in workflow


def test_two_runs_on_other_cores_give_identical_tables(finished, tmp_path):
    """Four subjects again, one core: their tables and the maps behind them are the same bytes."""
    lines = (finished / "config" / "subjects.tsv").read_text().splitlines()
    text = "\n".join(lines[:5]).replace("raw/", f"{finished}/raw/") + "\n"
    config = CONFIG.replace("raw/truth.tsv", f"{finished}/raw/truth.tsv")
    write_study(tmp_path, text, config)
    osteoflow("run", tmp_path, "--cores", 1, "--", "participants")
    for subject in SUBJECTS[:4]:
        for name in ("measurements.tsv", f"radiomics/{subject}_features.tsv"):
            path = f"results/subjects/{subject}/{name}"
            assert (tmp_path / path).read_bytes() == (finished / path).read_bytes(), path


def test_plain_snakemake_works_in_the_study(finished):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--directory", finished]
        + ["-n", "--cores", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize("subject", [NO_SLICE, NO_PHANTOM, TRUNCATED])
def test_pages_of_broken_participants_say_why(finished, subject):
    page = (finished / "results" / "subjects" / subject / "report.html").read_text()
    codes = {
        NO_SLICE: "missing_slice",
        NO_PHANTOM: "phantom_not_found",
        TRUNCATED: "truncated_file",
    }
    assert codes[subject] in page or codes[subject].replace("_", " ") in page
