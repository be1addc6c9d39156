"""Steps of outcome models in words: what each is called, its place in the text, its sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.markup import plain
from osteoflow.resources import read_resource

DATA, PIPELINE, EVALUATION = "data", "pipeline", "evaluation"


class Step(NamedTuple):
    """A row of ``resources/method_steps.tsv``.

    Attributes
    ----------
    name
        In words.
    part
        :data:`DATA`, :data:`PIPELINE` or :data:`EVALUATION`.
    cites
        Keys of ``resources/references.tsv``.
    """

    name: str
    part: str
    cites: tuple[str, ...]


@cache
def known_steps() -> Mapping[str, Step]:
    """All rows by step."""
    return {
        row["step"]: Step(row["name"], row["part"], tuple((row["cites"] or "").split()))
        for row in read_resource("method_steps.tsv")
    }


def step_of(name: str) -> Step:
    """A step by the name in a summary; one that no row describes speaks for itself.

    A step whose name begins with a known one (``radiomics_svm`` does not, ``svm_radial`` does)
    is told under its own name with the known one's part and sources.
    """
    known = known_steps()
    if name in known:
        return known[name]
    parents = [step for step in known if name.startswith(f"{step}_")]
    words = name.replace("_", " ")
    if not parents:
        return Step(words, PIPELINE, ())
    return known[max(parents, key=len)]._replace(name=words)


def told_steps(methods: Mapping[str, str], part: str) -> list[tuple[str, str]]:
    """Name and words of the steps of one part, in the summary's order."""
    found = []
    for name, words in methods.items():
        step = step_of(name)
        text = plain(words).rstrip(" .")
        if step.part == part and text and text != "none":
            found.append((plain(step.name), f"{text}{cite(*step.cites)}"))
    return found


def told(methods: Mapping[str, str], part: str) -> list[str]:
    """Steps of one part as sentences: ``LASSO: L1-penalised ... [@tibshirani1996]``."""
    return [f"{name}: {words}" for name, words in told_steps(methods, part)]


def has_step(methods: Iterable[str], *wanted: str) -> bool:
    """Whether any step is, or begins as, one of those wanted."""
    return any(name == each or name.startswith(f"{each}_") for name in methods for each in wanted)
