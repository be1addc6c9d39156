"""DICOM series to images, checked slice by slice.

Single-frame files are converted by dcm2niix and the result is compared with the headers. Frames of
enhanced objects, tiles and JPEG-LS, which not every build of dcm2niix decodes, are read here, each
with its own geometry and rescaling, and laid out in the same way: columns, rows from the last to
the first, slices along their normal.
"""

from __future__ import annotations

import errno
import shutil
import signal
import struct
import subprocess
import tempfile
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from osteoflow.errors import SubjectDataError
from osteoflow.io.compressed import is_whole, stream_is_whole
from osteoflow.io.frames import (
    ImageSource,
    frame_headers,
    frame_pixels,
    holds_several,
    image_count,
)
from osteoflow.io.header import acquisition, header_number, header_text, plain_text
from osteoflow.io.nifti import ImageFileError
from osteoflow.io.outside import disk_problem
from osteoflow.io.scaling import (
    check_scales,
    floating_point_factor,
    real_world_map,
    rescaled,
    rescaling,
)
from osteoflow.io.slices import (
    REEXPORT,
    compare_geometry,
    compare_values,
    stack_slices,
    stated_tilt,
)
from osteoflow.io.vendor import vendor, vendor_elements
from osteoflow.io.volume import Volume, read_volume

# What a damaged file makes pydicom raise; an OSError with a number comes from the disk instead.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
# What can be read: JPEG baseline and lossless, JPEG-LS, JPEG 2000 and run lengths.
COMPRESSED = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
)
# JPEG baseline and extended, near-lossless JPEG-LS: they cannot but lose. JPEG 2000 (.91) may be
# either; its header element says which.
LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
# DICOM's defined terms for units of rescaled values. CT numbers are HU; US (unspecified) is what
# some exporters write for them.
HOUNSFIELD = ("", "HU", "US")
OTHER_UNITS = ("OD", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT")
# dcm2niix was stopped from outside or by a limit of the system: no fault of the data.
STOPPED = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGXFSZ, signal.SIGXCPU)


def convert_series(
    images: Sequence[Path | ImageSource], kept: dict[Path, pydicom.Dataset] | None = None
) -> tuple[Volume, list[dict[str, Any]], list[str]]:
    """One series (one echo, one part) as an image.

    Parameters
    ----------
    images
        The files of the series, or the frames of files that are meant, in any order.
    kept
        Where the last multi-frame file is kept from one call to the next: a file with all echoes
        need not be read once for each.

    Returns
    -------
    volume
        Rescaled values (HU for CT; for Philips' images of the MR signal the floating-point values
        of :mod:`osteoflow.io.scaling`) on the grid the headers state.
    headers
        Acquisition elements of each slice, from first to last along the slice normal.
    warnings
        What a reader of the numbers should know (lossy compression, ...).

    Raises
    ------
    SubjectDataError
        ``truncated_file``, ``unreadable_file``, ``permission_denied``,
        ``transfer_syntax_unsupported``, ``multiframe_unsupported``, ``colour_image``,
        ``missing_slice``, ``duplicate_slices``, ``irregular_slices``, ``gantry_tilt``,
        ``mixed_geometry``, ``geometry_missing``, ``rescale_missing``, ``not_hounsfield``,
        ``mosaic_unsupported``, ``scale_slope_missing``, ``conversion_failed``,
        ``geometry_mismatch`` or ``values_mismatch``.
    OSError
        The disk, not the data: a file is gone, the temporary folder is full.
    """
    chosen = [image if isinstance(image, ImageSource) else ImageSource(image) for image in images]
    # pydicom quotes values that break DICOM's rules in its warnings; they may name a person.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = [(_read_file(source.path, kept), source.frames) for source in chosen]
        here = any(holds_several(dataset) or _syntax(dataset) in JPEG_LS for dataset, _ in files)
        slices, pixels = _slices(files) if here else ([dataset for dataset, _ in files], {})
        notes = _check_pixels(slices)
        slices, affine = stack_slices(slices)
        shape = (int(slices[0].Columns), int(slices[0].Rows), len(slices))
        stated = Volume(np.empty(shape, np.uint8), _rows_reversed(affine, shape[1]))
        elements = [vendor_elements(item) for item in slices]
        check_scales(elements)
        factors = [floating_point_factor(*pair) for pair in zip(slices, elements, strict=True)]
        if here:
            stored = np.stack([pixels[id(item)] for item in slices])
            volume = stated.like(rescaled(stored, slices)[:, ::-1].transpose(2, 1, 0))
        else:
            volume = _run_dcm2niix([source.path for source in chosen], slices[0], shape)
            compare_geometry(volume, stated)
            if all(_syntax(item) in UNCOMPRESSED for item in slices):
                compare_values(volume, stated, slices)
        if any(factor != 1 for factor in factors):
            volume = _multiplied(volume, factors)
        headers, withheld = zip(*map(acquisition, slices), strict=True)
        for header, item, own in zip(headers, slices, elements, strict=True):
            header.update(real_world_map(item), **own)
            if (pair := rescaling(item)) != (1.0, 0.0):
                header["RescaleSlope"], header["RescaleIntercept"] = pair
    notes += stated_tilt(slices)
    for name in sorted(set().union(*withheld)):
        notes.append(f"identity_withheld: {name} holds words of the patient's identity: left out")
    return volume, list(headers), notes


