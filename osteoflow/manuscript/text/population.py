"""Who was studied, and who was left out of what."""

from __future__ import annotations

import pandas as pd

from osteoflow.cohort.review import OPEN_STATE, REJECTED_STATE
from osteoflow.io.tables import of_reading
from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import paragraph, plain
from osteoflow.wording import count, listing, step_name

_KNOWN_REASONS = {"fractured": "fractured", "dense": "with cement or metal"}


def population(facts: Facts) -> list[str]:
    """Paragraphs of the section."""
    return [
        text
        for text in (
            paragraph([_enrolled(facts), *_modalities(facts.flow, _unit(facts))]),
            paragraph([_left_out(facts), _reviewed(facts)]),
        )
        if text
    ]


def _unit(facts: Facts) -> str:
    """What the flow counts: people, or their scan sessions where somebody has several."""
    return "participant" if len(facts.people) == facts.n_people else "scan session"


def _enrolled(facts: Facts) -> str:
    people, scans = facts.n_people, len(facts.people)
    text = f"the study comprised {count(people, 'participant')}"
    return text + (f" with {count(scans, 'scan session')}" if scans != people else "")


def _modalities(flow: pd.DataFrame, unit: str) -> list[str]:
    """A sentence per modality: how many were analysed, excluded at which step, not acquired."""
    found = []
    for _, rows in flow.groupby("modality", sort=False):
        n = rows.groupby("outcome")["n"].sum().astype(int)
        absent, enrolled = int(n.get("absent", 0)), int(n.get("enrolled", 0))
        if absent == enrolled:
            continue  # nobody has it: the study is not about it
        analysed = int(n.get("analysed", 0))
        parts = [f"{analysed} of {count(enrolled, unit)} {_were(analysed)} analysed"]
        if absent:
            parts.append(f"{absent} had no such images")
        lost = rows[rows["outcome"] == "excluded"]
        if len(lost):
            total = int(lost["n"].sum())
            reasons = "; ".join(
                f"{plain(row.reason)} at {step_name(row.step)}, n = {row.n}"
                for row in lost.itertuples()
            )
            parts.append(f"{total} {_were(total)} excluded ({reasons})")
        else:
            parts.append("none was excluded")
        found.append(f"for {_label(rows['label'].iloc[0])}, {listing(parts)}")
    return found


def _label(label: str) -> str:
    """``CT: vBMD`` -> ``CT (vBMD)``."""
    modality, colon, of = str(label).partition(": ")
    return plain(f"{modality} ({of})" if colon else label)


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def _left_out(facts: Facts) -> str:
    """Levels that do not count in means."""
    if not facts.left_out:
        return ""
    parts = [
        f"{count(n, 'vertebra', 'vertebrae')} {_reason(reason)}"
        for reason, n in facts.left_out.items()
    ]
    rules = facts.settings["cohort"]["left_out"]
    grade, share = rules["fracture_grade"], rules["dense_share"]
    rule = []
    if "fractured" in facts.left_out and grade is not None:
        rule.append(f"Genant grade {grade} or more{cite('genant1993')} as fractured")
    if "dense" in facts.left_out and share is not None:
        rule.append(
            f"more than {share:g} % of the trabecular volume above 1000 HU as cement or metal"
        )
    told = f", counting {listing(rule)}" if rule else ""
    return f"means over levels were formed without {listing(parts)}{told}"


def _reason(reason: str) -> str:
    return _KNOWN_REASONS.get(reason, f"left out for another reason ({plain(reason)})")


def _reviewed(facts: Facts) -> str:
    """What a review of outlines and maps decided."""
    if facts.review is None:
        return ""
    rows = of_reading(facts.review)
    rows = rows[(rows["roi"] != "all") & rows["state"].notna()]
    seen = rows[rows["state"] != OPEN_STATE]
    if seen.empty:
        return ""
    n = int((seen["state"] == REJECTED_STATE).sum())
    text = f"{len(seen)} of {count(len(rows), 'outlined region')} {_were(len(seen))} reviewed"
    return (
        f"{text} by eye with the measured values hidden, and {n or 'none'} {_were(n or 1)} rejected"
    )
