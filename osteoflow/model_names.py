"""Names of models as figures, tables and sentences have them."""

from __future__ import annotations

import re
from collections.abc import Mapping

BASELINE, RADIOMICS = "baseline_", "radiomics_"
LEARNERS = {
    "lasso": "LASSO",
    "elastic_net": "elastic net",
    "logistic": "logistic",
    "svm": "SVM",
    "random_forest": "random forest",
    "gradient_boosting": "gradient boosting",
}
# Words of columns that are no plain words, and the statistic that goes without saying.
_WORDS = {
    "hu": "HU",
    "vbmd": "vBMD",
    "pdff": "PDFF",
    "sff": "SFF",
    "r2star": "R2*",
    "t2star": "T2*",
    "t2": "T2",
    "adc": "ADC",
    "dxa": "DXA",
    "bmd": "BMD",
    "bmi": "BMI",
    "tscore": "T-score",
    "zscore": "Z-score",
    "mean": "",
}
_LEVELS = re.compile(r"([tl]\d+)+")


def model_name(model: str, labels: Mapping[str, str] | None = None) -> str:
    """``radiomics_random_forest`` -> ``Radiomics (random forest)``, ``baseline_hu_l1_mean`` -> ``HU
    L1 alone``.

    Parameters
    ----------
    model
        As the tables have it.
    labels
        Words for columns, of baselines.
    """
    if model.startswith(BASELINE):
        column = model.removeprefix(BASELINE)
        return f"{(labels or {}).get(column) or column_words(column)} alone"
    if model.startswith(RADIOMICS):
        learner = model.removeprefix(RADIOMICS)
        return f"Radiomics ({LEARNERS.get(learner, learner.replace('_', ' '))})"
    text = model.replace("_", " ")
    return text[:1].upper() + text[1:]


def the_model(model: str, labels: Mapping[str, str] | None = None) -> str:
    """A model inside a sentence: ``combined model``, ``HU L1 alone``."""
    name = in_sentence(model, labels)
    return name if model.startswith(BASELINE) else f"{name} model"


def in_sentence(model: str, labels: Mapping[str, str] | None = None) -> str:
    """A model's name inside a sentence: abbreviations keep their capitals."""
    name = model_name(model, labels)
    return name[:1].lower() + name[1:] if name[1:2].islower() and name[0] != "v" else name


def column_words(column: str) -> str:
    """``hu_l1l2_mean`` -> ``HU L1–L2``."""
    words = []
    for word in column.split("_"):
        if _LEVELS.fullmatch(word):
            levels = re.findall(r"[tl]\d+", word)
            ends = dict.fromkeys([levels[0].upper(), levels[-1].upper()])
            words.append("–".join(ends))
        else:
            words.append(_WORDS.get(word.lower(), word))
    return " ".join(filter(None, words)) or column
