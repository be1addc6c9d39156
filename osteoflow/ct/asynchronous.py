"""Calibration by a phantom that was scanned on its own, with the same settings, on another day."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osteoflow.ct.calibration import Calibration, RodMeasurement, calibrate, check_plausible
from osteoflow.ct.certificate import HYDROXYAPATITE, K2HPO4, Phantom
from osteoflow.errors import StudyError, SubjectDataError
from osteoflow.io.written_tables import named_cells, numbered_rows, table_text

NEEDED = ("manufacturer", "model", "kvp", "kernel", "date")
OPTIONAL = (
    *("station", "phantom", "mineral", "slope", "intercept", "residual_sd"),
    *("rods", "water_hu"),
)
MISSING = ("", "n/a")


@dataclass(frozen=True)
class PhantomScan:
    """One scan of a phantom: a row of ``ct_calibrations.tsv``.

    Parameters
    ----------
    manufacturer, model, station, kvp, kernel
        Of the scanner and the reconstruction; ``station`` (serial number or station name) may be
        empty, and then counts for every scanner of the model.
    date
        Of the scan.
    mineral
        ``K2HPO4`` or ``hydroxyapatite``.
    phantom
        Name of the phantom, for the method's description.
    slope, intercept
        HU per mg/cm3, HU.
    residual_sd
        HU; NaN where unknown.
    rods
        Names of the rods where the line was fitted here.
    water_hu
        CT number of water in the same scan; NaN where not measured.
    """

    manufacturer: str
    model: str
    station: str
    kvp: float
    kernel: str
    date: datetime.date
    mineral: str
    phantom: str
    slope: float
    intercept: float
    residual_sd: float = float("nan")
    rods: tuple[str, ...] = ()
    water_hu: float = float("nan")

    @property
    def series(self) -> tuple[str, str, str, float, str]:
        """Scans with the same scanner and settings are comparable over time."""
        return (
            *map(_plain, (self.manufacturer, self.model, self.station)),
            self.kvp,
            self.settings,
        )

    @property
    def settings(self) -> str:
        """Kernel without differences of case and spacing."""
        return _plain(self.kernel)

    def line(self) -> Calibration:
        """The calibration; standard errors are not known from one line."""
        unknown = float("nan")
        fit = Calibration(
            phantom=self.phantom,
            mineral=self.mineral,
            unit="mg/cm3",
            slope=self.slope,
            intercept=self.intercept,
            slope_standard_error=unknown,
            intercept_standard_error=unknown,
            residuals=(),
            residual_sd=self.residual_sd,
            r2=unknown,
            rods=self.rods,
        )
        check_plausible(fit)
        return fit


def read_scans(path: str | Path, certificate: Phantom) -> list[PhantomScan]:
    """Scans of a phantom from a table.

    Parameters
    ----------
    path
        Tab-separated: :data:`NEEDED` columns and either ``slope``, ``intercept`` and ``mineral``,
        or ``rods`` (``A=-81.9; B=-40.0; ...``, HU of every rod of the configured phantom).
    certificate
        The configured phantom, for rows with rods.

    Raises
    ------
    StudyError
        With every mistake, each with its line.
    """
    path = Path(path)
    numbered = numbered_rows(path.name, table_text(path))
    problems: list[str] = []
    scans: list[PhantomScan] = []
    columns = numbered[0][1] if numbered[1:] else []
    if lacking := [name for name in NEEDED if name not in columns]:
        raise StudyError([f"{path.name}: needs rows with the columns {', '.join(lacking)}"])
    if unknown := [name for name in columns if name not in NEEDED + OPTIONAL]:
        problems.append(f"{path.name}: unknown columns {', '.join(map(str, unknown))}")
    for number, row in numbered[1:]:
        try:
            named = named_cells(columns, row)
            cells = {key: "" if value in MISSING else value for key, value in named.items()}
            scans.append(_scan(cells, certificate))
        except (ValueError, SubjectDataError) as error:
            problems.append(f"{path.name} line {number}: {error}")
    keys = [(*scan.series, scan.date) for scan in scans]
    if len(set(keys)) < len(keys):
        problems.append(f"{path.name}: two scans of one day have the same scanner and settings")
    if problems:
        raise StudyError(problems)
    return scans


def _scan(cells: Mapping[str, str], certificate: Phantom) -> PhantomScan:
    if lacking := [name for name in NEEDED if not cells[name]]:
        raise ValueError(f"no {', '.join(lacking)}")
    common = {name: cells[name] for name in ("manufacturer", "model", "kernel")}
    common |= {"station": cells.get("station", ""), "kvp": float(cells["kvp"])}
    common["date"] = datetime.date.fromisoformat(cells["date"])
    water = float(cells["water_hu"]) if cells.get("water_hu") else float("nan")
    if cells.get("rods"):
        if cells.get("slope") or cells.get("intercept"):
            raise ValueError("give either rods or slope and intercept")
        pairs = [part.partition("=") for part in cells["rods"].split(";") if part.strip()]
        rods = [RodMeasurement(name.strip(), float(value)) for name, _, value in pairs]
        fit = calibrate(rods, certificate)
        if cells.get("mineral", fit.mineral) not in ("", fit.mineral):
            raise ValueError(f"{certificate.name} holds {fit.mineral}, not {cells['mineral']}")
        return PhantomScan(
            **common,
            mineral=fit.mineral,
            phantom=certificate.name,
            slope=fit.slope,
            intercept=fit.intercept,
            residual_sd=fit.residual_sd,
            rods=fit.rods,
            water_hu=water,
        )
    if not cells.get("slope") or not cells.get("intercept"):
        raise ValueError("needs rods, or slope and intercept")
    if cells.get("mineral") not in (K2HPO4, HYDROXYAPATITE):
        raise ValueError(f"mineral must be {K2HPO4} or {HYDROXYAPATITE}")
    scan = PhantomScan(
        **common,
        mineral=cells["mineral"],
        phantom=cells.get("phantom") or "separate phantom",
        slope=float(cells["slope"]),
        intercept=float(cells["intercept"]),
        residual_sd=float(cells["residual_sd"]) if cells.get("residual_sd") else float("nan"),
        water_hu=water,
    )
    scan.line()
    return scan


@dataclass(frozen=True)
class Match:
    """The phantom scan of a subject's CT, and how many days lie between: positive is later."""

    scan: PhantomScan
    days: int


