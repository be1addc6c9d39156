"""Write the synthetic tables that the R scripts and the tests read.

Usage: python make_tables.py [FOLDER]

Every number is drawn here, from fixed seeds; there is no one behind these rows. The tables are
committed, so that nothing hangs on the generators of another numpy.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd


def clinical(n: int = 140) -> pd.DataFrame:
    """An outcome with predictors of every kind, and two markers, one of them coarse (ties)."""
    rng = np.random.default_rng(101)
    age = np.round(rng.normal(68, 9, n), 1)
    sex = rng.choice(["female", "male"], n, p=[0.65, 0.35])
    grade = rng.choice(["mild", "moderate", "none"], n, p=[0.3, 0.2, 0.5])
    vbmd = np.round(115 - 0.9 * (age - 68) + rng.normal(0, 22, n), 1)
    latent = rng.normal(size=n)
    eta = -0.9 + 0.04 * (age - 68) - 0.03 * (vbmd - 110) + 0.8 * (grade == "moderate") + latent
    return pd.DataFrame(
        {
            "fracture": (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int),
            "age": age,
            "sex": sex,
            "grade": grade,
            "vbmd": vbmd,
            "rad_score": np.round(0.9 * latent + rng.normal(0, 0.8, n), 3),
            "visual_score": np.clip(np.round(2 + eta + rng.normal(0, 1.5, n)), 0, 5).astype(int),
        }
    )


def features(n: int = 90, p: int = 24) -> pd.DataFrame:
    """Correlated features of very different units, an outcome and folds."""
    rng = np.random.default_rng(102)
    latent = rng.normal(size=(n, 4))
    values = latent @ rng.normal(size=(4, p)) + rng.normal(size=(n, p))
    eta = 1.2 * latent[:, 0] - 0.8 * latent[:, 1]
    outcome = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int)
    scale = 10.0 ** (np.arange(p) % 5 - 2)
    table = pd.DataFrame(values * scale, columns=[f"f{i:02d}" for i in range(p)]).round(6)
    table.insert(0, "outcome", outcome)
    table.insert(1, "fold", np.arange(n) % 6 + 1)
    return table


def ratings(n: int = 22, k: int = 3) -> pd.DataFrame:
    """Subjects rated by several raters, one of whom reads high."""
    rng = np.random.default_rng(103)
    values = rng.normal(100, 15, (n, 1)) + np.array([0.0, 4.0, -1.0]) + rng.normal(0, 6, (n, k))
    return pd.DataFrame(values, columns=[f"rater{i + 1}" for i in range(k)]).round(2)


def sites(n: int = 54, p: int = 12) -> pd.DataFrame:
    """Features of three scanners that differ in level and spread, and in whom they scan."""
    rng = np.random.default_rng(104)
    site = rng.choice(["avanto", "ingenia", "skyra"], n, p=[0.5, 0.3, 0.2])
    place = np.unique(site, return_inverse=True)[1]
    age = np.round(62 + 4.0 * place + rng.normal(0, 8, n), 1)
    sex = rng.choice(["female", "male"], n)
    shift, spread = rng.normal(0, 0.8, (3, p)), rng.gamma(8, 1 / 8, (3, p))
    values = 0.04 * (age - 65)[:, None] * rng.normal(size=p) + 0.5 * (sex == "male")[:, None]
    values = values + shift[place] + spread[place] * rng.normal(size=(n, p))
    table = pd.DataFrame(values, columns=[f"f{i:02d}" for i in range(p)]).round(6)
    return pd.concat([pd.DataFrame({"site": site, "age": age, "sex": sex}), table], axis=1)


def separated(n: int = 40) -> pd.DataFrame:
    """An outcome that one predictor separates."""
    rng = np.random.default_rng(105)
    marker = np.round(rng.normal(size=n), 3)
    outcome = (marker > 0.3).astype(int)
    return pd.DataFrame(
        {
            "outcome": outcome,
            "age": np.round(rng.normal(65, 8, n), 1),
            "weight": np.round(rng.normal(70, 9, n) + 3 * outcome, 1),
            "marker": marker,
        }
    )


def resamples(n: int = 140, b: int = 50) -> pd.DataFrame:
    """Row numbers (from 1) of bootstrap resamples, one resample in each line."""
    rng = np.random.default_rng(106)
    drawn = np.sort(rng.integers(1, n + 1, (b, n)), axis=1)
    return pd.DataFrame(drawn, columns=[f"r{i + 1}" for i in range(n)])


def graded(n: int = 150, p: int = 14) -> pd.DataFrame:
    """Ordered classes and a quantity with clinical columns, correlated features and folds.

    One column acts on the lower threshold alone, so that the odds are not proportional in it.
    """
    rng = np.random.default_rng(107)
    age = np.round(rng.normal(66, 9, n), 1)
    male = rng.integers(0, 2, n)
    latent = rng.normal(size=(n, 3))
    values = latent @ rng.normal(size=(3, p)) + rng.normal(size=(n, p))
    eta = 0.05 * (age - 66) + 0.4 * male + 1.1 * latent[:, 0] - 0.6 * latent[:, 1]
    uneven = np.round(rng.normal(size=n), 3)
    noise = rng.logistic(size=n)
    grade = (eta + 1.2 * uneven + noise > -0.4).astype(int)
    grade = np.where(grade == 1, 1 + (eta + noise > 1.3), 0)
    scale = 10.0 ** (np.arange(p) % 4 - 1)
    table = pd.DataFrame(values * scale, columns=[f"f{i:02d}" for i in range(p)]).round(6)
    density = 110 - 12 * eta + rng.normal(0, 10, n)
    first = {
        "grade": grade,
        "density": np.round(density, 2),
        "fold": np.arange(n) % 5 + 1,
        "age": age,
        "male": male,
        "uneven": uneven,
        "reading": np.clip(np.round(grade + rng.normal(0, 0.8, n)), 0, 2).astype(int),
    }
    return pd.concat([pd.DataFrame(first), table], axis=1)


def survival(n: int = 150) -> pd.DataFrame:
    """Time to an event in tenths of a year, so that many are equal, with predictors and folds."""
    rng = np.random.default_rng(110)
    age = np.round(rng.normal(68, 9, n), 1)
    male = (rng.uniform(size=n) < 0.35).astype(int)
    vbmd = np.round(115 - 0.9 * (age - 68) + rng.normal(0, 22, n), 1)
    latent = rng.normal(size=(n, 3))
    eta = 0.03 * (age - 68) - 0.015 * (vbmd - 110) + 0.7 * latent[:, 0] - 0.4 * latent[:, 1]
    failure = 6.0 * (rng.exponential(size=n) / np.exp(eta)) ** 0.8
    censored = rng.uniform(1.0, 8.0, n)
    table = pd.DataFrame(
        {
            "time": np.maximum(np.ceil(10 * np.minimum(failure, censored)) / 10, 0.1),
            "event": (failure <= censored).astype(int),
            "age": age,
            "male": male,
            "vbmd": vbmd,
            "rad_score": np.round(latent[:, 0] + rng.normal(0, 0.7, n), 3),
            "visual_score": np.clip(np.round(2 + eta + rng.normal(0, 1.0, n)), 0, 4).astype(int),
            "fold": rng.permutation(np.arange(n) % 5 + 1),
        }
    )
    values = latent @ rng.normal(size=(3, 20)) + rng.normal(size=(n, 20))
    scale = 10.0 ** (np.arange(20) % 5 - 2)
    names = [f"f{i:02d}" for i in range(20)]
    return pd.concat([table, pd.DataFrame(values * scale, columns=names).round(6)], axis=1)


TABLES = {
    "clinical": clinical,
    "features": features,
    "ratings": ratings,
    "sites": sites,
    "separated": separated,
    "resamples": resamples,
    "graded": graded,
    "survival": survival,
}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in TABLES.items():
        make().to_csv(folder / f"{name}.tsv", sep="\t", index=False, lineterminator="\n")
