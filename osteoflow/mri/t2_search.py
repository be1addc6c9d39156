"""Exhaustive search of echo trains: where a fit may start, without missing a minimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.mri.t2_model import EchoModel
from osteoflow.mri.t2_noise import MagnitudeNoise

STRIDE = (2, 4)
"""Every which node of the table, along T2 and along B1, is an entry of the search."""

VISIBLE_PART = 0.05
"""Least part of S0 that the largest sample must hold: shorter T2 are not seen by the echoes, and
trains of theirs in which stored magnetisation alone is left look like long T2."""

CONTENDER = (3.0, 1e-4)
"""A second minimum along B1 is followed as well if its squared misfit is below this multiple of
the first one's plus this part of the squared signal."""


@dataclass(frozen=True)
class Start:
    """Starting points of a fit, arrays of shape (voxels,).

    Attributes
    ----------
    log_amplitude, log_t2, fitted
        Unknowns as in `osteoflow.mri.t2_fit.TrainFit`.
    voxels
        Which voxels of the data they belong to.
    """

    log_amplitude: np.ndarray
    log_t2: np.ndarray
    fitted: np.ndarray
    voxels: np.ndarray


def find_starts(
    model: EchoModel,
    data: np.ndarray,
    used: np.ndarray,
    noise: MagnitudeNoise | None,
    b1: np.ndarray | None = None,
) -> list[Start]:
    """Best entry of the table for every voxel, and the best of a second minimum along B1.

    Least squares with a free amplitude. Between the nodes the misfit is interpolated: at high
    signal-to-noise ratio it differs less between two minima than between two nodes.

    Parameters
    ----------
    model
        Trains.
    data
        float32, shape (voxels, echoes).
    used
        float32, same shape: 1 for samples that count, 0 for others.
    noise
        Its power is taken off the data, so that the floor does not look like a long T2.
    b1
        Known B1, shape (voxels,), if it is not searched.

    Returns
    -------
    list of Start
        One for all voxels, and one for those with a second minimum if there are any.
    """
    log_t2, second, entries = _entries(model, b1 is not None)
    largest = data.max(axis=1)  # of clipped samples too: they are at least that large
    if noise is not None:
        power = np.float32(2 * noise.channels * noise.sd**2)
        data = np.sqrt(np.maximum(data * data - power, 0))
    data = data * used
    tiny = np.float32(np.finfo(np.float32).tiny)
    match = np.maximum(data @ entries, 0)
    norm = used @ entries**2 if (used != 1).any() else np.sum(entries**2, axis=0)[None]
    norm = np.maximum(norm, np.float32(1e-12))
    voxels = np.arange(data.shape[0])
    shape = (voxels.size, second.size, log_t2.size)
    gain = (match * match / norm).reshape(shape)
    visible = (match <= (largest / np.float32(VISIBLE_PART))[:, None] * norm).reshape(shape)
    best_t2 = (gain * visible).argmax(axis=2)
    shift_t2, along = _peak(gain, best_t2)

    signal = np.sum(data * data, axis=1)
    if b1 is not None:
        folded = model.second_from(model.fitted_from(b1))
        columns = [(np.abs(second - folded[:, None]).argmin(axis=1), voxels)]
    else:
        columns = _minima(along, signal)
    starts = []
    for column, where in columns:
        row = best_t2[where, column]
        entry = column * log_t2.size + row
        scale = norm[where, entry] if norm.shape[0] > 1 else norm[0, entry]
        amplitude = np.maximum(match[where, entry] / scale, tiny)
        step = (log_t2[-1] - log_t2[0]) / (log_t2.size - 1)
        at_t2 = log_t2[row] + step * shift_t2[where, column]
        fitted = model.fitted_from(second[column] if b1 is None else b1)
        starts.append(Start(np.log(amplitude.astype(float)), at_t2, fitted, where))
    return starts


def _entries(model: EchoModel, all_b1: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes searched along log T2 and the second coordinate, and trains (echoes, entries)."""
    stride = STRIDE if model.table.unknowns == 3 else (STRIDE[0], 1)
    second = model.table.second[:: stride[1]]
    keep = np.ones(second.size, bool)
    if not all_b1 and second.size > 1:
        spacing = second[1] - second[0]
        keep = (second > model.bounds[0] - spacing) & (second < model.bounds[1] + spacing)
    trains = np.abs(model.table.trains[:: stride[0], :: stride[1]][:, keep])
    entries = trains.transpose(2, 1, 0).reshape(trains.shape[2], -1)
    return model.table.log_t2[:: stride[0]], second[keep], np.ascontiguousarray(entries)


def _peak(gain: np.ndarray, best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place, relative to the best node of the last axis, and height of a parabola's peak."""
    last = gain.shape[-1] - 1
    below, top, above = (
        np.take_along_axis(gain, np.clip(best + k, 0, last)[..., None], axis=-1)[..., 0]
        for k in (-1, 0, 1)
    )
    curvature = 2 * top - below - above
    slope = 0.5 * (above - below)
    # at the edge, or next to entries that were not eligible, the node itself is the peak
    inside = (best > 0) & (best < last) & (np.abs(slope) <= 0.5 * curvature) & (curvature > 0)
    shift = np.zeros_like(top)
    np.divide(slope, curvature, out=shift, where=inside)
    return shift, top + 0.5 * slope * shift


def _minima(along: np.ndarray, signal: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Nodes along B1 of the best and of a second peak of the gain, each with its voxels."""
    voxels = np.arange(along.shape[0])
    best = along.argmax(axis=1)
    if along.shape[1] < 3:
        return [(best, voxels)]
    height = _peak(along, best)[1]
    padded = np.pad(along, ((0, 0), (1, 1)), constant_values=-np.inf)
    other = np.where((along >= padded[:, :-2]) & (along >= padded[:, 2:]), along, -np.inf)
    other[voxels, best] = -np.inf
    rival = other.argmax(axis=1)
    rival_height = _peak(along, rival)[1]
    misfit, rival_misfit = signal - height, signal - rival_height
    followed = np.isfinite(other[voxels, rival])
    followed &= rival_misfit <= CONTENDER[0] * misfit + CONTENDER[1] * signal
    columns = [(best, voxels)]
    if followed.any():
        columns.append((rival[followed], voxels[followed]))
    return columns
