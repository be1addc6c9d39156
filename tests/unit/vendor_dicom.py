"""One multi-echo acquisition as DICOM of each vendor: its elements, private ones too, its units.

Written from the vendors' public conformance statements and from images of theirs that are not
multi-echo Dixon; no scanner made these files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from dicom_series import MR_CLASS
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ROW, COLUMN = (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)  # sagittal
SPACING = (1.6, 1.5, 4.0)  # mm between rows, columns, slices
ORIGIN = (12.0, -20.0, 30.0)


@dataclass(frozen=True)
class Acquisition:
    """Complex echoes, shape (columns, rows, slices, echoes), and echo times in s."""

    signal: np.ndarray
    echo_times: np.ndarray
    megahertz: float = 123.2

    @property
    def peak(self) -> float:
        return float(np.abs(self.signal).max())

    def position(self, index: int) -> list[float]:
        normal = np.cross(ROW, COLUMN)
        return [float(v) for v in np.array(ORIGIN) + index * SPACING[2] * normal]

    def images(self) -> Iterator[tuple[int, int]]:
        """(slice, echo) of each image."""
        for index in range(self.signal.shape[2]):
            for echo in range(self.signal.shape[3]):
                yield index, echo


@dataclass(frozen=True)
class Written:
    """What reading should give: ``gain`` times the signal, to half of these steps.

    Steps of the values (in units of the signal) and, where phase is stored, of phase in radians.
    """

    gain: float
    step: float
    phase_step: float | None = None

    def largest_error(self, signal: np.ndarray) -> np.ndarray:
        if self.phase_step is None:
            return np.full(signal.shape, np.sqrt(0.5) * self.step)
        return 0.5 * (self.step + np.abs(signal) * self.phase_step)


# ---------------------------------------------------------------- single-frame images


def new_file(path: Path, sop_class: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "MRN1"
    dataset.Modality = "MR"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    return dataset


def set_pixels(dataset: Dataset, stored: np.ndarray, bits: int, signed: bool) -> None:
    """``stored`` of shape (columns, rows) or (columns, rows, frames)."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    assert low <= stored.min(), "below what these bits hold"
    assert stored.max() <= high, "beyond what these bits hold"
    dataset.Rows, dataset.Columns = stored.shape[1], stored.shape[0]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = stored.T.astype("<i2" if signed else "<u2").tobytes()


def _classic(
    folder: Path,
    name: str,
    acquisition: Acquisition,
    place: tuple[int, int],
    stored: np.ndarray,
    elements: dict[str, Any],
    bits: int = 12,
    signed: bool = False,
    private: Callable[[Dataset], None] | None = None,
) -> None:
    """One image of one slice and echo."""
    index, echo = place
    path = folder / f"{name}_{echo}_{index:02d}.dcm"
    dataset = new_file(path, MR_CLASS)
    common = {
        "ImagePositionPatient": acquisition.position(index),
        "ImageOrientationPatient": [*ROW, *COLUMN],
        "PixelSpacing": list(SPACING[:2]),
        "SliceThickness": SPACING[2],
        "SpacingBetweenSlices": SPACING[2],
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "MRAcquisitionType": "3D",
        "RepetitionTime": 14.0,
        "FlipAngle": 3.0,
        "MagneticFieldStrength": 3.0,
        "ImagingFrequency": acquisition.megahertz,
        "EchoTime": round(1000 * float(acquisition.echo_times[echo]), 6),
        "EchoNumbers": echo + 1,
        "AcquisitionNumber": 1,
        "InstanceNumber": index * len(acquisition.echo_times) + echo + 1,
        "FrameOfReferenceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.5",
    }
    for keyword, value in {**common, **elements}.items():
        setattr(dataset, keyword, value)
    if private is not None:
        private(dataset)
    set_pixels(dataset, stored, bits, signed)
    folder.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def _element(group: int, creator: str, offset: int, vr: str, value: Any) -> Callable:
    def add(dataset: Dataset) -> None:
        dataset.private_block(group, creator, create=True).add_new(offset, vr, value)

    return add


def wrapped(signal: np.ndarray, levels: float) -> np.ndarray:
    """Phase in ``levels`` steps per circle, from -levels / 2; pi is -pi."""
    steps = np.rint(np.angle(signal) / (2 * np.pi) * levels)
    return (steps + levels / 2) % levels - levels / 2


