"""Where each label of a label map lies: one pass, after which work is done label by label."""

from __future__ import annotations

import numpy as np

Box = tuple[slice, slice, slice]


def label_boxes(labels: np.ndarray, largest: int = 0) -> dict[int, Box]:
    """Label -> the smallest box that holds it, for every label that is present.

    Parameters
    ----------
    labels
        Integer label map (i, j, k); 0 is background.
    largest
        Labels above it are left aside; 0: none.
    """
    # Schemes are read where no scipy is: in the environments of segmentation programs.
    from osteoflow.scipy_parts import ndimage

    data = np.asarray(labels)
    if not np.issubdtype(data.dtype, np.integer):
        data = data.astype(np.int32)
    found = ndimage.find_objects(data, max_label=largest)
    return {number: box for number, box in enumerate(found, start=1) if box is not None}
