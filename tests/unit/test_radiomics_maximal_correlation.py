"""Maximal correlation coefficient: rare levels, equal eigenvalues, independent pairs."""

from __future__ import annotations

import numpy as np
import pytest

from osteoflow.radiomics.kernels import maximal_correlation as maximal
from osteoflow.radiomics.kernels.cooccurrence import NAMES, _features
from osteoflow.radiomics.kernels.level_size import EPS

SECTION = "Radiomics: compiled kernels"
second_of_general = maximal._second_of_general


@pytest.mark.parametrize(("pairs", "seen", "general"), [(60, 1e-9, False), (9000, 1e-6, True)])
def test_rare_levels_in_the_maximal_correlation(pairs, seen, general, record, monkeypatch) -> None:
    """A level that occurs once in 10^4 or more voxels feels the eps in pyradiomics' divisor."""
    solved = []
    monkeypatch.setattr(
        maximal, "_second_of_general", lambda *args: solved.append(1) or second_of_general(*args)
    )
    rng = np.random.default_rng(4)
    matrices = []
    for _ in range(6):
        counts = rng.integers(0, pairs, (24, 24)).astype(float)
        counts[-3:] = counts[:, -3:] = 0
        counts[-1, -2] = 2  # two rare levels that meet each other, and another level once
        counts[-2, 3] = counts[-3, 5] = 1
        counts += counts.T
        matrices.append(counts / counts.sum())
    p = np.stack(matrices)
    eps = np.spacing(1)
    expected, without = [], []
    for one in p:
        margin = one.sum(axis=1)
        product = np.outer(margin, margin)
        values = np.sort(np.linalg.eigvals(one / (product + eps) @ one.T).real)
        expected.append(np.sqrt(values[-2]))
        normal = one / np.sqrt(product)
        without.append(np.sort(np.abs(np.linalg.eigvalsh(normal)))[-2])
    difference = float(np.max(np.abs(maximal.maximal_correlation(p) / expected - 1)))
    what = f"maximal correlation, rarest level 1 in {int(p[0].sum() / p[0][p[0] > 0].min()):.0e}"
    record(SECTION, what, difference, "relative", "<= 1e-9")
    assert difference <= 1e-9
    # The eps is seen: a symmetric problem without it has other eigenvalues. The correction for
    # it serves where it is small, the general solver elsewhere.
    assert np.min(np.abs(np.array(without) / expected - 1)) > seen
    assert (len(solved) == len(p)) == general


def test_equal_second_eigenvalues_in_the_maximal_correlation() -> None:
    """Levels in parts that never meet: the largest eigenvalue is there several times."""
    p = np.zeros((1, 6, 6))
    p[0, :2, :2] = p[0, 2:4, 2:4] = p[0, 4:, 4:] = [[2, 1], [1, 3]]
    assert maximal.maximal_correlation(p / p.sum())[0] == pytest.approx(1, abs=1e-12)


def test_independent_pairs_have_no_correlation() -> None:
    """Roots of a number that is 0 up to rounding, on either side: no NaN."""
    rng = np.random.default_rng(7)
    for size in (2, 3, 5, 8):
        margin = rng.integers(1, 9, size) / 7.0
        margin /= margin.sum()
        p = np.outer(margin, margin)[None]
        assert maximal.maximal_correlation(p)[0] == pytest.approx(0, abs=1e-6)
        values = dict(zip(NAMES, _features(p, np.arange(1.0, size + 1), EPS)[0], strict=True))
        assert values["Imc2"] == pytest.approx(0, abs=1e-6)
        assert values["Imc1"] == pytest.approx(0, abs=1e-12)
        assert values["Correlation"] == pytest.approx(0, abs=1e-12)
