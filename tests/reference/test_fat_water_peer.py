"""Maps of the ISMRM 2012 water-fat challenge beside those of mri-fatwater, voxel by voxel.

There is no truth map: this is agreement of two programs with nothing in common (graph cuts on a
grid of fields and R2*, here a continuous fit), given the same echoes, spectrum and voxel size. The
peer (GPL) runs in an environment of its own, whose interpreter OSTEOFLOW_PEER_PYTHON names. Where
OSTEOFLOW_PICTURES names a folder, one picture per case is drawn there; the data are CC BY-NC, so
that a picture is for looking at and never part of this project.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.io import loadmat

from osteoflow.mri.fat_water import fit_fat_water
from osteoflow.mri.spectrum import WATER_PPM, load_fat_spectrum

EXTERNAL = os.environ.get("OSTEOFLOW_EXTERNAL_DATA")
PEER = os.environ.get("OSTEOFLOW_PEER_PYTHON")
PICTURES = os.environ.get("OSTEOFLOW_PICTURES")
pytestmark = [
    pytest.mark.skipif(
        EXTERNAL is None, reason="OSTEOFLOW_EXTERNAL_DATA is unset: no third-party data here"
    ),
    pytest.mark.skipif(
        PEER is None,
        reason="OSTEOFLOW_PEER_PYTHON is unset: no interpreter with mri-fatwater (see "
        "docs/how-to/benchmarks.md)",
    ),
]

SECTION = "MRI: third-party data, beside the peer"
FIT_BY_PEER = Path(__file__).parents[1] / "benchmarks" / "peer_fat_water.py"
# The files do not tell the voxel size: typical values, and the peer's own for case 17.
SPACING = np.array([1.5, 1.5, 5.0])
EDGE = 2  # voxels of the mask's in-plane border left out: partial volume and little signal
SWAP_LIKE_PP = 25.0
MEDIAN_LIMIT_PP = 2.0


@dataclass(frozen=True)
class Case:
    """PDFF in % of both programs, shape (i, j, k), NaN outside the mask."""

    number: int
    own: np.ndarray
    peer: np.ndarray
    mask: np.ndarray
    core: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        return self.own - self.peer


def peer_pdff(folder: Path, **given) -> np.ndarray:
    """PDFF by the peer with its default parameters."""
    np.savez(folder / "in.npz", water_ppm=WATER_PPM, algorithm=json.dumps({}), **given)
    command = [PEER, FIT_BY_PEER, folder / "in.npz", folder / "out.npz"]
    # the peer's interpreter must not find this project's packages
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr[-3000:]
    with np.load(folder / "out.npz") as maps:
        return maps["pdff"]


@pytest.fixture(scope="module", params=[15, 17])
def case(request, tmp_path_factory) -> Case:
    path = Path(EXTERNAL) / "mri" / "ismrm_fat_water" / f"{request.param}.mat"
    data = loadmat(path)["imDataParams"][0, 0]
    # PrecessionIsClockwise = 1: the sign of the model, and the peer's default
    assert data["PrecessionIsClockwise"].item() == 1
    signal = data["images"][:, :, :, 0, :]
    mask = data["mask"] > 0
    echo_times = data["TE"].ravel()
    tesla = float(data["FieldStrength"].item())
    spectrum = load_fat_spectrum("ismrm")
    own = fit_fat_water(signal, echo_times, tesla, SPACING, spectrum, mask=mask)
    assert own.phase_sign == 1
    peer = peer_pdff(
        tmp_path_factory.mktemp("peer"),
        signal=signal,
        echo_times=echo_times,
        field_strength=tesla,
        spacing=SPACING,
        ppm=spectrum.ppm,
        amplitude=spectrum.amplitude,
    )
    in_plane = ndimage.generate_binary_structure(2, 1)[..., None]
    core = ndimage.binary_erosion(mask, in_plane, iterations=EDGE)
    return Case(request.param, own.pdff, np.where(mask, peer, np.nan), mask, core)


def test_pdff_voxel_by_voxel(case, record):
    inside = case.core
    assert inside.sum() > 0.5 * case.mask.sum()
    assert np.isfinite(case.own[inside]).all()
    distance = np.abs(case.difference[inside])
    middle, high = np.percentile(distance, [50, 95])
    swap_like = 100 * (distance > SWAP_LIKE_PP).mean()
    bias = np.median(case.difference[inside])
    what = f"ISMRM challenge case {case.number}, PDFF, {EDGE} voxels from the mask's edge:"
    record(SECTION, f"{what} voxels", int(inside.sum()))
    record(SECTION, f"{what} median |difference|", middle, "pp", f"<= {MEDIAN_LIMIT_PP:g}")
    record(SECTION, f"{what} median difference", bias, "pp")
    record(SECTION, f"{what} 95th percentile of |difference|", high, "pp")
    record(SECTION, f"{what} |difference| > {SWAP_LIKE_PP:g} pp (swap-like)", swap_like, "%")
    assert middle <= MEDIAN_LIMIT_PP


@pytest.mark.skipif(PICTURES is None, reason="OSTEOFLOW_PICTURES is unset: no picture wanted")
def test_picture(case):
    path = Path(PICTURES) / f"fat_water_peer_case_{case.number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(case, path)
    assert path.stat().st_size > 10_000


def draw(case: Case, path: Path) -> None:
    """Every slice: ours, the peer's, and the difference, with the mask's outline."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    box = tuple(slice(max(v.min() - 3, 0), v.max() + 4) for v in np.nonzero(case.mask)[:2])
    # the longer axis lies across the page
    turn = case.mask[box].shape[0] > case.mask[box].shape[1]
    slices = case.mask.shape[2]
    shown = case.mask[box].shape[:2]
    height, width = (min(shown), max(shown)) if turn else shown
    panel = 4.2
    figure = Figure(
        figsize=(3 * panel, slices * panel * height / width + 1.8), layout="constrained"
    )
    axes = figure.subplots(slices, 3, squeeze=False)
    gray = mpl.colormaps["gray"].with_extremes(bad="0.5")
    diverging = mpl.colormaps["RdBu_r"].with_extremes(bad="0.5")
    panels = (
        ("OsteoFlow", case.own, {"cmap": gray, "vmin": 0, "vmax": 100}),
        ("mri-fatwater", case.peer, {"cmap": gray, "vmin": 0, "vmax": 100}),
        (
            "OsteoFlow minus mri-fatwater",
            case.difference,
            {"cmap": diverging, "vmin": -10, "vmax": 10},
        ),
    )
    for column, (title, values, style) in enumerate(panels):
        for k in range(slices):
            axis = axes[k, column]
            layers = [values[box][..., k], case.mask[box][..., k], case.core[box][..., k]]
            image, mask, core = (layer.T if turn else layer for layer in layers)
            drawn = axis.imshow(image, interpolation="nearest", **style)
            axis.contour(mask, [0.5], colors="tab:orange", linewidths=0.8)
            axis.contour(core, [0.5], colors="tab:green", linewidths=0.6)
            axis.set_xticks([])
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(f"slice {k + 1}")
        axes[0, column].set_title(title)
        unit = "PDFF (%)" if column < 2 else "difference of PDFF (percentage points)"
        figure.colorbar(
            drawn,
            ax=list(axes[:, column]),
            location="bottom",
            label=unit,
            extend="both",
            fraction=0.05,
            pad=0.02,
        )
    figure.suptitle(
        f"ISMRM 2012 challenge, case {case.number}, ISMRM spectrum. Orange: mask; green: "
        f"{EDGE} voxels inside, where the numbers are from"
    )
    figure.savefig(path, dpi=130)
