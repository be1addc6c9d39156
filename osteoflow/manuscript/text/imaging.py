"""Scanners and protocols as the images' headers state them, and how images were converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import paragraph, plain
from osteoflow.wording import count, listing

Sidecars = Sequence[Mapping[str, Any]]

_MRI_NAMES = {
    "mag": "multi-echo gradient-echo MRI",
    "scanner_pdff": "fat-fraction maps of the scanner",
    "scanner_water": "water and fat images of the scanner",
    "mese": "multi-echo spin-echo MRI",
    "dwi": "diffusion-weighted MRI",
    "scanner_adc": "ADC maps of the scanner",
    "t1w": "T1-weighted MRI",
    "t2w": "T2-weighted MRI",
}


def imaging(facts: Facts) -> list[str]:
    """Paragraphs of the section."""
    return [
        text
        for text in (
            paragraph([_ct(facts.scans.get("ct", ()))]),
            paragraph(
                [_mri(name, facts.scans[key]) for key, name in _MRI_NAMES.items()
                 if facts.scans.get(key)]
            ),
            paragraph(_conversion(facts)),
        )
        if text
    ]  # fmt: skip


def protocol_gaps(facts: Facts) -> list[str]:
    """What neither header nor sidecar tells of the protocols and the authors have to add."""
    wanted = {
        "ct": {"KVP": "tube voltage", "ConvolutionKernel": "kernel", "XRayTubeCurrent": "tube "
               "current", "SliceThickness": "slice thickness"},
        "mag": {"MagneticFieldStrength": "field strength", "RepetitionTime": "repetition time",
                "FlipAngle": "flip angle", "EchoTime": "echo times"},
    }  # fmt: skip
    gaps = []
    for key, names in wanted.items():
        sidecars = facts.scans.get(key)
        if sidecars:
            lacking = [word for name, word in names.items() if not _known(sidecars, name)]
            if lacking:
                gaps.append(f"{'CT' if key == 'ct' else _MRI_NAMES[key]}: {listing(lacking)}")
    return gaps


def _ct(sidecars: Sidecars) -> str:
    if not sidecars:
        return ""
    parts = [
        _numbers(sidecars, "KVP", "tube voltage", "kV"),
        _range(sidecars, "XRayTubeCurrent", "tube current", "mA"),
        _numbers(sidecars, "SliceThickness", "slice thickness", "mm"),
        _numbers(sidecars, "SliceStep", "slice distance", "mm"),
        _texts(sidecars, "ConvolutionKernel", "kernel"),
    ]
    return _sentence("CT", sidecars, parts)


def _mri(name: str, sidecars: Sidecars) -> str:
    parts = [
        _numbers(sidecars, "MagneticFieldStrength", "field strength", "T"),
        _texts(sidecars, "MRAcquisitionType", "acquisition"),
        _numbers(sidecars, "RepetitionTime", "repetition time", "ms", 1000),
        _echoes(sidecars),
        _numbers(sidecars, "FlipAngle", "flip angle", "°"),
        _b_values(sidecars),
        _numbers(sidecars, "SliceThickness", "slice thickness", "mm"),
        _numbers(sidecars, "SliceStep", "slice distance", "mm"),
    ]
    return _sentence(name, sidecars, parts)


def _sentence(name: str, sidecars: Sidecars, parts: Iterable[str]) -> str:
    told = "; ".join(part for part in parts if part)
    scanners = _scanners(sidecars)
    verb = "were" if name.endswith("of the scanner") else "was"
    text = f"{name} {verb} converted in {count(len(sidecars), 'examination')}"
    return text + (f", acquired on {scanners}" if scanners else "") + (f" ({told})" if told else "")


def _scanners(sidecars: Sidecars) -> str:
    """Makers and models with their numbers."""
    found = Counter(
        " ".join(
            str(part).strip()
            for part in (
                item.get("Manufacturer"),
                item.get("ManufacturerModelName", item.get("ManufacturersModelName")),
            )
            if part
        )
        for item in sidecars
    )
    unknown = found.pop("", 0)
    if not found:
        return ""
    named = [f"{plain(text)}{_of(n, len(sidecars))}" for text, n in _ordered(found)]
    if unknown:
        named.append(f"a scanner that the header does not name (n = {unknown})")
    return listing(named)


def _of(n: int, total: int) -> str:
    return "" if n == total else f" (n = {n})"


def _ordered(found: Counter[Any]) -> list[tuple[Any, int]]:
    """The commonest first; ties by name, so that the text is the same in every run."""
    return sorted(found.items(), key=lambda item: (-item[1], str(item[0])))


def _known(sidecars: Sidecars, key: str) -> list[Any]:
    return [item[key] for item in sidecars if item.get(key) not in (None, "", [])]


def _numbers(sidecars: Sidecars, key: str, name: str, unit: str, factor: float = 1.0) -> str:
    """``tube voltage 120 kV``; several values each with its number of scans, many as a range."""
    values = [round(float(value) * factor, 6) for value in _known(sidecars, key)]
    found = Counter(values)
    if not found:
        return ""
    unit = unit if unit == "°" else f" {unit}"
    if len(found) > 4:
        return f"{name} {min(values):g} to {max(values):g}{unit}"
    told = [f"{value:g}{unit}{_of(n, len(sidecars))}" for value, n in _ordered(found)]
    return f"{name} {listing(told)}"


def _range(sidecars: Sidecars, key: str, name: str, unit: str) -> str:
    """A quantity that scanners choose anew for every patient."""
    values = [float(value) for value in _known(sidecars, key)]
    if not values:
        return ""
    low, high = min(values), max(values)
    return f"{name} {low:g} {unit}" if low == high else f"{name} {low:g} to {high:g} {unit}"


def _texts(sidecars: Sidecars, key: str, name: str) -> str:
    found = Counter(str(value) for value in _known(sidecars, key))
    told = listing([f"{plain(text)}{_of(n, len(sidecars))}" for text, n in _ordered(found)])
    return f"{name} {told}" if told else ""


def _echoes(sidecars: Sidecars) -> str:
    """Number of echoes and their times."""
    trains = Counter(_milliseconds(value) for value in _known(sidecars, "EchoTime"))
    parts = []
    for train, n in _ordered(trains):
        times = ", ".join(f"{value:g}" for value in train)
        what = f"echo time {times} ms" if len(train) == 1 else f"{len(train)} echoes at {times} ms"
        parts.append(what + _of(n, len(sidecars)))
    if len(parts) > 4:
        counts = sorted({len(train) for train in trains})
        first = min(min(train) for train in trains)
        last = max(max(train) for train in trains)
        return f"{counts[0]} to {counts[-1]} echoes between {first:g} and {last:g} ms"
    return listing(parts)


def _milliseconds(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(round(1000 * float(each), 4) for each in values)


def _b_values(sidecars: Sidecars) -> str:
    found = Counter(tuple(map(float, value)) for value in _known(sidecars, "BValues"))
    parts = [
        f"{', '.join(f'{b:g}' for b in values)}{_of(n, len(sidecars))}"
        for values, n in _ordered(found)
    ]
    return f"b-values {listing(parts)} s/mm²" if parts else ""


def _conversion(facts: Facts) -> list[str]:
    """How images came from the scanner's files."""
    sources = Counter(
        str(item.get("Source")) for sidecars in facts.scans.values() for item in sidecars
    )
    found = []
    if sources["dicom"]:
        found.append(
            "DICOM series were chosen by header content, checked for missing, duplicate and "
            f"unevenly spaced slices, and converted by dcm2niix{cite('li2016')} (enhanced objects "
            "frame by frame); grid and values of the result were compared with the headers"
        )
    if sources["bids"]:
        found.append(
            "images in NIfTI format were taken as given, organised by the brain imaging data "
            f"structure (BIDS){cite('gorgolewski2016')}"
        )
    return found
