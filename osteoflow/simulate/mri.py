"""The simulated sagittal multi-echo gradient-echo MRI of the same trunk.

Signal of a point with water W, fat F (proton densities), decay R2*, field deviation psi (Hz)::

    S(t) = (W + F sum_p a_p exp(i 2 pi f_p t)) exp((i 2 pi psi - R2*) t)
    f_p = gamma B0 (d_p - 4.7)

with the fat peaks d_p (ppm) upfield of water (4.7 ppm), hence negative f_p for most of them. Each
voxel is the mean of the signal at several points. The fat peaks follow the triglyceride formula of
Hamilton et al. (NMR Biomed 2011;24:784-790) with 2.95 double bonds and 0.94 methylene-interrupted
double bonds, the means that Syvaeri et al. report for vertebral marrow. Water and fat decay at one
rate, except in scans of the model ``r2star_dual`` (Karampinos et al., NMR Biomed 2015;28:1535-1542
discuss both). T1 weighting is not simulated.

This module states the truth for tests, so it shares no code with the fat-water analysis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osteoflow.resources import read_resource
from osteoflow.simulate.anatomy import Anatomy, Part
from osteoflow.simulate.clinical import Participant, r2star_of
from osteoflow.simulate.geometry import Grid, block_mean
from osteoflow.simulate.protocol import TRUE_FIELD_T, Protocol
from osteoflow.simulate.render import Coordinates, paint, tissue_table

GAMMA_MHZ_PER_T = 42.577478
WATER_PPM = 4.7
MARROW_NDB = 2.95
MARROW_NMIDB = 0.94
DUAL_R2STAR_SPREAD = 0.25
CORRELATED_NOISE_FWHM_VOXELS = 1.8
PATIENT_SHIFT_MM = (3.0, -4.0, 6.0)


@dataclass(frozen=True)
class MriScan:
    """A simulated multi-echo MRI.

    ``signal``: complex64, shape (columns, rows, slices, echoes), in units of the marrow's proton
    density under unit coil sensitivity. ``snr``: marrow at echo time 0 over the SD of one channel.
    ``field_hz``: the field deviation, shape (columns, rows, slices).
    """

    signal: np.ndarray
    grid: Grid
    echo_times_ms: tuple[float, ...]
    snr: float
    field_hz: np.ndarray


def fat_peaks(spectrum: str) -> tuple[np.ndarray, np.ndarray]:
    """Chemical shifts (ppm) and relative amplitudes (sum 1) of fat.

    Parameters
    ----------
    spectrum
        ``bone_marrow`` (triglyceride formula with this module's NDB and NMIDB) or ``liver``.

    Raises
    ------
    ValueError
        For any other name.
    """
    rows = read_resource("simulation_fat_peaks.tsv")
    ppm = np.array([float(row["ppm"]) for row in rows])
    if spectrum == "liver":
        amplitude = np.array([float(row["liver_amplitude"]) for row in rows])
    elif spectrum == "bone_marrow":
        chain_length = 16.8 + 0.25 * MARROW_NDB
        terms = {"constant": 1.0, "cl": chain_length, "ndb": MARROW_NDB, "nmidb": MARROW_NMIDB}
        amplitude = np.array(
            [sum(float(row[key]) * factor for key, factor in terms.items()) for row in rows]
        )
    else:
        raise ValueError(f"unknown fat spectrum {spectrum!r}: bone_marrow or liver")
    return ppm, amplitude / amplitude.sum()


def fat_phasor(spectrum: str, echo_times_ms: np.ndarray, field_strength: float) -> np.ndarray:
    """Complex signal of unit fat relative to water at each echo."""
    ppm, amplitude = fat_peaks(spectrum)
    frequency = GAMMA_MHZ_PER_T * field_strength * (ppm - WATER_PPM)
    seconds = np.asarray(echo_times_ms, float) / 1000
    return np.exp(2j * np.pi * np.outer(seconds, frequency)) @ amplitude


def mri_grid(participant: Participant, anatomy: Anatomy, protocol: Protocol) -> Grid:
    """Sagittal grid over the protocol's levels; site B angulates it by a few degrees."""
    low, high = anatomy.extent_z(protocol.levels)
    yaw, pitch = np.deg2rad((2.0, 3.0) if participant.site == "B" else (0.0, 0.0))
    # Rows of the image run to posterior, its columns to caudal; slices go from left to right.
    column = np.array([0.0, np.cos(pitch), np.sin(pitch)])
    row = np.array([0.0, np.sin(pitch), -np.cos(pitch)])
    turn = np.array(
        [[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]]
    )
    column, row = turn @ column, turn @ row
    normal = np.cross(column, row)
    columns, rows = protocol.mri_matrix
    shape = (columns, rows, protocol.mri_slices)
    steps = (protocol.mri_pixel_mm, protocol.mri_pixel_mm, protocol.mri_slice_mm)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([column, row, normal]) * steps
    centre = np.array([0.0, 14.0, (low + high) / 2]) + PATIENT_SHIFT_MM
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def anatomy_grid(grid: Grid) -> Grid:
    """The MRI's grid in the anatomy's coordinates: the patient lies elsewhere than in the CT."""
    affine = grid.affine.copy()
    affine[:3, 3] -= PATIENT_SHIFT_MM
    return Grid(grid.shape, affine)


def simulate_mri(
    participant: Participant, anatomy: Anatomy, protocol: Protocol, rng: np.random.Generator
) -> MriScan:
    """Simulate a scan.

    Parameters
    ----------
    participant
        Field strength, marrow and scan model.
    anatomy
        The object.
    protocol
        Matrix, voxel size, echo times.
    rng
        Source of field map, coil, initial phase and noise.

    Returns
    -------
    MriScan
        Phase as in the module's equation, whatever the scanner will write.
    """
    grid = mri_grid(participant, anatomy, protocol)
    echo_times = protocol.echo_times_ms(participant.field_strength)
    liver = participant.mri_model == "fat_spectrum_liver"
    tesla = TRUE_FIELD_T[participant.field_strength]
    phasor = fat_phasor("liver" if liver else "bone_marrow", np.array(echo_times), tesla)
    signal = _object_signal(participant, anatomy, protocol, anatomy_grid(grid), echo_times, phasor)

    x, y, z = _unit_coordinates(grid)
    field_hz = _field_map(x, y, z, rng)
    coil = np.exp(-0.35 * (y - 0.6) ** 2 - 0.15 * z**2 + 0.1 * rng.standard_normal() * x)
    initial = rng.uniform(-np.pi, np.pi) + rng.normal(0, 0.8) * y + rng.normal(0, 0.8) * z
    receive = (coil * np.exp(1j * initial)).astype(np.complex64)
    for echo, time in enumerate(echo_times):
        turn = np.exp(2j * np.pi * field_hz * (time / 1000)).astype(np.complex64)
        signal[..., echo] *= receive * turn

    centre = np.linalg.solve(grid.affine[:3, :3], PATIENT_SHIFT_MM - grid.affine[:3, 3])
    snr = float(rng.uniform(40, 60))
    marrow = float(coil[tuple(np.rint(centre).astype(int))])
    signal += _noise(signal.shape, marrow / snr, participant.mri_model == "noise_correlated", rng)
    return MriScan(signal, grid, echo_times, snr, field_hz.astype(np.float32))


def _object_signal(
    participant: Participant,
    anatomy: Anatomy,
    protocol: Protocol,
    grid: Grid,
    echo_times_ms: tuple[float, ...],
    phasor: np.ndarray,
) -> np.ndarray:
    """Signal of the object alone: proton densities and decay, averaged over each voxel."""
    fine = grid.subdivided(protocol.mri_subsamples)
    water, fat, r2star = (np.zeros(fine.shape, np.float32) for _ in range(3))
    tissues = tissue_table()

    def properties(part: Part, at: Coordinates) -> tuple[np.ndarray | float, ...]:
        if part.tissue == "trabecular":
            mineral, fraction = part.vertebra.composition(*at)
            share = fraction / np.float32(100)
            return 1 - share, share, r2star_of(mineral, participant.field_strength)
        row = tissues[part.tissue]
        density, share = row["proton_density"], row["fat_fraction"] / 100
        return density * (1 - share), density * share, row["r2star"]

    edge = 0.7 * protocol.mri_pixel_mm
    paint(anatomy.parts, fine, edge, (water, fat, r2star), properties)
    spread = DUAL_R2STAR_SPREAD if participant.mri_model == "r2star_dual" else 0.0
    if spread:
        share = fat / np.maximum(water + fat, np.float32(1e-6))
        # The proton-weighted mean of both rates stays the R2* of the truth.
        r2star_water = r2star * (1 + 2 * spread * share)
        r2star_fat = r2star * (1 - 2 * spread * (1 - share))
    signal = np.empty((*grid.shape, len(echo_times_ms)), np.complex64)
    for echo, (time, unit_fat) in enumerate(zip(echo_times_ms, phasor, strict=True)):
        seconds = np.float32(-time / 1000)
        if spread:
            from_water = water * np.exp(seconds * r2star_water)
            from_fat = fat * np.exp(seconds * r2star_fat)
        else:
            decay = np.exp(seconds * r2star)
            from_water, from_fat = water * decay, fat * decay
        signal[..., echo] = block_mean(from_water, protocol.mri_subsamples)
        signal[..., echo] += np.complex64(unit_fat) * block_mean(from_fat, protocol.mri_subsamples)
    return signal


def _unit_coordinates(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slice, column and row position from -1 to 1 across the field of view."""
    columns, rows, slices = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    i, j, k = (
        (2 * v + 1) / n - 1 for v, n in zip((columns, rows, slices), grid.shape, strict=True)
    )
    return k, i, j


def _field_map(x: np.ndarray, y: np.ndarray, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth field (Hz) with 100 to 150 Hz at its largest deviation, as left by a coarse shim."""
    c = rng.standard_normal(7)
    field = c[0] * y + c[1] * z + 0.3 * c[2] * x
    field = field + 0.6 * (c[3] * (z**2 - y**2) + c[4] * y * z + c[5] * (y**3 - 3 * y * z**2))
    field = field + 0.3 * c[6]
    return rng.uniform(100, 150) * field / np.abs(field).max()


def _noise(
    shape: tuple[int, ...], sd: float, correlated: bool, rng: np.random.Generator
) -> np.ndarray:
    """Complex Gaussian noise with SD ``sd`` per channel, white or correlated in plane."""
    noise = np.empty(shape, np.complex64)
    for echo in range(shape[-1]):
        channels = []
        for _ in range(2):
            channel = rng.standard_normal(shape[:-1], dtype=np.float32)
            if correlated:
                sigma = CORRELATED_NOISE_FWHM_VOXELS / 2.355
                channel = ndimage.gaussian_filter(channel, (sigma, sigma, 0), mode="wrap")
                channel /= channel.std()
            channels.append(channel)
        noise[..., echo] = channels[0] + 1j * channels[1]
    return np.float32(sd) * noise
