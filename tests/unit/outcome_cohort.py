"""A small cohort whose features, bone density and T-score share one hidden cause."""

from __future__ import annotations

import numpy as np
import pandas as pd

CLASSES = ["osteoporosis", "osteopenia", "normal"]
CUTS = [-2.5, -1.0]
# Few folds and resamples: the tests are of the way, not of precision.
BASE = {
    "clinical": ["age", "sex"],
    "radiomics": {"image": "pdff"},
    "outer_folds": 3,
    "repeats": 2,
    "inner_folds": 3,
    "bootstraps": 100,
    "permutations": 0,
    "score_permutations": 0,
    "holdout_fraction": 0.3,
}
ORDINAL = {"name": "o", "kind": "ordinal", "outcome": "dxa_tscore", "classes": CLASSES,
           "cuts": CUTS}  # fmt: skip
CONTINUOUS = {"name": "c", "kind": "continuous", "outcome": "vbmd_l1l2_mean"}


def cohort(n: int = 72, p: int = 12, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants and features; every fourth feature shows the cause."""
    rng = np.random.default_rng(seed)
    ids = [f"sub-{number:03d}" for number in range(n)]
    latent = rng.normal(size=n)
    people = pd.DataFrame(
        {
            "participant_id": ids,
            "session": np.nan,
            "age": 65 + 8 * rng.normal(size=n) - 3 * latent,
            "sex": rng.choice(["F", "M"], n),
            "site": np.where(np.arange(n) % 3 == 0, "B", "A"),
            "hu_l1_mean": 120 + 10 * latent + 15 * rng.normal(size=n),
            "vbmd_l1l2_mean": 98 + 15 * (latent + 0.5 * rng.normal(size=n)),
            "dxa_tscore": -1.7 + latent + 0.5 * rng.normal(size=n),
        }
    )
    names = [f"original_firstorder_f{number}" for number in range(p)]
    signal = 1.5 * latent[:, None] * (np.arange(p) % 4 == 0)
    features = pd.DataFrame(signal + rng.normal(size=(n, p)), columns=names)
    keys = {"participant_id": ids, "session": np.nan, "rater": 1, "image": "pdff", "flag": ""}
    return people, features.assign(**keys, roi="L1-L4_trabecular", n_voxels=900)
