"""A small cohort whose features and times to fracture share one hidden cause."""

from __future__ import annotations

import numpy as np
import pandas as pd

# Few folds and resamples: the tests are of the way, not of precision.
BASE = {
    "name": "s",
    "kind": "survival",
    "outcome": "fracture",
    "time": "years",
    "clinical": ["age", "sex"],
    "radiomics": {"image": "vbmd"},
    "outer_folds": 3,
    "repeats": 2,
    "inner_folds": 3,
    "bootstraps": 100,
    "permutations": 0,
    "score_permutations": 0,
    "holdout_fraction": 0.3,
}


def cohort(
    n: int = 120, p: int = 12, seed: int = 0, effect: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants and features; every fourth feature shows the cause. Times have one decimal."""
    rng = np.random.default_rng(seed)
    ids = [f"sub-{number:03d}" for number in range(n)]
    latent, age = rng.normal(size=n), 66 + 8 * rng.normal(size=n)
    hazard = np.exp(effect * (latent + 0.04 * (age - 66)))
    failure, censored = 5 * rng.exponential(size=n) / hazard, rng.uniform(1, 9, n)
    people = pd.DataFrame(
        {
            "participant_id": ids,
            "session": np.nan,
            "age": age,
            "sex": rng.choice(["F", "M"], n),
            "hu_l1_mean": 120 - 12 * latent + 15 * rng.normal(size=n),
            "fracture": (failure <= censored).astype(int),
            "years": np.maximum(np.ceil(10 * np.minimum(failure, censored)) / 10, 0.1),
        }
    )
    names = [f"original_firstorder_f{number}" for number in range(p)]
    signal = 1.5 * latent[:, None] * (np.arange(p) % 4 == 0)
    features = pd.DataFrame(signal + rng.normal(size=(n, p)), columns=names)
    keys = {"participant_id": ids, "session": np.nan, "rater": 1, "image": "vbmd", "flag": ""}
    return people, features.assign(**keys, roi="L1-L4_trabecular", n_voxels=900)
