"""Features of perturbed images: how robust each is against noise, position and outline.

A perturbation is a chain of, in this order,

1. noise on the scan's voxels,
2. another volume of the region, on the scan's grid, where outlines are drawn,
3. another contour of the region, of whole supervoxels,
4. another place of the grid that features are computed on: shifted by fractions of its voxels and
   turned about the axis across the slices, in the one interpolation that resamples the image.

Every part is drawn at random for each repetition, so that repetitions are interchangeable and their
agreement is ICC(1,1).

Source: Zwanenburg et al., Sci Rep 2019;9:614, whose chain of noise, translation, volume and contour
found the fewest features that only seem to be robust. Apart from the paper, volume and contour
change before resampling instead of after it, and parameters are drawn instead of combined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.radiomics.boxes import bounding_box
from osteoflow.radiomics.extract import FeatureResult, extract_regions
from osteoflow.radiomics.grid import Placement
from osteoflow.radiomics.noise import voxel_noise
from osteoflow.radiomics.perturbation.contours import Contour
from osteoflow.radiomics.preprocess import Noise, spacing_of, thickest_axis
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.scipy_parts import ndimage

# Median of the absolute value of a standard normal variable.
NORMAL_MAD = 0.6744897501960817
# How far around a region noise is estimated, in mm.
NOISE_MARGIN = 20.0


@dataclass(frozen=True)
class Chain:
    """What perturbations consist of; an empty tuple, 0 or False leaves a part out.

    Parameters
    ----------
    noise_sd
        Standard deviation of the added noise in the map's unit.
    rotation_degrees
        Angles about the axis across the slices, one of which is drawn.
    translation_voxels
        Shifts in output voxels, one of which is drawn for each axis; a 2D recipe shifts within its
        slices alone.
    growth
        Changes of the volume as fractions, one of which is drawn for all regions.
    randomise
        Whether contours are drawn anew.
    supervoxel_mm
        Edge of the supervoxels that they are drawn of.
    """

    noise_sd: float = 0.0
    rotation_degrees: tuple[float, ...] = ()
    translation_voxels: tuple[float, ...] = ()
    growth: tuple[float, ...] = ()
    randomise: bool = False
    supervoxel_mm: float = 3.0


@dataclass(frozen=True)
class Drawn:
    """One perturbation as it was drawn.

    Parameters
    ----------
    number
        From 1.
    rotation_degrees, translation_voxels, growth
        Of the chain; shifts to the right, anterior and superior.
    volumes
        Volume of each perturbed region on the scan's grid over that of the region given, by name.
    """

    number: int
    rotation_degrees: float
    translation_voxels: tuple[float, float, float]
    growth: float
    volumes: dict[str, float]


def estimate_noise(image: Volume, masks: Mapping[str, np.ndarray]) -> float:
    """Standard deviation of a map's noise around its regions, in the map's unit.

    The high-pass parts of a coiflet-1 wavelet along both axes in the slice hold little but noise;
    its SD is their median absolute value / 0.6745. White noise is found without bias; of noise that
    neighbouring voxels share (a soft CT kernel, interpolated MRI) only the part that differs
    between them.

    Parameters
    ----------
    image
        3D map; voxels that are not finite, and what the filter makes of them, do not count.
    masks
        Regions, at least one voxel in all.

    Returns
    -------
    float
        NaN where no voxel is left, as in an image of a few voxels.

    Notes
    -----
    Source: Chang et al., IEEE Trans Image Process 2000;9:1532, as Zwanenburg et al. use it (over
    all slices at once instead of the mean of slices).
    """
    import pywt

    together = np.logical_or.reduce(list(masks.values()))
    around = []
    for part, step, size in zip(bounding_box(together), image.spacing, together.shape, strict=True):
        more = round(NOISE_MARGIN / step)
        around.append(slice(max(part.start - more, 0), min(part.stop + more, size)))
    values = np.asarray(image.data[tuple(around)], float)
    across = thickest_axis(image.spacing)
    if across is None:
        across = int(np.argmax(np.abs(image.affine[2, :3])))
    weights = np.array(pywt.Wavelet("coif1").dec_hi)
    inner = [slice(None)] * 3
    for axis in range(3):
        if axis != across:
            values = ndimage.convolve1d(values, weights, axis=axis)
            # At the edge the filter meets the same voxels twice.
            inner[axis] = slice(len(weights) // 2, -(len(weights) // 2))
    values = values[tuple(inner)]
    finite = np.abs(values[np.isfinite(values)])
    return float(np.median(finite) / NORMAL_MAD) if finite.size else float("nan")


def perturbed_features(
    image: Volume,
    masks: Mapping[str, np.ndarray],
    settings: RadiomicsSettings,
    chain: Chain,
    seed: int,
    repetitions: int,
) -> Iterator[tuple[Drawn, dict[str, FeatureResult]]]:
    """Features of the regions of an image, perturbed again and again.

    Parameters
    ----------
    image
        3D map; it is not changed.
    masks
        Boolean regions of its shape by name; those that are empty stay so. Overlapping regions are
        outlined anew with supervoxels of their own.
    settings
        The recipe.
    chain
        What is perturbed.
    seed
        From :func:`osteoflow.radiomics.perturbation.draws.image_seed`. A repetition depends on
        the seed and its number alone: ten repetitions are the first ten of twenty. Each part has
        random numbers of its own, so that leaving out one does not change the others, nor do the
        recipe's filters.
    repetitions
        How many.

    Yields
    ------
    Drawn, dict
        What was drawn, and the results of :func:`osteoflow.radiomics.extract.extract_regions`.

    Raises
    ------
    ValueError
        Shapes differ.
    SubjectDataError
        ``cannot_grow``: the image has no room for the volume asked.
    """
    masks = {name: np.asarray(mask, bool) for name, mask in masks.items()}
    contours = {
        name: Contour(mask, image.spacing, chain.growth, chain.supervoxel_mm)
        for name, mask in masks.items()
        if mask.any() and (chain.randomise or any(chain.growth))
    }
    flat = thickest_axis(spacing_of(image)) if settings.texture == "2D" else None
    for number in range(1, repetitions + 1):
        draws, noises, outlines = (
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, part)))
            for part in range(3)
        )
        rotation = _one_of(chain.rotation_degrees, draws)
        shift = [_one_of(chain.translation_voxels, draws) for _ in range(3)]
        if flat is not None:
            shift[flat] = 0.0
        growth = _one_of(chain.growth, draws)
        changed = dict(masks)
        for name, contour in contours.items():
            region = contour.grown(growth)
            if chain.randomise:
                region = contour.randomised(region, image.data, outlines)
            changed[name] = contour.whole(region)
        placement = None
        if chain.rotation_degrees or chain.translation_voxels:
            placement = Placement(rotation, tuple(shift))
        noise = _noise(chain.noise_sd, noises) if chain.noise_sd else None
        volumes = {
            name: float(changed[name].sum() / mask.sum())
            for name, mask in masks.items()
            if mask.any()
        }
        drawn = Drawn(number, rotation, tuple(shift), growth, volumes)
        yield drawn, extract_regions(image, changed, settings, placement, noise)


def _one_of(values: tuple[float, ...], rng: np.random.Generator) -> float:
    """One of some values; 0 where there are none."""
    place = rng.random()
    return float(values[int(place * len(values))]) if values else 0.0


def _noise(sd: float, rng: np.random.Generator) -> Noise:
    key = int(rng.integers(2**64, dtype=np.uint64))
    return lambda part, shape: sd * voxel_noise(key, part, shape)
