"""Bias-corrected calibration against R's rms::calibrate on the very resamples that R drew."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteoflow.models.nomogram_calibration import calibrate_on

ROOT = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
FOLDER = Path(ROOT or ".") / "statistics" / "r_reference"
pytestmark = pytest.mark.skipif(
    not ROOT or not FOLDER.is_dir(),
    reason="OSTEOFLOW_EXTERNAL_DATA does not lead to statistics/r_reference",
)


def r_samples(seed: int, n: int, draws: int) -> list[np.ndarray]:
    """``sample(n, replace = TRUE)`` of R >= 3.6, ``draws`` times after ``set.seed(seed)``.

    R scrambles the seed with a linear congruential generator into the 624 words of the Mersenne
    Twister and draws an index from as many random bits as ``n`` needs, rejecting those beyond it.
    """
    state, words = seed, []
    for _ in range(50):
        state = (69069 * state + 1) % 2**32
    for _ in range(625):
        state = (69069 * state + 1) % 2**32
        words.append(state)
    # The first word is R's position, which set.seed puts at the end.
    twister = np.random.RandomState()
    twister.set_state(("MT19937", np.array(words[1:], dtype=np.uint32), 624))
    bits = int(np.ceil(np.log2(n)))
    assert bits <= 16
    found = []
    while len(found) < n * draws:
        raw = int(twister.randint(0, 2**32, dtype=np.uint64))
        index = (raw * 65536 // 2**32) & ((1 << bits) - 1)
        if index < n:
            found.append(index)
    return list(np.array(found).reshape(draws, n))


def test_curve_equals_r_on_shared_resamples(record):
    theirs = pd.read_csv(FOLDER / "aSAH_calibrate.csv")
    asah = pd.read_csv(FOLDER / "aSAH.csv")
    columns = np.column_stack(
        [asah["age"], asah["gender"] == "Female", asah["wfns"], asah["s100b"]]
    ).astype(float)
    outcome = (asah["outcome"] == "Poor").to_numpy(dtype=float)
    found = calibrate_on(columns, outcome, r_samples(1, len(asah), 500))
    pairs = {
        "predicted": "predy",
        "apparent": "calibrated.orig",
        "training": "training",
        "test": "test",
        "corrected": "calibrated.corrected",
    }
    assert found.failed == 0
    for ours, name in pairs.items():
        difference = float(np.abs(found.curve[ours] - theirs[name]).max())
        record(
            "Statistics: largest difference from R 4.2.2",
            f"rms::calibrate, 500 resamples: {ours}",
            difference,
            "",
            "<= 1e-6",
        )
        assert difference <= 1e-6, ours
    assert (found.curve["n_resamples"] == theirs["n"]).all()
    # The mean absolute error as rms prints it, from R's own curve.
    predicted = pd.read_csv(FOLDER / "aSAH_probs.csv")["p1"].to_numpy()
    at = np.interp(
        predicted, theirs["predy"], theirs["calibrated.corrected"], left=np.nan, right=np.nan
    )
    assert found.mean_absolute_error == pytest.approx(np.nanmean(np.abs(predicted - at)), abs=1e-6)
