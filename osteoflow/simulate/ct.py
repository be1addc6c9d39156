"""The simulated lumbar CT with a calibration phantom under the patient.

CT numbers follow the calibration model of synchronous QCT: a rod with K2HPO4 density rho_K and
water-equivalent density rho_W reads rho_W + sigma_ref rho_K + beta_ref, with sigma_ref = sigma_CT +
0.2174 and beta_ref = beta_CT - 999.6, and bone of apparent density v reads beta_CT + sigma_CT v
(Mindways' model as implemented in the Ogo project, Bone Imaging Laboratory, University of Calgary).
Apparent density is the mineral less the effect of marrow fat
(`osteoflow.simulate.clinical.FAT_EFFECT`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osteoflow.resources import read_resource
from osteoflow.simulate.anatomy import Anatomy, Part
from osteoflow.simulate.clinical import FAT_EFFECT, Participant
from osteoflow.simulate.geometry import Grid, block_mean, cylinder, ellipse
from osteoflow.simulate.protocol import Protocol
from osteoflow.simulate.render import Coordinates, paint, tissue_table

ROD_DIAMETER_MM = 19.0
ROD_SPACING_MM = 28.0
SLAB_HALF_MM = (78.0, 14.0)
PHANTOM_GAP_MM = 4.0
PSF_FWHM_MM = 1.2
CORRELATED_NOISE_FWHM_MM = 2.6
_INFINITE = float("inf")


@dataclass(frozen=True)
class CtScan:
    """A simulated CT.

    ``hu``: int16 CT numbers, shape (columns, rows, slices). ``noise_sd``: HU. ``cupping``: depth of
    the beam-hardening cup in HU, 0 for none.
    """

    hu: np.ndarray
    grid: Grid
    noise_sd: float
    cupping: float


def ct_grid(anatomy: Anatomy, protocol: Protocol, rng: np.random.Generator) -> Grid:
    """Axial grid over the protocol's levels, cranio-caudal start and centre varying a little."""
    low, high = anatomy.extent_z(protocol.levels)
    slices = int(np.ceil((high - low + 2 * protocol.ct_margin_mm) / protocol.ct_slice_mm))
    pixel, n = protocol.ct_pixel_mm, protocol.ct_matrix
    # The phantom's lower face and a strip of the table are the posterior end of the image.
    bottom = anatomy.back_y + PHANTOM_GAP_MM + 2 * SLAB_HALF_MM[1] + 14
    affine = np.diag([pixel, pixel, protocol.ct_slice_mm, 1.0])
    affine[:3, 3] = (
        -pixel * (n - 1) / 2 + rng.uniform(-4, 4),
        bottom - pixel * (n - 1) + rng.uniform(0, 2),
        (low + high) / 2 - protocol.ct_slice_mm * (slices - 1) / 2 + rng.uniform(-1, 1),
    )
    return Grid((n, n, slices), affine)


def simulate_ct(
    participant: Participant,
    anatomy: Anatomy,
    protocol: Protocol,
    rng: np.random.Generator,
    phantom: bool = True,
) -> CtScan:
    """Simulate a scan.

    Parameters
    ----------
    participant
        Scanner calibration and scan model.
    anatomy
        The object.
    protocol
        Matrix, pixel, slice thickness.
    rng
        Source of geometry variation and noise.
    phantom
        Whether the calibration phantom is in the field of view.

    Returns
    -------
    CtScan
        CT numbers are floored at -1024 HU, as scanners store them.
    """
    grid = ct_grid(anatomy, protocol, rng)
    factors = (1, 1, protocol.ct_subslices)
    fine = grid.subdivided(factors)
    image = np.full(fine.shape, -1000, np.float32)
    calibration = (participant.sigma_ct, participant.beta_ct)
    top = anatomy.back_y + PHANTOM_GAP_MM
    parts = [*_table(top + 2 * SLAB_HALF_MM[1] + 1.5), *anatomy.parts]
    values = _tissue_numbers(*calibration)
    if phantom:
        rods, rod_values = _phantom(top, calibration, rng)
        parts += rods
        values |= rod_values

    def numbers(part: Part, at: Coordinates) -> tuple[np.ndarray | float]:
        if part.tissue != "trabecular":
            return (values[part.tissue],)
        mineral, fat = part.vertebra.composition(*at)
        return (
            np.float32(participant.sigma_ct) * (mineral - np.float32(FAT_EFFECT) * fat)
            + np.float32(participant.beta_ct),
        )

    paint(parts, fine, max(1.0, 0.6 * protocol.ct_pixel_mm), (image,), numbers)
    image = block_mean(image, factors)
    sigma = PSF_FWHM_MM / 2.355 / protocol.ct_pixel_mm
    image = ndimage.gaussian_filter(image, (sigma, sigma, 0.15), mode="nearest")

    cupping = float(rng.uniform(7, 15)) if participant.ct_model == "cupping" else 0.0
    if cupping:
        image -= _cup(grid, anatomy.back_y, cupping) * (image > -500)
    noise_sd = float(rng.uniform(15, 20))
    image += _noise(grid, noise_sd, participant.ct_model == "noise_correlated", rng)
    return CtScan(np.maximum(np.rint(image), -1024).astype(np.int16), grid, noise_sd, cupping)