def match_scan(facts: Mapping[str, Any], scans: Sequence[PhantomScan], maximum_days: int) -> Match:
    """The phantom scan nearest in time among those of the same scanner and settings.

    Parameters
    ----------
    facts
        Of the subject's CT: ``date`` (``YYYYMMDD``), ``manufacturer``, ``model``, ``stations``
        (serial number and station name), ``kvp``, ``kernel``; absent ones are None.
    scans
        All phantom scans. Nothing is interpolated between two of them.
    maximum_days
        Largest distance in time. Of two at the same distance the earlier one counts.

    Raises
    ------
    SubjectDataError
        ``no_matching_calibration``, naming what the table has instead; ``scan_date_unknown``.
    """
    same = list(scans)
    stations = [_plain(name) for name in facts.get("stations") or ()]
    criteria = (
        ("manufacturer", lambda s: _plain(s.manufacturer) == _plain(facts.get("manufacturer"))),
        ("model", lambda s: _plain(s.model) == _plain(facts.get("model"))),
        ("station", lambda s: not s.station or _plain(s.station) in stations),
        ("tube voltage", lambda s: facts.get("kvp") and abs(s.kvp - float(facts["kvp"])) < 0.5),
        ("kernel", lambda s: s.settings == _plain(facts.get("kernel"))),
    )
    for what, fits in criteria:
        kept = [scan for scan in same if fits(scan)]
        if not kept:
            raise _no_match(what, facts, same)
        same = kept
    date = _date(facts.get("date"))
    if date is None:
        raise SubjectDataError(
            "scan_date_unknown",
            "the date of the CT is not known, so no phantom scan can be chosen for it",
            "Export the CT with its acquisition date; dates do not leave the inventory.",
        )
    nearest = min(same, key=lambda scan: (abs((scan.date - date).days), scan.date))
    days = (nearest.date - date).days
    if abs(days) > maximum_days:
        raise SubjectDataError(
            "no_matching_calibration",
            f"the nearest phantom scan with this scanner and these settings lies {abs(days)} days "
            f"{'after' if days > 0 else 'before'} the CT; at most {maximum_days} are allowed",
            "Add a phantom scan of that time to the table of calibrations.",
        )
    return Match(nearest, days)


def _no_match(
    what: str, facts: Mapping[str, Any], candidates: list[PhantomScan]
) -> SubjectDataError:
    attribute = {"tube voltage": "kvp"}.get(what, what)
    if what == "station":  # serial numbers stay out of reports
        found, have = "this very scanner", "other scanners of this model"
    else:
        own = facts.get(attribute)
        found = f"{what} {_words(own)}" if own else f"a CT whose {what} is not stated"
        have = ", ".join(sorted({_words(getattr(scan, attribute)) for scan in candidates}))
    return SubjectDataError(
        "no_matching_calibration",
        f"no phantom scan for {found}; the table has {have or 'none'}",
        "Scan the phantom with the patient's settings, or add that scan to the table of "
        "calibrations.",
    )


def _words(value: Any) -> str:
    return f"{value:g} kV" if isinstance(value, float | int) else str(value)


def _plain(text: Any) -> str:
    """Without differences of case and spacing."""
    parts = text if isinstance(text, list | tuple) else [text or ""]
    return "/".join(" ".join(str(part).casefold().split()) for part in parts)


def _date(text: Any) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(str(text)[:8], "%Y%m%d").date()
    except ValueError:
        return None
