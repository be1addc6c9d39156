"""Label schemes of segmentation masks, and the region behind each label."""

from __future__ import annotations

from functools import cache

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.resources import read_resource
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.segmentation.structures import LAST_VERTEBRA, is_vertebra, structure_names

# More unknown values than any tool's further structures: a scan given as a mask.
MOST_UNKNOWN = 50
LARGEST_LABEL = 2**31
SACRUM = 26
NAMES = "names"
"""Scheme of files whose segments have names; every other scheme goes by numbers."""


@cache
def _schemes() -> dict[str, dict[int, int]]:
    schemes: dict[str, dict[int, int]] = {}
    for row in read_resource("label_schemes.tsv"):
        schemes.setdefault(row["scheme"], {})[int(row["label"])] = int(row["region_id"])
    return schemes


@cache
def _names() -> dict[int, str]:
    return {
        int(row["region_id"]): row["name"]
        for row in read_resource("label_schemes.tsv")
        if row["scheme"] == "verse"
    }


def scheme_names() -> list[str]:
    """Names of the known label schemes."""
    return sorted([*_schemes(), NAMES])


def regions_of(scheme: str) -> dict[int, int]:
    """Label -> region of a scheme that goes by numbers; 0 for a structure that is not kept.

    Raises
    ------
    ValueError
        Unknown scheme, or one without numbers.
    """
    if scheme not in _schemes():
        numbered = ", ".join(sorted(_schemes()))
        raise ValueError(f"unknown label scheme {scheme!r}; known: {numbered}")
    return _schemes()[scheme]


def region_names() -> list[str]:
    """Names of all vertebrae, from head to foot, and of the further structures."""
    ids = sorted(_names(), key=anatomical_order)
    return [*(_names()[number] for number in ids), *structure_names().values()]


def level_name(number: int) -> str:
    """Name of a vertebra or of a further structure: ``20`` -> ``L1``, ``155`` -> ``csf``.

    Raises
    ------
    ValueError
        Neither a VerSe id of a vertebra nor the number of a further structure.
    """
    names = _names() | structure_names()
    if int(number) not in names:
        raise ValueError(
            f"{number} is no VerSe id and no further structure; known: {sorted(names)}"
        )
    return names[int(number)]


def scheme_level(scheme: str, label: int) -> str:
    """Name of what a label means in a scheme: ``31`` in ``totalsegmentator_v2`` -> ``L1``."""
    number = _schemes()[scheme].get(int(label), 0)
    return level_name(number) if number else f"label {int(label)}"


def verse_id(name: str) -> int:
    """``L1`` -> ``20``.

    Raises
    ------
    ValueError
        Not the name of a vertebra.
    """
    ids = {level: number for number, level in _names().items()}
    if name not in ids:
        raise ValueError(f"unknown vertebra {name!r}; known: {', '.join(ids)}")
    return ids[name]


def anatomical_order(verse_id: int) -> float:
    """Key that sorts VerSe ids from head to foot (T13, id 28, lies between T12 and L1).

    Further structures come after all vertebrae.
    """
    return 19.5 if verse_id == 28 else float(verse_id)


