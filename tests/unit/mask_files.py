"""Mask files of every format written from one label map, by other software where there is any."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from dicom_series import write_slice
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from osteoflow.io.volume import Volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Turned about two axes: rows and columns of slices that lie along none of the patient's.
COSINES = ([0.96, 0.28, 0.0], [-0.2688, 0.9216, 0.28])
SPACING = (0.8, 0.6)  # between rows, between columns
STEP = 2.5
SHAPE = (24, 20, 16)  # columns, rows, slices
NAMES = {20: "L1", 21: "vertebrae_L2", 22: "Lumbar vertebra 3"}
SNOMED = {20: "66794005", 21: "14293000", 22: "36470004"}


def oblique_series(folder: Path, **elements) -> list[Path]:
    """A CT of oblique slices with anisotropic voxels; pixel values tell the voxels apart."""
    row, column = np.array(COSINES[0]), np.array(COSINES[1])
    normal = np.cross(row, column)
    common = {
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SeriesInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "PixelSpacing": list(SPACING),
        "ImageOrientationPatient": [*COSINES[0], *COSINES[1]],
        "SliceThickness": STEP,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "KVP": 120,
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyDate": "",
        "StudyTime": "",
        "StudyID": "",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        **elements,
    }
    paths = []
    for number in range(SHAPE[2]):
        place = np.array([-12.0, 31.0, -210.0]) + number * STEP * normal
        pixels = np.add.outer(100 * np.arange(SHAPE[1]), np.arange(SHAPE[0])) + number
        path = folder / f"{number:03d}.dcm"
        write_slice(
            path,
            pixels,
            ImagePositionPatient=[round(float(v), 9) for v in place],
            InstanceNumber=number + 1,
            **common,
        )
        paths.append(path)
    return paths


def three_levels(image: Volume) -> Volume:
    """L1 to L3 in the order of the image's slices, ragged, L2 with a hole and in two parts."""
    i, j, k = np.indices(image.shape)
    heights = image.affine[2, 2]
    labels = np.zeros(image.shape, np.uint8)
    for number, level in enumerate((20, 21, 22)):
        first = 1 + 5 * number if heights < 0 else image.shape[2] - 5 - 5 * number
        slab = (k >= first) & (k < first + 4)
        body = ((i - 11) / 8.3) ** 2 + ((j - 9) / 6.1) ** 2 < 1
        labels[slab & body & ((i + 2 * j + k) % 11 > 0)] = level
    labels[(labels == 21) & (np.abs(i - 11) < 3) & (np.abs(j - 9) < 2)] = 0
    labels[(labels == 21) & (j == 12)] = 0
    return image.like(labels)


def write_nrrd(path: Path, data: np.ndarray, affine: np.ndarray, pairs=None) -> Path:
    """By ITK; the layers of a segmentation along a fourth axis of the array."""
    layers = data.ndim == 4
    stored = data.transpose(2, 1, 0, 3) if layers else data.transpose(2, 1, 0)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(stored), isVector=layers)
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    for key, value in (pairs or {}).items():
        image.SetMetaData(key, value)
    SimpleITK.WriteImage(image, str(path), True)
    return path


def write_slicer(path: Path, labels: Volume, *, layers: bool, names=NAMES) -> Path:
    """A segmentation as 3D Slicer saves it: cropped, or with every segment in its own layer."""
    used = [np.flatnonzero((labels.data > 0).any(axis=tuple({0, 1, 2} - {a}))) for a in range(3)]
    start = [int(part[0]) for part in used]
    box = tuple(slice(part[0], part[-1] + 1) for part in used)
    data = labels.data[box]
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    pairs = {"Segmentation_ReferenceImageExtentOffset": " ".join(map(str, start))}
    for index, (number, name) in enumerate(names.items()):
        pairs |= {
            f"Segment{index}_ID": f"Segment_{index + 1}",
            f"Segment{index}_Name": name,
            f"Segment{index}_LabelValue": "1" if layers else str(number),
            f"Segment{index}_Layer": str(index if layers else 0),
            f"Segment{index}_Extent": " ".join(f"0 {n - 1}" for n in data.shape),
        }
    if layers:
        data = np.stack([data == number for number in names], axis=-1).astype(np.uint8)
    return write_nrrd(path, data, affine, pairs)


