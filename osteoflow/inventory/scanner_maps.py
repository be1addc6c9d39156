"""Water, fat and fat-fraction images that the scanner made, told by their Image Type alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.echoes import acquisition_key
from osteoflow.inventory.series import Header, as_list, count_images, image_kind, series_key

# Words of Image Type (in enhanced objects of Frame Type) from the third on, blanks as underscores.
# Documented by users of the scanners: DERIVED\PRIMARY\DIXON\WATER (and FAT) of GE's LAVA Flex and
# of Siemens' newer software; W, F and FF of Philips' mDixon, as in DERIVED\PRIMARY\FF\FF\DERIVED.
# Taken over from vendors' and others' texts: FAT_FRACTION, FATFRACTION, PDFF. No file of a scanner
# was at hand for any of them. Names of series are free text and are not looked at.
WORDS = {
    "pdff": {"FF", "PDFF", "FAT_FRACTION", "FATFRACTION"},
    "water": {"W", "WATER", "W_FFE"},
    "fat": {"F", "FAT", "F_FFE"},
}
PAIR = ("water", "fat")


def map_kind(header: Header) -> str | None:
    """``pdff``, ``water`` or ``fat``; None for any other image.

    Water and fat of a spin echo (turbo spin echo Dixon) are none: T2 weighs on them.
    """
    if header.get("Modality") != "MR" or header.get("MultiFrame"):
        return None
    if header.get("SamplesPerPixel", 1) != 1:
        return None
    if {"SE", "EP"}.intersection(as_list(header.get("ScanningSequence"))):
        return None
    words = {word.replace(" ", "_") for word in image_kind(header)[2:]}
    found = [kind for kind, known in WORDS.items() if words & known]
    return found[0] if len(found) == 1 else None


def choose_scanner_maps(
    headers: dict[str, Header], warnings: list[str]
) -> dict[str, list[str]] | None:
    """Names of the images of the one fat-fraction map, or of the one pair of water and fat.

    Parameters
    ----------
    headers
        Name -> header, as in :class:`osteoflow.inventory.folder.Folder`.
    warnings
        A sentence is added where maps are there but cannot be used.

    Raises
    ------
    SubjectDataError
        ``mri_ambiguous`` where there are several, ``maps_unequal`` where water and fat have not
        as many images.
    """
    groups: dict[tuple[Any, ...], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, header in headers.items():
        if (kind := map_kind(header)) is not None:
            groups[acquisition_key(header)][kind].append(name)
    fractions = [{"pdff": group["pdff"]} for group in groups.values() if "pdff" in group]
    pairs = [
        {kind: group[kind] for kind in PAIR}
        for group in groups.values()
        if all(kind in group for kind in PAIR)
    ]
    usable = fractions or pairs
    if not usable:
        if groups:
            count = sum(count_images(headers, n) for g in groups.values() for n in g.values())
            warnings.append(
                f"scanner_maps_incomplete: {count} images are water or fat alone as the scanner "
                "made them: without the other there is no fat fraction"
            )
        return None
    several = len(usable) > 1 or any(
        len({series_key(headers[name]) for name in names}) > 1 for names in usable[0].values()
    )
    if several:
        what = "fat-fraction maps" if fractions else "pairs of water and fat images"
        raise SubjectDataError(
            "mri_ambiguous",
            f"several {what} made by the scanner were found",
            "Leave only the one to be measured in the folder.",
        )
    counts = {kind: count_images(headers, names) for kind, names in usable[0].items()}
    if len(set(counts.values())) > 1:
        stated = " and ".join(f"{count} {kind}" for kind, count in counts.items())
        raise SubjectDataError(
            "maps_unequal",
            f"the scanner's maps are not complete: {stated} images were found",
            "Export every slice of the water and the fat images.",
        )
    return {kind: sorted(names) for kind, names in usable[0].items()}
