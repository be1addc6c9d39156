"""What a column of the participants table measures, and in which acquisition.

Columns that the workflow makes go by the dictionary of measurements, whose metrics give them their
names. The names of other columns are guessed at, word by word. Nothing heavy is imported here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from osteoflow.images import IMAGES, space_of
from osteoflow.models.fractures import VERTEBRAL, fractures_named, words_of
from osteoflow.resources import read_resource
from osteoflow.settings.statistics import REFERENCE_COLUMNS

VBMD = "volumetric bone density"
HU = "CT attenuation"
FAT = "fat fraction"
R2STAR = "R2*/T2*"  # reciprocals
DXA = "areal bone density (DXA)"
MUSCLE_HU, MUSCLE_FAT = f"{HU} of muscle", f"{FAT} of muscle"
# Metrics, or what precedes the statistic in them, that are one quantity. Any other metric is one of
# its own, whatever its statistic. The M-score is the SNR in standard deviations; what marrow fat
# takes from a density is a multiple of the fat fraction.
_SAME = {
    "hu": HU,
    "vbmd": VBMD,
    **dict.fromkeys(("pdff", "sff", "vbmd_fat_error"), FAT),
    **dict.fromkeys(("r2star", "t2star", "t2star_in_phase"), R2STAR),
    **dict.fromkeys(("genant", "wedge", "biconcavity", "crush", "height"), VERTEBRAL),
    **dict.fromkeys(("vbq_score", "sir_csf"), "marrow signal over CSF"),
    **dict.fromkeys(("m_score", "snr"), "signal-to-noise ratio"),
    **dict.fromkeys(("muscle_pdff", "muscle_fat"), MUSCLE_FAT),
    "muscle_hu": MUSCLE_HU,
}
_STATISTICS = frozenset(
    {"mean", "sd", "median", "min", "max", "iqr", "p5", "p10", "p25", "p75", "p90", "p95", "cv"}
)
# Of levels as the settings have them, and of any in other names.
_OF_LEVELS = re.compile(
    r"^(?P<stem>.*?)(_ellipse|_cortical)?_(t1[12]|l[1-6])+_(?P<statistic>[a-z0-9]+)$"
)
_LEVELS = re.compile(r"^(t([1-9]|1[0-2])|l[1-6])+$")
# Classes of bone are made of these (see `osteoflow.cohort.classes`).
_CLASSES = {"spine_qct": "vbmd_mean", "l1_hu": "hu_mean"}
# Images of the dictionary that are made of more than one acquisition.
_MADE_OF = {"vbmd_fat": frozenset({"ct", "mri"})}

# Words of other names that stand for one quantity.
_WORDS = {
    "vbmd": VBMD,
    "qct": VBMD,
    "hu": HU,
    "pdff": FAT,
    "sff": FAT,
    "r2star": R2STAR,
    "t2star": R2STAR,
    "adc": "adc",
    "vbq": "marrow signal over CSF",
    "dxa": DXA,
    "tscore": DXA,
    "zscore": DXA,
}
_ACQUIRED = {VBMD: "ct", HU: "ct", FAT: "mri", R2STAR: "mri", "t2": "t2", "adc": "dwi"}
_ACQUIRED |= {"marrow signal over CSF": "t1w"}
# Words that say which other tissue than bone was measured.
_TISSUES = {
    **dict.fromkeys(("muscle", "psoas", "paraspinal", "multifidus", "erector"), "muscle"),
    **dict.fromkeys(("liver", "hepatic"), "liver"),
    **dict.fromkeys(("visceral", "subcutaneous", "spleen", "aorta", "aortic"), "other tissue"),
}
# "bmd" within a word (abmd, lsbmd, bmdhip) is DXA's areal density unless the word says volumetric.
_AREAL = re.compile(r"(?<!v)bmd")
# What tells when, where or of what scan a reference was measured is not its result.
_ABOUT = frozenset(REFERENCE_COLUMNS)


@dataclass(frozen=True)
class Measured:
    """What a column measures.

    Attributes
    ----------
    quantities
        Physical quantities; its own name for what is none.
    acquisitions
        Grids of :data:`osteoflow.images.GRIDS` that the value is measured on; of several it may be
        any. None where that is not known.
    is_made
        Whether the workflow makes it (or a column so named).
    """

    quantities: frozenset[str]
    acquisitions: frozenset[str]
    is_made: bool


@cache
def measured(column: str) -> Measured:
    """What a column of the participants table measures, by its name."""
    name = column.lower()
    metric = metric_of(name)
    if metric is not None:
        return Measured(frozenset({_quantity(metric)}), _acquisitions(metric), True)
    if name in ("dxa_tscore_class", "dxa_tscore_class_reason"):
        return Measured(frozenset({DXA}), frozenset(), True)
    found = _guessed(name)
    base = (quantity.partition(" of ")[0] for quantity in found)
    return Measured(found, frozenset(_ACQUIRED[name] for name in base if name in _ACQUIRED), False)


def quantities(column: str) -> frozenset[str]:
    """Physical quantities that a column's name stands for.

    ``vbmd_l1l2_mean`` and ``vbmd_l3_sd`` are one quantity, as are ``genant_l1l2_grade`` and
    ``crush_l3_deformity``; ``dxa_tscore``, ``tscore_hip`` and ``lumbar_bmd`` are another. A name
    without a known word stands for itself, without level and statistic; so does the interval to a
    reference test, or its site.
    """
    return measured(column).quantities


def metric_of(column: str) -> str | None:
    """The metric that a column is made of, by the name that the cohort's settings give it.

    ``vbmd_ellipse_l1l2_mean`` -> ``vbmd_mean``; a metric's own name is that metric; None for
    others.
    """
    rows = _dictionary()
    if column in rows:
        return column
    if column in ("_".join(parts) for parts in _class_names()):
        return _CLASSES[column.partition("_class")[0]]
    found = _OF_LEVELS.match(column)
    if found is None:
        return None
    metric = f"{found['stem']}_{found['statistic']}".removeprefix("_")
    return metric if metric in rows else None


def _class_names() -> list[tuple[str, ...]]:
    return [(scheme, "class", *more) for scheme in _CLASSES for more in ((), ("reason",))]


@cache
def _dictionary() -> dict[str, str]:
    """Metric -> image, as ``resources/measurements.tsv`` has them."""
    return {row["metric"]: row["image"] for row in read_resource("measurements.tsv")}


def _quantity(metric: str) -> str:
    stem, _, statistic = metric.rpartition("_")
    same = _SAME.get(metric) or _SAME.get(stem)
    return same or (stem if statistic in _STATISTICS else metric)


def _acquisitions(metric: str) -> frozenset[str]:
    """Grids that a metric is measured on."""
    image = _dictionary()[metric]
    if image in _MADE_OF:
        return _MADE_OF[image]
    if image == "scores":  # of the T1-weighted image, unless the name has a map's
        maps = [word for word in metric.split("_") if word in IMAGES]
        return frozenset(map(space_of, maps or [image]))
    return frozenset(map(space_of, image.split(",")))


def _guessed(name: str) -> frozenset[str]:
    """Quantities that the words of a column from elsewhere stand for."""
    if name in _ABOUT:
        return frozenset({name})
    text = re.sub(r"([tz])[\W_]?score", r"\1score", name)
    text = re.sub(r"([rt]2)(\*|[\W_]star)", r"\1star", text)
    text = re.sub(r"fat[\W_]?frac(tion)?", "pdff", text)
    words = words_of(text)
    dense = "density" in words or any(_AREAL.search(word) for word in words)
    # The T-score of a vBMD is not DXA's.
    if {"vbmd", "qct"} & set(words) or (dense and {"trabecular", "volumetric"} & set(words)):
        return frozenset({VBMD})
    named = {_WORDS[word] for word in words if word in _WORDS}
    if any(_AREAL.search(word) for word in words):
        named.add(DXA)
    tissues = {_TISSUES[word] for word in words if word in _TISSUES}
    if tissues:
        named = {f"{quantity} of {tissue}" for quantity in named for tissue in tissues}
    named |= fractures_named(words)
    # Beside another quantity "t2" is the vertebra.
    if not named and "t2" in words:
        named = {"t2"}
    if named:
        return frozenset(named)
    rest = [word for word in words if word not in _STATISTICS and not _LEVELS.match(word)]
    return frozenset({"_".join(rest or words)})
