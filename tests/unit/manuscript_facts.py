"""Facts of small studies, as the manuscript's text reads them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from osteoflow.config import load_config
from osteoflow.manuscript.text.facts import AnalysisFacts, Facts
from osteoflow.models.method_words import methods
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.settings.analysis import Analysis

CT = {
    "Source": "dicom",
    "KVP": 120.0,
    "XRayTubeCurrent": 180.0,
    "SliceThickness": 1.0,
    "ConvolutionKernel": "B40",
    "Manufacturer": "Maker",
    "ManufacturerModelName": "CT 1",
}
MRI = {
    "Source": "dicom",
    "MagneticFieldStrength": 3.0,
    "RepetitionTime": 0.02,
    "FlipAngle": 3.0,
    "EchoTime": [0.0012, 0.0028],
    "Manufacturer": "Maker",
    "SliceThickness": 4.0,
}
MASK = {"Units": "VerSe label", "SourceScheme": "verse", "Warnings": []}
COMPLEX_FIT = "complex multi-peak fit, bone_marrow spectrum, one R2*, 6 echoes"
ANALYSIS = {
    "name": "fracture",
    "outcome": "fracture",
    "outcome_label": "Vertebral fracture",
    "clinical": ["age"],
    "radiomics": {"image": "vbmd"},
    "holdout_fraction": 0.3,
}


def flow(**modalities: list[tuple[str, str, str, int]]) -> pd.DataFrame:
    """Rows (outcome, step, reason, n) of each modality."""
    labels = {"ct": "CT: vBMD", "mri": "MRI: fat fraction"}
    rows = [
        (name, labels[name], outcome, step, reason.replace(" ", "_"), reason, n)
        for name, found in modalities.items()
        for outcome, step, reason, n in found
    ]
    columns = ["modality", "label", "outcome", "step", "code", "reason", "n"]
    return pd.DataFrame(rows, columns=columns)


def performance(models: list[str], sets: tuple[str, ...] = ("cv", "holdout")) -> pd.DataFrame:
    """AUC, calibration, sensitivity and specificity of each model and set."""
    rows = []
    for part in sets:
        how = "DeLong" if part == "holdout" else "mean over test folds"
        for model in models:
            rows += [
                (model, part, "auc", 0.8, 0.62, 0.91, how),
                (model, part, "calibration_slope", 0.9, 0.4, 1.4, "logistic recalibration, Wald"),
                (model, part, "sensitivity", 0.75, 0.4, 0.9, "Wilson"),
                (model, part, "specificity", 0.5, 0.2, 0.8, "Wilson"),
            ]
    columns = ["model", "set", "metric", "value", "ci_low", "ci_high", "method"]
    return pd.DataFrame(rows, columns=columns)


def analysis_facts(steps: dict[str, str] | None = None, **changes: Any) -> AnalysisFacts:
    """A fitted analysis: 40 participants, 12 held out."""
    chosen = Analysis.model_validate(ANALYSIS)
    models = ["clinical", "radiomics", "combined"]
    summary = {
        "name": "fracture",
        "outcome": "fracture",
        "outcome_label": "Vertebral fracture",
        "n": 40,
        "n_participants": 40,
        "n_events": 16,
        "n_holdout": 12,
        "n_events_holdout": 4,
        "clinical": ["age"],
        "radiomics": {"image": "vbmd", "roi": "L1-L4_trabecular", "n_features": 107},
        "models": models,
        "warnings": [],
        "incorporation_bias": False,
        "seed": 7,
        "methods": methods(chosen, has_holdout=True) if steps is None else steps,
        "excluded": [],
        **changes,
    }
    tables = {
        "performance": performance(models),
        "comparisons": pd.DataFrame(
            [
                (
                    "combined",
                    "clinical",
                    0.1,
                    -0.05,
                    0.25,
                    1.3,
                    0.19,
                    "paired DeLong on the hold-out",
                )
            ],
            columns=["model_a", "model_b", "difference", "ci_low", "ci_high", "z", "p", "test"],
        ),
        "filters": pd.DataFrame(
            [("reliability", 107, 80), ("redundancy", 80, 20), ("lasso", 20, 4)],
            columns=["step", "n_in", "n_out"],
        ),
        "decision_curve": pd.DataFrame({"threshold": [0.1], "net_benefit": [0.2]}),
    }
    return AnalysisFacts("fracture", summary, tables, nomogram=True)


def study(config: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """A study of 42 participants with CT alone, one analysis, and radiomics of vBMD."""
    images = {"vbmd": {"settings": "vbmd"}}
    content = {"radiomics": {"images": images}, "analyses": [ANALYSIS]} | (config or {})
    recipe = RadiomicsSettings.model_validate(
        {"name": "vbmd", "image": "vBMD", "unit": "mg/cm3", "resample_mm": 1.5,
         "range": [-200, 600], "bin_width": 10}
    ).model_dump(mode="json")  # fmt: skip
    people = pd.DataFrame({"participant_id": [f"sub-{n:02d}" for n in range(42)]})
    given: dict[str, Any] = {
        "settings": load_config(content).model_dump(mode="json"),
        "flow": flow(
            ct=[
                ("enrolled", "", "", 42),
                ("absent", "", "not acquired", 1),
                ("excluded", "convert", "missing slice", 1),
                ("analysed", "", "", 40),
            ],
            mri=[("enrolled", "", "", 42), ("absent", "", "not acquired", 42)],
        ),
        "exclusions": pd.DataFrame({"participant_id": ["sub-01"], "code": ["missing_slice"]}),
        "people": people,
        "recipes": {"vbmd": recipe},
        "labels": {"age": "Age (years)", "vbmd_l1l2_mean": "vBMD L1-L2 (mg/cm³)"},
        "methods": {"vbmd": ["mindways_model3, 5 rods, K2HPO4"]},
        "n_features": {"vbmd": 107},
        "scans": {"ct": [CT] * 41},
        "outlines": {"ct": [MASK] * 41},
        "analyses": [analysis_facts()],
        "ibsi": "IBSI-1 digital phantom 164/164 on this installation",
        "versions": {"OsteoFlow": "1.2.3", "Python": "3.12", "snakemake": "9", "dcm2niix": "1.0"},
        "code": "0123456789abcdef",
    }
    return Facts(**(given | changes))


def with_mri(**changes: Any) -> Facts:
    """The same study with fat-water MRI beside CT."""
    base = study()
    return study(
        flow=flow(
            ct=[("enrolled", "", "", 42), ("analysed", "", "", 42)],
            mri=[("enrolled", "", "", 42), ("analysed", "", "", 42)],
        ),
        methods={**base.methods, "pdff": [COMPLEX_FIT], "r2star": [COMPLEX_FIT]},
        scans={**base.scans, "mag": [MRI] * 42},
        outlines={"ct": [MASK] * 42, "mri": [MASK] * 42, "mri_rater2": [MASK] * 5},
        **changes,
    )