def _syntax(item: pydicom.Dataset) -> UID:
    return UID(str(item.file_meta.get("TransferSyntaxUID", UNCOMPRESSED[0])))


def _rows_reversed(affine: np.ndarray, rows: int) -> np.ndarray:
    """The affine once the rows run the other way."""
    turned = np.diag([1.0, -1.0, 1.0, 1.0])
    turned[1, 3] = rows - 1
    return affine @ turned


def _multiplied(volume: Volume, factors: list[float]) -> Volume:
    return volume.like((volume.data * np.array(factors)).astype(np.float32))


def _read_file(path: Path, kept: dict[Path, pydicom.Dataset] | None) -> pydicom.Dataset:
    """One file, its pixel data located but not decoded."""
    if kept and path in kept:
        return kept[path]
    try:
        dataset = pydicom.dcmread(path)
        syntax = _syntax(dataset)
        count = image_count(dataset)
        samples = int(dataset.get("SamplesPerPixel") or 1)
        frames = int(dataset.get("NumberOfFrames") or 1)
        expected = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
        expected *= frames
        pixels = len(dataset.PixelData)
        several = holds_several(dataset)
        whole = _is_whole(dataset, frames) if syntax in COMPRESSED else pixels >= expected
    except PARSE_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise disk_problem(error) from None
        raise _unreadable() from None
    if count is None:
        raise SubjectDataError(
            "multiframe_unsupported",
            f"a file holds {frames} frames that do not say where they lie",
            "Export the original images, as enhanced or as single-frame DICOM.",
        )
    if syntax not in UNCOMPRESSED + COMPRESSED:
        raise _unsupported(syntax)
    if samples != 1:
        raise SubjectDataError(
            "colour_image",
            f"the images hold {samples} colour channels instead of measured values",
            "Export the original images, not screenshots or colour maps.",
        )
    if not whole:
        held = f"of {expected} " if syntax in UNCOMPRESSED else "compressed "
        what = "a slice" if frames == 1 else "a file of several frames"
        raise SubjectDataError(
            "truncated_file", f"{what} breaks off after {pixels} {held}bytes of pixels", REEXPORT
        )
    if kept is not None and several:
        kept.clear()
        kept[path] = dataset
    return dataset


def _unreadable() -> SubjectDataError:
    return SubjectDataError("unreadable_file", "an image file cannot be read to its end", REEXPORT)


def _unsupported(syntax: UID) -> SubjectDataError:
    return SubjectDataError(
        "transfer_syntax_unsupported",
        f"the images are stored as {plain_text(syntax.name)}, which cannot be read",
        "Export as uncompressed DICOM (Explicit VR Little Endian).",
    )


def _is_whole(dataset: pydicom.Dataset, frames: int) -> bool:
    """Whether each compressed frame reaches to its end."""
    if frames == 1:
        return is_whole(dataset)
    found = [
        stream_is_whole(stream, dataset)
        for stream in generate_frames(dataset.PixelData, number_of_frames=frames)
    ]
    return len(found) >= frames and all(found)


def _slices(
    files: list[tuple[pydicom.Dataset, tuple[int, ...] | None]],
) -> tuple[list[pydicom.Dataset], dict[int, np.ndarray]]:
    """Header of each slice, and its stored pixels by the header's ``id``, without dcm2niix."""
    slices: list[pydicom.Dataset] = []
    pixels: dict[int, np.ndarray] = {}
    for dataset, numbers in files:
        if not get_decoder(_syntax(dataset)).is_available:
            raise _unsupported(_syntax(dataset))
        try:
            single = not holds_several(dataset)
            found = [dataset] if single else frame_headers(dataset, numbers)
            stored = frame_pixels(dataset, None if single else numbers)
        except (*PARSE_ERRORS, RuntimeError):  # the latter where a stream cannot be decoded
            raise _unreadable() from None
        slices += found
        pixels |= {id(item): plane for item, plane in zip(found, stored, strict=True)}
    return slices, pixels


