"""Write simulated scans as DICOM the way scanners do.

Instances carry a made-up identity, so that what removes identities downstream has something to
remove, and series descriptions that do not tell what a series is. Site A sorts instances into one
folder per series; site B mixes all instances of a patient in one folder.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from osteoflow.simulate.clinical import Participant
from osteoflow.simulate.ct import CtScan
from osteoflow.simulate.geometry import Grid
from osteoflow.simulate.mri import GAMMA_MHZ_PER_T, MriScan
from osteoflow.simulate.protocol import TRUE_FIELD_T, Protocol

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
DOSE_REPORT_STORAGE = "1.2.840.10008.5.1.4.1.1.88.67"
CT_INTERCEPT = -1024
PHASE_LEVELS = 4096
MAGNITUDE_PEAK = 3800

_SITES = {
    "A": {
        "institution": "Example University Hospital",
        "station": "CTA01",
        "ct": "Simulated CT 64",
    },
    "B": {"institution": "Sample Community Clinic", "station": "CTB02", "ct": "Simulated CT 128"},
}
_DESCRIPTIONS = {
    "A": {"ct": "Abdomen 3.0 B40", "scout": "Topo 0.6", "mri": ("t1_gre_sag", "t1_gre_sag")},
    "B": {"ct": "WS nativ", "scout": "Scout", "mri": ("Serie 7", "Serie 8")},
}


class StudyWriter:
    """Writes the instances of one participant.

    Parameters
    ----------
    participant
        Identity, site and dates.
    root
        Folder of all patients; the participant's own is ``root / patient_id``.
    seed
        Makes unique identifiers reproducible and different between cohorts.
    """

    def __init__(self, participant: Participant, root: Path, seed: int) -> None:
        self.participant = participant
        self.folder = root / participant.patient_id
        self.seed = seed
        self._written = 0

    def write_ct(self, scan: CtScan, skip_slice: int | None = None) -> None:
        """Localizer and axial CT; the instance of slice ``skip_slice`` is left out."""
        site = _SITES[self.participant.site]
        study, frame = self._uid("ct-study"), self._uid("ct-frame")
        common = {
            "StudyInstanceUID": study,
            "FrameOfReferenceUID": frame,
            "StudyID": "1",
            "AccessionNumber": self._number("ct", 8),
            "Modality": "CT",
            "SOPClassUID": CT_STORAGE,
            "Manufacturer": "Simulated Imaging",
            "ManufacturerModelName": site["ct"],
            "StationName": site["station"],
            "SoftwareVersions": "sim 1.0",
            "BodyPartExamined": "ABDOMEN" if self.participant.site == "A" else "LSPINE",
            "PatientPosition": "HFS",
            "KVP": "120",
            "XRayTubeCurrent": "180",
            "ExposureTime": "500",
            "RescaleIntercept": str(CT_INTERCEPT),
            "RescaleSlope": "1",
            "RescaleType": "HU",
            "WindowCenter": "60",
            "WindowWidth": "400",
            "StudyDescription": "CT LWS" if self.participant.site == "B" else "CT spine",
        }
        stored = (scan.hu.astype(np.int32) - CT_INTERCEPT).astype(np.uint16)
        self._write_scout(scan, common)

        series = self._dataset("ct-series", 3, _DESCRIPTIONS[self.participant.site]["ct"], common)
        series.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        smooth = scan_kernel(self.participant)
        series.ConvolutionKernel = smooth
        series.AcquisitionNumber = 1
        series.SliceThickness = _decimal(scan.grid.spacing[2])
        series.ReconstructionDiameter = _decimal(scan.grid.spacing[0] * scan.grid.shape[0])
        series.GantryDetectorTilt = "0"
        self._set_plane(series, scan.grid, bits=16)
        series = _encoded(series)
        count = scan.grid.shape[2]
        for index in range(count):
            if index == skip_slice:
                continue
            # Scanners number slices along the table's travel: from cranial to caudal here.
            number = count - index
            self._set_position(series, scan.grid, index)
            self._save(series, number, stored[:, :, index], f"ct{number}")

    def write_mri(self, scan: MriScan, protocol: Protocol) -> list[Path]:
        """Magnitude and phase series; returns the paths of the magnitude instances."""
        participant = self.participant
        common = {
            "StudyInstanceUID": self._uid("mr-study"),
            "FrameOfReferenceUID": self._uid("mr-frame"),
            "StudyID": "2",
            "AccessionNumber": self._number("mr", 8),
            "Modality": "MR",
            "SOPClassUID": MR_STORAGE,
            "Manufacturer": "Simulated Imaging",
            "ManufacturerModelName": f"Simulated MR {participant.field_strength:g}T",
            "StationName": _SITES[participant.site]["station"].replace("CT", "MR"),
            "SoftwareVersions": "sim 1.0",
            "BodyPartExamined": "LSPINE",
            "PatientPosition": "HFS",
            "ScanningSequence": "GR",
            "SequenceVariant": "SP",
            "ScanOptions": "",
            "MRAcquisitionType": "3D",
            "MagneticFieldStrength": f"{participant.field_strength:g}",
            "ImagingFrequency": _decimal(
                GAMMA_MHZ_PER_T * TRUE_FIELD_T[participant.field_strength]
            ),
            "ImagedNucleus": "1H",
            "RepetitionTime": _decimal(protocol.repetition_time_ms),
            "FlipAngle": _decimal(protocol.flip_angle_deg),
            "EchoTrainLength": str(protocol.echoes),
            "NumberOfAverages": "1",
            "PixelBandwidth": "1560",
            "AcquisitionNumber": "1",
            "StudyDescription": "MR spine",
        }
        magnitude = np.abs(scan.signal)
        magnitude = np.rint(magnitude * (MAGNITUDE_PEAK / magnitude.max())).astype(np.uint16)
        phase = np.angle(scan.signal) * participant.phase_sign
        half = PHASE_LEVELS // 2
        # A phase of exactly pi is stored as -pi, so that every value has its own level.
        phase = (np.rint(phase / np.pi * half).astype(np.int32) + half) % PHASE_LEVELS
        names = _DESCRIPTIONS[participant.site]["mri"]
        paths = self._write_echoes(scan, magnitude, "M", 7, names[0], common)
        self._write_echoes(scan, phase.astype(np.uint16), "P", 8, names[1], common)
        return paths

    def write_dose_report(self) -> None:
        """A radiation dose report without any image, in the CT study."""
        common = {
            "StudyInstanceUID": self._uid("ct-study"),
            "StudyID": "1",
            "AccessionNumber": self._number("ct", 8),
            "Modality": "SR",
            "SOPClassUID": DOSE_REPORT_STORAGE,
            "Manufacturer": "Simulated Imaging",
            "ManufacturerModelName": _SITES[self.participant.site]["ct"],
        }
        report = self._dataset("dose", 501, "Dose report", common)
        report.CompletionFlag = "COMPLETE"
        report.VerificationFlag = "UNVERIFIED"
        report.ValueType = "CONTAINER"
        report.ContinuityOfContent = "SEPARATE"
        title = Dataset()
        title.CodeValue, title.CodingSchemeDesignator = "113701", "DCM"
        title.CodeMeaning = "X-Ray Radiation Dose Report"
        report.ConceptNameCodeSequence = [title]
        report.ContentSequence = []
        self._save(report, 1, None, "dose")

    def _write_scout(self, scan: CtScan, common: dict[str, str]) -> None:
        """Frontal localizer: the mean of the volume along the beam."""
        scout = self._dataset("scout", 1, _DESCRIPTIONS[self.participant.site]["scout"], common)
        scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        grid = scan.grid
        affine = grid.affine.copy()
        affine[:3, 1], affine[:3, 2] = -grid.affine[:3, 2], grid.affine[:3, 1]
        affine[:3, 3] += (grid.shape[2] - 1) * grid.affine[:3, 2]
        plane = Grid((grid.shape[0], grid.shape[2], 1), affine)
        self._set_plane(scout, plane, bits=16)
        scout.SliceThickness = "0.6"
        self._set_position(scout, plane, 0)
        image = np.rint(scan.hu[:, :, ::-1].mean(axis=1)) - CT_INTERCEPT
        self._save(scout, 1, image.astype(np.uint16), "scout")

    def _write_echoes(
        self,
        scan: MriScan,
        stored: np.ndarray,
        part: str,
        number: int,
        description: str,
        common: dict[str, str],
    ) -> list[Path]:
        """One series with all echoes of the magnitude (M) or phase (P)."""
        series = self._dataset(f"mr-{part}", number, description, common)
        series.ImageType = ["ORIGINAL", "PRIMARY", part, "ND"]
        series.SliceThickness = _decimal(scan.grid.spacing[2])
        self._set_plane(series, scan.grid, bits=12)
        if part == "P":
            series.RescaleSlope, series.RescaleIntercept = "2", str(-PHASE_LEVELS)
            series.RescaleType = "US"
        series = _encoded(series)
        paths = []
        for echo, time in enumerate(scan.echo_times_ms):
            series.EchoNumbers = echo + 1
            series.EchoTime = _decimal(time)
            for index in range(scan.grid.shape[2]):
                self._set_position(series, scan.grid, index)
                instance = echo * scan.grid.shape[2] + index + 1
                key = f"mr-{part}-{instance}"
                paths.append(self._save(series, instance, stored[:, :, index, echo], key))
        return paths

    def _dataset(
        self, key: str, number: int, description: str, common: dict[str, str]
    ) -> FileDataset:
        """Headers shared by all instances of a series; instances overwrite the rest in turn."""
        participant = self.participant
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = common["SOPClassUID"]
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID = generate_uid(entropy_srcs=["osteoflow simulation"])
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SpecificCharacterSet = "ISO_IR 100"
        for keyword, value in common.items():
            setattr(dataset, keyword, value)
        dataset.SeriesInstanceUID = self._uid(key)
        dataset.SeriesNumber = number
        dataset.SeriesDescription = description
        dataset.ProtocolName = description
        hour = 9 if common["Modality"] == "MR" else 14
        for prefix in ("Study", "Series", "Acquisition", "Content"):
            setattr(dataset, f"{prefix}Date", participant.study_date)
            setattr(dataset, f"{prefix}Time", f"{hour:02d}{number % 60:02d}00")
        dataset.InstitutionName = _SITES[participant.site]["institution"]
        dataset.InstitutionAddress = "1 Sample Street, Sampletown"
        dataset.ReferringPhysicianName = "Referrer^Rita"
        dataset.OperatorsName = "Operator^Otto"
        dataset.PatientName = participant.patient_name
        dataset.PatientID = participant.patient_id
        dataset.PatientBirthDate = participant.birth_date
        dataset.PatientSex = participant.sex
        dataset.PatientAge = f"{participant.age:03d}Y"
        dataset.PatientAddress = f"{self._number('house', 2)} Example Road, Sampletown"
        dataset.PatientTelephoneNumbers = f"+00 {self._number('telephone', 8)}"
        private = dataset.private_block(0x0029, "OSTEOFLOW SIM", create=True)
        private.add_new(0x10, "LO", f"operator note on {participant.patient_name}")
        return dataset

    @staticmethod
    def _set_plane(dataset: Dataset, grid: Grid, bits: int) -> None:
        """Pixel matrix, spacing and orientation of all images of a series."""
        columns, rows, _ = grid.shape
        spacing = grid.spacing
        dataset.Columns, dataset.Rows = columns, rows
        dataset.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
        cosines = [*(grid.affine[:3, 0] / spacing[0]), *(grid.affine[:3, 1] / spacing[1])]
        dataset.ImageOrientationPatient = [_decimal(v) for v in cosines]
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
        dataset.PixelRepresentation = 0

    @staticmethod
    def _set_position(dataset: Dataset, grid: Grid, index: int) -> None:
        """Position of one slice of the grid."""
        corner = grid.affine[:3, 3] + index * grid.affine[:3, 2]
        normal = np.cross(grid.affine[:3, 0], grid.affine[:3, 1])
        dataset.ImagePositionPatient = [_decimal(v) for v in corner]
        dataset.SliceLocation = _decimal(corner @ normal / np.linalg.norm(normal))

    def _save(self, dataset: FileDataset, number: int, pixels: np.ndarray | None, key: str) -> Path:
        """Write one instance; ``pixels`` has shape (columns, rows)."""
        dataset.InstanceNumber = number
        uid = self._uid(key)
        dataset.SOPInstanceUID = uid
        dataset.file_meta.MediaStorageSOPInstanceUID = uid
        if pixels is not None:
            dataset.add_new("PixelData", "OW", np.ascontiguousarray(pixels.T, "<u2").tobytes())
        self._written += 1
        if self.participant.site == "A":
            study = {"1": "ST0001", "2": "ST0002"}[dataset.StudyID]
            path = self.folder / study / f"SE{dataset.SeriesNumber:04d}" / f"IM{number:04d}.dcm"
        else:
            path = self.folder / f"I{self._written:06d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    def _uid(self, key: str) -> str:
        """Unique identifier that depends on seed, participant and key only."""
        sources = ["osteoflow", str(self.seed), self.participant.patient_id, key]
        return generate_uid(entropy_srcs=sources)

    def _number(self, key: str, digits: int) -> str:
        """Digits that depend on participant and key only."""
        digest = hashlib.sha256(f"{self.seed}{self.participant.patient_id}{key}".encode())
        return str(int(digest.hexdigest(), 16))[:digits]


def scan_kernel(participant: Participant) -> str:
    """Name of the reconstruction kernel; scans with correlated noise used a smooth one."""
    if participant.ct_model == "noise_correlated":
        return "SMOOTH"
    return {"A": "B40", "B": "STANDARD"}[participant.site]


def _encoded(dataset: FileDataset) -> FileDataset:
    """The same data set with every element already encoded, which instances then only copy."""
    buffer = io.BytesIO()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SeriesInstanceUID
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID  # replaced in each instance
    dataset.save_as(buffer, enforce_file_format=True)
    return dcmread(io.BytesIO(buffer.getvalue()))


def _decimal(value: float) -> str:
    """Decimal string within DICOM's 16 characters."""
    text = f"{float(value):.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
