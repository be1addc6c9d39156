"""Settings of CT."""

from __future__ import annotations

from pydantic import Field

from osteoflow.settings.section import Section


class Rod(Section):
    """One rod of a calibration phantom, as on its certificate."""

    name: str = Field(description="Name on the certificate.")
    density: float = Field(description="Mineral density in mg/cm3.")
    water: float | None = Field(
        None, description="Water-equivalent density in mg/cm3 (K2HPO4 phantoms need it)."
    )


class Ct(Section):
    """Quantitative CT."""

    phantom: str = Field(
        "mindways_model3",
        description="Name of the calibration phantom in `resources/phantoms.tsv`.",
    )
    certificate: list[Rod] | None = Field(
        None,
        description="Rods of this study's own phantom; absent: the values in the resource table.",
    )
