"""Scores of conventional MRI as rows of the measurements table.

Decides which voxels a score is made of; :mod:`osteoflow.mri.scores` makes it. A score that cannot
be had is a row without a value whose flag is the reason, and a warning: it costs nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.header import header_number
from osteoflow.io.volume import Volume
from osteoflow.measurements import FEW_VOXELS, TRABECULAR, level_range
from osteoflow.mri.background_noise import BackgroundNoise, background_noise_sd
from osteoflow.mri.scores import (
    LUMBAR_LEVELS,
    SMALLEST_REFERENCE,
    VBQ_RANGE,
    ScoreSettings,
    check_vbq_conditions,
    m_score,
    muscle_fat,
    signal_intensity_ratio,
    vbq,
)
from osteoflow.segmentation.schemes import anatomical_order, level_name, verse_id
from osteoflow.segmentation.structures import (
    LAST_VERTEBRA,
    SIDES,
    level_extent,
    structure_mask,
    within_extent,
)

FLUID_LEVEL = "L3"
"""Vertebra at whose height VBQ takes the signal of cerebrospinal fluid."""

REFERENCES = {
    "sir_csf": ("csf", "cerebrospinal fluid"),
    "sir_muscle": ("paraspinal_muscle", "paraspinal muscle"),
    "sir_fat": ("subcutaneous_fat", "subcutaneous fat"),
}
"""Metric of a signal ratio -> the structure it refers to, and that structure in words."""

UNEVEN_FLUID = 0.5
"""Interquartile range over median of the fluid's signal above which VBQ is flagged: roots, epidural
fat or flow lie in the outline."""

LOW_SNR = 5.0
"""Signal-to-noise ratio below which noise raises the mean magnitude itself, by 2 % and more."""


@dataclass
class _Scene:
    """One image with its outlines, and the rows and warnings found so far."""

    name: str
    image: Volume
    labels: Volume
    regions: Volume
    suffix: str
    usable: np.ndarray
    about: Mapping[str, Any]
    settings: ScoreSettings
    rows: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def values(self, mask: np.ndarray) -> np.ndarray:
        """Usable values of a mask."""
        return self.image.data[mask & self.usable].astype(np.float64)

    def level(self, name: str) -> np.ndarray:
        """Usable values of a vertebra's region; empty where it has none."""
        return self.values(self.regions.data == verse_id(name))

    def signal(self, values: np.ndarray) -> float:
        """Signal of a region by the study's statistic; NaN of none."""
        statistic = np.median if self.settings.statistic == "median" else np.mean
        return float(statistic(values)) if values.size else float("nan")

    def beside(self, structure: str, levels: Sequence[str]) -> np.ndarray:
        """Mask of a structure at the height of vertebrae.

        Raises
        ------
        SubjectDataError
            ``structure_missing``, ``level_missing``, ``structure_not_at_level``.
        """
        words = structure.replace("_", " ").replace("csf", "cerebrospinal fluid")
        mask = structure_mask(self.labels.data, structure)
        if not mask.any():
            raise SubjectDataError(
                "structure_missing",
                f"the mask does not outline the {words}",
                "Outline it in the mask; the scheme osteoflow has a number for it.",
            )
        ids = [verse_id(level) for level in levels]
        lacking = [
            level
            for level, number in zip(levels, ids, strict=True)
            if not (self.regions.data == number).any()
        ]
        if lacking:
            raise SubjectDataError(
                "level_missing",
                f"the mask does not outline {', '.join(lacking)}, so its height is not known",
                "Outline every vertebra that the score is defined by.",
            )
        extent = level_extent(self.regions, ids)
        found = within_extent(mask, self.labels.affine, extent)
        if not found.any():
            raise SubjectDataError(
                "structure_not_at_level",
                f"the outline of the {words} does not reach the height of {level_range(levels)}",
                f"Outline it beside {level_range(levels)} as well.",
            )
        return found

    def add(
        self,
        roi: str,
        metric: str,
        value: float,
        unit: str,
        method: str,
        n_voxels: int,
        flags: Iterable[str] = (),
    ) -> None:
        """One row."""
        self.rows.append(
            {
                "roi": roi,
                "image": self.name,
                "metric": metric,
                "value": value,
                "unit": unit,
                "method": method,
                "n_voxels": n_voxels,
                "flag": ";".join(flags),
            }
        )

    def attempt(
        self, roi: str, metric: str, unit: str, method: str, work: Callable[[], None]
    ) -> None:
        """Do `work`; where the data do not allow it, a row without a value and a warning."""
        try:
            work()
        except SubjectDataError as error:
            self.add(roi, metric, float("nan"), unit, method, 0, [error.code])
            self.warnings.append(f"{error.code}: {metric} of {roi}: {error.message}. {error.hint}")


