"""How the simulated participants are scanned."""

from __future__ import annotations

from dataclasses import dataclass

# What magnets called 1.5 T and 3 T really have, as some vendors' imaging frequencies (63.6 and
# 123.2 MHz) tell; headers state the round number beside the true frequency.
TRUE_FIELD_T = {1.5: 1.494, 3.0: 2.8936}


@dataclass(frozen=True)
class Protocol:
    """Geometry and timing of the simulated CT and MRI.

    Parameters
    ----------
    levels
        Vertebrae covered and labelled, cranial first.
    ct_matrix
        Columns and rows of the square CT image.
    ct_pixel_mm, ct_slice_mm
        In-plane pixel and slice thickness; slices abut.
    ct_margin_mm
        Distance scanned beyond the outermost endplates.
    ct_subslices
        Points per slice thickness at which the object is sampled before averaging.
    mri_matrix
        (columns along anterior-posterior, rows along cranio-caudal) of the sagittal image.
    mri_pixel_mm, mri_slices, mri_slice_mm
        In-plane pixel, number and thickness of sagittal slices.
    mri_subsamples
        Points per voxel along columns, rows and slices.
    echoes
        Number of echoes.
    first_echo_ms, echo_spacing_ms
        By field strength in tesla. The phase of fat against water advances by about 125 degrees
        (1.5 T) and 155 degrees (3 T) per echo, which conditions the separation well.
    repetition_time_ms, flip_angle_deg
        So low a flip angle that T1 weighting, which is not simulated, would raise the fat
        fraction by 0.2 percentage points only (T1 1.4 s in water, 0.37 s in fat).
    """

    levels: tuple[str, ...] = ("L1", "L2", "L3", "L4")
    ct_matrix: int = 256
    ct_pixel_mm: float = 0.977
    ct_slice_mm: float = 3.0
    ct_margin_mm: float = 14.0
    ct_subslices: int = 2
    mri_matrix: tuple[int, int] = (128, 128)
    mri_pixel_mm: float = 1.7
    mri_slices: int = 12
    mri_slice_mm: float = 4.0
    mri_subsamples: tuple[int, int, int] = (2, 2, 2)
    echoes: int = 6
    first_echo_ms: tuple[tuple[float, float], ...] = ((1.5, 1.2), (3.0, 1.2))
    echo_spacing_ms: tuple[tuple[float, float], ...] = ((1.5, 1.6), (3.0, 1.0))
    repetition_time_ms: float = 20.0
    flip_angle_deg: float = 1.0

    def echo_times_ms(self, field_strength_t: float) -> tuple[float, ...]:
        """Echo times in ms at a field strength; KeyError for one the protocol does not have."""
        first = dict(self.first_echo_ms)[field_strength_t]
        spacing = dict(self.echo_spacing_ms)[field_strength_t]
        return tuple(round(first + spacing * echo, 4) for echo in range(self.echoes))


STANDARD = Protocol()
"""The demo's protocol: L1-L4 at clinical resolution."""

FINE = Protocol(
    ct_matrix=512,
    ct_pixel_mm=0.488,
    ct_slice_mm=1.25,
    mri_matrix=(256, 256),
    mri_pixel_mm=0.85,
    mri_slices=16,
)
"""The demo's protocol with the matrices of clinical scanners: a tenth of a gigabyte each."""

TINY = Protocol(
    levels=("L1", "L2", "L3"),
    ct_matrix=112,
    ct_pixel_mm=1.8,
    ct_margin_mm=6.0,
    mri_matrix=(72, 72),
    mri_pixel_mm=2.2,
    mri_slices=9,
    mri_slice_mm=4.5,
)
"""A protocol for tests: three levels, coarse, still valid for every stage."""
