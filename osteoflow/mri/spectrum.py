"""Multi-peak spectra of fat relative to water."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.resources import read_resource

GYROMAGNETIC_RATIO_MHZ_PER_T = 42.577478518
"""Proton gyromagnetic ratio over 2 pi (CODATA 2018), MHz/T."""

WATER_PPM = 4.7
"""Chemical shift of water at body temperature, ppm."""

MARROW_NDB = 2.95
MARROW_NMIDB = 0.94
"""Double bonds and methylene-interrupted double bonds per triglyceride molecule of vertebral bone
marrow (Syvaeri et al.: 2.95 +- 0.21 and 0.94 +- 0.16)."""


@dataclass(frozen=True)
class FatSpectrum:
    """Peaks of the fat signal.

    Parameters
    ----------
    ppm
        Chemical shift of each peak in ppm.
    amplitude
        Fraction of the protons in each peak; normalised to sum 1 on construction.
    name
        How sidecars call it.

    Raises
    ------
    ValueError
        Lengths differ, no peak, a negative amplitude or amplitudes that sum to nothing.
    """

    ppm: tuple[float, ...]
    amplitude: tuple[float, ...]
    name: str = "custom"

    def __post_init__(self) -> None:
        if len(self.ppm) != len(self.amplitude) or not self.ppm:
            raise ValueError(
                f"{len(self.ppm)} chemical shifts for {len(self.amplitude)} amplitudes"
            )
        amplitude = np.asarray(self.amplitude, dtype=float)
        if not np.isfinite(self.ppm).all() or not np.isfinite(amplitude).all():
            raise ValueError("a fat spectrum needs finite chemical shifts and amplitudes")
        if (amplitude < 0).any() or amplitude.sum() <= 0:
            raise ValueError("amplitudes of a fat spectrum must be >= 0 and not all zero")
        object.__setattr__(self, "ppm", tuple(float(p) for p in self.ppm))
        object.__setattr__(self, "amplitude", tuple((amplitude / amplitude.sum()).tolist()))

    def frequencies(self, field_strength: float) -> np.ndarray:
        """Frequency of each peak relative to water in Hz at `field_strength` tesla."""
        shift = np.asarray(self.ppm) - WATER_PPM
        return GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength * shift

    def phasor(self, echo_times: np.ndarray, field_strength: float) -> np.ndarray:
        """Signal of one unit of fat, ``sum_p a_p exp(i 2 pi f_p t)``, at each echo time in s."""
        angle = 2j * np.pi * np.outer(echo_times, self.frequencies(field_strength))
        return np.exp(angle) @ np.asarray(self.amplitude)


def triglyceride_spectrum(
    ndb: float, nmidb: float, chain_length: float | None = None, name: str = "triglyceride"
) -> FatSpectrum:
    """Nine-peak spectrum of a triglyceride from its composition.

    Parameters
    ----------
    ndb, nmidb
        Double bonds and methylene-interrupted double bonds per molecule.
    chain_length
        Mean fatty-acid chain length; by default ``16.8 + 0.25 ndb``.
    name
        Name of the returned spectrum.

    Raises
    ------
    ValueError
        The composition gives a peak with a negative number of protons.

    References
    ----------
    Hamilton G et al. In vivo characterization of the liver fat 1H MR spectrum.
    NMR Biomed 2011;24:784-790.
    """
    length = 16.8 + 0.25 * ndb if chain_length is None else chain_length
    peaks = [row for row in read_resource("fat_spectra.tsv") if row["spectrum"] == "triglyceride"]
    protons = [
        float(row["constant"])
        + float(row["per_cl"]) * length
        + float(row["per_ndb"]) * ndb
        + float(row["per_nmidb"]) * nmidb
        for row in peaks
    ]
    return FatSpectrum(tuple(float(row["ppm"]) for row in peaks), tuple(protons), name)


def load_fat_spectrum(name: str = "bone_marrow") -> FatSpectrum:
    """Fat spectrum by name: ``bone_marrow`` (default), ``liver_hamilton`` or ``ismrm``.

    Bone marrow is the triglyceride of Syvaeri et al. (``MARROW_NDB``, ``MARROW_NMIDB``); the
    others are read from ``resources/fat_spectra.tsv``, which states their sources.

    Raises
    ------
    ValueError
        No spectrum of that name.
    """
    if name == "bone_marrow":
        return triglyceride_spectrum(MARROW_NDB, MARROW_NMIDB, name=name)
    rows = [row for row in read_resource("fat_spectra.tsv") if row["spectrum"] == name]
    if not rows or name == "triglyceride":
        raise ValueError(
            f"unknown fat spectrum {name!r}; known: bone_marrow, liver_hamilton, ismrm"
        )
    return FatSpectrum(
        tuple(float(row["ppm"]) for row in rows),
        tuple(float(row["constant"]) for row in rows),
        name,
    )
