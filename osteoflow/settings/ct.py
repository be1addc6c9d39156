"""Settings of CT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from osteoflow.settings.section import Level, Section


class Rod(Section):
    """One rod of a calibration phantom, as on its certificate."""

    name: str = Field(description="Name on the certificate.")
    density: float = Field(description="Mineral density in mg/cm3.")
    water: float | None = Field(
        None, description="Water-equivalent density in mg/cm3 (K2HPO4 phantoms need it)."
    )


class Asynchronous(Section):
    """A phantom scanned on its own (`ct.calibration: asynchronous`)."""

    table: str = Field(
        "config/ct_calibrations.tsv",
        description="Table of phantom scans, one row each, as seen from the study folder; "
        "docs/how-to/ct-calibration.md lists its columns.",
    )
    maximum_days: int = Field(
        31,
        ge=0,
        description="Largest distance in time between a CT and its phantom scan: phantoms are "
        "scanned weekly to monthly.",
    )


class Internal(Section):
    """The patient's own tissues (`ct.calibration: internal`)."""

    mineral: Literal["hydroxyapatite", "K2HPO4"] = Field(
        "hydroxyapatite", description="Mineral that densities are equivalents of."
    )
    equivalence: Literal["phantom", "vertebra"] = Field(
        "phantom",
        description="`phantom`: density as a phantom under the back would give, for cut-offs and "
        "comparison with other studies; `vertebra`: mineral in the vertebra itself, where the "
        "beam is harder (5 to 10 % more).",
    )


class Ct(Section):
    """Quantitative CT."""

    calibration: Literal["phantom", "asynchronous", "internal", "none"] = Field(
        "phantom",
        description="How CT numbers become densities: by the phantom under the patient, by a "
        "phantom scanned on another day, by the patient's own tissues, or not at all (CT numbers "
        "only).",
    )
    phantom: str = Field(
        "mindways_model3",
        description="Name of the calibration phantom in `resources/phantoms.tsv`.",
    )
    certificate: list[Rod] | None = Field(
        None,
        description="Rods of this study's own phantom; absent: the values in the resource table.",
    )
    asynchronous: Asynchronous = Field(
        default_factory=Asynchronous, description="Phantom scanned on its own."
    )
    internal: Internal = Field(default_factory=Internal, description="Calibration by tissues.")
    report_mineral: Literal["as_calibrated", "hydroxyapatite"] = Field(
        "as_calibrated",
        description="Mineral of the reported densities. A conversion is made only under its "
        "source's conditions (`resources/ct_mineral_conversions.tsv`) and refused otherwise.",
    )
    muscle_levels: list[Level] = Field(
        ["L3"],
        description="Vertebrae at whose height CT number and fat of outlined muscles are measured; "
        "none: wherever the muscles are outlined.",
    )

    def of_job(self, match: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the chosen way of calibrating one subject depends on, and nothing else.

        Parameters
        ----------
        match
            For ``asynchronous``: the subject's own phantom scan, or why there is none
            (:func:`osteoflow.ct.subject_match.subject_match`).
        """
        settings: dict[str, Any] = {"way": self.calibration}
        if self.calibration == "none":
            return settings
        if self.report_mineral != "as_calibrated":
            settings["report_mineral"] = self.report_mineral
        if self.calibration == "phantom":
            rods = [rod.model_dump() for rod in self.certificate or []]
            return settings | {"phantom": self.phantom, "certificate": rods}
        if self.calibration == "internal":
            return settings | self.internal.model_dump()
        return settings | {"match": dict(match or {})}
