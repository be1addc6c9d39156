"""The field strength that sets fat's frequencies: what a magnet has, not what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osteoflow.mri.spectrum import GYROMAGNETIC_RATIO_MHZ_PER_T

# A magnet called 3 T may have 2.89 T; a frequency further off belongs to another nucleus.
LARGEST_DEVIATION = 0.1


def true_field_strength(acquisition: Mapping[str, Any]) -> tuple[float, list[str]]:
    """Field strength from the imaging frequency, or the nominal one with a warning.

    Fat's chemical shifts scale with the true field. Taking 3 T for 2.894 T shifts R2* in fatty
    marrow by tens of 1/s and PDFF by up to about 2 percentage points.

    Parameters
    ----------
    acquisition
        ``MagneticFieldStrength`` in T and, where known, ``ImagingFrequency`` in MHz.

    Returns
    -------
    tesla, warnings
    """
    nominal = float(acquisition["MagneticFieldStrength"])
    frequency = acquisition.get("ImagingFrequency")
    if frequency is None:
        return nominal, [
            f"imaging_frequency_unknown: the nominal {nominal:g} T was taken for the true field"
        ]
    tesla = float(frequency) / GYROMAGNETIC_RATIO_MHZ_PER_T
    if abs(tesla / nominal - 1) > LARGEST_DEVIATION:
        return nominal, [
            f"imaging_frequency_implausible: {float(frequency):g} MHz does not fit {nominal:g} T; "
            "the nominal field was taken"
        ]
    return tesla, []
