"""Numbers of regions: each map summarised over each labelled region, as rows of one long table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from osteoflow.io.tables import MEASUREMENT_COLUMNS
from osteoflow.io.volume import Volume
from osteoflow.resources import read_resource
from osteoflow.segmentation.boxes import Box, label_boxes
from osteoflow.segmentation.schemes import level_name
from osteoflow.segmentation.structures import LAST_VERTEBRA, structure_id

TRABECULAR = "_trabecular"
# Volumes of interest (see `osteoflow.segmentation.volumes`) and what they add to a level's name.
SUFFIXES = {"voi": TRABECULAR, "ellipse": "_ellipse", "cortical": "_cortical"}
# A mean over fewer voxels than this says little about a vertebra; it is given and flagged.
FEW_VOXELS = 30
# Share of a region without a reliable value above which its numbers are flagged.
UNRELIABLE_SHARE = 0.1
# A calibration by bone mineral says nothing about muscle, fluid or fat.
BONE_ONLY = {"vbmd"}
# Trabecular bone is never so dense: cement and metal are (this project's choice; bone cement
# with its contrast agent reads 1500 HU and more, compact bone at most about as much).
DENSE_HU = 1000.0
# Asked of trabecular volumes alone: whole vertebrae have compact bone.
TRABECULAR_ONLY = {"hu_above1000"}
# How the method of a mean over levels ends.
MEAN_OF_LEVELS = "; mean of levels"
# How far a muscle or the fluid is outlined is the rater's choice, and so is its volume.
OUTLINED_PART = "outlined_part"

STATISTICS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "median": lambda values: float(np.median(values)),
    "sd": lambda values: float(np.std(values, ddof=1)) if values.size > 1 else float("nan"),
    # Of marks of 0 and 1.
    "share": lambda values: float(100 * np.mean(values)),
    "above1000": lambda values: float(100 * np.mean(values > DENSE_HU)),
}


@cache
def dictionary() -> dict[str, dict[str, str]]:
    """Metric -> its row of ``resources/measurements.tsv``."""
    return {row["metric"]: row for row in read_resource("measurements.tsv")}


def metrics_of(image: str) -> list[str]:
    """Metrics that the dictionary defines for an image."""
    return [name for name, row in dictionary().items() if row["image"] == image]


def measure_regions(
    image: str,
    values: Volume,
    labels: Volume,
    *,
    suffix: str = "",
    unit: str = "*",
    method: str = "",
    reliable: np.ndarray | None = None,
    boxes: Mapping[int, Box] | None = None,
) -> list[dict[str, Any]]:
    """Rows of every metric of one image over every label.

    Parameters
    ----------
    image
        Name of the map in :data:`osteoflow.images.IMAGES`.
    values
        The map, shape (i, j, k).
    labels
        VerSe labels, and those of further structures, on the same grid; 0 is background. A bone
        density is measured over vertebrae only, and nothing over air.
    suffix
        Added to the level's name (``_trabecular``).
    unit
        Unit of metrics whose dictionary entry leaves it to the map.
    method
        How the map was made, in a few words.
    reliable
        Voxels whose value may be used; None: all finite ones.
    boxes
        From :func:`osteoflow.segmentation.boxes.label_boxes` of the labels, where they are at hand.

    Raises
    ------
    ValueError
        The map and the labels lie on different grids.
    """
    if not values.same_grid(labels):
        raise ValueError(f"{image} and its labels lie on different grids")
    rows = []
    boxes = label_boxes(labels.data) if boxes is None else boxes
    for label in _measured_labels(boxes, bone_only=image in BONE_ONLY):
        box = boxes[label]
        region = labels.data[box] == label
        total = int(region.sum())
        if reliable is not None:
            region &= reliable[box].astype(bool)
        kept = values.data[box][region].astype(np.float64)
        kept = kept[np.isfinite(kept)]
        flags = []
        if total - kept.size > UNRELIABLE_SHARE * total:
            flags.append(f"unreliable_voxels:{(total - kept.size) / total:.0%}")
        if kept.size < FEW_VOXELS:
            flags.append("few_voxels")
        for metric in metrics_of(image):
            if metric in TRABECULAR_ONLY and suffix != TRABECULAR:
                continue
            statistic = STATISTICS[metric.rpartition("_")[2]]
            stated = dictionary()[metric]["unit"]
            rows.append(
                {
                    "roi": level_name(label) + suffix,
                    "image": image,
                    "metric": metric,
                    "value": statistic(kept) if kept.size else float("nan"),
                    "unit": unit if stated == "*" else stated,
                    "method": method,
                    "n_voxels": kept.size,
                    "flag": ";".join(flags),
                }
            )
    return rows


def measure_volumes(
    image: str, labels: Volume, suffix: str = "", boxes: Mapping[int, Box] | None = None
) -> list[dict[str, Any]]:
    """Volume of every label in cm3; ``image`` names the segmentation (``seg_ct``).

    That of a further structure is flagged ``outlined_part``; air has none.
    """
    voxel = abs(float(np.linalg.det(labels.affine[:3, :3]))) / 1000.0
    boxes = label_boxes(labels.data) if boxes is None else boxes
    names = _measured_labels(boxes)
    counts = [int(np.count_nonzero(labels.data[boxes[label]] == label)) for label in names]
    return [
        {
            "roi": level_name(label) + suffix,
            "image": image,
            "metric": "volume",
            "value": float(count * voxel),
            "unit": dictionary()["volume"]["unit"],
            "method": "voxel count",
            "n_voxels": count,
            "flag": OUTLINED_PART if label > LAST_VERTEBRA else "",
        }
        for label, count in zip(names, counts, strict=True)
    ]


def _measured_labels(boxes: Mapping[int, Box], bone_only: bool = False) -> list[int]:
    """Labels that have rows: vertebrae and, unless only bone counts, what else is tissue."""
    air = structure_id("air")
    return [n for n in boxes if n <= LAST_VERTEBRA or not (bone_only or n == air)]


def level_range(levels: Sequence[str]) -> str:
    """``L1-L4`` for neighbouring levels, ``L1+L3`` for others."""
    from osteoflow.segmentation.schemes import verse_id

    ids = [verse_id(level) for level in levels]
    neighbours = all(b - a == 1 for a, b in zip(ids, ids[1:], strict=False))
    if len(levels) > 1 and neighbours:
        return f"{levels[0]}-{levels[-1]}"
    return "+".join(levels)


@cache
def levels_of(roi: str) -> tuple[str, ...]:
    """Levels in the name that :func:`level_range` gave, whatever their volume; none for others.

    ``L1-L3_trabecular`` -> L1, L2, L3; ``L1+L3`` -> L1, L3; ``csf`` -> none.
    """
    from osteoflow.segmentation.schemes import level_name, verse_id

    names = roi.partition("_")[0]
    try:
        if "-" not in names:
            return tuple(level_name(verse_id(level)) for level in names.split("+"))
        first, last = (verse_id(level) for level in names.split("-"))
    except ValueError:
        return ()
    return tuple(level_name(number) for number in range(first, last + 1))


def average_levels(
    rows: list[dict[str, Any]],
    metric: str,
    levels: Sequence[str],
    *,
    suffix: str = TRABECULAR,
    left_out: Mapping[str, str] | None = None,
    minimum_levels: int = 2,
) -> dict[str, Any] | None:
    """The mean of a metric over the volumes of named levels, each counted once.

    Parameters
    ----------
    rows
        Rows of one rater of one subject.
    metric, levels, suffix
        What is averaged: a metric of the volumes ``L1<suffix>``, ``L2<suffix>`` ...
    left_out
        Reason by level: these levels do not count and are named in the flag
        (``left_out:L1 fractured``).
    minimum_levels
        With levels left out, the mean has a value if at least so many remain.

    Returns
    -------
    dict or None
        The row. A level that is missing leaves the mean without a value and is named in the flag
        (``missing:L2``), as do too few remaining ones (``too_few_levels``). None where the metric
        was not measured at all, or the number is there already: a score of several levels, or the
        one level asked for.
    """
    measured = {
        row["roi"]: row for row in rows if row["metric"] == metric and row["roi"].endswith(suffix)
    }
    roi = level_range(levels) + suffix
    if not measured or roi in measured:
        return None
    out = {level: reason for level, reason in (left_out or {}).items() if level in levels}
    wanted = [level + suffix for level in levels if level not in out]
    missing = [
        name.removesuffix(suffix)
        for name in wanted
        if name not in measured or not np.isfinite(measured[name]["value"])
    ]
    used = [measured[name] for name in wanted if name in measured]
    reference = next(iter(measured.values()))
    flags = sorted({flag for row in used for flag in row["flag"].split(";") if flag})
    too_few = bool(out) and len(wanted) < min(minimum_levels, len(levels))
    if too_few:
        flags.insert(0, "too_few_levels")
    if out:
        flags.insert(0, "left_out:" + "+".join(f"{name} {why}" for name, why in out.items()))
    if missing:
        flags.insert(0, f"missing:{'+'.join(missing)}")
    known = bool(used) and not missing and not too_few
    return {
        **reference,
        "roi": roi,
        "value": float(np.mean([row["value"] for row in used])) if known else float("nan"),
        "method": f"{reference['method']}{MEAN_OF_LEVELS}",
        "n_voxels": sum(row["n_voxels"] for row in used),
        "flag": ";".join(flags),
    }


def complete(
    rows: list[dict[str, Any]], participant_id: str, session: str, rater: int, reading: int = 1
) -> list[dict[str, Any]]:
    """Rows with their identity, in the order of the table's columns."""
    who = {"participant_id": participant_id, "session": session or "n/a"}
    identity = {**who, "rater": rater, "reading": reading}
    return [{column: {**identity, **row}[column] for column in MEASUREMENT_COLUMNS} for row in rows]
