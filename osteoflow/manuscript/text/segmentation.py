"""Who or what outlined the bones, and which volumes were measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from osteoflow.images import RATERS
from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import paragraph, plain
from osteoflow.reports.methods import SEEDED_TEXT
from osteoflow.wording import count, listing

_PAPERS = {
    "ct": {
        "totalsegmentator": ("wasserthal2023", "isensee2021"),
        "totalspineseg": ("warszawer2025", "isensee2021"),
        "spineps": ("moeller2024",),
        "spine_segment": ("payer2020",),
    },
}
_PAPERS["mri"] = {**_PAPERS["ct"], "totalsegmentator": ("akinci2025", "isensee2021")}
_GRIDS = {
    "ct": "CT",
    "mri": "fat-water MRI",
    "t2": "multi-echo spin-echo MRI",
    "dwi": "diffusion-weighted MRI",
    "t1w": "T1-weighted MRI",
    "t2w": "T2-weighted MRI",
}


def segmentation(facts: Facts) -> list[str]:
    """Paragraphs of the section; none where nothing was outlined."""
    first = {item: found for item, found in facts.outlines.items() if item in _GRIDS}
    if not first:
        return []
    seeded = any(about.get("Seeded") for found in first.values() for about in found)
    texts = [
        paragraph(
            [*(_sources(item, found) for item, found in first.items())]
            + [SEEDED_TEXT if seeded else ""]
        ),
        paragraph(_further_readings(facts)),
        paragraph(_volumes(facts)),
    ]
    return [text for text in texts if text]


def sources_of(found: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """How many outlines are ``given``, ``seeded``, or made by which program."""
    return Counter(
        "seeded" if about.get("Seeded") else str(about.get("OutlinedBy", "given"))
        for about in found
    )


def _sources(item: str, found: Sequence[Mapping[str, Any]]) -> str:
    """Where the first outlines of a grid came from."""
    parts = []
    for source, n in sorted(sources_of(found).items(), key=lambda each: (-each[1], each[0])):
        if source == "given":
            schemes = sorted({str(a["SourceScheme"]) for a in found if "OutlinedBy" not in a
                              and not a.get("Seeded")})  # fmt: skip
            parts.append(f"given as masks in {count(n, 'examination')} (labels of "
                         f"{listing([plain(name) for name in schemes])})")  # fmt: skip
        elif source == "seeded":
            parts.append(f"grown from manually placed points in {count(n, 'examination')}")
        else:
            program = plain(source) + cite(*_papers(source, item))
            parts.append(f"outlined by {program} in {count(n, 'examination')}")
    return f"on {_GRIDS[item]}, vertebrae were {listing(parts)}"


def _papers(program: str, item: str) -> tuple[str, ...]:
    """Papers of a program named with its version: ``TotalSegmentator 2.18.0, task total``."""
    letters = "".join(filter(str.isalpha, program.split(" ", 1)[0])).lower()
    by_name = _PAPERS["ct" if item == "ct" else "mri"]
    return next((keys for name, keys in by_name.items() if name.replace("_", "") == letters), ())


def _further_readings(facts: Facts) -> list[str]:
    """Second raters and repeated outlines."""
    found = []
    for ending, words in (
        ("_rater2", "a second rater outlined the vertebrae on"),
        ("_repeat", "the first rater outlined the vertebrae again on"),
    ):
        parts = [
            f"{_GRIDS[RATERS[item].space]} ({count(len(sidecars), 'examination')})"
            for item, sidecars in facts.outlines.items()
            if item.endswith(ending)
        ]
        if parts:
            found.append(f"{words} {listing(parts)}")
    return found


def _volumes(facts: Facts) -> list[str]:
    settings = facts.settings["segmentation"]
    levels = f"labelled as in the VerSe challenge{cite('sekuboyina2021')}"
    found = [
        f"outlines were brought to the image's grid without interpolation of labels, {levels}; "
        "trabecular volumes of interest are the outlines with their surface moved inwards by "
        f"{settings['erosion_mm']:g} mm, equally in all directions"
    ]
    if "ellipse" in settings["further_voi"]:
        ellipse = settings["ellipse"]
        vein = ellipse["basivertebral_mm"]
        without = f", without {vein:g} mm around the basivertebral vein" if vein else ""
        found.append(
            "elliptical cylinders around the middle of the body, as in clinical quantitative CT"
            f"{cite('cann1980', 'engelke2008')}, took {100 * ellipse['height']:.0f} % of its "
            f"height, {100 * ellipse['depth']:.0f} % of its depth from the front and "
            f"{100 * ellipse['width']:.0f} % of its width, at least {ellipse['margin_mm']:g} mm "
            f"from cortex and endplates{without}"
        )
    if "cortical" in settings["further_voi"]:
        found.append(
            f"the shell of the body was measured to a depth of {settings['cortical_mm']:g} mm, "
            "which includes partial volume"
        )
    return found
