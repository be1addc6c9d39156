"""What nested cross-validation costs: 500 participants, 1,500 features, three models.

Usage: python tests/benchmarks/nested_cv.py [--participants 500] [--features 1500] [--workers 2]
           [--scaling 125 250 1000] [--learners lasso] [--checks] [--peer] [--out FILE.jsonl]

Simulates features in correlated groups, a third of the participants rated twice, and runs a whole
analysis (clinical, radiomics and combined model; reliability filter, redundancy filter, LASSO with
100 penalties, cross-fitted Rad-score) in 5 outer folds, 5 times, with 5 inner folds, and 1,000
resamples for the intervals. Each size is a process of its own; CPU time counts its workers. Memory
is the peak of all processes together. `--scaling` runs further sizes; `--peer` runs scikit-learn's
LogisticRegressionCV (saga, L1, 100 penalties) and a LASSO signature without filters, here, in the
same nested folds of a smaller size, one after the other. `--checks` adds the checks that an
analysis has by default, 20 permutations of the outcome, each a repeat of the cross-validation, and
99 of the features, each a fit: no limit holds for them, as a study may have none.

Limits: 500 participants within 300 s and 4 GB; time a participant grows by a factor of 1.5 at most
from 500 to 1,000 participants. Exits with 1 if one is not kept. On a machine that is busy (load of
one or more at the start) wall time says nothing: CPU time over workers is held to the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from child import run

LONGEST_S, LARGEST_MB, GROWTH = 300.0, 4000.0, 1.5
REFERENCE = 500
PEER_SIZE = (150, 200)


def simulate(n: int, p: int, seed: int = 11) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants table, and features of one region; every third participant has two raters."""
    rng = np.random.default_rng(seed)
    ids = [f"sub-{number:05d}" for number in range(n)]
    groups = max(4, p // 6)
    latent = rng.normal(size=(n, groups))
    member = np.arange(p) % groups
    values = latent[:, member] + rng.uniform(0.2, 2.0, p) * rng.normal(size=(n, p))
    age = rng.normal(66, 9, n)
    log_odds = 0.05 * (age - 66) + 0.7 * latent[:, 0] - 0.6 * latent[:, 1] + 0.5 * latent[:, 2]
    participants = pd.DataFrame(
        {
            "participant_id": ids,
            "session": np.nan,
            "age": age,
            "sex": rng.choice(["F", "M"], n),
            "fracture": (rng.random(n) < 1 / (1 + np.exp(0.8 - log_odds))).astype(int),
        }
    )
    names = [f"original_firstorder_f{number}" for number in range(p)]
    first = pd.DataFrame(np.exp(0.3 * values), columns=names)
    keys = {"participant_id": ids, "session": np.nan, "image": "vbmd", "flag": ""}
    first = first.assign(**keys, rater=1, roi="L1-L4_trabecular", n_voxels=900)
    second = first.iloc[::3].copy()
    noise = rng.uniform(0.02, 0.3, p) * rng.normal(size=(len(second), p))
    second[names] = second[names].to_numpy() * np.exp(noise)
    return participants, pd.concat([first, second.assign(rater=2)], ignore_index=True)


def one(n: int, p: int, workers: int, learners: list[str], checks: bool) -> dict:
    """One analysis in this process: time without the simulation, and memory."""
    from osteoflow.models.validate import run_analysis
    from osteoflow.settings.analysis import Analysis

    analysis = Analysis(
        name="benchmark",
        outcome="fracture",
        clinical=["age", "sex"],
        radiomics={"image": "vbmd", "learners": learners},
        **({} if checks else {"permutations": 0, "score_permutations": 0}),
    )
    tables = simulate(n, p)
    started = time.perf_counter()
    result = run_analysis(*tables, analysis, 1, workers=workers)
    wall = time.perf_counter() - started
    performance = result.tables["performance"]
    areas = performance[performance["metric"] == "auc"].set_index("model")["value"]
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = int(next(row.split()[1] for row in status.splitlines() if row.startswith("VmHWM")))
    return {
        "participants": n,
        "features": p,
        "wall_s": wall,
        "own_mb": own * 1024 / 1e6,
        "auc": areas.round(3).to_dict(),
        "steps": result.tables["filters"].set_index("step")["n_out"].to_dict(),
    }


def peer() -> dict:
    """scikit-learn's penalised regression and this one, on equal nested folds, on one core."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from osteoflow.models.folded import fold_features
    from osteoflow.models.folds import stratified_folds
    from osteoflow.models.kinds.binary import BinaryKind
    from osteoflow.models.lasso import fit_path
    from osteoflow.models.learners.sparse import SparseLearner
    from osteoflow.models.transformers import Standardiser
    from osteoflow.statistics.roc import auc

    n, p = PEER_SIZE
    people, features = simulate(n, p)
    X = features.loc[features["rater"] == 1].filter(like="original_").reset_index(drop=True)
    y, groups = people["fracture"].to_numpy(dtype=float), np.arange(n)
    outer = stratified_folds(BinaryKind(), y, groups, 5, np.random.default_rng(0))
    found: dict[str, dict[str, float]] = {}
    for name in ("own", "peer"):
        areas, started = [], time.perf_counter()
        for number, (train, test) in enumerate(outer):
            rng = np.random.default_rng(number)
            inner = stratified_folds(BinaryKind(), y[train], groups[train], 5, rng)
            inside, outside = X.iloc[train], X.iloc[test]
            if name == "own":
                folded = fold_features(Standardiser(), inside, y[train], inner)
                learner = SparseLearner(fit_path).fit(folded, y[train])
                scores = learner.score(folded.filters.transform(outside).to_numpy())
            else:
                largest = _largest_penalty(inside.to_numpy(), y[train])
                costs = 1 / (len(train) * largest * np.geomspace(1, 1e-2, 100))
                model = make_pipeline(
                    StandardScaler(),
                    LogisticRegressionCV(
                        Cs=costs, cv=inner, l1_ratios=(1.0,), solver="saga",
                        scoring="neg_log_loss", max_iter=10_000, use_legacy_attributes=False,
                    ),
                )  # fmt: skip
                scores = model.fit(inside, y[train]).predict_proba(outside)[:, 1]
            areas.append(auc(y[test], scores))
        found[name] = {"wall_s": time.perf_counter() - started, "auc": float(np.mean(areas))}
    found["ratio"] = {"wall_s": found["peer"]["wall_s"] / found["own"]["wall_s"]}
    return found


def _largest_penalty(X: np.ndarray, y: np.ndarray) -> float:
    """The smallest penalty that leaves no feature."""
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    return float(np.abs(Z.T @ (y - y.mean())).max() / len(y))


def measure(n: int, arguments: argparse.Namespace) -> dict:
    """One size in a process of its own."""
    command = [sys.executable, __file__, "--one", n, "--features", arguments.features]
    command += ["--workers", arguments.workers, "--learners", *arguments.learners]
    command += ["--checks"] * arguments.checks
    load = os.getloadavg()[0]
    cost = run(command)
    row = json.loads(cost.output.strip().splitlines()[-1])
    workers = arguments.workers if arguments.workers > 1 else 0
    # The largest process may be a worker; each of them is counted as large as that.
    together = row.pop("own_mb") + workers * cost.peak_mb
    return row | {
        "cpu_s": cost.cpu_s, "peak_mb": together, "workers": arguments.workers, "load": load,
        "learners": arguments.learners, "checks": arguments.checks,
    }  # fmt: skip


def _counted(row: dict) -> float:
    """Seconds that are held to the limit."""
    return row["wall_s"] if row["load"] < 1 else row["cpu_s"] / row["workers"]


def main() -> int:
    """Measure, print, and keep the rows as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=REFERENCE)
    parser.add_argument("--features", type=int, default=1500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scaling", type=int, nargs="*", default=[])
    parser.add_argument("--learners", nargs="+", default=["lasso"])
    parser.add_argument("--checks", action="store_true", help="with the checks of the default")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="append the rows to a file of JSON lines")
    arguments = parser.parse_args()
    if arguments.one:
        sizes = arguments.one, arguments.features, arguments.workers
        row = one(*sizes, arguments.learners, arguments.checks)
        print(json.dumps(row))
        return 0
    rows = []
    print(f"{'n':>6s}{'wall s':>9s}{'CPU s':>9s}{'peak MB':>9s}{'CPU s each':>12s}{'load':>6s}")
    for n in sorted({arguments.participants, *arguments.scaling}):
        row = measure(n, arguments)
        rows.append(row)
        each = row["cpu_s"] / n
        print(
            f"{n:6d}{row['wall_s']:9.1f}{row['cpu_s']:9.1f}{row['peak_mb']:9.0f}{each:12.3f}"
            f"{row['load']:6.1f}",
            flush=True,
        )
    kept = all(
        _counted(row) <= LONGEST_S and row["peak_mb"] <= LARGEST_MB
        for row in rows
        if row["participants"] <= REFERENCE
    )
    each = {row["participants"]: row["cpu_s"] / row["participants"] for row in rows}
    if {REFERENCE, 2 * REFERENCE} <= set(each):
        growth = each[2 * REFERENCE] / each[REFERENCE]
        print(f"CPU time a participant grows by {growth:.2f} from {REFERENCE} to {2 * REFERENCE}")
        kept &= growth <= GROWTH
    limits = f"{LONGEST_S:g} s, {LARGEST_MB:g} MB, growth {GROWTH:g}"
    if not arguments.checks:
        print(f"Limits of {limits}: {'kept' if kept else 'NOT KEPT'}")
    if arguments.peer:
        found = peer()
        rows.append({"peer": found})
        for name in ("own", "peer"):
            print(f"{name}: {found[name]['wall_s']:.1f} s, AUC {found[name]['auc']:.3f}")
        print(f"scikit-learn takes {found['ratio']['wall_s']:.1f} times as long")
    if arguments.out:
        with arguments.out.open("a", encoding="utf-8") as handle:
            handle.writelines(json.dumps(row) + "\n" for row in rows)
    return 0 if kept or arguments.checks else 1


if __name__ == "__main__":
    sys.exit(main())