def score_rows(
    name: str,
    image: Volume,
    labels: Volume,
    about: Mapping[str, Any],
    settings: ScoreSettings,
    *,
    trabecular: Volume | None = None,
    reliable: np.ndarray | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Scores of one image.

    Parameters
    ----------
    name
        The image's name in rows. ``pdff`` has the muscles' fat, any other the scores of signals.
    image
        Magnitudes, or PDFF in percent, shape (i, j, k).
    labels
        Vertebrae in VerSe ids and further structures, on the same grid.
    about
        The image's sidecar in BIDS's units.
    settings
        What the study wants.
    trabecular
        Trabecular volumes on the same grid: vertebral signals and heights are taken of them,
        clear of cortex, endplates and the processes behind, which reach down to the next level.
        Without them, of the whole outlines.
    reliable
        Voxels whose value may be used; None: all finite ones.

    Returns
    -------
    rows, warnings
        Rows as :func:`osteoflow.measurements.measure_regions` makes them: ``vbq_score``,
        ``snr_mean`` and ``m_score`` of L1-L4; ``sir_csf``, ``sir_muscle`` and ``sir_fat`` of each
        vertebra; ``muscle_pdff_mean`` of each side of a muscle and of both, and
        ``muscle_pdff_asymmetry``. A score that the data do not allow has NaN, and the reason's
        code as its flag.

    Raises
    ------
    ValueError
        Grids differ, or the image is not 3-D.
    """
    if np.ndim(image.data) != 3:
        raise ValueError(f"{name}: scores need a 3-D image, not one of {np.shape(image.data)}")
    for other in (labels, *([trabecular] if trabecular else [])):
        if not image.same_grid(other):
            raise ValueError(f"{name} and its labels lie on different grids")
    usable = np.isfinite(image.data)
    if reliable is not None:
        usable &= np.asarray(reliable, bool)
    regions, suffix = (labels, "") if trabecular is None else (trabecular, TRABECULAR)
    scene = _Scene(name, image, labels, regions, suffix, usable, about, settings)
    if name == "pdff":
        if "muscle_fat" in settings.scores:
            _muscles(scene)
        return scene.rows, scene.warnings
    if "vbq" in settings.scores:
        _vbq(scene)
    if "signal_ratio" in settings.scores:
        _signal_ratios(scene)
    if {"snr", "m_score"} & set(settings.scores):
        _noise_scores(scene)
    return scene.rows, scene.warnings


def _vbq(scene: _Scene) -> None:
    """Score of L1-L4 by the fluid at L3."""
    roi = level_range(LUMBAR_LEVELS) + scene.suffix
    statistic = scene.settings.statistic
    where = "trabecular volumes" if scene.suffix else "whole outlines"
    method = (
        f"median over L1-L4 of each level's {statistic} signal ({where}, all slices), over the "
        f"{statistic} of cerebrospinal fluid at the height of {FLUID_LEVEL}"
    )

    def work() -> None:
        check_vbq_conditions(scene.about)
        levels = {level: scene.level(level) for level in LUMBAR_LEVELS}
        fluid = scene.values(scene.beside("csf", [FLUID_LEVEL]))
        signals = {level: scene.signal(values) for level, values in levels.items()}
        value = vbq(signals, scene.signal(fluid), scene.about)
        flags = []
        if min(fluid.size, *(values.size for values in levels.values())) < FEW_VOXELS:
            flags.append("few_voxels")
        low, middle, high = np.percentile(fluid, [25, 50, 75])
        if high - low > UNEVEN_FLUID * middle:
            flags.append("csf_uneven")
            scene.warnings.append(
                "csf_uneven: the signal within the outlined cerebrospinal fluid varies much; "
                "nerve roots, epidural fat or the cord may lie in it"
            )
        if not VBQ_RANGE[0] <= value <= VBQ_RANGE[1]:
            flags.append("implausible")
            scene.warnings.append(
                f"vbq_implausible: a VBQ of {value:.2f} does not occur: check the outline of the "
                "fluid and that the image is T1-weighted"
            )
        count = sum(values.size for values in levels.values())
        scene.add(roi, "vbq_score", value, "ratio", method, count, flags)

    scene.attempt(roi, "vbq_score", "ratio", method, work)


def _signal_ratios(scene: _Scene) -> None:
    """Each vertebra over each outlined reference at its own height."""
    present = np.unique(scene.regions.data[scene.regions.data > 0])
    levels = sorted((int(n) for n in present if n <= LAST_VERTEBRA), key=anatomical_order)
    outlined = [
        metric
        for metric, (structure, _) in REFERENCES.items()
        if structure_mask(scene.labels.data, structure).any()
    ]
    if not outlined:
        words = ", ".join(words for _, words in REFERENCES.values())
        scene.warnings.append(f"structure_missing: no signal ratios: the mask outlines no {words}")
    for metric in outlined:
        for number in levels:
            _signal_ratio(scene, metric, level_name(number))


def _signal_ratio(scene: _Scene, metric: str, level: str) -> None:
    """One vertebra over one reference."""
    structure, words = REFERENCES[metric]
    roi = level + scene.suffix
    method = f"{scene.settings.statistic} signal over that of {words} at the same height"

    def work() -> None:
        vertebra = scene.level(level)
        reference = scene.values(scene.beside(structure, [level]))
        value = signal_intensity_ratio(scene.signal(vertebra), scene.signal(reference), words)
        few = min(vertebra.size, reference.size) < FEW_VOXELS
        scene.add(roi, metric, value, "ratio", method, vertebra.size, ["few_voxels"] if few else [])

    scene.attempt(roi, metric, "ratio", method, work)


def _noise_scores(scene: _Scene) -> None:
    """Signal-to-noise ratio of L1-L4 and, if asked for, its M-score."""
    roi = level_range(LUMBAR_LEVELS) + scene.suffix
    method = "mean of the levels' mean signals over the SD of noise in one real channel"
    found: dict[str, Any] = {"snr": float("nan"), "count": 0, "flags": []}

    def snr() -> None:
        levels = {level: scene.level(level) for level in LUMBAR_LEVELS}
        lacking = [level for level, values in levels.items() if not values.size]
        if lacking:
            raise SubjectDataError(
                "level_missing",
                f"the mask does not outline {', '.join(lacking)}",
                "Outline L1, L2, L3 and L4: the ratio is defined over all four.",
            )
        noise = _noise(scene)
        found["snr"] = float(np.mean([values.mean() for values in levels.values()])) / noise.sd
        found["count"] = sum(values.size for values in levels.values())
        flags = [text.partition(":")[0] for text in noise.warnings]
        if found["snr"] < LOW_SNR:
            flags.append("low_snr")
        if (header_number(scene.about, "ParallelReductionFactorInPlane") or 1) > 1:
            flags.append("parallel_imaging")
            scene.warnings.append(
                "parallel_imaging: noise in air is not that in the body where parallel imaging "
                "was used; such ratios compare only within one scanner, coil and sequence"
            )
        found["flags"] = flags
        whole = f"{method} ({noise.method}, {noise.n_voxels} voxels)"
        scene.add(roi, "snr_mean", found["snr"], "ratio", whole, found["count"], flags)

    scene.attempt(roi, "snr_mean", "ratio", method, snr)
    if "m_score" not in scene.settings.scores:
        return
    reference = scene.settings.reference
    method = "signal-to-noise ratio of L1-L4 in SDs of the site's own young adults"

    def score() -> None:
        value = m_score(found["snr"], reference)
        flags = list(found["flags"])
        if reference.people < SMALLEST_REFERENCE:
            flags.append("small_reference")
        whole = f"{method} ({reference.people} people)"
        scene.add(roi, "m_score", value, "SD", whole, found["count"], flags)

    scene.attempt(roi, "m_score", "SD", method, score)


def _noise(scene: _Scene) -> BackgroundNoise:
    """Noise of the image, in outlined air where the mask has some."""
    air = structure_mask(scene.labels.data, "air")
    noise = background_noise_sd(scene.image.data, air=air if air.any() else None)
    scene.warnings.extend(noise.warnings)
    return noise


def _muscles(scene: _Scene) -> None:
    """Fat of each muscle that is outlined; of the paraspinal one in any case."""
    for muscle in SIDES:
        if muscle == "paraspinal_muscle" or structure_mask(scene.labels.data, muscle).any():
            _muscle(scene, muscle)


def _muscle(scene: _Scene, muscle: str) -> None:
    """Fat of one muscle on either side."""
    levels = scene.settings.muscle_levels
    where = f"at the height of {level_range(levels)}" if levels else "wherever outlined"
    method = f"{scene.about.get('Method', 'PDFF map')}; mean over the muscle {where}"

    def side(name: str) -> np.ndarray:
        mask = scene.beside(name, levels) if levels else structure_mask(scene.labels.data, name)
        return scene.values(mask)

    def work() -> None:
        fat = muscle_fat(*(side(name) for name in SIDES[muscle]))
        few = min(fat.n_left, fat.n_right) < FEW_VOXELS
        flags = ["few_voxels"] if few else []
        both = fat.n_left + fat.n_right
        rois = (*SIDES[muscle], muscle)
        means, counts = (fat.left, fat.right, fat.both), (fat.n_left, fat.n_right, both)
        for roi, value, count in zip(rois, means, counts, strict=True):
            scene.add(roi, "muscle_pdff_mean", value, "%", method, count, flags)
        metric, unit = "muscle_pdff_asymmetry", "percentage points"
        scene.add(muscle, metric, fat.asymmetry, unit, f"{method}; left minus right", both, flags)

    scene.attempt(muscle, "muscle_pdff_mean", "%", method, work)
