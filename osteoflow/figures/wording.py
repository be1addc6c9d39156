"""Numbers in words, as captions, figures and reports print them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from osteoflow.io.tables import feature_columns

NOT_ESTIMABLE = "not estimable"
MINUS = "\N{MINUS SIGN}"

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


def number(value: float | None, digits: int = 2) -> str:
    """A number with fixed decimals and a true minus sign; never ``-0.00``."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMABLE
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def significant(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits, without an exponent where that stays readable."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMABLE
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{max(digits - 2, 1)}e}".replace("-", MINUS)
    size = 0 if value == 0 else math.floor(math.log10(abs(value)))
    text = f"{value:.{max(digits - 1 - size, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """``0.62 to 0.91``; "to" keeps negative limits readable."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return NOT_ESTIMABLE
    return f"{number(low, digits)} to {number(high, digits)}"


def estimate(value: float, low: float, high: float, digits: int = 2) -> str:
    """``0.80 (0.62 to 0.91)``; the value alone where no interval was found."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(value, digits)
    return f"{number(value, digits)} ({interval(low, high, digits)})"


def p_value(p: float | None) -> str:
    """``p = 0.012``; two decimals from 0.1 on, three below, ``p < 0.001`` at the end."""
    if p is None or not math.isfinite(p):
        return f"p {NOT_ESTIMABLE}"
    if p < 0.001:
        return "p < 0.001"
    if p > 0.99:
        return "p > 0.99"
    # 0.0996 belongs to the two-decimal side once it is rounded.
    return f"p = {p:.2f}" if round(p, 3) >= 0.1 else f"p = {p:.3f}"


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


def feature_name(name: str) -> str:
    """``original_glcm_Contrast`` -> ``GLCM Contrast``; other filters keep their name in front."""
    if not feature_columns([name]):
        return name
    image, family, rest = name.split("_", 2)
    said = _FAMILIES.get(family, family.upper())
    return f"{said} {rest}" if image == "original" else f"{said} {rest} ({image})"
