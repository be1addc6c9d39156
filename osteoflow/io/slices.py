"""Where the slices of a DICOM series lie: an even, straight stack, or the reason why not.

And whether a converted image holds what the slices hold, where they hold it.
"""

from __future__ import annotations

import numpy as np
import pydicom

from osteoflow.errors import SubjectDataError
from osteoflow.io.frames import frame_pixels
from osteoflow.io.header import VALUE_ERRORS, header_number
from osteoflow.io.nifti import Nifti1Image, orientations
from osteoflow.io.scaling import rescaled
from osteoflow.io.volume import Volume

# Slices may be off an even grid by this much (mm) before a volume is called irregular.
SPACING_TOLERANCE = 0.05
AFFINE_TOLERANCE = 0.02
# A stated gantry tilt below this (degrees) shears slices by less than the tolerance.
TILT_TOLERANCE = 1.0
# float32 keeps about seven digits; what lies further off was scaled in another way.
VALUE_TOLERANCE = 1e-5
REEXPORT = "Export the series from the archive again and check that every slice is there."


def stack_slices(slices: list[pydicom.Dataset]) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """Slices sorted along their normal, and where the stack lies.

    Parameters
    ----------
    slices
        Headers of one series, in any order.

    Returns
    -------
    slices
        The same, from first to last along the slice normal.
    affine
        4 x 4, from (column, row, slice) to RAS+ millimetres.

    Raises
    ------
    SubjectDataError
        ``geometry_missing``, ``mixed_geometry``, ``duplicate_slices``, ``missing_slice``,
        ``irregular_slices`` or ``gantry_tilt``.
    """
    cosines, positions, spacing = _geometry(slices)
    row, column = cosines[:3], cosines[3:]
    normal = np.cross(row, column)
    depth = positions @ normal
    order = np.argsort(depth, kind="stable")
    slices = [slices[index] for index in order]
    positions, depth = positions[order], depth[order]
    if len(slices) == 1:
        thickness = header_number(slices[0], "SliceThickness")
        if not thickness or thickness < 0:
            raise _missing_geometry()
        step = normal * thickness
    else:
        _check_steps(np.diff(depth))
        step = (positions[-1] - positions[0]) / (len(slices) - 1)
        _check_straight(positions, step, normal)
    lps = np.eye(4)
    lps[:3, 0] = row * spacing[1]
    lps[:3, 1] = column * spacing[0]
    lps[:3, 2] = step
    lps[:3, 3] = positions[0]
    return slices, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _missing_geometry() -> SubjectDataError:
    return SubjectDataError(
        "geometry_missing",
        "a slice lacks its position, orientation, pixel spacing or thickness",
        "Export the original images, not secondary captures.",
    )


