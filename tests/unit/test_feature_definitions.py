"""Definitions of the dictionary against the numbers: their formulas, evaluated as they are written,
give what the extraction gives. Matrices are counted here, voxel by voxel, on the IBSI phantom."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
from formulas import Formula, formula_of
from scipy import ndimage

from osteoflow.radiomics.compliance import digital_phantom
from osteoflow.radiomics.dictionary import features
from osteoflow.radiomics.extract import extract_features
from osteoflow.radiomics.settings import RadiomicsSettings

STEPS = [s for s in itertools.product((-1, 0, 1), repeat=3) if s > (0, 0, 0)]
AROUND = [*STEPS, *(tuple(-x for x in s) for s in STEPS)]
LEVELS = 6


@cache
def levels() -> dict[tuple[int, ...], int]:
    """Grey level of each voxel of the region."""
    image, mask = digital_phantom()
    return {tuple(map(int, place)): int(image.data[tuple(place)]) for place in np.argwhere(mask)}


@cache
def extracted() -> dict[str, float]:
    image, mask = digital_phantom()
    recipe = {"range": (1, 6), "bin_width": 1, "minimum_voxels": 8}
    settings = RadiomicsSettings(name="a", image="b", unit="1", **recipe)
    return extract_features(image, mask, settings).features


def moved(place: tuple[int, ...], step: tuple[int, ...], times: int = 1) -> tuple[int, ...]:
    return tuple(a + times * b for a, b in zip(place, step, strict=True))


def table(counts: Counter) -> defaultdict:
    return defaultdict(float, {key: float(n) for key, n in counts.items()})


def pairs(step: tuple[int, ...]) -> dict:
    """What the letters of a co-occurrence stand for, along one direction."""
    region = levels()
    counts: Counter = Counter()
    for place, level in region.items():
        other = region.get(moved(place, step))
        if other is not None:
            counts[level, other] += 1
            counts[other, level] += 1
    total = sum(counts.values())
    p = defaultdict(float, {key: n / total for key, n in counts.items()})
    px, pd, ps = defaultdict(float), defaultdict(float), defaultdict(float)
    for (i, j), share in p.items():
        px[(i,)] += share
        pd[(abs(i - j),)] += share
        ps[(i + j,)] += share
    mu = sum(i * share for (i,), share in px.items())

    def entropy(probabilities, weights=None) -> float:
        values = np.array(probabilities)
        return float(-(np.array(weights or values) * np.log2(values)).sum())

    products = {(i, j): px[(i,)] * px[(j,)] for (i,) in px for (j,) in px}
    return {
        **{"p": p, "px": px, "pd": pd, "ps": ps, "mu": mu, "N": LEVELS},
        "sigma": np.sqrt(sum((i - mu) ** 2 * share for (i,), share in px.items())),
        "HXY": entropy(list(p.values())),
        "HX": entropy(list(px.values())),
        "HXY1": entropy([products[key] for key in p], list(p.values())),
        "HXY2": entropy(list(products.values())),
        # Mean of the differences, where a definition speaks of their mean.
        "m": sum(k * share for (k,), share in pd.items()),
    }


def counted(letter: str, total: str, counts: Counter) -> dict:
    matrix, number = table(counts), sum(counts.values())
    q = defaultdict(float, {key: n / number for key, n in matrix.items()})
    return {letter: matrix, "q": q, total: number, "V": len(levels())}


def runs(step: tuple[int, ...]) -> dict:
    region = levels()
    counts: Counter = Counter()
    for place, level in region.items():
        if region.get(moved(place, step, -1)) == level:
            continue
        length = 1
        while region.get(moved(place, step, length)) == level:
            length += 1
        counts[level, length] += 1
    return counted("r", "R", counts)


def zones() -> dict:
    image, mask = digital_phantom()
    counts: Counter = Counter()
    for level in range(1, LEVELS + 1):
        found, number = ndimage.label(mask & (image.data == level), np.ones((3, 3, 3)))
        counts.update((level, int((found == n).sum())) for n in range(1, number + 1))
    return counted("z", "Z", counts)


def dependences() -> dict:
    region = levels()
    counts: Counter = Counter()
    for place, level in region.items():
        alike = sum(region.get(moved(place, step)) == level for step in AROUND)
        counts[level, alike + 1] += 1
    return counted("d", "V", counts)


def differences() -> dict:
    region = levels()
    n, s = defaultdict(float), defaultdict(float)
    for place, level in region.items():
        near = [region[other] for step in AROUND if (other := moved(place, step)) in region]
        n[(level,)] += 1 / len(region)
        s[(level,)] += abs(level - np.mean(near))
    return {"n": n, "s": s, "V": len(region), "G": len(n)}


SCENES = {
    "glcm": lambda: [pairs(step) for step in STEPS],
    "glrlm": lambda: [runs(step) for step in STEPS],
    "glszm": lambda: [zones()],
    "gldm": lambda: [dependences()],
    "ngtdm": lambda: [differences()],
}
# Said in words; the sum over unequal levels is one over their differences.
IN_WORDS = {
    "glcm_InverseVariance": "sum_k pd(k) / k^2",
    "glcm_MaximumProbability": None,
    "glcm_MCC": None,
}
TESTED = [f.name for f in features().values() if f.feature_class in SCENES]


@pytest.mark.parametrize("name", TESTED)
def test_a_definition_gives_the_feature(name: str) -> None:
    feature = features()[name]
    scenes = SCENES[feature.feature_class]()
    if name == "glcm_MaximumProbability":
        value = np.mean([max(scene["p"].values()) for scene in scenes])
    elif name == "glcm_MCC":
        value = np.mean([maximal_correlation(scene) for scene in scenes])
    else:
        text = IN_WORDS.get(name) or formula_of(feature.definition)
        value = np.mean([evaluate(text, feature.feature_class, scene) for scene in scenes])
    assert value == pytest.approx(extracted()[f"original_{name}"], rel=1e-9, abs=1e-12), name


def evaluate(text: str, name: str, scene: dict) -> float:
    occurring = [i for i in range(1, LEVELS + 1) if name != "ngtdm" or scene["n"][(i,)]]
    second = occurring if name in ("glcm", "ngtdm") else range(1, len(levels()) + 1)
    # A sum of differences starts at 0, where one divides by them at 1.
    first = 1 if "/ k" in text else 0
    ranges = {"i": occurring, "j": second, "k": range(first, 2 * LEVELS + 1)}
    for index in "ij":
        if f"({index} - m)" in text:
            [matrix] = [scene[letter] for letter in "rzd" if letter in scene]
            at = "ij".index(index)
            scene["m"] = sum(k[at] * n for k, n in matrix.items()) / sum(matrix.values())
    return Formula(text)(scene, ranges)


def maximal_correlation(scene: dict) -> float:
    known = sorted(i for (i,) in scene["px"])
    p = np.array([[scene["p"][i, j] for j in known] for i in known])
    px = p.sum(axis=1)
    # Q(i,j) = sum_k p(i,k) p(j,k) / (px(i) px(k))
    q = (p[:, None, :] * p[None, :, :] / (px[:, None, None] * px[None, None, :])).sum(axis=2)
    return float(np.sqrt(np.sort(np.linalg.eigvals(q).real)[-2]))


def test_formulas_are_read_as_they_stand() -> None:
    found = formula_of("Contrast of p: sum_ij (i - j)^2 p(i,j), p being that; 1 where alike.")
    assert found == "sum_ij (i - j)^2 p(i,j)"
    p = defaultdict(float, {(1, 2): 0.5, (2, 1): 0.25, (2, 2): 0.25})
    assert Formula(found)({"p": p}, {"i": (1, 2), "j": (1, 2)}) == 0.75
    assert Formula("-2 sum_i |1 - i| / (1 + i^2)")({}, {"i": (1, 2)}) == pytest.approx(-0.4)
    for wrong in ("sum_ij (i", "i + ", "(i) )", "i ? j"):
        with pytest.raises(ValueError):
            Formula(wrong)


def test_first_order_and_axes_are_what_their_definitions_say() -> None:
    image, mask = digital_phantom()
    values, found = image.data[mask], extracted()
    share = np.unique(values, return_counts=True)[1] / values.size
    moment = {k: float(((values - values.mean()) ** k).mean()) for k in (2, 3, 4)}
    low, high = np.percentile(values, (10, 90))
    between = values[(values >= low) & (values <= high)]
    expected = {
        "Entropy": -(share * np.log2(share)).sum(),
        "Uniformity": (share**2).sum(),
        "Skewness": moment[3] / moment[2] ** 1.5,
        "Kurtosis": moment[4] / moment[2] ** 2 - 3,
        "Variance": moment[2],
        "Energy": (values**2).sum(),
        "TotalEnergy": (values**2).sum() * 8,
        "RootMeanSquared": np.sqrt((values**2).mean()),
        "MeanAbsoluteDeviation": abs(values - values.mean()).mean(),
        "RobustMeanAbsoluteDeviation": abs(between - between.mean()).mean(),
        "10Percentile": low,
        "90Percentile": high,
        "InterquartileRange": np.subtract(*np.percentile(values, (75, 25))),
    }
    for name, value in expected.items():
        assert found[f"original_firstorder_{name}"] == pytest.approx(value, rel=1e-9), name
    e3, e2, e1 = np.linalg.eigvalsh(np.cov(2.0 * np.argwhere(mask).T, ddof=1))
    volume, area = found["original_shape_MeshVolume"], found["original_shape_SurfaceArea"]
    shapes = {
        "MajorAxisLength": 4 * np.sqrt(e1),
        "MinorAxisLength": 4 * np.sqrt(e2),
        "LeastAxisLength": 4 * np.sqrt(e3),
        "Elongation": np.sqrt(e2 / e1),
        "Flatness": np.sqrt(e3 / e1),
        "Sphericity": (36 * np.pi * volume**2) ** (1 / 3) / area,
        "SurfaceVolumeRatio": area / volume,
        "VoxelVolume": 8 * mask.sum(),
    }
    for name, value in shapes.items():
        assert found[f"original_shape_{name}"] == pytest.approx(value, rel=1e-9), name
