"""Scores of bone and muscle from conventional MRI: VBQ, M-score, signal ratios, muscle fat.

Each score is a number of a few numbers; where they come from is decided elsewhere. Cut-offs are
rows of ``resources/mri_score_cutoffs.tsv`` with their population, and are applied nowhere here:
signals depend on field strength, coil and sequence, so a cut-off holds for its own setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.header import header_number, header_text
from osteoflow.mri.background_noise import RAYLEIGH_SD
from osteoflow.resources import read_resource

SCORES = ("vbq", "signal_ratio", "snr", "m_score", "muscle_fat")
"""Scores that a study may ask for."""

LUMBAR_LEVELS = ("L1", "L2", "L3", "L4")
"""Vertebrae of VBQ and M-score."""

VBQ_REPETITION_TIME = (0.400, 0.850)
VBQ_ECHO_TIME = (0.008, 0.020)
"""Limits in s of the T1-weighted spin echo for which VBQ is defined."""

VBQ_RANGE = (1.0, 8.0)
"""Where VBQ can lie: means of cohorts reach from 2.0 to 4.6. Marrow darker than fluid is no
T1-weighted image, or the fluid is none."""

SMALLEST_REFERENCE = 20
"""People in a reference group below which an M-score is flagged: their SD alone is uncertain by a
sixth and more."""


def vbq(signals: Mapping[str, float], csf: float, header: Mapping[str, Any]) -> float:
    """Vertebral bone quality score: marrow over cerebrospinal fluid on T1-weighted images.

    The median of the signals of L1 to L4, divided by that of the fluid at L3. Fatty marrow is
    bright, so a high score means less bone.

    Parameters
    ----------
    signals
        Signal of each of L1, L2, L3, L4, by name. Reports differ in what a level's signal is (the
        mean or the median of a region); which one it was belongs in the method.
    csf
        Signal of cerebrospinal fluid at L3.
    header
        Sidecar of the image in BIDS's units; see :func:`check_vbq_conditions`.

    Returns
    -------
    float
        Without unit.

    Raises
    ------
    SubjectDataError
        ``vbq_conditions``; ``levels_missing``: a level without signal; ``reference_no_signal``.

    Notes
    -----
    Sources: Ehresman et al., Spine J 2020 (10.1016/j.spinee.2019.10.018), and J Neurosurg Spine
    2020 (10.3171/2019.9.SPINE19954): non-contrast T1-weighted images, median signal of the four
    bodies over that of the fluid; read in their abstracts, which do not say whether a body's own
    signal was a mean or a median, nor state TR and TE. The limits of TR and TE are those by
    which a later report of reproducibility leaves scans out. The score depends on the magnet:
    means of 2.77 at 1.5 T and 2.20 at 3 T (10.1186/s13018-023-04268-5).
    """
    check_vbq_conditions(header)
    lacking = [level for level in LUMBAR_LEVELS if not signals.get(level, np.nan) > 0]
    if lacking:
        raise SubjectDataError(
            "levels_missing",
            f"there is no signal of {', '.join(lacking)}",
            "Outline L1, L2, L3 and L4: the score is defined over all four.",
        )
    marrow = float(np.median([signals[level] for level in LUMBAR_LEVELS]))
    return signal_intensity_ratio(marrow, csf, "cerebrospinal fluid")


def check_vbq_conditions(header: Mapping[str, Any]) -> None:
    """Refuse images for which VBQ is not defined.

    Parameters
    ----------
    header
        ``RepetitionTime`` and ``EchoTime`` in s are needed. ``ContrastBolusAgent``,
        ``InversionTime``, ``ScanOptions`` (FS: fat saturation) and ``ScanningSequence`` count
        where they are given; a header that is silent about a contrast agent is believed.

    Raises
    ------
    SubjectDataError
        ``vbq_conditions``, naming every condition that is not met.
    """
    problems = []
    for name, keyword, (low, high) in (
        ("repetition time", "RepetitionTime", VBQ_REPETITION_TIME),
        ("echo time", "EchoTime", VBQ_ECHO_TIME),
    ):
        value = _seconds(header, keyword)
        if value is None:
            problems.append(f"the {name} is not stated, or there are several")
        elif not low - 1e-9 <= value <= high + 1e-9:
            problems.append(
                f"the {name} is {1000 * value:g} ms, outside {1000 * low:g} to {1000 * high:g} ms"
            )
    if header_text(header, "ContrastBolusAgent"):
        problems.append("a contrast agent was given")
    sequence = _words(header, "ScanningSequence")
    if header_number(header, "InversionTime") or "IR" in sequence:
        problems.append("it is an inversion recovery")
    if {"FS", "SFS"} & _words(header, "ScanOptions"):
        problems.append("fat was saturated")
    if sequence and "SE" not in sequence:
        problems.append("it is no spin echo")
    if problems:
        raise SubjectDataError(
            "vbq_conditions",
            f"VBQ is not defined for this image: {'; '.join(problems)}",
            "Use the T1-weighted spin echo without contrast agent (TR 400 to 850 ms, TE 8 to "
            "20 ms) of the same examination.",
        )


def _seconds(header: Mapping[str, Any], keyword: str) -> float | None:
    """One time of a header; a list of one holds one."""
    value = header.get(keyword)
    if isinstance(value, list | tuple):
        if len(value) != 1:
            return None
        header = {keyword: value[0]}
    return header_number(header, keyword)


def _words(header: Mapping[str, Any], keyword: str) -> set[str]:
    """Coded strings of a header: a list, or one text with separators."""
    text = header_text(header, keyword) or ""
    joined = text if isinstance(text, str) else " ".join(text)
    for separator in ("\\", "/", ",", "_"):
        joined = joined.replace(separator, " ")
    return set(joined.upper().split())


@dataclass(frozen=True)
class MScoreReference:
    """Signal-to-noise ratio of L1-L4 in young adults at one site, scanner and sequence.

    Parameters
    ----------
    mean, sd
        Of the ratios of people of 20 to 29 years, measured as the patients are.
    people
        Their number.
    noise
        What their signal was divided by: ``channel`` (noise of one real channel, as here) or
        ``air`` (the SD read off a region of air, 0.655 times that).

    Raises
    ------
    ValueError
        Numbers that no group of people has.
    """

    mean: float
    sd: float
    people: int
    noise: Literal["channel", "air"] = "channel"

    def __post_init__(self) -> None:
        if not (self.mean > 0 and self.sd > 0 and self.people >= 2):
            raise ValueError(
                f"no reference group has mean {self.mean}, SD {self.sd}, {self.people}"
            )
        if self.noise not in ("channel", "air"):
            raise ValueError(f"noise must be 'channel' or 'air', not {self.noise!r}")


def m_score(snr: float, reference: MScoreReference | None) -> float:
    """M-score: the signal-to-noise ratio of L1-L4 in SDs of young adults above their mean.

    Parameters
    ----------
    snr
        Mean signal of L1-L4 over the SD of the noise in one real channel.
    reference
        The site's own. None is refused: signal-to-noise ratios depend on scanner, coil and
        sequence, so nobody else's reference will do.

    Returns
    -------
    float
        In SDs; high where marrow is fatty.

    Raises
    ------
    SubjectDataError
        ``m_score_no_reference``; ``snr_missing``.

    Notes
    -----
    Sources: Bandirali et al., Eur Radiol 2015;25:2951 (score, reference of 131 women);
    Shayganfar et al., Br J Radiol 2019 (10.1259/bjr.20180774). Their abstracts do not say how
    the noise was read; any constant factor cancels, as long as the reference was measured alike.
    """
    if reference is None:
        raise SubjectDataError(
            "m_score_no_reference",
            "the study gives no reference of people of 20 to 29 years from this site and sequence",
            "Measure at least 20 healthy people of 20 to 29 years with the same scanner, coil and "
            "sequence, and give their mean and SD in the configuration.",
        )
    if not (np.isfinite(snr) and snr > 0):
        raise SubjectDataError(
            "snr_missing",
            "there is no signal-to-noise ratio of L1-L4",
            "See the reason beside the signal-to-noise ratio.",
        )
    measured = snr / RAYLEIGH_SD if reference.noise == "air" else snr
    return float((measured - reference.mean) / reference.sd)


def signal_intensity_ratio(vertebra: float, reference: float, name: str = "reference") -> float:
    """Signal of a vertebra over that of another tissue in the same image.

    Parameters
    ----------
    vertebra, reference
        Signals; scale and receiver gain cancel, differences of coil sensitivity do not.
    name
        The tissue in words.

    Raises
    ------
    SubjectDataError
        ``vertebra_no_signal``, ``reference_no_signal``: not a positive number.
    """
    for code, what, value in (
        ("vertebra_no_signal", "vertebra", vertebra),
        ("reference_no_signal", name, reference),
    ):
        if not (np.isfinite(value) and value > 0):
            raise SubjectDataError(
                code,
                f"the {what} has a signal of {value:g}",
                "Check the outline, and that the image is a magnitude image.",
            )
    return float(vertebra / reference)


@dataclass(frozen=True)
class MuscleFat:
    """Fat of a muscle of either side.

    Attributes
    ----------
    left, right
        Mean PDFF of each side, percent.
    both
        Mean over the voxels of both sides.
    asymmetry
        Left minus right, percentage points.
    n_left, n_right
        Voxels used.
    """

    left: float
    right: float
    both: float
    asymmetry: float
    n_left: int
    n_right: int


def muscle_fat(left: np.ndarray, right: np.ndarray) -> MuscleFat:
    """Mean PDFF of a muscle on the left, on the right and on both sides, and their difference.

    Parameters
    ----------
    left, right
        PDFF in percent of the voxels of each side; NaN where it may not be used.

    Raises
    ------
    SubjectDataError
        ``muscle_missing``: a side without a usable voxel.

    Notes
    -----
    A region that follows the muscle's fascia holds the fat between bundles as well as that within
    them. Source of the measurement: Sollmann et al., Quant Imaging Med Surg 2020 (PMC7063279),
    who find the erector spinae at L3-L5 representative and 11 % in men, 18 % in women there.
    """
    sides = {}
    for name, values in (("left", left), ("right", right)):
        values = np.asarray(values, float).ravel()
        sides[name] = values[np.isfinite(values)]
        if sides[name].size == 0:
            raise SubjectDataError(
                "muscle_missing",
                f"the muscle on the {name} holds no voxel with a usable fat fraction",
                "Outline the muscle on both sides where the fat fraction map covers it.",
            )
    means = {name: float(values.mean()) for name, values in sides.items()}
    return MuscleFat(
        left=means["left"],
        right=means["right"],
        both=float(np.concatenate(list(sides.values())).mean()),
        asymmetry=means["left"] - means["right"],
        n_left=int(sides["left"].size),
        n_right=int(sides["right"].size),
    )


@dataclass(frozen=True)
class ScoreSettings:
    """Which scores a study wants, and how.

    Parameters
    ----------
    scores
        Of :data:`SCORES`. ``m_score`` brings the signal-to-noise ratio with it; ``snr`` alone is
        what a reference group is measured with.
    statistic
        What the signal of a region is, in VBQ and the signal ratios: its ``median`` (steady
        against vessels, cysts and the edges of the fluid) or its ``mean`` (what a region of
        interest at a console shows).
    reference
        The site's own young adults, for the M-score.
    muscle_levels
        Vertebrae between whose upper and lower end the muscles are measured; empty: wherever
        they are outlined.

    Raises
    ------
    ValueError
        Unknown scores or statistic.
    """

    scores: tuple[str, ...] = ("vbq", "signal_ratio", "muscle_fat")
    statistic: Literal["median", "mean"] = "median"
    reference: MScoreReference | None = None
    muscle_levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.scores) - set(SCORES)):
            raise ValueError(f"unknown scores: {', '.join(unknown)}; known: {', '.join(SCORES)}")
        if self.statistic not in ("median", "mean"):
            raise ValueError(f"statistic must be 'median' or 'mean', not {self.statistic!r}")


def cutoffs(score: str) -> list[dict[str, str]]:
    """Published cut-offs of a score: rows of ``resources/mri_score_cutoffs.tsv``.

    Parameters
    ----------
    score
        ``vbq_score`` or ``m_score``.
    """
    return [row for row in read_resource("mri_score_cutoffs.tsv") if row["score"] == score]