def write_seg(
    path: Path, series: list[Path], labels: Volume, image: Volume, *, kind="BINARY", names=NAMES
) -> Path:
    """By highdicom, from the slices of the series; empty frames are left out."""
    import highdicom as hd

    sources = sorted((pydicom.dcmread(p) for p in series), key=lambda d: int(d.InstanceNumber))
    stack = slices_of(labels, image, sources)
    pixels = np.stack([stack == number for number in names], axis=-1)
    pixels = pixels.astype(np.float32 if kind == "FRACTIONAL" else np.uint8)
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=index + 1,
                segment_label=name,
                segmented_property_category=hd.sr.CodedConcept("123037004", "SCT", "Anatomy"),
                segmented_property_type=hd.sr.CodedConcept(SNOMED[number], "SCT", name),
                algorithm_type="MANUAL",
            )
            for index, (number, name) in enumerate(names.items())
        ],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Test",
        manufacturer_model_name="Test",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=True,
        content_creator_name=None,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    seg.save_as(path)
    return path


def slices_of(labels: Volume, image: Volume, sources: list[Dataset]) -> np.ndarray:
    """A label map as the pixels (slice, row, column) of the image's DICOM slices.

    By position in space, voxel by voxel, from each header alone.
    """
    stack = np.zeros((len(sources), SHAPE[1], SHAPE[0]), labels.data.dtype)
    rows, columns = np.indices(stack.shape[1:])
    to_voxels = np.linalg.inv(LPS @ labels.affine)
    for number, item in enumerate(sources):
        cosines = np.array(item.ImageOrientationPatient, float)
        points = np.array(item.ImagePositionPatient, float) + (
            columns[..., None] * cosines[:3] * float(item.PixelSpacing[1])
            + rows[..., None] * cosines[3:] * float(item.PixelSpacing[0])
        )
        voxels = points @ to_voxels[:3, :3].T + to_voxels[:3, 3]
        index = np.round(voxels).astype(int)
        assert np.abs(voxels - index).max() < 1e-2
        stack[number] = labels.data[tuple(np.moveaxis(index, -1, 0))]
    return stack


def edges(plane: np.ndarray) -> list[np.ndarray]:
    """Closed polygons along the edges of the voxels of a plane, outer ones and holes alike."""
    padded = np.pad(plane, 1)
    following: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for i, j in np.argwhere(padded):
        x, y = i - 1, j - 1
        for di, dj, begin, end in (
            (0, -1, (x - 0.5, y - 0.5), (x + 0.5, y - 0.5)),
            (1, 0, (x + 0.5, y - 0.5), (x + 0.5, y + 0.5)),
            (0, 1, (x + 0.5, y + 0.5), (x - 0.5, y + 0.5)),
            (-1, 0, (x - 0.5, y + 0.5), (x - 0.5, y - 0.5)),
        ):
            if not padded[i + di, j + dj]:
                following.setdefault(begin, []).append(end)
    polygons = []
    while following:
        point = next(iter(following))
        polygon = []
        while point in following:
            polygon.append(point)
            ends = following[point]
            point_next = ends.pop()
            if not ends:
                del following[point]
            point = point_next
        polygons.append(np.array(polygon))
    return polygons


def contours_of(labels: Volume, number: int, axis: int = 2) -> list[np.ndarray]:
    """Contours (n, 3) in LPS millimetres of a level in every slice."""
    found = []
    others = [other for other in range(3) if other != axis]
    for place in range(labels.shape[axis]):
        for polygon in edges(np.take(labels.data == number, place, axis=axis)):
            points = np.full((len(polygon), 3), float(place))
            points[:, others] = polygon
            lps = LPS @ labels.affine
            found.append(points @ lps[:3, :3].T + lps[:3, 3])
    return found


def write_rtstruct(path: Path, contours: dict[str, list[np.ndarray]], **elements) -> Path:
    """A structure set of closed planar contours, by region name; points in LPS millimetres."""
    kind = elements.pop("kind", "CLOSED_PLANAR")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "RTSTRUCT"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "MRN1"
    dataset.StructureSetDate = datetime.date(2024, 1, 1)
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, lines) in enumerate(contours.items(), start=7):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = elements.get("frame", "1.2.3")
        dataset.StructureSetROISequence.append(roi)
        item = Dataset()
        item.ReferencedROINumber = number
        item.ContourSequence = []
        for points in lines:
            contour = Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{value:.9f}"[:16] for value in points.ravel()]
            item.ContourSequence.append(contour)
        dataset.ROIContourSequence.append(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
