"""What a seeded outline must look like to be used; what does not is left out with the reason.

The limits are wide: they catch outlines that are no body at all, not poor ones. A collapsed
vertebra may be refused too: it has no place in a mean bone density, and a mask overrules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.segmentation.schemes import level_name
from osteoflow.segmentation.spine_frame import Frame, body_sizes

# Share of the typical volume and height.
VOLUME = (0.65, 2.1)
HEIGHT = (0.78, 1.5)
# In MRI, whose thick slices and dark cortex make outlines smaller.
VOLUME_MRI = (0.45, 2.1)
HEIGHT_MRI = (0.65, 1.5)
# Ratio to the median of the other levels, each relative to what is typical of it.
VOLUME_TO_OTHERS = (0.7, 1.4)
HEIGHT_TO_OTHERS = (0.8, 1.25)
# Between seed and centre, relative to the body's half sizes: beyond 1 the seed lay outside.
SEED_SHIFT = 1.15
# Least mean vote of the template, and least share of the others' median.
VOTE, VOTE_TO_OTHERS = 0.18, 0.6
LEAST_VOXELS = 100
# Largest SD in the trabecular volume (HU), and relative to the others' median.
SD_HU, SD_TO_OTHERS = 90.0, 1.6
# Between opposite halves of the trabecular volume: HU, and share of the SD.
HALVES_HU, HALVES_SD = 40.0, 0.8


@dataclass(frozen=True)
class Facts:
    """What the gates look at of one level; lengths in mm, volumes in cm3, values in HU (CT)."""

    level: int
    seed: tuple[float, float, float]
    volume: float
    typical_volume: float
    height: float
    shift: tuple[float, float, float]
    shift_share: float
    vote: float
    voxels: int
    sd: float
    halves: float

    @property
    def volume_share(self) -> float:
        """Volume relative to the typical one."""
        return self.volume / self.typical_volume

    @property
    def height_share(self) -> float:
        """Height relative to the typical one."""
        return self.height / body_sizes()[self.level].height

    def described(self, refusal: str | None) -> dict[str, Any]:
        """For the sidecar."""
        return {
            "Level": level_name(self.level),
            "SeedRasMillimetres": [round(v, 1) for v in self.seed],
            "ShiftMillimetres": round(float(np.linalg.norm(self.shift)), 1),
            "BodyCubicCentimetres": round(self.volume, 1),
            "HeightMillimetres": round(self.height, 1),
            "EdgeVote": round(self.vote, 2),
            "TrabecularVoxels": self.voxels,
            "TrabecularSd": round(self.sd, 1) if np.isfinite(self.sd) else None,
            "Refused": refusal or "no",
        }


def gather(
    labels: Volume,
    voi: Volume,
    values: Volume,
    levels: Sequence[int],
    seeds: np.ndarray,
    fitted: Sequence[tuple[Frame, float]],
) -> list[Facts]:
    """Facts of every level.

    Parameters
    ----------
    labels, voi
        Bodies and trabecular volumes on the image's grid.
    values
        Image on the same grid, in HU or scaled to match.
    levels, seeds
        VerSe ids and RAS points (n, 3).
    fitted
        Template and mean vote of each level.
    """
    voxel = abs(float(np.linalg.det(labels.affine[:3, :3]))) / 1000
    found = []
    for level, seed, (frame, vote) in zip(levels, seeds, fitted, strict=True):
        where = np.argwhere(labels.data == level)
        centre = frame.centre
        height = 0.0
        if len(where):
            ras = where @ labels.affine[:3, :3].T + labels.affine[:3, 3]
            centre = ras.mean(axis=0)
            # Of a body with flat ends: the SD along its axis times the root of 12.
            height = float((ras @ frame.axes[2]).std() * np.sqrt(12))
        shift = frame.axes @ (centre - seed)
        inner = voi.data == level
        found.append(
            Facts(
                level,
                tuple(float(v) for v in seed),
                len(where) * voxel,
                float(np.pi / 4 * np.prod(2 * body_sizes()[level].half) / 1000),
                height,
                tuple(float(v) for v in shift),
                float(np.abs(shift / frame.half).max()),
                vote,
                int(inner.sum()),
                float(values.data[inner].std()) if inner.any() else float("nan"),
                _halves(inner, values, frame),
            )
        )
    return found


def _halves(inner: np.ndarray, values: Volume, frame: Frame) -> float:
    """Largest difference between the means of a volume's opposite halves along the body's axes."""
    where = np.argwhere(inner)
    if len(where) < LEAST_VOXELS:
        return float("nan")
    sample = values.data[inner].astype(float)
    local = (where @ values.affine[:3, :3].T) @ frame.axes.T
    sides = local > np.median(local, axis=0)
    return float(max(abs(sample[side].mean() - sample[~side].mean()) for side in sides.T))


def refuse(facts: Sequence[Facts], contrast: str) -> dict[int, str]:
    """VerSe id -> why the level is left out, of those that are."""
    refused: dict[int, str] = {}
    for fact in facts:
        if reason := _alone(fact, contrast == "CT"):
            refused[fact.level] = reason
    # A level that fails on its own says nothing about the others.
    good = [fact for fact in facts if fact.level not in refused]
    for fact in good:
        if reason := _among(fact, [other for other in good if other is not fact]):
            refused[fact.level] = reason
    return refused


def _alone(fact: Facts, ct: bool) -> str:
    volume, height = (VOLUME, HEIGHT) if ct else (VOLUME_MRI, HEIGHT_MRI)
    checks = (
        (fact.voxels < LEAST_VOXELS, f"only {fact.voxels} voxels of trabecular bone"),
        (
            not volume[0] <= fact.volume_share <= volume[1],
            f"{fact.volume:.1f} cm3 where {fact.typical_volume:.0f} cm3 are typical",
        ),
        (
            not height[0] <= fact.height_share <= height[1],
            f"height {fact.height:.0f} mm where {body_sizes()[fact.level].height:.0f} mm are "
            "typical (collapsed, or the outline failed)",
        ),
        (
            fact.shift_share > SEED_SHIFT,
            f"the seed lies {np.linalg.norm(fact.shift):.0f} mm from the middle of the body found",
        ),
        (fact.vote < VOTE, f"edges of a body are hardly seen ({fact.vote:.2f}, least {VOTE:g})"),
        (ct and fact.sd > SD_HU, f"SD {fact.sd:.0f} HU in the trabecular volume"),
        (
            ct and fact.halves > max(HALVES_HU, HALVES_SD * fact.sd),
            f"halves of the trabecular volume differ by {fact.halves:.0f} HU",
        ),
    )
    return next((text for failed, text in checks if failed), "")


def _among(fact: Facts, others: Sequence[Facts]) -> str:
    if not others:
        return ""

    def ratio(value: float, every: list[float]) -> float:
        middle = float(np.median(every))
        return value / middle if middle > 0 else 1.0

    volume = ratio(fact.volume_share, [f.volume_share for f in others])
    height = ratio(fact.height_share, [f.height_share for f in others])
    vote = ratio(fact.vote, [f.vote for f in others])
    sd = ratio(fact.sd, [f.sd for f in others])
    checks = (
        (
            not VOLUME_TO_OTHERS[0] <= volume <= VOLUME_TO_OTHERS[1],
            f"{volume:.0%} of the volume that the other levels suggest",
        ),
        (
            not HEIGHT_TO_OTHERS[0] <= height <= HEIGHT_TO_OTHERS[1],
            f"{height:.0%} of the height that the other levels suggest (collapsed, or the outline "
            "failed)",
        ),
        (vote < VOTE_TO_OTHERS, f"edges seen {vote:.0%} as well as at the other levels"),
        (sd > SD_TO_OTHERS, f"SD {sd:.1f} times that of the other levels"),
    )
    return next((text for failed, text in checks if failed), "")
