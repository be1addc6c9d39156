"""The seeds of an analysis' random parts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np


def analysis_seeds(seed: int, name: str, parts: Sequence[str]) -> dict[str, np.random.SeedSequence]:
    """A seed for each random part, fixed by the study's seed and the analysis' name.

    Parameters
    ----------
    seed
        Of the study.
    name
        Of the analysis: what other analyses there are changes nothing.
    parts
        Names of the parts. Each one's seed depends on its place alone: new parts come last.
    """
    root = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    return dict(zip(parts, root.spawn(len(parts)), strict=True))
