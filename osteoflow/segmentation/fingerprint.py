"""What a reviewer saw of a region, as a short fingerprint.

A decision on a region holds for what was looked at: this image, this outline, this trabecular
volume, on this grid. Each region has a fingerprint of these; a decision whose fingerprint is
another one was made on something else and has to be made again.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.segmentation.boxes import label_boxes
from osteoflow.segmentation.schemes import anatomical_order, level_name, region_names

WHOLE_IMAGE = "all"
REGION_COLUMNS = ("item", "roi", "n_voxels", "n_trabecular", "fingerprint")
# Affines that differ by less are the same grid written by another program.
AFFINE_STEP_MM = 1e-3
DIGITS = 16


def region_rows(item: str, image: Volume, labels: Volume, voi: Volume) -> list[dict[str, Any]]:
    """One row for every region of a mask, after one for all of them.

    Parameters
    ----------
    item
        The mask, one of :data:`osteoflow.images.RATERS`.
    image
        The image it outlines, shape (i, j, k) or (i, j, k, n).
    labels, voi
        Regions and trabecular volumes in internal labels, on the image's grid.

    Returns
    -------
    list of dict
        ``item``, ``roi`` (``all``, ``L1``, ``csf`` ...), ``n_voxels`` and ``n_trabecular``
        (voxel counts) and ``fingerprint``: a letter and 16 hexadecimal digits, which no
        spreadsheet program takes for a number.

    Raises
    ------
    ValueError
        The label maps lie on different grids, or not on that of the image.
    """
    if not (labels.same_grid(voi) and labels.same_grid(image)):
        raise ValueError(f"{item}: image, regions and trabecular volumes need one grid")
    seen = _image_digest(image)
    rows = []
    outlines, inner = (np.asarray(part.data) for part in (labels, voi))
    boxes = label_boxes(outlines)
    for number in sorted(boxes, key=anatomical_order):
        box = boxes[number]
        # A trabecular volume lies inside its region, and so inside the box.
        parts = [part[box] == number for part in (outlines, inner)]
        digest = hashlib.sha256(f"{seen} {number} {_bounds(box)}".encode())
        for part in parts:
            digest.update(np.packbits(np.ascontiguousarray(part)).tobytes())
        rows.append(_row(item, level_name(number), *map(np.count_nonzero, parts), digest))
    together = hashlib.sha256(" ".join([seen, *(row["fingerprint"] for row in rows)]).encode())
    counts = (sum(row[name] for row in rows) for name in ("n_voxels", "n_trabecular"))
    return [_row(item, WHOLE_IMAGE, *counts, together), *rows]


def region_order(roi: str) -> int:
    """Key that sorts regions: the whole image, vertebrae from head to foot, structures."""
    return [WHOLE_IMAGE, *region_names()].index(roi)


def _row(item: str, roi: str, voxels: int, trabecular: int, digest: Any) -> dict[str, Any]:
    return {
        "item": item,
        "roi": roi,
        "n_voxels": int(voxels),
        "n_trabecular": int(trabecular),
        "fingerprint": "m" + digest.hexdigest()[:DIGITS],
    }


def _image_digest(image: Volume) -> str:
    """Hash of the image's values and grid."""
    grid = np.round(np.asarray(image.affine, float) / AFFINE_STEP_MM).astype(np.int64)
    data = np.ascontiguousarray(image.data)
    digest = hashlib.sha256(f"{data.shape} {data.dtype.str} {grid.tolist()}".encode())
    digest.update(data)
    return digest.hexdigest()


def _bounds(box: tuple[slice, ...]) -> str:
    return ",".join(f"{part.start}:{part.stop}" for part in box)
