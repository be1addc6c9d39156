"""Voxels of an image that do not go with a recipe, in words."""

from __future__ import annotations

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.radiomics.preprocess import feature_grid
from osteoflow.radiomics.settings import RadiomicsSettings

CLEARLY_THICK = 1.5
"""Ratio of the largest voxel edge to the next one from which nobody takes it for in-plane."""

ANISOTROPIC = 1.5
"""Ratio of voxel edges above which 3D texture compares distances of different length."""

UPSAMPLED = 2.0
"""Ratio of an acquired to a resampled edge above which most new voxels were never measured."""

UNEQUAL_IN_PLANE = 1.05

AXES = ("left-right", "posterior-anterior", "inferior-superior")


def voxel_text(image: Volume, settings: RadiomicsSettings) -> str:
    """Voxel size that features see in mm, right x anterior x superior; as acquired where the
    recipe refuses the grid."""
    try:
        _, target, _ = feature_grid(image, settings)
    except SubjectDataError:
        target, _, _ = feature_grid(image, settings.model_copy(update={"texture": "3D"}))
    return _text(target)


def grid_notes(image: Volume, settings: RadiomicsSettings) -> list[str]:
    """Warnings about the voxels of one image.

    Of a 2D recipe: a slice axis that hardly differs from the others, unequal edges within the
    slices. Of a 3D recipe: voxels that stay far from cubes, and slices from which several are made.
    An image that a 2D recipe refuses has none: its regions carry the reason.
    """
    try:
        spacing, target, slice_axis = feature_grid(image, settings)
    except SubjectDataError:
        return []
    notes = []
    if slice_axis is not None:
        across = spacing[slice_axis]
        first, second = sorted(step for axis, step in enumerate(spacing) if axis != slice_axis)
        if across < CLEARLY_THICK * second:
            notes.append(
                f"almost_isotropic: voxels of {_text(spacing)} mm; slices are taken to follow each "
                f"other {AXES[slice_axis]} because that edge is the longest. Check this, or use a "
                "3D recipe for the study"
            )
        planes = sorted(step for axis, step in enumerate(target) if axis != slice_axis)
        if second > UNEQUAL_IN_PLANE * first and planes[1] > UNEQUAL_IN_PLANE * planes[0]:
            notes.append(
                f"unequal_in_plane: {first:g} and {second:g} mm within the slices: neighbours lie "
                "at different distances; set resample_mm"
            )
        return notes
    if max(target) > ANISOTROPIC * min(target):
        notes.append(
            f"anisotropic: 3D texture on voxels of {_text(target)} mm compares neighbours at "
            "different distances; resample to one size, or use texture 2D for thick slices"
        )
    ratio = max(before / after for before, after in zip(spacing, target, strict=True))
    if ratio > UPSAMPLED:
        notes.append(
            f"upsampled: voxels of {_text(spacing)} mm were resampled to {_text(target)} mm: "
            "texture across the slices is interpolated, not measured; thick slices need texture 2D"
        )
    return notes


def _text(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{step:.3g}" for step in spacing)
