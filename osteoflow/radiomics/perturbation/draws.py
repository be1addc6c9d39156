"""Who is perturbed and with which random numbers: by hashes, so that nobody depends on others."""

from __future__ import annotations

import hashlib


def image_seed(study_seed: int, subject: str, image: str) -> int:
    """Seed of one subject's perturbations of one image: the same on any computer, in any cohort.

    Parameters
    ----------
    study_seed
        ``study.seed`` of the configuration.
    subject
        ``sub-01`` or ``sub-01_ses-1``.
    image
        Name of the map.
    """
    text = f"perturbation {study_seed} {subject} {image}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def is_chosen(study_seed: int, participant: str, share: float) -> bool:
    """Whether a participant is among those whose images are perturbed.

    A hash of the seed and the participant decides: who else is in the cohort has no part in it.

    Parameters
    ----------
    study_seed
        ``study.seed`` of the configuration.
    participant
        ``sub-01``.
    share
        Part of the participants that is chosen, on average; 1: all.
    """
    digest = hashlib.sha256(f"perturbed {study_seed} {participant}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