def to_verse(
    labels: np.ndarray, scheme: str, *, require_vertebra: bool = True
) -> tuple[np.ndarray, list[str]]:
    """Label map in VerSe ids, and in the numbers of further structures.

    Parameters
    ----------
    labels
        Label map of any numeric type in the declared scheme.
    scheme
        One of :func:`scheme_names` that goes by numbers. The same number means different vertebrae
        in different schemes, so it is never guessed.
    require_vertebra
        False: a mask that outlines further structures alone (muscles, fluid) will do.

    Returns
    -------
    tuple
        uint8 array of the same shape (1-7 C1-C7, 8-19 T1-T12, 20-25 L1-L6, 26 sacrum, 28 T13;
        further structures as in :mod:`osteoflow.segmentation.structures`; everything else that
        the scheme has is 0) and warnings about labels that the scheme does not have, which are 0
        too.

    Raises
    ------
    ValueError
        Unknown scheme.
    SubjectDataError
        ``mask_not_integer``, ``mask_not_labels``: values that are no labels. ``mask_empty``: no
        label at all. ``mask_no_vertebra``: no label of the scheme is a vertebra.
        ``mask_no_region``: none is a vertebra or a further structure, where the latter will do.
    """
    table = regions_of(scheme)
    labels = _whole_numbers(np.asarray(labels))
    lookup = np.zeros(max(table) + 1, np.uint8)
    for label, number in table.items():
        lookup[label] = number
    # Labels beyond the table are rare; only they are sorted for the warning.
    beyond = labels.min(initial=0) < 0 or labels.max(initial=0) >= len(lookup)
    unknown: set[int] = set()
    if beyond:
        named = (labels >= 0) & (labels < len(lookup))
        unknown = {int(value) for value in np.unique(labels[~named])}
        labels = np.where(named, labels, 0)
    present = {0, *label_boxes(labels)}
    unknown |= present - {0, *table}
    result = np.take(lookup, labels)
    if present == {0} and not unknown:
        raise SubjectDataError("mask_empty", "the mask holds no label", "Check the exported mask.")
    if len(unknown) > MOST_UNKNOWN:
        raise SubjectDataError(
            "mask_not_labels",
            f"the mask holds {len(unknown)} values that are no labels of the scheme {scheme}: it "
            "looks like an image",
            "Check that the path names the label map and not the scan, and check mask_scheme.",
        )
    warnings = []
    if unknown:
        listed = ", ".join(map(str, sorted(unknown)))
        warnings.append(f"labels {listed} are not part of the scheme {scheme}: ignored")
    levels = {region for region in table.values() if 0 < region <= LAST_VERTEBRA} - {SACRUM}
    none = "" if levels else ", which names no level"
    check_regions(result, f"the scheme {scheme}{none}", require_vertebra)
    return result, warnings


def _whole_numbers(labels: np.ndarray) -> np.ndarray:
    """Labels of an integer type.

    Raises
    ------
    SubjectDataError
        ``mask_not_integer``.
    """
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    if not np.issubdtype(labels.dtype, np.integer):
        if not np.isfinite(labels).all() or (labels != np.round(labels)).any():
            raise SubjectDataError(
                "mask_not_integer",
                "the mask holds fractional values, so it is no label map",
                "Export labels, not probabilities, and resample with nearest neighbours.",
            )
        labels = np.clip(labels, -LARGEST_LABEL, LARGEST_LABEL).astype(np.int64)
    return labels


def check_regions(labels: np.ndarray, what: str, require_vertebra: bool) -> None:
    """A label map in internal numbers holds what is wanted of it.

    Parameters
    ----------
    labels
        In VerSe ids and numbers of further structures.
    what
        The scheme that it was made by, for the message.
    require_vertebra
        False: further structures alone will do.

    Raises
    ------
    SubjectDataError
        ``mask_no_vertebra`` or ``mask_no_region``.
    """
    if require_vertebra and not is_vertebra(labels).any():
        raise SubjectDataError(
            "mask_no_vertebra",
            f"none of the mask's labels is a vertebra in {what}",
            "Check the declared mask_scheme.",
        )
    if not labels.any():
        raise SubjectDataError(
            "mask_no_region",
            "none of the mask's labels is a vertebra, a muscle or another region that is measured "
            f"in {what}",
            "Check the declared mask_scheme.",
        )


def labels_table(present: np.ndarray | list[int]) -> list[dict[str, object]]:
    """Rows of a BIDS ``dseg.tsv``: index and name of each vertebra, from head to foot, and of each
    further structure.

    Parameters
    ----------
    present
        Numbers in the label map, 0 is left out.
    """
    ids = sorted({int(value) for value in present} - {0}, key=anatomical_order)
    return [{"index": number, "name": level_name(number)} for number in ids]
