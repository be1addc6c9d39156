"""The same acquisition as :mod:`vendor_dicom`'s, as enhanced objects, and all vendors by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset
from vendor_dicom import (
    COLUMN,
    ROW,
    SPACING,
    Acquisition,
    Written,
    ge_magnitude_phase,
    ge_real_imaginary,
    hitachi_classic,
    new_file,
    philips_classic,
    philips_scale,
    philips_stored,
    set_pixels,
    siemens_classic,
    uih_classic,
    wrapped,
)

ENHANCED_MR_CLASS = "1.2.840.10008.5.1.4.1.1.4.1"


def _sequence(**elements: Any) -> pydicom.Sequence:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return pydicom.Sequence([item])


def _enhanced(path: Path, acquisition: Acquisition, **elements: Any) -> FileDataset:
    """An object with what its frames share."""
    dataset = new_file(path, ENHANCED_MR_CLASS)
    common = {
        "SeriesInstanceUID": "1.2.3.5",
        "FrameOfReferenceUID": "1.2.3.4",
        "AcquisitionNumber": 1,
        "MagneticFieldStrength": 3.0,
        "MRAcquisitionType": "3D",
        "EchoPulseSequence": "GRADIENT",
        "EchoPlanarPulseSequence": "NO",
    }
    for keyword, value in {**common, **elements}.items():
        setattr(dataset, keyword, value)
    shared = Dataset()
    shared.PixelMeasuresSequence = _sequence(PixelSpacing=list(SPACING[:2]), SliceThickness=4.0)
    shared.PlaneOrientationSequence = _sequence(ImageOrientationPatient=[*ROW, *COLUMN])
    shared.MRTimingAndRelatedParametersSequence = _sequence(RepetitionTime=14.0, FlipAngle=3.0)
    shared.MRImagingModifierSequence = _sequence(TransmitterFrequency=acquisition.megahertz)
    dataset.SharedFunctionalGroupsSequence = pydicom.Sequence([shared])
    return dataset


def _frame(
    acquisition: Acquisition,
    index: int,
    echo_time: float,
    frame_type: list[str],
    component: str,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> Dataset:
    """The functional groups of one frame."""
    frame = Dataset()
    frame.FrameContentSequence = _sequence(
        StackID="1", InStackPositionNumber=index + 1, TemporalPositionIndex=1
    )
    frame.PlanePositionSequence = _sequence(ImagePositionPatient=acquisition.position(index))
    frame.MREchoSequence = _sequence(EffectiveEchoTime=1000 * float(echo_time))
    frame.MRImageFrameTypeSequence = _sequence(
        FrameType=frame_type, ComplexImageComponent=component
    )
    frame.PixelValueTransformationSequence = _sequence(
        RescaleSlope=f"{slope:.14g}", RescaleIntercept=f"{intercept:.14g}", RescaleType="US"
    )
    return frame


def _save(
    dataset: FileDataset,
    path: Path,
    frames: list[Dataset],
    planes: list[np.ndarray],
    bits: int = 12,
) -> Path:
    dataset.NumberOfFrames = len(frames)
    dataset.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames)
    set_pixels(dataset, np.stack(planes, axis=-1), bits, signed=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def siemens_xa(folder: Path, acquisition: Acquisition) -> Written:
    """Siemens XA: one object for magnitude and one for phase, each with all echoes."""
    gain = 4000 / acquisition.peak
    for number, (part, component) in enumerate((("M", "MAGNITUDE"), ("P", "PHASE"))):
        path = folder / f"{part}.dcm"
        dataset = _enhanced(
            path,
            acquisition,
            Manufacturer="Siemens Healthineers",
            SoftwareVersions="syngo MR XA30",
            ImageType=["ORIGINAL", "PRIMARY", part, "NONE"],
            ComplexImageComponent=component,
            SeriesInstanceUID=f"1.2.3.{6 + number}",
        )
        frames, planes = [], []
        for echo, time in enumerate(acquisition.echo_times):
            for index in range(acquisition.signal.shape[2]):
                plane = acquisition.signal[:, :, index, echo]
                scale = (2.0, -4096.0) if part == "P" else (1.0, 0.0)
                kind = ["ORIGINAL", "PRIMARY", part, "NONE", "ND"]
                frame = _frame(acquisition, index, time, kind, component, *scale)
                block = frame.private_block(0x0021, "SIEMENS MR SDI 02", create=True)
                block.add_new(0xFE, "SQ", _sequence(ImageComments="of the vendor"))
                frames.append(frame)
                stored = np.rint(gain * np.abs(plane))
                planes.append(wrapped(plane, 4096) + 2048 if part == "P" else stored)
        _save(dataset, path, frames, planes)
    return Written(gain, 1 / gain, 2 * np.pi / 4096)


def philips_enhanced(
    folder: Path, acquisition: Acquisition, parts: str = "MPRI", maps: bool = True
) -> Written:
    """Philips: everything in one object, frame by frame: echoes, a field map, water and fat.

    Slopes and scale slopes differ between frames; positions in Philips' own sequence are those of
    corners; the field map calls itself REAL.
    """
    path = folder / "IM_0001.dcm"
    dataset = _enhanced(
        path,
        acquisition,
        Manufacturer="Philips Medical Systems",
        ImageType=["ORIGINAL", "PRIMARY", "T1", "MIXED"],
        ComplexImageComponent="MIXED",
    )
    components = {"M": "MAGNITUDE", "P": "PHASE", "R": "REAL", "I": "IMAGINARY"}
    frames, planes = [], []
    scales = []

    def add(index: int, time: float, kind: list[str], component: str, code: str, scaling, stored):
        scale, slope, intercept = scaling
        frame = _frame(acquisition, index, time, kind, component, slope, intercept)
        own = Dataset()
        own.ImageType = ["ORIGINAL", "PRIMARY", f"{code}_FFE", code, "FFE"]
        own.EchoTime = round(1000 * float(time), 3)
        own.ImagePositionPatient = [v - 0.75 for v in acquisition.position(index)]
        block = own.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", scale)
        block.add_new(0x11, "CS", code)
        outer = frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        outer.add_new(0x0F, "SQ", pydicom.Sequence([own]))
        frames.append(frame)
        planes.append(stored)

    for index in range(acquisition.signal.shape[2]):
        for part in parts:
            for echo, time in enumerate(acquisition.echo_times):
                plane = acquisition.signal[:, :, index, echo]
                scale, slope, intercept = philips_scale(acquisition, part, echo)
                if part != "P":
                    # Slice by slice as well; kept in float32, as the element holds it.
                    scale = float(np.float32(scale * (1 - 0.01 * index)))
                    slope, intercept = slope * (1 + 0.02 * index), intercept * (1 + 0.02 * index)
                stored = philips_stored(plane, part, scale, slope, intercept)
                kind = ["ORIGINAL", "PRIMARY", "T1", part]
                scaling = scale, slope, intercept
                add(index, time, kind, components[part], part, scaling, stored)
                scales += [scale] if part == parts[0] else []
        if maps:
            flat = np.full(acquisition.signal.shape[:2], 100 + index)
            field, own = ["ORIGINAL", "PRIMARY", "T1", "FIELD_MAP"], (4.095, 0.2442002442, -500.0)
            add(index, 0.0, field, "REAL", "B0", own, flat)
            for code in ("W", "F"):
                kind = ["DERIVED", "PRIMARY", "T1", "NONE"]
                time = acquisition.echo_times[0]
                add(index, time, kind, "MAGNITUDE", code, (0.5, 2.0, 0.0), flat)
    _save(dataset, path, frames, planes)
    phase_step = 2 * np.pi / 4095 if parts[:2] == "MP" else None
    return Written(1.0, 1 / min(scales), phase_step)


def units_stated(folder: Path, acquisition: Acquisition) -> Written:
    """A vendor that states the unit of phase in a real-world map, as the standard provides."""
    gain = 4000 / acquisition.peak
    path = folder / "all.dcm"
    dataset = _enhanced(
        path, acquisition, Manufacturer="CANON_MEC", ImageType=["ORIGINAL", "PRIMARY", "M", "NONE"]
    )
    frames, planes = [], []
    for index, echo in acquisition.images():
        plane = acquisition.signal[:, :, index, echo]
        time = acquisition.echo_times[echo]
        kind = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        frames.append(_frame(acquisition, index, time, kind, "MAGNITUDE"))
        planes.append(np.rint(gain * np.abs(plane)))
        phase = _frame(acquisition, index, time, kind, "PHASE", 0.5, 3.0)
        unit = _sequence(CodeValue="mrad", CodingSchemeDesignator="UCUM", CodeMeaning="mrad")
        phase.RealWorldValueMappingSequence = _sequence(
            RealWorldValueSlope=4.0,
            RealWorldValueIntercept=-4000.0,
            RealWorldValueFirstValueMapped=0,
            RealWorldValueLastValueMapped=2000,
            MeasurementUnitsCodeSequence=unit,
        )
        frames.append(phase)
        planes.append(np.rint((1000 * np.angle(plane) + 4000) / 4))
    _save(dataset, path, frames, planes)
    return Written(gain, 1 / gain, 4e-3)


VENDORS: dict[str, Callable[[Path, Acquisition], Written]] = {
    "GE, real and imaginary": ge_real_imaginary,
    "GE, magnitude and phase": ge_magnitude_phase,
    "Siemens": siemens_classic,
    "Siemens XA, enhanced": siemens_xa,
    "Philips": philips_classic,
    "Philips, real and imaginary": lambda f, a: philips_classic(f, a, "RI"),
    "Philips, enhanced": philips_enhanced,
    "Philips, enhanced, real and imaginary": lambda f, a: philips_enhanced(f, a, "RI"),
    "UIH": uih_classic,
    "Hitachi": hitachi_classic,
    "Canon, enhanced, units stated": units_stated,
}
