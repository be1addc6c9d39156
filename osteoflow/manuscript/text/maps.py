"""Quantitative maps: fat fraction, relaxation, diffusion, and bone density."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import paragraph, plain
from osteoflow.reports.methods import MRI_IMAGES, ct_text
from osteoflow.wording import listing

# How a fat fraction was fitted -> what is cited and explained. The first one that the beginning of
# the measurements' method names counts.
_FITS = (
    ("complex", ("yu2008", "hernando2008")),
    ("mixed", ("hernando2012",)),
    ("magnitude-only", ("bagur2019", "bray2023")),
)
_SPECTRA = {"liver_hamilton": ("hamilton2011",)}
_T2_SOURCES = {"epg": ("hennig1988", "weigel2015", "lebel2010")}
_ADC_SOURCES = ("stejskal1965", "lebihan1988")


def maps(facts: Facts) -> list[str]:
    """Paragraphs of the section."""
    texts = [
        paragraph(_fat_water(facts)),
        paragraph([*_t2(facts), *_adc(facts)]),
        paragraph(_density(facts)),
        paragraph([*_t_scores(facts), *_classes(facts)]),
    ]
    return [text for text in texts if text]


def _fat_water(facts: Facts) -> list[str]:
    """PDFF or the signal fat fraction, R2* and T2*."""
    found = []
    for image in ("pdff", "sff"):
        ways = facts.methods.get(image, ())
        if ways:
            found.append(f"{MRI_IMAGES[image].lower()} was mapped by {_ways(ways)}")
    pdff = facts.methods.get("pdff", ())
    if any(way.startswith("complex") for way in pdff):
        found.append(
            "the complex fit finds water, fat, field and R2\\* by variable projection"
            f"{cite('hernando2008')}, with a spatially smooth choice among the field's candidate "
            "values and magnitude discrimination of noise bias" + cite("liu2007")
        )
    relaxation = [
        {"r2star": "R2\\*", "t2star": "T2\\* (its inverse)"}[image]
        for image in ("r2star", "t2star")
        if facts.methods.get(image)
    ]
    if relaxation:
        verb = "is" if len(relaxation) == 1 else "are"
        found.append(f"{listing(relaxation)} of the same fit {verb} shared by water and fat")
    if pdff and facts.settings["mri"]["t1_bias"] == "correct":
        found.append(f"T1 bias of the fat fraction was corrected{cite('liu2007')}")
    return found


def _ways(ways: Sequence[str]) -> str:
    return _or_by(f"{_by(way)}{cite(*_sources(way))}" for way in sorted(ways))


def _or_by(ways: Iterable[str]) -> str:
    """``a, b or by c``."""
    *first, last = ways
    return f"{', '.join(first)} or by {last}" if first else last


# What the sentence on a signal fat fraction says by itself.
_NO_PDFF = "; a signal fat fraction, no PDFF"
# A method as the measurements name it, and as a sentence does behind "by".
_PROSE = (
    ("complex", "a complex"),
    ("mixed", "a mixed"),
    ("magnitude-only", "a magnitude-only"),
    ("extended", "an extended"),
    ("one exponential", "a fit of one exponential"),
    ("weighted", "a weighted"),
    ("unweighted", "an unweighted"),
    ("fat / (", "the ratio fat / ("),
    ("fat fraction as the scanner made it", "the scanner's own reconstruction, taken as it is"),
    ("ADC of the scanner", "the scanner's own reconstruction, taken as it is"),
)


def _by(way: str) -> str:
    """A method of the measurements as words behind "by", its details in brackets."""
    way = way.removesuffix(_NO_PDFF)
    for start, words in _PROSE:
        if way.startswith(start):
            way = words + way.removeprefix(start)
            break
    fit, comma, details = way.partition(", ")
    # A list of b-values has commas of its own.
    if comma and "(" not in way and "b = " not in fit:
        way = f"{fit} ({details})"
    return plain(way.replace("_", " "))


def _sources(way: str) -> tuple[str, ...]:
    fit = next((keys for start, keys in _FITS if way.startswith(start)), ())
    if not fit and "point" in way.lower() and "dixon" in way.lower():
        fit = ("dixon1984",)
    spectrum = next((keys for name, keys in _SPECTRA.items() if name in way), ())
    return (*fit, *spectrum)


def _t2(facts: Facts) -> list[str]:
    ways = facts.methods.get("t2", ())
    if not ways:
        return []
    chosen = facts.settings["mri"]["t2"]
    keys = _T2_SOURCES.get(chosen["method"], ())
    text = f"T2 was mapped by {_or_by(map(_by, sorted(ways)))}{cite(*keys)}"
    if chosen["method"] == "epg":
        profile = {
            "unknown": "a rectangular slice profile, because the pulses were not known",
            "rectangular": "a rectangular slice profile",
            "selective": "the slice profile of the selective pulses",
        }[chosen["slice_profile"]]
        angle = chosen["refocusing_angle"]
        text += f", for a nominal refocusing angle of {angle:g} degrees and {profile}"
    return [text]


def _adc(facts: Facts) -> list[str]:
    ways = facts.methods.get("adc", ())
    if not ways:
        return []
    chosen = facts.settings["mri"]["adc"]
    keys = _ADC_SOURCES + (("veraart2013",) if chosen["method"] == "loglinear" else ())
    by = _or_by(map(_by, sorted(ways)))
    own = not any("scanner" in way for way in ways)
    return [f"the apparent diffusion coefficient was mapped by {by}{cite(*keys) if own else ''}"]


def _density(facts: Facts) -> list[str]:
    """How CT numbers became densities; or that they were measured as they are."""
    if not facts.methods.get("vbmd"):
        return []
    ct = facts.settings["ct"]
    found = [ct_text(ct) + (cite("michalski2020") if ct["calibration"] == "internal" else "")]
    minerals = sorted({_mineral(way) for way in facts.methods["vbmd"]} - {""})
    if minerals and not any(mineral in found[0] for mineral in minerals):
        found.append(f"densities are equivalents of {listing(minerals)}")
    if any("faulkner_1993" in way for way in facts.methods["vbmd"]):
        found.append(f"their conversion is that of one source{cite('faulkner1993')}")
    return found


def _t_scores(facts: Facts) -> list[str]:
    """T-scores that were made of densities by DXA."""
    regions = [str(item["region"]).replace("_", " ") for item in facts.settings["cohort"]["dxa"]]
    if not regions:
        return []
    return [
        f"T-scores by DXA of the {listing(regions)} refer to the young women of NHANES III"
        f"{cite('looker1998')}, for both sexes"
    ]


_CLASS_WORDS = {
    "spine_qct": "mean vBMD of two lumbar vertebrae (80 and 120 mg/cm³)",
    "l1_hu": "the CT number of L1 at 120 kV (110 and 160 HU)",
    "dxa_tscore": "the T-score by DXA (−1 and −2.5)",
}


def _classes(facts: Facts) -> list[str]:
    """Classes of bone by published cut-offs."""
    wanted = facts.settings["cohort"]["classes"]
    parts = [
        _CLASS_WORDS[name] + (cite("pickhardt2013") if name == "l1_hu" else "") for name in wanted
    ]
    return [f"bone was classified by published cut-offs of {listing(parts)}"] if parts else []


def _mineral(way: str) -> str:
    return next((name for name in ("K2HPO4", "hydroxyapatite") if name in way), "")
