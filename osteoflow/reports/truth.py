"""Measurements of simulated scans against what was simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from osteoflow.io.tables import of_reading

MATCHED = "matched"


@dataclass(frozen=True)
class Quantity:
    """A simulated quantity, the measurement that estimates it, and the accuracy asked of it.

    ``limit`` bounds the mean absolute error per vertebra where the scan follows the fitted model;
    None where no accuracy is claimed.
    """

    truth: str
    measured: str
    label: str
    unit: str
    limit: float | None
    meaning: str


QUANTITIES = (
    Quantity("pdff", "pdff_mean", "PDFF", "%", 1.0, "accuracy of the map"),
    Quantity("r2star", "r2star_mean", "R2*", "1/s", None, "accuracy of the map"),
    Quantity(
        "vbmd_apparent", "vbmd_mean", "vBMD, apparent", "mg/cm³", 3.0, "accuracy of the calibration"
    ),
    # A single-energy CT cannot tell marrow fat from missing mineral: this error is the marrow-fat
    # effect of the method, not one of the calibration.
    Quantity(
        "vbmd_mineral",
        "vbmd_mean",
        "vBMD, mineral alone",
        "mg/cm³",
        None,
        "marrow-fat effect of single-energy CT",
    ),
)

_KEYS = ["participant_id", "roi"]
_REQUIRED = {
    "measurements": ("participant_id", "rater", "roi", "metric", "value", "unit"),
    "truth": ("participant_id", "roi", "metric", "value", "unit", "scan_model"),
}


def quantity_label(metric: str, unit: bool = True) -> str:
    """``pdff`` -> ``PDFF (%)``.

    Raises
    ------
    KeyError
        For a metric that is not compared.
    """
    found = {quantity.truth: quantity for quantity in QUANTITIES}[metric]
    return f"{found.label} ({found.unit})" if unit else found.label


def compare_truth(
    measurements: pd.DataFrame, truth: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Errors per vertebra and their summary by quantity and model of the scan.

    The first rater's trabecular mean of a vertebra (``L1_trabecular``) is compared with the
    simulated mean of that vertebra (``L1`` or ``L1_trabecular``). Vertebrae without a measurement
    are kept and counted.

    Parameters
    ----------
    measurements
        The long table of measurements.
    truth
        Long table: ``participant_id``, ``roi``, ``metric``, ``value``, ``unit``, ``scan_model``
        (``matched`` or the name of a violation). Metrics other than those of
        :data:`QUANTITIES`, and regions of several vertebrae, are ignored.

    Returns
    -------
    per_vertebra : DataFrame
        ``participant_id``, ``session`` (where measured), ``roi``, ``metric``, ``unit``,
        ``scan_model``, ``truth``, ``measured``, ``error``.
    summary : DataFrame
        ``metric``, ``meaning``, ``unit``, ``scan_model``, ``n`` (vertebrae measured),
        ``n_missing``, ``mean_absolute_error``, ``mean_error``, ``sd_error`` (n - 1),
        ``max_absolute_error``, ``limit``, ``met`` (True, False, or NA without a limit or data).

    Raises
    ------
    ValueError
        If columns are missing, a truth is given twice, or units differ.
    """
    for name, table in (("measurements", measurements), ("truth", truth)):
        missing = [column for column in _REQUIRED[name] if column not in table]
        if missing:
            raise ValueError(f"{name}: no column {', '.join(missing)}")
    rows = []
    for quantity in QUANTITIES:
        levels = truth["roi"].astype(str).str.removesuffix("_trabecular")
        single = levels.str.fullmatch(r"[CTL]\d+") & (truth["metric"] == quantity.truth)
        known = truth[single].assign(roi=levels[single])
        twice = known[known.duplicated(_KEYS)]
        if len(twice):
            first = twice.iloc[0]
            raise ValueError(f"truth: {quantity.truth} of {' '.join(first[_KEYS])} is given twice")
        rows.append(_pair(known, measurements, quantity))
    per_vertebra = pd.concat(rows, ignore_index=True)
    per_vertebra["error"] = per_vertebra["measured"] - per_vertebra["truth"]
    return per_vertebra, _summary(per_vertebra)


