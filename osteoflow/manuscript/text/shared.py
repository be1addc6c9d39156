"""What several analyses do alike is told once, and what they do otherwise under their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from osteoflow.manuscript.text.markup import code
from osteoflow.wording import listing

# Name of a step, and its words.
Step = tuple[str, str]


def by_audience(told: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """Sentences grouped by the analyses they are true of.

    Parameters
    ----------
    told
        Analysis -> its sentences, in order.

    Returns
    -------
    list of tuple
        Words to go before the first sentence (``for `a` and `b`, ``; empty where it is all of
        them), and sentences in the order in which they first come.
    """
    audience: dict[str, list[str]] = {}
    for name, sentences in told.items():
        for text in dict.fromkeys(sentences):
            audience.setdefault(text, []).append(name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for text, names in audience.items():
        groups.setdefault(tuple(names), []).append(text)
    # What is true of most comes first.
    ordered = sorted(groups.items(), key=lambda item: -len(item[0]))
    return [(_whom(names, told), sentences) for names, sentences in ordered]


def merged_steps(steps: Mapping[str, Sequence[Step]]) -> list[str] | None:
    """One order of the steps of all analyses, with each variant of a step.

    Parameters
    ----------
    steps
        Analysis -> its steps, in order.

    Returns
    -------
    list of str
        ``LASSO: L1-penalised ...`` where all do the same, else the words of each. None if two
        analyses take the same steps in another order.
    """
    order: list[str] = []
    for own in steps.values():
        place = 0
        for name, _ in own:
            if name in order[:place]:
                return None
            if name in order:
                place = order.index(name) + 1
            else:
                order.insert(place, name)
                place += 1
    found = []
    for step in order:
        variants = by_audience({name: [w for s, w in own if s == step]
                                for name, own in steps.items()})  # fmt: skip
        parts = [f"{whom}{'; '.join(words)}" for whom, words in variants]
        found.append(f"{step}: {'; '.join(parts)}")
    return found


def _whom(names: Sequence[str], everyone: Mapping[str, object]) -> str:
    if len(names) == len(everyone):
        return ""
    return f"for {listing([code(name) for name in names])}, "
