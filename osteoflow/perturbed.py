"""Features of perturbed images: one row per image, region and perturbation, and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.features import pooled_region
from osteoflow.images import FIRST_READING
from osteoflow.io.volume import Volume
from osteoflow.radiomics.grid_notes import voxel_text
from osteoflow.radiomics.perturbation.chain import Chain, estimate_noise, perturbed_features
from osteoflow.radiomics.perturbation.draws import image_seed
from osteoflow.radiomics.settings import RadiomicsSettings

ORDER = [
    "noise on the scan's grid",
    "growth or shrinkage of the outline on the scan's grid",
    "outline drawn anew of whole supervoxels",
    "shift and turn of the feature grid, in the interpolation that resamples",
]


class Perturbations:
    """Features of one subject's perturbed images, as they are made.

    Parameters
    ----------
    settings
        ``images``: how each image is perturbed, from
        :meth:`osteoflow.settings.radiomics.Radiomics.perturbation_of`, empty for subjects whose
        images are not; ``seed``: of the study.
    subject
        ``sub-01`` or ``sub-01_ses-1``.

    Attributes
    ----------
    images
        As given.
    table, about
        Rows of all images so far, and by image what was done.
    """

    def __init__(self, settings: Mapping[str, Any], subject: str) -> None:
        self.images: Mapping[str, Any] = settings["images"]
        self.seed, self.subject = settings["seed"], subject
        self.table: list[dict[str, Any]] = []
        self.about: dict[str, dict[str, Any]] = {}

    def rows(
        self,
        image: Volume,
        labels: np.ndarray,
        levels: Sequence[str],
        settings: RadiomicsSettings,
        identity: Mapping[str, Any],
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Rows and warnings of :func:`perturbed_rows`; none of further readings and other images.

        The rows are those of :attr:`table`: what changes them here changes them there.
        """
        name = identity["image"]
        if name not in self.images or (identity["rater"], identity["reading"]) != FIRST_READING:
            return [], []
        rows, self.about[name], warnings = perturbed_rows(
            *(image, labels, levels, settings),
            *(self.images[name], identity, self.subject, self.seed),
        )
        self.table += rows
        return rows, warnings


def perturbed_rows(
    image: Volume,
    labels: np.ndarray,
    levels: Sequence[str],
    settings: RadiomicsSettings,
    wanted: Mapping[str, Any],
    identity: Mapping[str, Any],
    subject: str,
    study_seed: int,
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """Features of the pooled trabecular volumes of one image, perturbed again and again.

    Parameters
    ----------
    image, labels, levels, settings, identity
        As of :func:`osteoflow.features.feature_rows`; ``identity`` holds the image's name.
    wanted
        From :meth:`osteoflow.settings.radiomics.Radiomics.perturbation_of`.
    subject, study_seed
        What the seed is made of.

    Returns
    -------
    rows, about, warnings
        Rows have the columns of features and ``perturbation``, from 1; ``about`` says how the
        chain was set and what was drawn. What features are flagged for is told once, with the
        number of perturbations that it happened in.
    """
    roi, mask, absent = pooled_region(labels, levels)
    chain, warnings = _chain(image, mask, wanted)
    seed = image_seed(study_seed, subject, identity["image"])
    missing = [f"missing:{'+'.join(absent)}"] if absent else []
    rows: list[dict[str, Any]] = []
    drawn: list[dict[str, Any]] = []
    flags: list[str] = []
    repetitions = wanted["repetitions"] if mask.any() else 0
    found = perturbed_features(image, {roi: mask}, settings, chain, seed, repetitions)
    try:
        for draw, results in found:
            result = results[roi]
            flags += filter(None, [result.flag])
            flag = ";".join([*filter(None, [result.flag]), *missing])
            about = {
                "roi": roi,
                "n_voxels": result.n_voxels,
                "voxel_mm": voxel_text(image, settings),
                "flag": flag,
            }
            rows.append({**identity, **about, "perturbation": draw.number, **result.features})
            drawn.append({**asdict(draw), "volumes": draw.volumes[roi]})
    except SubjectDataError as error:
        rows, drawn, flags = [], [], []
        warnings.append(f"{roi}: no perturbations: {error.message}")
    for flag in dict.fromkeys(flags):
        warnings.append(f"{roi}: {flags.count(flag)} of {len(rows)} perturbations gave {flag}")
    return rows, _about(chain, wanted, settings, seed, roi, drawn), warnings


def _chain(image: Volume, mask: np.ndarray, wanted: Mapping[str, Any]) -> tuple[Chain, list[str]]:
    """The chain as configured, with the noise of this image."""
    parts = {key: wanted[key] for key in Chain.__dataclass_fields__ if key in wanted}
    parts = {key: tuple(v) if isinstance(v, list) else v for key, v in parts.items()}
    noise = wanted["noise"]
    if noise == "estimated":
        noise = estimate_noise(image, {"": mask}) if mask.any() else 0.0
        if not np.isfinite(noise):
            warning = "the noise could not be estimated: the perturbed images have none added"
            return Chain(**parts), [warning]
    return Chain(noise_sd=float(noise), **parts), []


def _about(
    chain: Chain,
    wanted: Mapping[str, Any],
    settings: RadiomicsSettings,
    seed: int,
    roi: str,
    drawn: list[dict[str, Any]],
) -> dict[str, Any]:
    """What was done, for the file beside the table."""
    return {
        "Roi": roi,
        "Order": ORDER,
        "Noise": {"estimated": "estimated", 0.0: "none"}.get(wanted["noise"], "given"),
        "NoiseUnit": settings.unit,
        "Chain": asdict(chain),
        "Seed": f"{seed:032x}",
        "Perturbations": drawn,
    }
