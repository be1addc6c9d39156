"""From a mask file of any format to one label map in internal numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.segments import MaskFile, Segment
from osteoflow.io.volume import Volume
from osteoflow.segmentation.names import listed, meaning_of_codes, meaning_of_name, meanings
from osteoflow.segmentation.schemes import (
    NAMES,
    check_regions,
    level_name,
    regions_of,
    to_verse,
)
from osteoflow.segmentation.structures import LAST_VERTEBRA

# Vertebrae of one mask touch; more than this share of one of them in another is no outline's slip.
LARGEST_OVERLAP = 0.1


def to_regions(
    mask: MaskFile, scheme: str, *, require_vertebra: bool = True
) -> tuple[Volume, list[str]]:
    """Label map in VerSe ids, and in the numbers of further structures, on the mask's own grid.

    Parameters
    ----------
    mask
        As it was read.
    scheme
        Declared scheme: one of numbers, or ``names`` for files whose segments have names.
    require_vertebra
        False: a mask that outlines further structures alone will do.

    Returns
    -------
    tuple
        uint8 label map as :func:`osteoflow.segmentation.schemes.to_verse` makes it, and warnings:
        those of reading, segments that are no region or empty, voxels that several segments claim.

    Raises
    ------
    ValueError
        Unknown scheme.
    SubjectDataError
        ``mask_without_names``, ``mask_without_numbers``, ``mask_names_ambiguous``,
        ``mask_names_contradict`` (the names say other levels than the scheme),
        ``mask_segments_overlap``, and those of
        :func:`osteoflow.segmentation.schemes.to_verse`.
    """
    warnings = list(mask.warnings)
    if mask.labels is not None:
        if scheme == NAMES:
            raise SubjectDataError(
                "mask_without_names",
                f"the mask ({mask.kind}) holds numbers without names, but its scheme is '{NAMES}'",
                "Declare in mask_scheme how the numbers are meant, or give a file with named "
                "segments.",
            )
        labels, notes = to_verse(mask.labels, scheme, require_vertebra=require_vertebra)
        return Volume(labels, mask.affine), warnings + notes
    if not any(segment.count for segment in mask.segments):
        raise SubjectDataError(
            "mask_empty", "the mask holds no outlined voxel", "Check the exported mask."
        )
    if scheme == NAMES:
        found, notes = meanings(mask.segments)
        regions = [meaning.region if meaning else 0 for meaning in found]
    else:
        regions, notes = _by_number(mask, scheme)
    warnings += notes
    labels, notes = _painted(mask, regions)
    what = f"the scheme {scheme}"
    if scheme == NAMES:
        names = listed([f"'{segment.shown}'" for segment in mask.segments])
        what = f"the scheme {scheme} (segments {names})"
    check_regions(labels, what, require_vertebra)
    return Volume(labels, mask.affine), warnings + notes


def _by_number(mask: MaskFile, scheme: str) -> tuple[list[int], list[str]]:
    """Region of each segment by its number, where its name does not say otherwise."""
    table = regions_of(scheme)
    if not mask.numbered:
        raise SubjectDataError(
            "mask_without_numbers",
            f"the mask ({mask.kind}) numbers its regions in no fixed order, but its scheme "
            f"{scheme} goes by numbers",
            f"Name the regions L1, L2 ... and declare the scheme '{NAMES}'.",
        )
    numbers = [segment.number for segment in mask.segments if segment.count]
    if twice := sorted({n for n in numbers if numbers.count(n) > 1}):
        raise SubjectDataError(
            "mask_without_numbers",
            f"several segments of the mask ({mask.kind}) have the number "
            f"{', '.join(map(str, twice))}",
            f"Name the segments L1, L2 ... and declare the scheme '{NAMES}'.",
        )
    regions = [table.get(segment.number, 0) for segment in mask.segments]
    _check_names(mask.segments, regions, scheme)
    unknown = sorted({n for n in numbers if n not in table})
    text = ", ".join(map(str, unknown))
    notes = [f"labels {text} are not part of the scheme {scheme}: ignored"] if unknown else []
    return regions, notes


def _check_names(segments: Sequence[Segment], regions: Sequence[int], scheme: str) -> None:
    """Names that say another level than the numbers: tools number what they export from 1."""
    wrong = []
    for segment, region in zip(segments, regions, strict=True):
        meaning = meaning_of_name(segment.name) or meaning_of_codes(segment.codes)
        if meaning and meaning.region != region:
            found = level_name(region) if region else "no region"
            wrong.append(f"'{segment.shown}' has the number {segment.number} ({found})")
    if wrong:
        raise SubjectDataError(
            "mask_names_contradict",
            f"the names of the mask's segments say otherwise than the scheme {scheme}: "
            f"{listed(wrong)}",
            f"Declare the scheme '{NAMES}', or the scheme that these numbers belong to.",
        )


def _painted(mask: MaskFile, regions: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """One label map of the segments; vertebrae come before further structures, as in
    :func:`osteoflow.segmentation.structures.add_structures`, and otherwise the first one keeps."""
    result = np.zeros(mask.shape, np.uint8)
    warnings = []
    wanted = [(s, r) for s, r in zip(mask.segments, regions, strict=True) if r]
    sizes: dict[int, int] = {}
    for segment, region in sorted(wanted, key=lambda pair: pair[1] > LAST_VERTEBRA):
        if not segment.count:
            warnings.append(f"the segment '{segment.shown}' is empty")
            continue
        sizes[region] = sizes.get(region, 0) + segment.count
        box = result[segment.box]
        taken = segment.voxels & (box > 0) & (box != region)
        owners, counts = np.unique(box[taken], return_counts=True)
        for owner, count in zip(owners.tolist(), counts.tolist(), strict=True):
            _check_overlap(segment, region, owner, count, sizes)
            warnings.append(
                f"{count} of {segment.count} voxels of {level_name(region)} belong to "
                f"{level_name(owner)} as well and stay with it"
            )
        box[segment.voxels & (box == 0)] = region
    return result, warnings


def _check_overlap(
    segment: Segment, region: int, owner: int, count: int, sizes: dict[int, int]
) -> None:
    smaller = min(segment.count, sizes.get(owner, segment.count))
    if region <= LAST_VERTEBRA and count > LARGEST_OVERLAP * smaller:
        raise SubjectDataError(
            "mask_segments_overlap",
            f"{level_name(region)} and {level_name(owner)} share {100 * count / smaller:.0f} % of "
            "the smaller one",
            "Outline each vertebra in a segment of its own, without the others.",
        )
