"""Whether this installation's features are those of the IBSI standard.

The digital phantom of the Image Biomarker Standardisation Initiative (IBSI) ships with its
reference values; its features are extracted here and compared with them. Libraries compiled for
another processor, or another version of one, would show in the numbers of this very machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.radiomics.dictionary import features, ibsi_tag
from osteoflow.radiomics.settings import FeatureClass, RadiomicsSettings
from osteoflow.resources import read_resource

PHANTOM = "IBSI-1 digital phantom"
Texture = Literal["3D", "2D"]
TEXTURES: dict[Texture, str] = {"3D": "3D", "2D": "merged 2D"}
VOXEL_MM = 2.0
# A 2D recipe takes the thick axis for slices, and the phantom's voxels are cubes: its slices are
# made thicker, and features that depend on the voxel size are compared in 3D alone.
THICKER = 1.5
SIZED = ("morph_", "loc_")
# Digits of the published reference values.
DIGITS = 3


@dataclass(frozen=True)
class Deviation:
    """A feature that is not what the reference says.

    Parameters
    ----------
    feature
        Its name, e.g. ``glcm_Contrast``.
    tag
        Its full IBSI tag, e.g. ``cm_contrast_3D_avg``.
    value
        What was found; NaN where it has no value.
    reference, tolerance
        What the reference says.
    """

    feature: str
    tag: str
    value: float
    reference: float
    tolerance: float


@dataclass(frozen=True)
class Agreement:
    """How many features of one way of aggregation agree with the reference.

    Parameters
    ----------
    texture
        ``3D``, or ``2D`` (matrices merged over slices).
    total
        Features that have a reference value.
    failed
        Those outside its tolerance.
    """

    texture: Texture
    total: int
    failed: tuple[Deviation, ...]

    @property
    def passed(self) -> int:
        """Features within the tolerance."""
        return self.total - len(self.failed)


def compare(
    values: Mapping[str, float],
    settings: RadiomicsSettings,
    expected: Mapping[str, tuple[float, float]],
) -> Agreement:
    """Features of an unfiltered image against reference values.

    Parameters
    ----------
    values
        Value by column, e.g. ``original_glcm_Contrast``.
    settings
        The recipe. Every feature of its classes that has a reference value counts: one without a
        value has failed.
    expected
        Reference value and tolerance by full IBSI tag.

    Notes
    -----
    Reference values are published with three significant digits, to which a value is rounded
    before it is compared (Zwanenburg et al., Radiology 2020;295:328).
    """
    total, failed = 0, []
    for feature in features().values():
        tag = ibsi_tag(feature.name, settings.texture)
        if tag not in expected or feature.feature_class not in settings.classes:
            continue
        total += 1
        value, (target, tolerance) = values.get(f"original_{feature.name}", np.nan), expected[tag]
        difference = abs(float(f"{value:.{DIGITS}g}") - target)
        if not difference <= tolerance + 1e-9 * max(abs(target), 1.0):
            failed.append(Deviation(feature.name, tag, float(value), target, tolerance))
    return Agreement(settings.texture, total, tuple(failed))


def digital_phantom() -> tuple[Volume, np.ndarray]:
    """Image and region of interest of the IBSI-1 digital phantom, shape (5, 4, 4), 2 mm voxels."""
    rows = read_resource("ibsi/digital_phantom.tsv")
    places = tuple(np.array([int(row[axis]) for row in rows]) for axis in "ijk")
    shape = tuple(int(place.max()) + 1 for place in places)
    image, mask = np.full(shape, np.nan), np.zeros(shape, bool)
    image[places] = [float(row["grey_level"]) for row in rows]
    mask[places] = [row["mask"] == "1" for row in rows]
    return Volume(image, np.diag([-VOXEL_MM, -VOXEL_MM, VOXEL_MM, 1.0])), mask


def reference_values() -> dict[str, tuple[float, float]]:
    """Reference value and tolerance of the digital phantom by full IBSI tag."""
    rows = read_resource("ibsi/digital_phantom_reference.tsv")
    return {row["tag"]: (float(row["value"]), float(row["tolerance"])) for row in rows}


def check_digital_phantom(texture: Texture) -> Agreement:
    """This installation's features of the digital phantom against their reference values.

    The recipe is the standard's: no resampling, and the grey levels 1..6 of the phantom as they
    are. All classes that have reference values are extracted.
    """
    from osteoflow.radiomics.extract import extract_features

    image, mask = digital_phantom()
    expected = reference_values()
    if texture == "2D":
        image = Volume(image.data, image.affine @ np.diag([1.0, 1.0, THICKER, 1.0]))
        expected = {tag: e for tag, e in expected.items() if not tag.startswith(SIZED)}
    classes = [name for name in get_args(FeatureClass) if _has_any(name, texture, expected)]
    settings = RadiomicsSettings(
        name="ibsi_1_digital_phantom",
        image="grey level",
        unit="1",
        texture=texture,
        range=(1, 6),
        round_to=1,  # no bins but the grey levels, in the intensity-volume histogram too
        bin_width=1,
        classes=tuple(classes),
        minimum_voxels=8,
    )
    return compare(extract_features(image, mask, settings).features, settings, expected)


def _has_any(name: str, texture: Texture, expected: Mapping[str, tuple[float, float]]) -> bool:
    """Whether a class has a feature with a reference value."""
    mine = (feature for feature in features().values() if feature.feature_class == name)
    return any(ibsi_tag(feature.name, texture) in expected for feature in mine)


def check_installation() -> list[Agreement]:
    """The digital phantom in 3D and merged 2D aggregation."""
    return [check_digital_phantom(texture) for texture in TEXTURES]


def statement(found: Sequence[Agreement]) -> str:
    """One line: ``IBSI-1 digital phantom 164/164 on this installation (merged 2D: 137/137)``."""
    first, *others = found
    more = "".join(f" ({TEXTURES[a.texture]}: {a.passed}/{a.total})" for a in others)
    return f"{PHANTOM} {first.passed}/{first.total} on this installation{more}"


def deviations(found: Sequence[Agreement]) -> list[str]:
    """One line per feature that deviates, naming it with its values."""
    return [
        f"{PHANTOM}, {TEXTURES[agreement.texture]}: {item.feature} ({item.tag}) is "
        f"{item.value:.{DIGITS}g}, the reference {item.reference:g} "
        f"(tolerance {item.tolerance:g})"
        for agreement in found
        for item in agreement.failed
    ]
