"""Time of each feature family by both engines, on one region.

    python tests/benchmarks/radiomics_engines.py [--levels 32] [--vertebrae 1] [--repeats 9]

A vertebra is a ball of 20,005 voxels; several lie obliquely in one box. Prints milliseconds of
processor time, the median of the repeats; compiled code is loaded before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from osteoflow.radiomics.families import FAMILIES
from osteoflow.radiomics.roi import Roi
from osteoflow.radiomics.settings import RadiomicsSettings

FAMILY_NAMES = ("shape", "firstorder", "glcm", "glrlm", "glszm", "ngtdm", "gldm")


def region(n_vertebrae: int, n_levels: int, smooth: float) -> Roi:
    """Smoothed noise in balls."""
    size, step = 35, (0, 12, 44)
    ball = ((np.indices((size,) * 3) - size // 2) ** 2).sum(axis=0) <= 16.84**2
    mask = np.zeros([size + (n_vertebrae - 1) * s for s in step], bool)
    for k in range(n_vertebrae):
        mask[tuple(slice(k * s, k * s + size) for s in step)] |= ball
    noise = np.random.default_rng(1).normal(size=mask.shape)
    image = ndimage.gaussian_filter(noise, smooth)
    low, high = image[mask].min(), image[mask].max()
    levels = np.zeros(mask.shape, np.int32)
    level = np.floor((image[mask] - low) / (high - low) * n_levels)
    levels[mask] = np.minimum(level, n_levels - 1) + 1
    settings = RadiomicsSettings(name="b", image="noise", unit="1", bin_count=n_levels)
    box = tuple(slice(0, n) for n in mask.shape)
    return Roi(image, mask, mask, levels, (1.0, 1.0, 1.0), None, image, box, settings)


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """Median processor time."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", type=int, default=32)
    parser.add_argument("--vertebrae", type=int, default=1)
    parser.add_argument("--smooth", type=float, default=0.7, help="sigma of the image in voxels")
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    roi = region(args.vertebrae, args.levels, args.smooth)
    classes = replace(roi, settings=roi.settings.model_copy(update={"engine": "pyradiomics"}))

    def all_but_shape(of: Roi) -> None:
        of = replace(of)  # grey levels laid out anew, once for all families
        for name in FAMILY_NAMES[1:]:
            FAMILIES[name].compute(of)

    start = time.process_time()
    all_but_shape(roi)
    FAMILIES["shape"].compute(roi)
    print(f"first call of all: {time.process_time() - start:.2f} s")
    print(f"{roi.intensity.sum()} voxels in a box of {roi.intensity.size}, {args.levels} levels")
    print(f"{'ms':12s}{'compiled':>10s}{'pyradiomics':>13s}")
    for name in FAMILY_NAMES:
        ours = milliseconds(lambda name=name: FAMILIES[name].compute(replace(roi)), args.repeats)
        theirs = milliseconds(lambda name=name: FAMILIES[name].compute(classes), args.repeats)
        print(f"{name:12s}{ours:10.2f}{theirs:13.1f}")
    ours = milliseconds(lambda: all_but_shape(roi), args.repeats)
    theirs = milliseconds(lambda: all_but_shape(classes), args.repeats)
    print(f"{'but shape':12s}{ours:10.2f}{theirs:13.1f}")


if __name__ == "__main__":
    main()