def _tissue_numbers(sigma_ct: float, beta_ct: float) -> dict[str, float]:
    """CT number by tissue; the scanner's offset vanishes towards air."""
    return {
        tissue: row["hu"] + beta_ct * (1 + min(row["hu"], 0) / 1000)
        for tissue, row in tissue_table().items()
    }


def rod_numbers(sigma_ct: float, beta_ct: float) -> dict[str, float]:
    """CT number (HU) of each rod A-E from the scanner's calibration."""
    return {
        row["rod"]: float(row["water_equivalent"])
        + (sigma_ct + 0.2174) * float(row["k2hpo4"])
        + (beta_ct - 999.6)
        for row in read_resource("simulation_phantom.tsv")
    }


def _phantom(
    top: float, calibration: tuple[float, float], rng: np.random.Generator
) -> tuple[list[Part], dict[str, float]]:
    """Slab with five rods along z below the back, laid down slightly askew."""
    angle = np.deg2rad(rng.uniform(-1.5, 1.5))
    skew = np.deg2rad(rng.uniform(-0.3, 0.3))
    centre = np.array([rng.uniform(-8, 8), top + SLAB_HALF_MM[1] + 2 * abs(np.sin(angle)) * 20])
    c, s = np.cos(angle), np.sin(angle)

    def across(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, v = x - centre[0] - np.float32(np.tan(skew)) * z, y - centre[1]
        return c * u + s * v, c * v - s * u

    def slab(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        u, v = across(x, y, z)
        return cylinder(np.abs(u) - SLAB_HALF_MM[0], np.abs(v) - SLAB_HALF_MM[1], 4.0)

    def rod(name: str, position: float) -> Part:
        def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
            u, v = across(x, y, z)
            return ellipse(u - np.float32(position), v, ROD_DIAMETER_MM / 2, ROD_DIAMETER_MM / 2)

        reach = ROD_DIAMETER_MM / 2 + 4
        x, y = centre[0] + c * position, centre[1] + s * position
        low, high = (x - reach, y - reach, -_INFINITE), (x + reach, y + reach, _INFINITE)
        return Part(f"rod_{name}", distance, low, high)

    low = (centre[0] - 90, centre[1] - 22, -_INFINITE)
    high = (centre[0] + 90, centre[1] + 22, _INFINITE)
    parts = [Part("phantom_body", slab, low, high)]
    values = {}
    for index, (name, value) in enumerate(rod_numbers(*calibration).items()):
        parts.append(rod(name, (index - 2) * ROD_SPACING_MM))
        values[f"rod_{name}"] = value
    return parts, values


def _table(top: float) -> list[Part]:
    """Table top: a thin shell around a light core, flat under the phantom."""

    def plate(thickness: float) -> Part:
        middle = top + 20

        def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
            return np.abs(y - np.float32(middle)) - np.float32(20 - thickness)

        tissue = "table_core" if thickness else "table_shell"
        return Part(tissue, distance, (-_INFINITE, top - 2, -_INFINITE))

    return [plate(0.0), plate(2.0)]


def _cup(grid: Grid, back_y: float, depth: float) -> np.ndarray:
    """Beam-hardening cup (HU): deepest in the middle of the trunk, nothing at its rim."""
    x, y, _ = grid.coordinates()
    radius2 = (x / 150) ** 2 + ((y - (back_y - 105)) / 105) ** 2
    return np.float32(depth) * np.maximum(1 - radius2, 0)


def _noise(grid: Grid, sd: float, correlated: bool, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of SD ``sd`` HU, white or with the grain of a smooth kernel."""
    noise = rng.standard_normal(grid.shape, dtype=np.float32)
    if correlated:
        sigma = CORRELATED_NOISE_FWHM_MM / 2.355 / grid.spacing[0]
        noise = ndimage.gaussian_filter(noise, (sigma, sigma, 0), mode="wrap")
        noise /= noise.std()
    return np.float32(sd) * noise