def _geometry(slices: list[pydicom.Dataset]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction cosines of rows and columns, shape (6,), each slice's position, pixel spacing.

    Raises
    ------
    SubjectDataError
        ``geometry_missing``; ``mixed_geometry``: slices differ in what they should share.
    """
    try:
        cosines = np.array([[float(v) for v in i.ImageOrientationPatient] for i in slices])
        positions = np.array([[float(v) for v in i.ImagePositionPatient] for i in slices])
        spacing = np.array([[float(v) for v in i.PixelSpacing] for i in slices])
    except VALUE_ERRORS:
        raise _missing_geometry() from None
    if cosines.shape[1:] != (6,) or positions.shape[1:] != (3,) or spacing.shape[1:] != (2,):
        raise _missing_geometry()
    row, column = cosines[0, :3], cosines[0, 3:]
    axes = np.array([row @ row, column @ column, row @ column])
    # Written so that a NaN fails as well.
    if not (np.abs(axes - [1, 1, 0]).max() < 1e-2 and spacing.min() > 0):
        raise _missing_geometry()
    if not np.isfinite(positions).all():
        raise _missing_geometry()
    if np.ptp(cosines, axis=0).max() > 1e-4 or np.ptp(spacing, axis=0).max() > 1e-4:
        raise SubjectDataError(
            "mixed_geometry",
            "slices of one series differ in orientation or pixel spacing",
            "Keep only one reconstruction in the folder.",
        )
    return cosines[0], positions, spacing[0]


def _check_straight(positions: np.ndarray, step: np.ndarray, normal: np.ndarray) -> None:
    """Slices stand one behind the other along their normal.

    Raises
    ------
    SubjectDataError
        ``gantry_tilt``, ``irregular_slices``.
    """
    lateral = np.linalg.norm(step - normal * (step @ normal))
    if lateral > SPACING_TOLERANCE:
        angle = np.degrees(np.arctan2(lateral, abs(step @ normal)))
        raise SubjectDataError(
            "gantry_tilt",
            f"the slices are sheared by {angle:.1f} degrees (tilted gantry)",
            "Use a scan without gantry tilt, or resample it to straight slices first.",
        )
    straight = positions[0] + np.arange(len(positions))[:, None] * step
    aside = positions - straight
    aside = np.linalg.norm(aside - np.outer(aside @ normal, normal), axis=1).max()
    if aside > 2 * SPACING_TOLERANCE:
        raise SubjectDataError(
            "irregular_slices",
            f"slices are shifted sideways by up to {aside:.2f} mm",
            "Use one reconstruction with one field of view for all slices.",
        )


def _check_steps(steps: np.ndarray) -> None:
    """Steps between neighbouring slices are all alike."""
    usual = float(np.median(steps))
    if np.any(steps < SPACING_TOLERANCE):
        count = int(np.sum(steps < SPACING_TOLERANCE))
        raise SubjectDataError(
            "duplicate_slices",
            f"{count} {'slices lie' if count > 1 else 'slice lies'} at a position that another "
            "slice has",
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


def stated_tilt(slices: list[pydicom.Dataset]) -> list[str]:
    """Sheared slices were refused before: a tilt that only the header states is told."""
    tilts = [abs(header_number(item, "GantryDetectorTilt") or 0.0) for item in slices]
    if max(tilts) < TILT_TOLERANCE:
        return []
    return [
        f"gantry_tilt_stated: the header states a gantry tilt of {max(tilts):.1f} degrees, but the "
        "slices lie straight above each other; the image is used as it lies"
    ]


def compare_geometry(converted: Volume, stated: Volume) -> None:
    """The converted grid is the one the headers state, up to the order of axes.

    Raises
    ------
    SubjectDataError
        ``geometry_mismatch``.
    """
    images = [Nifti1Image(np.empty(v.shape, np.uint8), v.affine) for v in (stated, converted)]
    ours, theirs = (v.as_reoriented(orientations.io_orientation(v.affine)) for v in images)
    if ours.shape != theirs.shape or not np.allclose(
        ours.affine, theirs.affine, atol=AFFINE_TOLERANCE
    ):
        raise SubjectDataError(
            "geometry_mismatch",
            f"the converted grid {theirs.shape} differs from that of the headers {ours.shape}",
            "Report this series: converting it would misplace the masks.",
        )


def compare_values(converted: Volume, stated: Volume, slices: list[pydicom.Dataset]) -> None:
    """The converted voxels are the stored ones, rescaled as each slice states.

    Parameters
    ----------
    converted
        Image as converted.
    stated
        Grid of the slices: columns, rows from last to first, slices in the order given.
    slices
        Images in an uncompressed transfer syntax, along their normal.

    Raises
    ------
    SubjectDataError
        ``values_mismatch``.
    """
    wrong = 0 if converted.same_grid(stated, AFFINE_TOLERANCE) else len(slices)
    for index, item in enumerate(slices if not wrong else []):
        expected = rescaled(frame_pixels(item), [item])[0, ::-1].T.astype(np.float64)
        off = np.abs(converted.data[..., index] - expected).max(initial=0)
        # Written so that a NaN fails as well.
        wrong += not off <= VALUE_TOLERANCE * max(np.abs(expected).max(initial=0), 1)
    if wrong:
        raise SubjectDataError(
            "values_mismatch",
            f"{wrong} of {len(slices)} slices were converted to other values than they state",
            "Report this series: converting it would misstate its values.",
        )