def _check_pixels(slices: list[pydicom.Dataset]) -> list[str]:
    for name in ("Rows", "Columns"):
        values = sorted({int(getattr(item, name)) for item in slices})
        if len(values) > 1:
            raise SubjectDataError(
                "mixed_geometry",
                f"slices of one series differ in {name}: {values}",
                "Keep only one reconstruction in the folder.",
            )
    if any("MOSAIC" in (header_text(item, "ImageType") or []) for item in slices):
        raise SubjectDataError(
            "mosaic_unsupported",
            "the slices of a volume are stored side by side in one picture (Siemens mosaic)",
            "Export the series as enhanced DICOM, or with one file for each slice.",
        )
    if header_text(slices[0], "Modality") == "CT":
        _check_hounsfield(slices)
    if any(_is_lossy(item) for item in slices):
        return ["lossy_compression: the images were compressed with loss; texture is affected"]
    return []


def _check_hounsfield(slices: list[pydicom.Dataset]) -> None:
    """Every CT slice says how its stored values become HU."""
    lacking = 0
    for item in slices:
        slope, intercept = (header_number(item, f"Rescale{k}") for k in ("Slope", "Intercept"))
        # dcm2niix takes a slope of 0 for 1, which would pass unnoticed.
        lacking += slope is None or slope == 0 or intercept is None
    if lacking:
        raise SubjectDataError(
            "rescale_missing",
            f"{lacking} of {len(slices)} CT slices do not state how to get HU "
            "(RescaleSlope, RescaleIntercept)",
            "Export the original reconstruction, not a secondary capture.",
        )
    units = {str(header_text(item, "RescaleType") or "") for item in slices}
    if foreign := units.difference(HOUNSFIELD):
        named = sorted(foreign.intersection(OTHER_UNITS)) or ["of another kind"]
        raise SubjectDataError(
            "not_hounsfield",
            f"the CT's values are not HU but {', '.join(named)} (RescaleType)",
            "Export the conventional CT image, not a spectral or perfusion map.",
        )


def _is_lossy(item: pydicom.Dataset) -> bool:
    return header_text(item, "LossyImageCompression") == "01" or _syntax(item) in LOSSY


def _run_dcm2niix(paths: list[Path], first: pydicom.Dataset, shape: tuple[int, int, int]) -> Volume:
    """The files converted by dcm2niix in a folder of their own, by the standard's rescaling."""
    from dcm2niix import bin as executable

    # "-g i" leaves a user's own defaults out; "-x i" neither crops, rotates nor straightens.
    options = ["-g", "i", "-b", "n", "-z", "n", "-m", "y", "-x", "i", "-f", "image", "-p"]
    # dcm2niix has one Philips scale for all slices, which is wrong where they differ: it is applied
    # here, slice by slice. For others, "-p n" makes it forget that slices differ.
    options.append("n" if vendor(first) == "philips" else "y")
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "in", Path(scratch) / "out"
        source.mkdir()
        target.mkdir()
        for number, path in enumerate(paths):
            (source / f"{number:06d}.dcm").symlink_to(path.resolve())
        done = subprocess.run(
            [executable, *options, "-o", str(target), str(source)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=1800,
        )
        images = sorted(target.glob("*.nii"))
        if done.returncode == 0 and len(images) == 1:
            try:
                volume = read_volume(images[0])
                return Volume(np.array(volume.data), volume.affine)
            except (ImageFileError, OSError, ValueError):
                images = []
        _check_environment(done, target, 4 * int(np.prod(shape)))
    if len(images) > 1:
        raise SubjectDataError(
            "conversion_failed",
            f"dcm2niix split {len(paths)} files into {len(images)} images",
            "Keep only one acquisition in the folder.",
        )
    raise SubjectDataError(
        "conversion_failed",
        f"dcm2niix made no whole image of {len(paths)} files stored as {_syntax(first).name} "
        f"(exit code {done.returncode})",
        "Export the series again as uncompressed DICOM (Explicit VR Little Endian).",
    )


def _check_environment(done: subprocess.CompletedProcess[str], folder: Path, needed: int) -> None:
    """A failed conversion is not blamed on the data where the machine was in the way.

    Raises
    ------
    OSError
        No room for ``needed`` bytes in the temporary folder, or dcm2niix could not write there.
    RuntimeError
        dcm2niix was stopped from outside.
    """
    free = shutil.disk_usage(folder).free
    if free < needed or "unable to write" in (done.stdout + done.stderr).lower():
        raise OSError(
            errno.ENOSPC,
            f"no room for a converted image in the temporary folder: {needed / 1e6:.1f} MB needed, "
            f"{free / 1e6:.1f} MB free; clear it, or set TMPDIR to a folder on a larger disk",
        )
    if -done.returncode in STOPPED:
        name = signal.Signals(-done.returncode).name
        raise RuntimeError(f"dcm2niix was stopped ({name}): too little memory, or a time limit?")
