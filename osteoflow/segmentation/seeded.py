"""Vertebral bodies from one point in each, without a trained model.

First the points are centred by a template (:mod:`osteoflow.segmentation.seed_centres`), then the
bodies grow from markers (:mod:`osteoflow.segmentation.seed_watershed`), on a grid of 1.5 mm around
the spine. What does not look like a body is left out (:mod:`osteoflow.segmentation.seed_gates`).
The result serves trabecular volumes: its surface is not accurate enough for whole vertebrae.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.outside import permission_denied
from osteoflow.io.seeds import Seeds, read_seeds
from osteoflow.io.volume import Volume
from osteoflow.segmentation import seed_gates, seed_watershed
from osteoflow.segmentation.grid import check_levels, to_image_grid
from osteoflow.segmentation.prepare import PreparedMask
from osteoflow.segmentation.schemes import level_name
from osteoflow.segmentation.seed_centres import fit_bodies
from osteoflow.segmentation.seed_check import check_seeds
from osteoflow.segmentation.seed_contrast import Contrast, ct_contrast
from osteoflow.segmentation.seed_grid import STEP_MM, seed_grid, to_image
from osteoflow.segmentation.spine_frame import Frame
from osteoflow.segmentation.voi import trabecular_voi
from osteoflow.segmentation.volumes import Volumes

Choose = Callable[[list[int], np.ndarray], Contrast]
"""Contrast for levels (VerSe ids) and points (RAS mm) of seeds."""

METHOD = "seeded marker watershed"
LOOK = "seeded outlines: look at the overlay of every level"


@dataclass(frozen=True)
class SeededMask(PreparedMask):
    """Seeded regions; ``about`` is what the sidecar states of how they came about."""

    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Grown:
    """Bodies on the image's grid before gates, and what the gates look at."""

    labels: Volume
    levels: list[int]
    points: np.ndarray
    fitted: list[tuple[Frame, float]]


def prepare_seeds(
    given: Mapping[str, Any],
    study: Path,
    image: Volume,
    erosion_mm: float,
    choose: Choose | None = None,
) -> SeededMask:
    """Read seeds, grow the bodies and derive the trabecular volumes.

    Parameters
    ----------
    given
        Inventory entry of the seeds file (``path``, perhaps ``missing`` or ``denied``).
    study
        Folder where relative paths start.
    image
        CT in HU; with ``choose``, any image whose grid counts.
    erosion_mm
        Distance by which the bodies' surface is moved inwards.
    choose
        Gives what the bodies are told from their surroundings by; None: the CT itself.

    Returns
    -------
    SeededMask
        Only levels that passed all gates; each of the others has a warning.

    Raises
    ------
    SubjectDataError
        ``seeds_missing``, ``permission_denied``, those of :func:`osteoflow.io.seeds.read_seeds` and
        :func:`osteoflow.segmentation.seed_check.check_seeds`; ``seeds_all_refused`` (no level
        passed).
    """
    if given.get("denied"):
        raise permission_denied("the seeds file named in the subjects table may not be read")
    if given.get("missing"):
        raise SubjectDataError(
            "seeds_missing",
            "the seeds file named in the subjects table does not exist or cannot be opened",
            "Check the path in the subjects table, and that it names the file with its ending.",
        )
    seeds = read_seeds(study / given["path"])
    return segment_seeds(seeds, image, erosion_mm, choose)


def segment_seeds(
    seeds: Seeds, image: Volume, erosion_mm: float, choose: Choose | None = None
) -> SeededMask:
    """Bodies and trabecular volumes from seeds; see :func:`prepare_seeds`."""
    if image.data.ndim == 4:
        image = image.like(image.data[..., 0])
    levels, points, warnings = check_seeds(seeds, image)
    contrast = choose(levels, points) if choose else ct_contrast(image)
    grown = _grow(contrast, image, levels, points)
    voi, voi_warnings = trabecular_voi(grown.labels, erosion_mm)
    facts = seed_gates.gather(
        grown.labels, voi, contrast.gate, grown.levels, grown.points, grown.fitted
    )
    refusals = seed_gates.refuse(facts, contrast.name)
    kept = [level for level in levels if level not in refusals]
    if not kept:
        reasons = "; ".join(f"{level_name(n)}: {text}" for n, text in refusals.items())
        raise SubjectDataError(
            "seeds_all_refused",
            f"no seeded outline looks like a vertebral body ({reasons})",
            "Check that each point lies in the middle of its vertebral body, or give a mask.",
        )
    labels, voi = (
        v.like(np.where(np.isin(v.data, kept), v.data, 0).astype(np.uint8))
        for v in (grown.labels, voi)
    )
    warnings = [
        *seeds.warnings,
        *warnings,
        LOOK,
        *contrast.warnings,
        *(
            f"{level_name(n)}: seeded outline refused, level left out: {t}"
            for n, t in refusals.items()
        ),
        *(f"seeded outlines: {text}" for text in check_levels(labels)),
    ]
    voi_warnings = [f"seeded {text}" for text in voi_warnings if not _of_refused(text, refusals)]
    about = _about(seeds, contrast, facts, refusals)
    volumes = Volumes({"voi": (voi, voi_warnings)}, {})
    return SeededMask(labels, voi, warnings, voi_warnings, volumes, about)


def _grow(contrast: Contrast, image: Volume, levels: list[int], points: np.ndarray) -> _Grown:
    grid = seed_grid(contrast.image, points, contrast.limits)
    fitted = fit_bodies(grid, levels, points, contrast.bright_shell)
    labels = seed_watershed.grow_bodies(grid, [frame for frame, _ in fitted], contrast.shell_mm)
    return _Grown(to_image(labels, grid, image, levels), levels, points, fitted)


def _of_refused(text: str, refusals: Mapping[int, str]) -> bool:
    return any(text.startswith(f"{level_name(number)}:") for number in refusals)


def _about(
    seeds: Seeds, contrast: Contrast, facts: list[seed_gates.Facts], refusals: Mapping[int, str]
) -> dict[str, Any]:
    return {
        "Seeded": True,
        "Method": METHOD,
        "SeededOn": contrast.name,
        "SeedFormat": seeds.format,
        "SeedCoordinateSystem": seeds.system,
        "Parameters": {
            "GridMillimetres": STEP_MM,
            "InnerMarker": seed_watershed.INNER,
            "OuterMarker": seed_watershed.OUTER,
            "GradientSigmaMillimetres": seed_watershed.SIGMA_MM,
            "AddedCortexMillimetres": contrast.shell_mm,
            "OpeningMillimetres": seed_watershed.OPENING_MM,
        },
        "Levels": [fact.described(refusals.get(fact.level)) for fact in facts],
    }


def carry_seeded(found: SeededMask, image: Volume, erosion_mm: float) -> SeededMask:
    """Bodies seeded on one image of an examination, brought to another one's grid by position."""
    if image.data.ndim == 4:
        image = image.like(image.data[..., 0])
    labels, warnings = to_image_grid(found.labels, image)
    voi, voi_warnings = trabecular_voi(labels, erosion_mm)
    notes = [f"seeded outlines: {text}" for text in warnings]
    about = {**found.about, "CarriedByPosition": True}
    voi_notes = [f"seeded {text}" for text in voi_warnings]
    volumes = Volumes({"voi": (voi, voi_notes)}, {})
    return SeededMask(labels, voi, [LOOK, *notes], voi_notes, volumes, about)
