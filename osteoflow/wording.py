"""Numbers in words: the one rule by which tables, captions, figures and reports print them.

A number is rounded once, from full precision, by what it is (:func:`quantity`):

=========================================  =====================================================
AUC, C, Brier, ICC, Dice, net benefit,     three decimals
NRI, IDI, coefficients per standard
deviation
p                                          three decimals; ``< 0.001`` and ``> 0.999``
shares (sensitivity, frequency ...)        in per cent, one decimal
correlations, effect sizes, z, t,          two decimals
calibration slope and intercept
odds and hazard ratios                     two decimals; from 10 on and below 0.1 three and two
                                           significant digits
mean (SD), median [quartiles]              decimals by the spread, the same for both: one from 1
                                           to 100, none above, below two digits of the spread
anything else (units, coefficients)        three significant digits, in an interval the decimals
                                           of its largest number
degrees of freedom that are not whole      one decimal
=========================================  =====================================================

A bias has the decimals of its limits of agreement (:func:`agreement_words`). Zeros at the end stay
in tables; axes do without them (:func:`significant`). A subject's page, which is for checking,
shows four digits of each measurement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from osteoflow.io.tables import feature_columns

NOT_ESTIMABLE = "not estimable"
MINUS = "\N{MINUS SIGN}"
# What a table's cell holds where there is no number.
DASH = "\N{EN DASH}"
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

_UNITS = {"K2HPO4": "K₂HPO₄", "H2O": "H₂O", "um2": "µm²"}

# Decimals of quantities that have a scale of their own, by the name that tables give them.
DECIMALS = {
    **dict.fromkeys(("auc", "c_index", "brier", "icc", "dice", "net_benefit", "deviance"), 3),
    **dict.fromkeys(("threshold", "probability", "kappa", "standardised"), 3),
    **dict.fromkeys(("kappa_quadratic", "kappa_linear", "ranked_probability_score", "r2"), 3),
    **dict.fromkeys(("correlation", "pearson_r", "spearman_r", "effect", "statistic"), 2),
    **dict.fromkeys(("calibration_slope", "calibration_intercept"), 2),
    **dict.fromkeys(("nri", "idi"), 3),
    "brier_horizon": 3,
    "df": 1,
    "observed_over_expected": 2,
}
# Shares of 1, given in per cent.
SHARES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "share", "frequency")
SHARE_DECIMALS = 1
RATIOS = ("ratio", "odds_ratio", "hazard_ratio")
# Numbers outside are written as a power of ten.
_LEAST, _MOST = 1e-4, 1e7

# Families of features that are no abbreviation.
_FAMILIES = {
    "firstorder": "First-order",
    "shape": "Shape",
    "morphology": "Morphology",
    "local": "Local",
    "spatial": "Spatial",
    "intensity": "Intensity",
    "histogram": "Histogram",
    "fractal": "Fractal",
}
COMPARISON_WORDS = {
    "inter_rater": "two raters",
    "intra_rater": "one rater, twice",
    "scan_rescan": "repeated scans",
    "perturbation": "perturbed images",
}
# The regression behind the models of each kind of outcome.
REGRESSIONS = {
    "binary": "logistic regression",
    "ordinal": "proportional-odds regression",
    "continuous": "linear regression",
    "survival": "Cox regression",
}
# Measures of how well a model does, as rows of a table.
MEASURES = {
    "auc": "AUC",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "sensitivity": "Sensitivity (%)",
    "specificity": "Specificity (%)",
    "threshold": "Threshold",
    "c_index": "Concordance",
    "auc_hand_till": "AUC, Hand and Till",
    "kappa_quadratic": "Weighted kappa, quadratic",
    "kappa_linear": "Weighted kappa, linear",
    "accuracy": "Accuracy (%)",
    "ranked_probability_score": "Ranked probability score",
    "r2": "R²",
    "rmse": "Root mean squared error",
    "mae": "Mean absolute error",
    "pearson_r": "Pearson's r",
    "spearman_r": "Spearman's rho",
    "bias": "Bias (predicted − measured)",
    "limit_low": "Lower limit of agreement",
    "limit_high": "Upper limit of agreement",
    "auc_horizon": "AUC at the horizon",
    "brier_horizon": "Brier score at the horizon",
    "observed_over_expected": "Observed over expected risk",
}
STEPS = {
    "inventory": "inventory",
    "convert": "conversion",
    "totalsegmentator": "TotalSegmentator",
    "totalspineseg": "TotalSpineSeg",
    "spineps": "SPINEPS",
    "spine_segment": "spine-segment",
    "segment": "masks",
    "map_mri": "MRI maps",
    "calibrate_ct": "CT calibration",
    "extract_radiomics": "radiomics",
    "measure": "measurements",
    "review": "review",
}


def measure_name(metric: str) -> str:
    """Heading of a measure of a model; ``auc_<class>`` is that class against all others."""
    if metric in MEASURES:
        return MEASURES[metric]
    if metric.startswith("auc_"):
        return f"AUC, {metric.removeprefix('auc_')} against the rest"
    words = metric.replace("_", " ")
    return words[:1].upper() + words[1:]


def number(value: float | None, digits: int = 2) -> str:
    """A number with fixed decimals and a true minus sign; never ``-0.00``."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMABLE
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def significant(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits, no zeros at its end, as short as an axis wants."""
    text, times, power = _digits(value, digits).partition(" × ")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text + times + power


def _digits(value: float | None, digits: int) -> str:
    """A number with so many significant digits, zeros at the end included."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMABLE
    if value != 0 and not _LEAST <= abs(value) < _MOST:
        mantissa, _, exponent = f"{value:.{max(digits - 1, 1)}e}".partition("e")
        raised = str(int(exponent)).translate(_RAISED)
        return f"{mantissa} × 10{raised}".replace("-", MINUS)
    return number(value, decimals_for(abs(value), digits))


def decimals_for(size: float, digits: int = 3) -> int:
    """Decimals that show so many significant digits of a number of this size."""
    if not math.isfinite(size) or size <= 0:
        return digits - 1
    # 9.996 has three digits as 10.0.
    size = float(f"{size:.{digits - 1}e}")
    return max(digits - 1 - math.floor(math.log10(size)), 0)


def spread_decimals(spread: float, value: float = 0.0) -> int:
    """Decimals of a mean (SD) or median [quartiles], by the SD or the distance of the quartiles.

    Without any spread those that show three digits of the value.
    """
    if not math.isfinite(spread) or spread <= 0:
        return decimals_for(abs(value), 3)
    if spread >= 100:
        return 0
    return max(decimals_for(spread, 2), 1)


def true_minus(text: str) -> str:
    """Numbers that another program wrote, with a true minus sign and no ``-0.0``."""
    return re.sub(r"-(?=0(?:\.0+)?(?![\d.]))", "", text).replace("-", MINUS)


def mean_sd(mean: float, sd: float) -> str:
    """``98.3 (15.4)``; a dash for the SD of a single value."""
    digits = spread_decimals(sd, mean)
    spread = number(sd, digits) if math.isfinite(sd) else DASH
    return f"{number(mean, digits)} ({spread})"


def median_quartiles(low: float, middle: float, high: float) -> str:
    """``51.2 [46.0, 58.1]``."""
    digits = spread_decimals(high - low, middle)
    return f"{number(middle, digits)} [{number(low, digits)}, {number(high, digits)}]"


def ratio(value: float | None) -> str:
    """An odds or hazard ratio: two decimals, or significant digits where these say nothing."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMABLE
    if 0.1 <= round(abs(value), 2) < 10:
        return number(value, 2)
    return _digits(value, 3 if abs(value) > 1 else 2)


def _scale(kind: str) -> str:
    """The areas of single classes are areas."""
    return "auc" if kind.startswith("auc_") else kind


def quantity(kind: str, value: float | None) -> str:
    """A number by what it is: a name of ``DECIMALS``, ``SHARES`` or ``RATIOS``, or another."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMABLE
    kind = _scale(kind)
    if kind in SHARES:
        return number(100 * value, SHARE_DECIMALS)
    if kind in RATIOS:
        return ratio(value)
    return number(value, DECIMALS[kind]) if kind in DECIMALS else _digits(value, 3)


def quantity_interval(kind: str, low: float | None, high: float | None) -> str:
    """``0.623 to 0.911``, by what it is."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return NOT_ESTIMABLE
    return " to ".join(_together(kind, low, high))


def quantity_estimate(kind: str, value: float | None, low: float | None, high: float | None) -> str:
    """``0.801 (0.623 to 0.911)``, by what it is; the value alone where no interval was found."""
    if value is None or low is None or high is None:
        return quantity(kind, value)
    if not all(map(math.isfinite, (value, low, high))):
        return quantity(kind, value)
    first, *limits = _together(kind, value, low, high)
    return f"{first} ({' to '.join(limits)})"


def _together(kind: str, *values: float) -> list[str]:
    """Numbers of one interval: those of no fixed scale have the decimals of the largest."""
    kind = _scale(kind)
    if kind in DECIMALS or kind in SHARES or kind in RATIOS:
        return [quantity(kind, value) for value in values]
    size = max(map(abs, values))
    if size and not _LEAST <= size < _MOST:
        return [_digits(value, 3) for value in values]
    return [number(value, decimals_for(size, 3)) for value in values]


def limits_decimals(low: float, high: float) -> int:
    """Decimals of a bias and its limits of agreement: those of the larger limit."""
    return decimals_for(max(abs(low), abs(high)), 3)


def agreement_words(
    bias: float, bias_low: float, bias_high: float, low: float, high: float
) -> tuple[str, str]:
    """A bias with its interval, and the limits of agreement, all with the same decimals."""
    if not all(map(math.isfinite, (bias, low, high))):
        return NOT_ESTIMABLE, NOT_ESTIMABLE
    digits = limits_decimals(low, high)
    words = number(bias, digits)
    if math.isfinite(bias_low) and math.isfinite(bias_high):
        words += f" ({interval(bias_low, bias_high, digits)})"
    return words, interval(low, high, digits)


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """``0.62 to 0.91``; "to" keeps negative limits readable."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return NOT_ESTIMABLE
    return f"{number(low, digits)} to {number(high, digits)}"


def p_value(p: float | None) -> str:
    """``p = 0.012``, ``p < 0.001``, ``p > 0.999``."""
    if p is None or not math.isfinite(p):
        return f"p {NOT_ESTIMABLE}"
    text = p_number(p)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def p_number(p: float | None) -> str:
    """A p value without its letter: three decimals, ``< 0.001``, ``> 0.999``; a dash for none."""
    if p is None or not math.isfinite(p):
        return DASH
    if p < 0.001:
        return "< 0.001"
    return "> 0.999" if p > 0.999 else f"{p:.3f}"


def listing(words: Sequence[str]) -> str:
    """``a, b and c``."""
    words = list(words)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """``1 event``, ``12 events``."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def sentence(text: str, capital: bool = True) -> str:
    """First letter in upper case unless told otherwise, one full stop at the end."""
    text = text.strip()
    if not text:
        return ""
    first = text[0].upper() if capital else text[0]
    return first + text[1:] + ("" if text[-1] in ".!?" else ".")


def step_name(step: str) -> str:
    """A step of the workflow in words."""
    return STEPS.get(step, step.replace("_", " "))


def unit_name(unit: object, *, difference: bool = False) -> str:
    """A unit with raised and lowered digits: ``mg/cm3 K2HPO4`` -> ``mg/cm³ K₂HPO₄``.

    Parameters
    ----------
    unit
        As in the measurements; what is no text prints as nothing.
    difference
        Whether two values are subtracted: per cent become percentage points.
    """
    if not isinstance(unit, str):
        return ""
    if difference and unit == "%":
        return "percentage points"
    for plain, printed in _UNITS.items():
        unit = unit.replace(plain, printed)
    return re.sub(r"(?<=[cm]m)[23]\b", lambda found: found[0].translate(_RAISED), unit)


def region_name(roi: str) -> str:
    """``L1-L4_trabecular`` -> ``L1–L4 trabecular``."""
    return roi.replace("-", DASH).replace("_", " ")


def feature_name(name: str) -> str:
    """``original_glcm_Contrast`` -> ``GLCM Contrast``; other filters stand in brackets behind it.

    Where features of several images stand side by side, theirs is named:
    ``pdff:original_glcm_Contrast`` -> ``GLCM Contrast of PDFF``.
    """
    from osteoflow.images import RADIOMICS

    scan, _, feature = name.rpartition(":")
    if not feature_columns([feature]):
        return name
    image, family, rest = feature.split("_", 2)
    said = f"{_FAMILIES.get(family, family.upper())} {rest}"
    said += "" if image == "original" else f" ({image})"
    return said + (f" of {RADIOMICS[scan].label if scan in RADIOMICS else scan}" if scan else "")