def _pair(known: pd.DataFrame, measurements: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """Truth and measurement side by side, one row per vertebra."""
    measurements = of_reading(measurements)
    use = measurements["metric"] == quantity.measured
    use &= measurements["roi"].str.endswith("_trabecular")
    columns = [*_KEYS, "value", "unit"]
    if "session" in measurements:
        columns.insert(1, "session")
    found = measurements.loc[use, columns].assign(
        roi=lambda table: table["roi"].str.removesuffix("_trabecular")
    )
    known = known[[*_KEYS, "metric", "value", "unit", "scan_model"]].rename(
        columns={"value": "truth"}
    )
    table = known.merge(
        found.rename(columns={"value": "measured", "unit": "measured_unit"}),
        on=_KEYS,
        how="left",
        validate="one_to_many",
    )
    both = table.dropna(subset=["measured"])
    for ours, theirs in zip(both["measured_unit"], both["unit"], strict=True):
        if _unit(ours) != _unit(theirs):
            raise ValueError(f"{quantity.truth}: measured in {ours}, simulated in {theirs}")
    table["measured"] = table["measured"].astype(float)
    table["truth"] = table["truth"].astype(float)
    order = ["participant_id", "session", "roi", "metric", "unit", "scan_model", "truth"]
    return table[[name for name in order if name in table] + ["measured"]]


def _unit(text: object) -> str:
    """The unit itself: the mineral behind ``mg/cm3`` names what was weighed, not the scale."""
    first = str(text).replace("³", "3").replace("⁻¹", "^-1").split()
    symbol = first[0] if first else ""
    return {"s^-1": "1/s", "s-1": "1/s"}.get(symbol, symbol)


def _summary(per_vertebra: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for quantity in QUANTITIES:
        here = per_vertebra[per_vertebra["metric"] == quantity.truth]
        names = sorted(here["scan_model"].unique(), key=lambda name: (name != MATCHED, name))
        for name in names:
            group = here[here["scan_model"] == name]
            error = group["error"].dropna().to_numpy()
            mean_absolute = float(np.abs(error).mean()) if len(error) else np.nan
            limit = quantity.limit if name == MATCHED else None
            met = pd.NA if limit is None or not len(error) else mean_absolute <= limit
            rows.append(
                {
                    "metric": quantity.truth,
                    "meaning": quantity.meaning,
                    "unit": group["unit"].iloc[0],
                    "scan_model": name,
                    "n": len(error),
                    "n_missing": len(group) - len(error),
                    "mean_absolute_error": mean_absolute,
                    "mean_error": float(error.mean()) if len(error) else np.nan,
                    "sd_error": float(error.std(ddof=1)) if len(error) > 1 else np.nan,
                    "max_absolute_error": float(np.abs(error).max()) if len(error) else np.nan,
                    "limit": np.nan if limit is None else limit,
                    "met": met,
                }
            )
    columns = ["metric", "meaning", "unit", "scan_model", "n", "n_missing"]
    columns += ["mean_absolute_error", "mean_error", "sd_error", "max_absolute_error"]
    table = pd.DataFrame(rows, columns=[*columns, "limit", "met"])
    return table.astype({"met": "boolean"})


def summary_text(summary: pd.DataFrame) -> str:
    """The summary for a terminal: one line per quantity and model of the scan."""
    lines = ["Measured against known values, mean absolute error per vertebra"]
    for row in summary.itertuples():
        label = quantity_label(row.metric, unit=False)
        unit = quantity_label(row.metric).removeprefix(label).strip(" ()")
        limit = ""
        if pd.notna(row.limit):
            limit = f"  limit {row.limit:g}: {'met' if row.met else 'NOT MET'}"
        lines.append(
            f"  {label:20s} {row.scan_model.replace('_', ' '):20s} "
            f"{row.mean_absolute_error:7.2f} {unit:7s} n = {row.n}{limit}"
        )
    return "\n".join(lines) + "\n"
