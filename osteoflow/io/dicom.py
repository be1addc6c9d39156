"""DICOM series to images: checked slice by slice, converted by dcm2niix, compared afterwards."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from pydicom.uid import UID, UncompressedTransferSyntaxes

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume, read_volume

# Slices may be off an even grid by this much (mm) before a volume is called irregular.
SPACING_TOLERANCE = 0.05
AFFINE_TOLERANCE = 0.02
REEXPORT = "Export the series from the archive again and check that every slice is there."


def convert_series(paths: list[Path]) -> tuple[Volume, list[dict[str, Any]], list[str]]:
    """One series (one echo, one part) of single-frame files as an image.

    Parameters
    ----------
    paths
        The files of the series, in any order.

    Returns
    -------
    volume
        Rescaled values (HU for CT) on the grid the headers state.
    headers
        Acquisition elements of each slice, from first to last along the slice normal.
    warnings
        What a reader of the numbers should know (lossy compression, ...).

    Raises
    ------
    SubjectDataError
        ``truncated_file``, ``unreadable_file``, ``missing_slice``, ``duplicate_slices``,
        ``irregular_slices``, ``gantry_tilt``, ``mixed_geometry``, ``rescale_missing``,
        ``multiframe_unsupported``, ``conversion_failed`` or ``geometry_mismatch``.
    """
    slices = [_read_slice(path) for path in paths]
    warnings = _check_pixels(slices)
    slices, affine = _stack_geometry(slices)
    shape = (int(slices[0].Columns), int(slices[0].Rows), len(slices))
    volume = _run_dcm2niix(paths)
    _compare_geometry(volume, Volume(np.empty(shape, np.uint8), affine))
    return volume, [_acquisition(item) for item in slices], warnings


def _read_slice(path: Path) -> pydicom.Dataset:
    """One file, its pixel data located but not decoded."""
    try:
        dataset = pydicom.dcmread(path)
        pixels = len(dataset.PixelData)
    except (pydicom.errors.InvalidDicomError, EOFError, ValueError, AttributeError, OSError):
        raise SubjectDataError(
            "unreadable_file", "an image file cannot be read to its end", REEXPORT
        ) from None
    if int(dataset.get("NumberOfFrames", 1)) > 1:
        raise SubjectDataError(
            "multiframe_unsupported",
            "the series is stored as enhanced multi-frame DICOM, which is not read yet",
            "Export it as classic single-frame DICOM, or convert it to BIDS first.",
        )
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")))
    if syntax in UncompressedTransferSyntaxes:
        expected = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
        if pixels < expected:
            raise SubjectDataError(
                "truncated_file",
                f"a slice holds {pixels} of {expected} bytes of pixel data",
                REEXPORT,
            )
    return dataset


def _check_pixels(slices: list[pydicom.Dataset]) -> list[str]:
    first = slices[0]
    for name in ("Rows", "Columns"):
        values = sorted({int(getattr(item, name)) for item in slices})
        if len(values) > 1:
            raise SubjectDataError(
                "mixed_geometry",
                f"slices of one series differ in {name}: {values}",
                "Keep only one reconstruction in the folder.",
            )
    if first.Modality == "CT":
        lacking = [i for i in slices if "RescaleSlope" not in i or "RescaleIntercept" not in i]
        if lacking:
            raise SubjectDataError(
                "rescale_missing",
                f"{len(lacking)} of {len(slices)} CT slices do not state how to get HU "
                "(RescaleSlope, RescaleIntercept)",
                "Export the original reconstruction, not a secondary capture.",
            )
    if any(str(item.get("LossyImageCompression", "00")) == "01" for item in slices):
        return ["lossy_compression: the images were compressed with loss; texture is affected"]
    return []


def _stack_geometry(slices: list[pydicom.Dataset]) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """Slices sorted along their normal and the RAS affine of the stack."""
    try:
        cosines = np.array([[float(v) for v in i.ImageOrientationPatient] for i in slices])
        positions = np.array([[float(v) for v in i.ImagePositionPatient] for i in slices])
        spacing = np.array([[float(v) for v in i.PixelSpacing] for i in slices])
    except (AttributeError, TypeError, ValueError):
        raise SubjectDataError(
            "geometry_missing",
            "a slice lacks its position, orientation or pixel spacing",
            "Export the original images, not secondary captures.",
        ) from None
    if np.ptp(cosines, axis=0).max() > 1e-4 or np.ptp(spacing, axis=0).max() > 1e-4:
        raise SubjectDataError(
            "mixed_geometry",
            "slices of one series differ in orientation or pixel spacing",
            "Keep only one reconstruction in the folder.",
        )
    row, column = cosines[0, :3], cosines[0, 3:]
    normal = np.cross(row, column)
    depth = positions @ normal
    order = np.argsort(depth, kind="stable")
    slices = [slices[index] for index in order]
    positions, depth = positions[order], depth[order]
    if len(slices) == 1:
        step = normal * float(slices[0].get("SliceThickness", 1.0) or 1.0)
    else:
        _check_steps(np.diff(depth))
        step = (positions[-1] - positions[0]) / (len(slices) - 1)
        lateral = np.linalg.norm(step - normal * (step @ normal))
        if lateral > SPACING_TOLERANCE:
            angle = np.degrees(np.arctan2(lateral, abs(step @ normal)))
            raise SubjectDataError(
                "gantry_tilt",
                f"the slices are sheared by {angle:.1f} degrees (tilted gantry)",
                "Use a scan without gantry tilt, or resample it to straight slices first.",
            )
    lps = np.eye(4)
    lps[:3, 0] = row * spacing[0, 1]
    lps[:3, 1] = column * spacing[0, 0]
    lps[:3, 2] = step
    lps[:3, 3] = positions[0]
    return slices, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _check_steps(steps: np.ndarray) -> None:
    """Steps between neighbouring slices are all alike."""
    usual = float(np.median(steps))
    if np.any(steps < SPACING_TOLERANCE):
        count = int(np.sum(steps < SPACING_TOLERANCE))
        raise SubjectDataError(
            "duplicate_slices",
            f"{count} slices lie at a position that another slice has",
            "Keep one acquisition or phase in the folder.",
        )
    off = np.abs(steps - usual) > SPACING_TOLERANCE
    if not off.any():
        return
    multiples = steps[off] / usual
    if np.all(np.abs(multiples - np.round(multiples)) < 0.05) and np.all(multiples > 1.5):
        lost = int(np.sum(np.round(multiples) - 1))
        raise SubjectDataError(
            "missing_slice",
            f"{lost} slice{'s are' if lost > 1 else ' is'} missing: steps of {usual:.2f} mm "
            f"and of {steps[off].max():.2f} mm",
            REEXPORT,
        )
    raise SubjectDataError(
        "irregular_slices",
        f"slice steps vary from {steps.min():.2f} to {steps.max():.2f} mm",
        "Use a reconstruction with even slice spacing.",
    )


def _run_dcm2niix(paths: list[Path]) -> Volume:
    """The files converted by dcm2niix in a folder of their own."""
    from dcm2niix import bin as executable

    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "in", Path(scratch) / "out"
        source.mkdir()
        target.mkdir()
        for number, path in enumerate(paths):
            (source / f"{number:06d}.dcm").symlink_to(path.resolve())
        command = [
            executable,
            "-b",
            "n",
            "-z",
            "n",
            "-m",
            "y",
            "-x",
            "i",
            "-f",
            "image",
            "-o",
            str(target),
        ]
        done = subprocess.run(
            [*command, str(source)], capture_output=True, text=True, check=False, timeout=1800
        )
        images = sorted(target.glob("*.nii"))
        if not images:
            raise SubjectDataError(
                "conversion_failed",
                f"dcm2niix made no image of {len(paths)} files (exit code {done.returncode})",
                "The transfer syntax may be unsupported: export as uncompressed DICOM.",
            )
        if len(images) > 1:
            raise SubjectDataError(
                "conversion_failed",
                f"dcm2niix split {len(paths)} files into {len(images)} images",
                "Keep only one acquisition in the folder.",
            )
        volume = read_volume(images[0])
        return Volume(np.array(volume.data), volume.affine)


def _compare_geometry(converted: Volume, stated: Volume) -> None:
    """The converted grid is the one the headers state, up to the order of axes."""
    ours, theirs = (
        nib.as_closest_canonical(nib.Nifti1Image(np.empty(v.shape, np.uint8), v.affine))
        for v in (stated, converted)
    )
    if ours.shape != theirs.shape or not np.allclose(
        ours.affine, theirs.affine, atol=AFFINE_TOLERANCE
    ):
        raise SubjectDataError(
            "geometry_mismatch",
            f"the converted grid {theirs.shape} differs from that of the headers {ours.shape}",
            "Report this series: converting it would misplace the masks.",
        )


def _acquisition(item: pydicom.Dataset) -> dict[str, Any]:
    """The acquisition elements of a slice that are passed on: none that names a person."""
    header: dict[str, Any] = {}
    for keyword in (
        "Modality",
        "Manufacturer",
        "ManufacturerModelName",
        "KVP",
        "ConvolutionKernel",
        "Exposure",
        "XRayTubeCurrent",
        "SliceThickness",
        "MagneticFieldStrength",
        "ImagingFrequency",
        "RepetitionTime",
        "FlipAngle",
        "EchoTime",
        "MRAcquisitionType",
        "RescaleSlope",
        "RescaleIntercept",
        "ContrastBolusAgent",
    ):
        value = item.get(keyword)
        if value in (None, ""):
            continue
        if isinstance(value, pydicom.multival.MultiValue):
            header[keyword] = [str(part) for part in value]
        elif isinstance(value, str) and not isinstance(value, int | float):
            header[keyword] = value
        else:
            header[keyword] = float(value)
    return header
