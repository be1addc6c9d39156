"""Cells that several tables have."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from typing import Any

from osteoflow.images import IMAGES, RADIOMICS
from osteoflow.model_names import BASELINE
from osteoflow.model_names import model_name as named_as_in_figures
from osteoflow.statistics.rules import parse_rule
from osteoflow.wording import (
    DASH,
    NOT_ESTIMABLE,
    agreement_words,
    count,
    listing,
    number,
    quantity,
    quantity_estimate,
    quantity_interval,
    sentence,
    significant,
)

_SIGNS = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠"}
NOT_POSSIBLE = "Not possible: "


def text_of(value: Any) -> str:
    """A cell of a machine table as text: a dash where it is missing, whole numbers as such."""
    # Missing is what does not equal itself, None, and pandas' NA, which has no truth.
    if value is None or type(value).__name__ == "NAType" or value != value:  # noqa: PLR0124
        return DASH
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        whole = float(value).is_integer()
        return number(float(value), 0) if whole else significant(float(value))
    return str(value)


def note_of(value: Any) -> str:
    """A note of a machine table; empty where it has none."""
    text = text_of(value)
    return "" if text == DASH else text.strip()


def value_cell(kind: str, value: float) -> str:
    """A number by what it is, or a dash."""
    return _or_dash(quantity(kind, value))


def estimate_cell(kind: str, value: float, low: float, high: float) -> str:
    """A number with its interval, or a dash."""
    return _or_dash(quantity_estimate(kind, value, low, high))


def interval_cell(kind: str, low: float, high: float) -> str:
    """``−3.1 to 4.2``, or a dash."""
    return _or_dash(quantity_interval(kind, low, high))


def agreement_cells(row: dict[str, Any]) -> tuple[str, str]:
    """Bias with its interval, and limits of agreement, of a row of reproducibility."""
    names = ("bias", "bias_low", "bias_high", "loa_low", "loa_high")
    bias, limits = agreement_words(*(row[name] for name in names))
    return _or_dash(bias), _or_dash(limits)


def df_cell(value: float) -> str:
    """Degrees of freedom: whole ones as such."""
    whole = value == value and float(value).is_integer()  # noqa: PLR0124
    return number(float(value), 0) if whole else value_cell("df", value)


def sizes_words(sizes: Iterable[Any]) -> str:
    """``n = 20``, or ``n = 18–20`` where numbers of participants differ."""
    known = [int(size) for size in sizes]
    low, high = min(known), max(known)
    return f"n = {low}" if low == high else f"n = {low}{DASH}{high}"


def of_events(n: Any, events: Any) -> str:
    """``38 (16)``; participants alone where the outcome has no events."""
    text = text_of(events)
    return text_of(n) if text == DASH else f"{text_of(n)} ({text})"


def _or_dash(text: str) -> str:
    return DASH if text == NOT_ESTIMABLE else text


def bare(label: str) -> tuple[str, str]:
    """A label and the unit in brackets at its end (none: empty)."""
    if label.endswith(")") and " (" in label:
        name, _, unit = label.rpartition(" (")
        return name, unit[:-1]
    return label, ""


def rule_words(rule: str, label: Callable[[str], str]) -> str:
    """``dxa_tscore <= -2.5`` -> ``DXA T-score ≤ −2.5 SD``; the text itself if it is no rule."""
    try:
        parts = parse_rule(rule)
    except ValueError:
        return rule
    words = []
    for part in parts:
        if part.sign is None:
            words.append(label(part.column))
            continue
        name, unit = bare(label(part.column))
        numeric = isinstance(part.value, float)
        value = significant(part.value, 6) if numeric else str(part.value)
        words.append(f"{name} {_SIGNS.get(part.sign, part.sign)} {value} {unit * numeric}".strip())
    return listing(words)


def group_heading(name: str, group: str) -> str:
    """Heading of a group: a rule's "no" and "yes" with a capital, a column's value as it is."""
    return name.capitalize() if name in ("no", "yes") else name


def outcome_words(summary: dict[str, Any], label: Callable[[str], str]) -> str:
    """``Osteoporosis (DXA T-score ≤ −2.5 SD)``."""
    rule = rule_words(str(summary.get("outcome", "")), label)
    name = str(summary.get("outcome_label") or "")
    return f"{name} ({rule})" if name and rule and rule != name else name or rule


def size_words(n: int | None, events: Any) -> str:
    """``80 participants, 31 with the event``; without events where the outcome has none."""
    if n is None:
        return ""
    words = count(int(n), "participant")
    return words if events is None else f"{words}, {int(events)} with the event"


def model_title(
    what: str, summary: dict[str, Any], label: Callable[[str], str], *facts: str
) -> str:
    """``Performance of the models: Osteoporosis (DXA T-score ≤ −2.5 SD; 80 participants)``."""
    name, rule = str(summary.get("outcome_label") or ""), str(summary.get("outcome") or "")
    words = rule_words(rule, label)
    inside = [words] if name and words and words != name else []
    brackets = "; ".join([*inside, *filter(None, facts)])
    return f"{what}: {name or words}" + (f" ({brackets})" if brackets else "")


def image_name(names: str) -> str:
    """``pdff`` -> ``PDFF``, ``pdff, vbmd`` -> ``PDFF, vBMD``; of outlines ``mri`` -> ``MRI``."""
    found = ((name, RADIOMICS.get(name) or IMAGES.get(name)) for name in names.split(", "))
    return ", ".join(image.label if image else name.upper() for name, image in found)


def model_name(name: str, label: Callable[[str], str]) -> str:
    """``combined`` -> ``Combined``, ``baseline_hu_l1_mean`` -> ``CT number L1 alone``."""
    labels = {}
    if name.startswith(BASELINE):
        column = name.removeprefix(BASELINE)
        labels = {column: bare(label(column))[0]}
    return named_as_in_figures(name, labels)


def reason_of(summary: dict[str, Any]) -> str:
    """Why an analysis has no tables; empty where it has."""
    reason = summary.get("not_possible")
    return f"{NOT_POSSIBLE}{sentence(str(reason), capital=False)}" if reason else ""


def title_of(name: str) -> str:
    """``combined`` -> ``Combined``, ``two_step`` -> ``Two step``."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
