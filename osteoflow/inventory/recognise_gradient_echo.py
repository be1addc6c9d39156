"""Which images of a study give a fat fraction, decided by header content alone.

Best are multi-echo gradient echoes with phase; then such without; then the two echoes of a Dixon
acquisition; and where nothing was measured, the water, fat or fat-fraction images of the scanner.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.echoes import (
    Echoes,
    acquisition_key,
    check_counts,
    check_numbers,
    check_series,
    echo_seconds,
    images_of_a_slice,
    in_order,
)
from osteoflow.inventory.scanner_maps import choose_scanner_maps, map_kind
from osteoflow.inventory.series import Header, as_list, count_images, image_kind, multi_frame
from osteoflow.io.dixon_times import are_dixon_times, field_of, not_dixon
from osteoflow.io.vendor import COMPONENTS, OTHER

MIN_ECHOES = 3
UNKNOWN = "unknown"
# What GE writes instead of the sequence where it was installed for research.
RESEARCH_SEQUENCE = "RM"
PAIRS = (("mag", "phase"), ("real", "imag"))
KINDS = ("complex", "magnitude", "dixon")
"""Of measured echoes, the best first."""

# Image Type of the measured echoes of some Dixon sequences, instead of M.
ECHO_WORDS = {"IN_PHASE", "OUT_PHASE", "OPP_PHASE", "OUT_OF_PHASE", "OPPOSED_PHASE"}
CONVERT = "Convert it to BIDS with part-mag and part-phase in the file names."
ONLY_ONE = "Leave only the acquisition to be measured in the folder."


@dataclass(frozen=True)
class FatWaterImages:
    """The images of one acquisition.

    Attributes
    ----------
    kind
        ``complex``, ``magnitude``, ``dixon`` or ``scanner_maps``.
    parts
        ``{"mag": {echo time in s: [names]}, "phase": {...}}`` (or ``real`` and ``imag``, or
        ``mag`` alone); empty for scanner maps.
    maps
        ``{"pdff": [names]}``, or ``water`` and ``fat``; empty for measured echoes.
    """

    kind: str
    parts: dict[str, Echoes] = field(default_factory=dict)
    maps: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class _Acquisition:
    """Gradient-echo images that share their acquisition, by part."""

    parts: dict[str, Echoes]
    unknown: Echoes
    tesla: float | None

    @property
    def echoes(self) -> int:
        return max(map(len, self.parts.values()), default=0)

    @property
    def times(self) -> list[float]:
        """Echo times of the part that has most."""
        return sorted(max(self.parts.values(), key=len, default={}))

    @property
    def kind(self) -> str | None:
        if self.echoes >= MIN_ECHOES:
            return "magnitude" if set(self.parts) == {"mag"} else "complex"
        return "dixon" if are_dixon_times(self.times, self.tesla) else None


def choose_multi_echo(headers: dict[str, Header]) -> dict[str, Echoes] | None:
    """Parts of the measured echoes that :func:`choose_fat_water` chooses, or None."""
    found = choose_fat_water(headers, [])
    return None if found is None or not found.parts else found.parts


def choose_fat_water(headers: dict[str, Header], warnings: list[str]) -> FatWaterImages | None:
    """The one acquisition that is best for a fat fraction, or None where there is none.

    Parts are told apart image by image, so that magnitude and phase may share a series or a file.

    Parameters
    ----------
    headers
        Name -> header, as in :class:`osteoflow.inventory.folder.Folder`: of a file, or of frames.
    warnings
        Sentences on images that are left aside are added.

    Raises
    ------
    SubjectDataError
        ``mri_ambiguous`` where several acquisitions of the best kind fit, ``mri_phase_missing``
        where one has a part of its complex images only, ``mri_parts_unknown`` where the headers do
        not tell the parts apart, ``echoes_unequal`` where the echoes of its parts or their images
        differ, ``echo_missing``, ``echo_time_missing``, ``maps_unequal``,
        ``multiframe_unsupported``.
    """
    found, frames, timeless = _acquisitions(headers)
    usable = [acquisition for acquisition in found if acquisition.kind is not None]
    warnings += [
        not_dixon(one.times, one.tesla) for one in found if one.kind is None and one.echoes == 2
    ]
    if not usable:
        _explain_unknown(found)
        if (maps := choose_scanner_maps(headers, warnings)) is not None:
            return FatWaterImages("scanner_maps", maps=maps)
        _explain_none(frames, timeless)
        return None
    best = min((one.kind for one in usable), key=KINDS.index)
    fitting = [one for one in usable if one.kind == best]
    if len(fitting) > 1:
        counts = "; ".join(f"{one.echoes} echoes" for one in fitting)
        raise SubjectDataError(
            "mri_ambiguous",
            f"{len(fitting)} multi-echo gradient-echo acquisitions fit: {counts}",
            ONLY_ONE,
        )
    (chosen,) = fitting
    parts = _checked_parts(chosen, headers)
    if others := [one for one in usable if one is not chosen]:
        listed = ", ".join(f"{one.echoes} echoes ({one.kind})" for one in others)
        warnings.append(
            f"other_fat_water_images: beside the {best} acquisition that is used, others were left "
            f"out: {listed}"
        )
    if maps := [name for name, header in headers.items() if map_kind(header) is not None]:
        warnings.append(
            f"scanner_maps_ignored: {count_images(headers, maps)} water, fat or fat-fraction "
            "images that the scanner made are not used, because the echoes were measured"
        )
    return FatWaterImages(best, parts)


def _acquisitions(headers: dict[str, Header]) -> tuple[list[_Acquisition], bool, int]:
    """Acquisitions, whether there are frames nobody can place, and images without echo time."""
    groups: dict[tuple[Any, ...], dict[str, Echoes]] = defaultdict(dict)
    fields: dict[tuple[Any, ...], float | None] = {}
    unnamed: set[tuple[Any, ...]] = set()
    frames = False
    timeless = 0
    for name, header in headers.items():
        if not _is_gradient_echo(header):
            frames |= header.get("Modality") == "MR" and bool(header.get("MultiFrame"))
            continue
        # Combined echoes state 0, as some susceptibility-weighted images do.
        if not header.get("EchoTime", 0) > 0:
            timeless += header.get("FrameCount", 1)
            continue
        key = acquisition_key(header)
        if _is_research(header):
            unnamed.add(key)
        fields.setdefault(key, field_of(header))
        groups[key].setdefault(_part(header), {}).setdefault(echo_seconds(header), []).append(name)
    for key in unnamed:
        # Complex images alone make it likely to be the one that is looked for.
        if not any(part in groups[key] for part in ("phase", "real", "imag")):
            del groups[key]
    found = [
        _Acquisition(parts, parts.pop(UNKNOWN, {}), fields[key]) for key, parts in groups.items()
    ]
    return found, frames, timeless


def _part(header: Header) -> str:
    part = header.get("Component")
    if part is None and ECHO_WORDS.intersection(image_kind(header)):
        return "mag"
    return part or UNKNOWN


def _checked_parts(chosen: _Acquisition, headers: dict[str, Header]) -> dict[str, Echoes]:
    """The parts to be used, complete and equal."""
    for pair in PAIRS:
        if all(part in chosen.parts for part in pair):
            found = {part: in_order(chosen.parts[part]) for part in pair}
            _check_echoes(found, headers)
            return found
    if set(chosen.parts) != {"mag"}:
        raise SubjectDataError(
            "mri_phase_missing",
            f"a multi-echo acquisition was found with {', '.join(sorted(chosen.parts))} images "
            "only",
            "Export the magnitude and the phase images, or the real and the imaginary ones.",
        )
    echoes = chosen.parts["mag"]
    if echoes.keys() & chosen.unknown.keys():
        raise _parts_unknown(len(echoes))
    found = {"mag": in_order(echoes)}
    _check_echoes(found, headers)
    # Phase images that call themselves magnitude would be fitted as signal.
    most = max(images_of_a_slice(headers, names) for names in echoes.values())
    if most > 1:
        raise SubjectDataError(
            "mri_parts_unknown",
            f"an echo has {most} images of the same slice, all called magnitude: one may be the "
            "phase, or a repetition",
            f"Leave one image of each slice and echo in the folder. {CONVERT}",
        )
    return found


def _parts_unknown(echoes: int) -> SubjectDataError:
    return SubjectDataError(
        "mri_parts_unknown",
        f"a gradient-echo acquisition with {echoes} echoes was found, but its headers do not "
        "say which images are magnitude and which phase",
        CONVERT,
    )


def _explain_unknown(found: list[_Acquisition]) -> None:
    """Echoes were measured, but nobody can tell what they show."""
    unknown = [
        one
        for one in found
        if len(one.unknown) >= MIN_ECHOES or are_dixon_times(list(one.unknown), one.tesla)
    ]
    if unknown:
        raise _parts_unknown(max(len(one.unknown) for one in unknown))


def _explain_none(frames: bool, timeless: int) -> None:
    """Why gradient-echo images that are there cannot be used; nothing where there are none."""
    if frames:
        raise multi_frame("MR")
    if timeless:
        raise SubjectDataError(
            "echo_time_missing",
            f"{timeless} gradient-echo images state no echo time, or 0 ms, as combined echoes do",
            "Export the images of the single echoes, not those made from all of them.",
        )


def _check_echoes(parts: dict[str, Echoes], headers: dict[str, Header]) -> None:
    """All parts have the same echoes, each echo as many images, from one acquisition."""
    both = ", of both the magnitude and the phase images" if len(parts) > 1 else " again"
    first, *others = parts
    for other in others:
        if list(parts[first]) != list(parts[other]):
            raise SubjectDataError(
                "echoes_unequal",
                f"{first} has {len(parts[first])} echoes and {other} {len(parts[other])}, not all "
                "at equal times",
                "Export every echo of both the magnitude and the phase images.",
            )
    check_numbers(parts[first], headers, f"Export every echo{both}.")
    check_series(parts, headers, "mri_ambiguous", ONLY_ONE)
    check_counts(parts, headers, f"Export every slice of every echo{both}.")


def _is_gradient_echo(header: Header) -> bool:
    """A gradient-echo MR image as measured, in grey values."""
    if header.get("Modality") != "MR" or header.get("MultiFrame"):
        return False
    sequence = as_list(header.get("ScanningSequence"))
    # Echo-planar images have several echoes for other reasons than the fat fraction.
    if "EP" in sequence or not {"GR", RESEARCH_SEQUENCE}.intersection(sequence):
        return False
    if header.get("Component") == OTHER or header.get("SamplesPerPixel", 1) != 1:
        return False
    if map_kind(header) is not None:
        return False
    named = str(header.get("ComplexImageComponent", "")).upper() in COMPONENTS
    return named or "DERIVED" not in image_kind(header)[:1]


def _is_research(header: Header) -> bool:
    """Whether the sequence has no name but GE's for research: it may be any."""
    return "GR" not in as_list(header.get("ScanningSequence"))
