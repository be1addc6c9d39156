"""From the values of fitted voxels to full maps, and which voxels may be relied on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

Reasons = Mapping[str, tuple[np.ndarray, str]]


def reliable_voxels(reasons: Reasons, warnings: list[str], flags: dict[str, float]) -> np.ndarray:
    """Voxels that no reason speaks against, bool, shape (voxels,).

    Parameters
    ----------
    reasons
        Name -> voxels that it concerns, bool, shape (voxels,), and a sentence.
    warnings, flags
        Receive a sentence for every reason that concerns any, and the count of each as
        ``voxels_<name>``.
    """
    reliable: np.ndarray | None = None
    for name, (where, sentence) in reasons.items():
        count = int(where.sum())
        flags[f"voxels_{name}"] = count
        if count:
            warnings.append(f"{count} of {where.size} voxels are marked unreliable: {sentence}")
        reliable = ~where if reliable is None else reliable & ~where
    if reliable is None:
        raise ValueError("no reason is given, so that the number of voxels is not known")
    return reliable


def full_maps(
    values: Mapping[str, np.ndarray],
    names: Iterable[str],
    reliable: np.ndarray,
    inside: np.ndarray,
) -> dict[str, np.ndarray]:
    """Maps of the whole image.

    Parameters
    ----------
    values
        Values of the fitted voxels by name, each of shape (voxels,).
    names
        Which of them become maps.
    reliable
        bool, shape (voxels,).
    inside
        bool, shape (i, j, k): where those voxels lie.

    Returns
    -------
    float32 maps of shape (i, j, k), NaN outside, and the uint8 map ``quality``, 1 where
    reliable.
    """
    full: dict[str, np.ndarray] = {}
    for name in names:
        full[name] = np.full(inside.shape, np.nan, np.float32)
        full[name][inside] = values[name]
    full["quality"] = np.zeros(inside.shape, np.uint8)
    full["quality"][inside] = reliable
    return full