def ge_real_imaginary(folder: Path, acquisition: Acquisition, chopped: bool = True) -> Written:
    """GE: magnitude, real and imaginary in one series; every other slice reversed in sign."""
    gain = 8000 / acquisition.peak
    kinds = {0: np.abs, 2: np.real, 3: np.imag}
    elements = {"Manufacturer": "GE MEDICAL SYSTEMS", "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}
    for index, echo in acquisition.images():
        plane = acquisition.signal[:, :, index, echo] * (-1) ** (index * chopped)
        for kind, part in kinds.items():
            private = _element(0x0043, "GEMS_PARM_01", 0x2F, "SS", kind)
            stored = np.rint(gain * part(plane))
            place = index, echo
            _classic(folder, f"k{kind}", acquisition, place, stored, elements, 16, True, private)
    return Written(gain, 1 / gain)


def ge_magnitude_phase(folder: Path, acquisition: Acquisition, chopped: bool = True) -> Written:
    """GE: phase in milliradians, the research sequence's name, every other slice reversed."""
    gain = 8000 / acquisition.peak
    elements = {
        "Manufacturer": "GE MEDICAL SYSTEMS",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ScanningSequence": "RM",
    }
    for index, echo in acquisition.images():
        plane = acquisition.signal[:, :, index, echo] * (-1) ** (index * chopped)
        for kind, stored in ((0, gain * np.abs(plane)), (1, 1000 * np.angle(plane))):
            private = _element(0x0043, "GEMS_PARM_01", 0x2F, "SS", kind)
            place, stored = (index, echo), np.rint(stored)
            _classic(folder, f"k{kind}", acquisition, place, stored, elements, 16, True, private)
    return Written(gain, 1 / gain, 1e-3)


def siemens_classic(folder: Path, acquisition: Acquisition) -> Written:
    """Siemens: two series, phase 0..4095 with slope 2 and intercept -4096."""
    gain = 4000 / acquisition.peak
    for index, echo in acquisition.images():
        plane = acquisition.signal[:, :, index, echo]
        phase = wrapped(plane, 4096) + 2048
        for part, stored in (("M", np.rint(gain * np.abs(plane))), ("P", phase)):
            elements = {
                "Manufacturer": "SIEMENS",
                "ImageType": ["ORIGINAL", "PRIMARY", part, "ND"],
                "SeriesInstanceUID": f"1.2.3.{6 if part == 'M' else 7}",
            }
            if part == "P":
                elements |= {"RescaleSlope": 2, "RescaleIntercept": -4096, "RescaleType": "US"}
            _classic(folder, part, acquisition, (index, echo), stored, elements)
    return Written(gain, 1 / gain, 2 * np.pi / 4096)


def philips_classic(
    folder: Path, acquisition: Acquisition, parts: str = "MPRI", scale_slopes: bool = True
) -> Written:
    """Philips: one series of magnitude, phase, real and imaginary images.

    What is shown is normalised by echo: slopes differ, and only the scale slope makes the echoes
    comparable.
    """
    names = {"M": "M_FFE", "P": "PHASE MAP", "R": "R_FFE", "I": "I_FFE"}
    for index, echo in acquisition.images():
        plane = acquisition.signal[:, :, index, echo]
        scaled = {part: philips_scale(acquisition, part, echo) for part in parts}
        for part, (scale, slope, intercept) in scaled.items():
            # Stored values are offset where signed values must fit: shown = stored x slope + int.
            stored = philips_stored(plane, part, scale, slope, intercept)
            elements = {
                "Manufacturer": "Philips Medical Systems",
                "ImageType": ["ORIGINAL", "PRIMARY", names[part], part, "FFE"],
                "RescaleSlope": f"{slope:.14g}",
                "RescaleIntercept": f"{intercept:.14g}",
                "RescaleType": "normalized",
            }

            def private(dataset: Dataset, part: str = part, scale: float = scale) -> None:
                block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
                block.add_new(0x11, "CS", part)
                if scale_slopes:
                    block.add_new(0x0E, "FL", scale)

            place = index, echo
            _classic(folder, part, acquisition, place, stored, elements, private=private)
    coarsest = min(philips_scale(acquisition, parts[0], e)[0] for _, e in acquisition.images())
    phase_step = 2 * np.pi / 4095 if parts[:2] == "MP" else None
    return Written(1.0, 1 / coarsest, phase_step)


def philips_scale(acquisition: Acquisition, part: str, echo: int) -> tuple[float, float, float]:
    """Scale slope (stored per floating-point value), rescale slope and intercept."""
    echoes = np.abs(acquisition.signal[..., echo]).max()
    if part == "P":
        slope = 6284 / 4095
        return 3142 / np.pi / slope, slope, -3142.0
    # float32, as the element holds it; each echo is normalised to itself.
    if part == "M":
        return float(np.float32(4000 / echoes)), 1.1 + 0.3 * echo, 0.0
    slope = 2.0 + 0.1 * echo
    return float(np.float32(2000 / echoes)), slope, -2047 * slope


def philips_stored(
    plane: np.ndarray, part: str, scale: float, slope: float, intercept: float
) -> np.ndarray:
    if part == "P":
        return np.rint((np.angle(plane) + np.pi) / (2 * np.pi) * 4095)
    value = {"M": np.abs, "R": np.real, "I": np.imag}[part](plane)
    return np.rint(scale * value - intercept / slope)


def uih_classic(folder: Path, acquisition: Acquisition) -> Written:
    """UIH: magnitude and phase in two series, frequency in Hz, phase 0..4095 of no stated unit."""
    gain = 4000 / acquisition.peak
    for index, echo in acquisition.images():
        plane = acquisition.signal[:, :, index, echo]
        phase = wrapped(plane, 4096) + 2048
        for part, stored in (("M", np.rint(gain * np.abs(plane))), ("P", phase)):
            elements = {
                "Manufacturer": "UIH",
                "ImageType": ["ORIGINAL", "PRIMARY", part, "NORMAL"],
                "ComplexImageComponent": "",
                "ImagingFrequency": 1e6 * acquisition.megahertz,
                "SeriesInstanceUID": f"1.2.3.{6 if part == 'M' else 7}",
                "EchoNumbers": None,
            }
            _classic(folder, part, acquisition, (index, echo), stored, elements, 16)
    return Written(gain, 1 / gain, 2 * np.pi / 4096)


def hitachi_classic(folder: Path, acquisition: Acquisition) -> Written:
    """Hitachi: OTHER is magnitude, PHASE MAP is phase in signed 12 bits."""
    gain = 2000 / acquisition.peak
    for index, echo in acquisition.images():
        plane = acquisition.signal[:, :, index, echo]
        images = (("OTHER", np.rint(gain * np.abs(plane))), ("PHASE MAP", wrapped(plane, 4096)))
        for kind, stored in images:
            elements = {
                "Manufacturer": "Hitachi Medical Corporation",
                "ImageType": ["ORIGINAL", "PRIMARY", kind],
                "NumberOfFrames": 1,
            }
            place = index, echo
            _classic(folder, kind[:1], acquisition, place, stored, elements, signed=True)
    return Written(gain, 1 / gain, 2 * np.pi / 4096)
