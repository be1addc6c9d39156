"""Digital reference objects for the fat-water fit, with every truth known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.signal_model import simulate_signal
from osteoflow.mri.spectrum import FatSpectrum

BLOCKS = 16
PHASE = 0.7  # rad, of water and fat at echo time zero


@dataclass(frozen=True)
class ReferenceObject:
    """Truth maps (i, j, k): PDFF in %, R2* in 1/s, field in Hz and amplitude at echo time zero."""

    pdff: np.ndarray
    r2star: np.ndarray
    field: np.ndarray
    amplitude: np.ndarray

    def signal(
        self,
        echo_times: np.ndarray,
        field_strength: float,
        spectrum: FatSpectrum,
        snr: float | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Complex echoes (i, j, k, n); SNR is amplitude 1 over the SD of one real channel."""
        total = self.amplitude * np.exp(1j * PHASE)
        fat = total * self.pdff / 100
        clean = simulate_signal(
            total - fat, fat, self.field, self.r2star, echo_times, field_strength, spectrum
        )
        if snr is None:
            return clean
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)
        return clean + noise / snr


def smooth_field(shape: tuple[int, int, int], amplitude_hz: float) -> np.ndarray:
    """Second-order field that spans exactly +-`amplitude_hz`."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    field = 0.8 * x * y + 0.6 * x - 0.4 * y**2 + 0.1 * z
    return amplitude_hz * (2 * (field - field.min()) / np.ptp(field) - 1)


def block_object(
    edge: int,
    slices: int,
    field_hz: float,
    pdff_levels: np.ndarray | None = None,
    r2star_levels: np.ndarray | None = None,
) -> ReferenceObject:
    """Blocks of `edge` voxels: PDFF along i (default 16 in 0..100 %), R2* along j (20..250 1/s)."""
    pdff_levels = np.linspace(0, 100, BLOCKS) if pdff_levels is None else pdff_levels
    r2star_levels = np.linspace(20, 250, BLOCKS) if r2star_levels is None else r2star_levels
    shape = (len(pdff_levels) * edge, len(r2star_levels) * edge, slices)
    pdff = np.repeat(pdff_levels, edge)[:, None, None]
    r2star = np.repeat(r2star_levels, edge)[None, :, None]
    return ReferenceObject(
        np.broadcast_to(pdff, shape),
        np.broadcast_to(r2star, shape),
        smooth_field(shape, field_hz),
        np.ones(shape),
    )


def block_means(values: np.ndarray, edge: int) -> np.ndarray:
    """Mean of each block of a `block_object` map, shape (PDFF levels, R2* levels)."""
    rows, columns = values.shape[0] // edge, values.shape[1] // edge
    return values.reshape(rows, edge, columns, edge, values.shape[2]).mean(axis=(1, 3, 4))


def striped_object(field_hz: float, thickness: int = 1) -> ReferenceObject:
    """Layers of nearly pure fat, `thickness` voxels thin, every seven voxels in water."""
    shape = (56, 56, 4)
    layer = np.indices(shape)[0] % 7 < thickness
    return ReferenceObject(
        np.where(layer, 95.0, 2.0),
        np.where(np.indices(shape)[1] < 28, 40.0, 100.0),
        smooth_field(shape, field_hz),
        np.ones(shape),
    )


def island_object(field_hz: float) -> ReferenceObject:
    """Bodies in air that touch no other, from pure water to pure fat, large and small."""
    shape = (60, 60, 6)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    pdff, amplitude = np.zeros(shape), np.zeros(shape)
    r2star = np.full(shape, 30.0)
    bodies = [
        (-0.6, -0.6, 0.25, 40, 100),
        (0.0, -0.6, 0.25, 97, 40),
        (0.6, -0.6, 0.20, 0, 20),
        (-0.6, 0.0, 0.20, 0, 200),
        (0.0, 0.0, 0.20, 100, 150),
        (0.6, 0.0, 0.15, 50, 250),
        (-0.6, 0.6, 0.10, 97, 200),
        (0.0, 0.6, 0.06, 2, 200),
        (0.6, 0.6, 0.08, 100, 60),
        (0.3, 0.8, 0.04, 95, 40),
        (-0.3, 0.8, 0.04, 3, 40),
    ]
    for i, j, radius, fat, rate in bodies:
        body = ((x - i) ** 2 + (y - j) ** 2 < radius**2) & (np.abs(z) < 0.8)
        pdff[body], r2star[body], amplitude[body] = fat, rate, 1
    return ReferenceObject(pdff, r2star, smooth_field(shape, field_hz), amplitude)


def field_error(fitted: np.ndarray, truth: np.ndarray, period: float) -> np.ndarray:
    """Field difference in Hz modulo the period of the echo spacing."""
    error = fitted - truth
    return error - period * np.rint(error / period) if np.isfinite(period) else error


SWAP_HZ = 40.0


def swaps(result, truth: ReferenceObject, bipolar: bool = False) -> int:
    """Voxels whose field is off by more than ``SWAP_HZ``.

    A phase between odd and even echoes is known modulo pi/2 only, its field modulo half a period.
    """
    period = result.field_period / 2 if bipolar else result.field_period
    error = field_error(result.field, truth.field, period)
    inside = np.isfinite(result.field) & (truth.amplitude > 0)
    return int((np.abs(error[inside]) > SWAP_HZ).sum())


def add_readout_phase(
    signal: np.ndarray, spacing: np.ndarray, offset: float, gradient: tuple[float, float, float]
) -> np.ndarray:
    """Signal (i, j, k, n) of a bipolar readout: a phase in rad, rad/mm with alternating sign."""
    positions = np.moveaxis(np.indices(signal.shape[:3]), 0, -1) * spacing
    phase = offset + positions @ np.array(gradient, dtype=float)
    return signal * np.exp(1j * phase[..., None] * (-1.0) ** np.arange(signal.shape[-1]))
