"""Small DICOM series for tests of the inventory and of the conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"


def write_slice(path: Path, pixels: np.ndarray, **elements) -> None:
    """One image file; ``elements`` override or (None) remove header elements."""
    meta = FileMetaDataset()
    modality = elements.get("Modality", "CT")
    meta.MediaStorageSOPClassUID = CT_CLASS if modality == "CT" else MR_CLASS
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "MRN1"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = pixels.astype("<u2").tobytes()
    for name, value in elements.items():
        if value is None:
            if name in dataset:
                delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def edit(paths: Iterable[Path], change: Callable[[int, pydicom.Dataset], None]) -> list[Path]:
    """Change the header of files in place: ``change(number, dataset)``."""
    paths = list(paths)
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        change(number, dataset)
        dataset.save_as(path)
    return paths


def ct_series(folder: Path, depths: list[float], **elements) -> list[Path]:
    """An axial CT: HU of voxel (column c, row r, slice s) is 10 s + c - r."""
    rows, columns = 8, 10
    row, column = np.mgrid[:rows, :columns]
    common = {
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SeriesInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "PixelSpacing": [0.8, 0.5],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "SliceThickness": 2.0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "KVP": 120,
        **elements,
    }
    paths = []
    for number, depth in enumerate(depths):
        path = folder / f"{common['SeriesInstanceUID'][-6:]}_{number:03d}.dcm"
        write_slice(
            path,
            10 * number + column - row + 1024,
            ImagePositionPatient=[-20.0, -30.0, depth],
            InstanceNumber=number + 1,
            **common,
        )
        paths.append(path)
    return paths


def diffusion_series(
    folder: Path, b_values: list[float], n_slices: int = 3, **elements
) -> list[Path]:
    """A sagittal echo-planar spin echo: trace images, a series for each b-value in s/mm2."""
    frame = generate_uid()
    paths = []
    for index, b in enumerate(b_values):
        common = {
            "Modality": "MR",
            "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "TRACEW"],
            "SeriesInstanceUID": generate_uid(),
            "FrameOfReferenceUID": frame,
            "SeriesNumber": index + 1,
            "SeriesTime": "101500",
            "ScanningSequence": ["EP", "SE"],
            "RepetitionTime": 4000.0,
            "EchoTime": 70.0,
            "DiffusionBValue": float(b),
            "PixelSpacing": [1.5, 1.5],
            "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
            "SliceThickness": 4.0,
            **elements,
        }
        for number in range(n_slices):
            path = folder / f"b{index}_{number}.dcm"
            place = [4.0 * number, -10.0, 20.0]
            pixels = np.full((8, 8), round(1000 * np.exp(-b / 1000)) + number)
            write_slice(path, pixels, ImagePositionPatient=place, **common)
            paths.append(path)
    return paths


def multi_echo_series(
    folder: Path, echoes: dict[str, list[float]], n_slices: int = 3, **elements
) -> None:
    """A sagittal multi-echo gradient echo: parts (``M``, ``P``) by echo times in ms."""
    frame = generate_uid()
    for part, times in echoes.items():
        series = generate_uid()
        for echo, time in enumerate(times):
            for number in range(n_slices):
                common = {
                    "Modality": "MR",
                    "ImageType": ["ORIGINAL", "PRIMARY", part, "ND"],
                    "SeriesInstanceUID": series,
                    "StudyInstanceUID": frame,
                    "FrameOfReferenceUID": frame,
                    "ScanningSequence": "GR",
                    "SequenceVariant": "SP",
                    "MRAcquisitionType": "3D",
                    "RepetitionTime": 20.0,
                    "FlipAngle": 3.0,
                    "MagneticFieldStrength": 3.0,
                    "EchoTime": time,
                    "EchoNumbers": echo + 1,
                    "AcquisitionNumber": 1,
                    "PixelSpacing": [1.5, 1.5],
                    "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
                    "SliceThickness": 4.0,
                    "ImagePositionPatient": [4.0 * number, -10.0, 20.0],
                    "InstanceNumber": echo * n_slices + number + 1,
                    **elements,
                }
                if part == "P":
                    common |= {"RescaleSlope": 2, "RescaleIntercept": -4096}
                pixels = np.full((8, 8), 1000 * (part == "M") + 100 * echo + number)
                write_slice(folder / f"{part}{echo}_{number}.dcm", pixels, **common)
