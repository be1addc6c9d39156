"""Which subjects are given to a segmentation program. Parsing the workflow loads this: no numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODALITIES = ("ct", "mri")


def planned_outlines(
    back_ends: Any, paths: Mapping[str, str], found: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Which programs shall outline one subject: program -> modality -> its settings.

    Parameters
    ----------
    back_ends
        Section ``segmentation.backends`` of the configuration.
    paths
        Filled path columns of the subject's row.
    found
        Whether the subject has images of ``ct`` and ``mri``.
    """
    planned: dict[str, dict[str, Any]] = {}
    for modality in MODALITIES:
        chosen = getattr(back_ends, modality)
        given = f"{modality}_mask" in paths or f"{modality}_seeds" in paths
        if chosen is not None and found[modality] and not given:
            planned.setdefault(chosen.name, {})[modality] = chosen.model_dump()
    return planned
