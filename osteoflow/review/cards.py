"""What there is to review of one subject: its masks with their pictures, drawn once.

A card is one mask of one subject: the image and the map made of it with all outlines, and for each
region its fingerprint, a strip of pictures, and what the measurements flagged. Pictures are kept
with the hash of what they were drawn from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.images import COMPARISONS, GRIDS, IMAGES, RATERS
from osteoflow.io.hashes import hash_file
from osteoflow.io.tables import read_rows
from osteoflow.io.volume import read_json, read_volume, sidecar_path, write_json
from osteoflow.io.whole import whole_file
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import TRABECULAR
from osteoflow.resources import ROOT
from osteoflow.seeded import is_seeded
from osteoflow.segmentation.fingerprint import WHOLE_IMAGE
from osteoflow.wording import quantity

# The map that is shown beside the image of each grid; the first one that exists.
MAPS = {
    **{"ct": ("vbmd",), "mri": ("pdff", "sff"), "t2": ("t2",), "dwi": ("adc",)},
    **{"t1w": (), "t2w": ()},
}
NAMES = {
    **{"ct": "CT", "mri": "MRI", "t2": "T2", "dwi": "DWI"},
    **{"t1w": "T1w", "t2w": "T2w"},
}
# Percentiles of an image without a unit that are shown black and white.
DARKEST, BRIGHTEST = 1.0, 99.0
CARD_JSON = "cards.json"
DRAWN_BY = ("review/cards.py", "reports/overlay.py", "reports/strip.py", "reports/views.py")
# Flags that say what a number is, not that something may be wrong with the outline.
NO_DOUBT = ("", "n/a", "thick_slices", "estimate", "outlined_part")
# Raters who agree less than this are worth a look.
LOW_DICE = 0.8


def subject_cards(files: SubjectFiles, folder: Path) -> list[dict[str, Any]]:
    """The cards of a subject; pictures are drawn unless they are there already.

    Parameters
    ----------
    files
        The subject; it has all its results.
    folder
        Where its pictures and ``cards.json`` lie.

    Returns
    -------
    list of dict
        ``subject``, ``participant_id``, ``session``, ``image``, ``rater``, ``name``, ``warnings``
        (about the mask), ``notes`` (about the image and its map), ``pictures`` (``file``, ``text``,
        ``width``, ``height``) and ``regions`` (``roi``, ``fingerprint``, ``flags``, ``picture`` or
        None).
    """
    made_of = hashlib.sha256((hash_file(files.status) + _drawn_by()).encode()).hexdigest()
    kept = folder / CARD_JSON
    if kept.exists():
        content = read_json(kept)
        if content["made_of"] == made_of:
            return content["cards"]
    shutil.rmtree(folder, ignore_errors=True)
    outlined: dict[str, list[dict[str, str]]] = {}
    for row in read_rows(files.outlined):
        if RATERS[row["item"]].reading == 1:
            outlined.setdefault(row["item"], []).append(row)
    flags = _flags(files)
    items = read_json(files.status)["items"]
    cards = []
    for item, regions in outlined.items():
        space, rater, _ = RATERS[item]
        drawn, strips = _draw(files, item, [row["roi"] for row in regions], folder)
        cards.append(
            {
                "subject": files.name,
                "participant_id": files.participant_id,
                "session": files.session,
                "image": space,
                "rater": rater,
                "name": NAMES[space] + (f", rater {rater}" if rater > 1 else ""),
                "warnings": _warnings(items, {("segment", item)}),
                "notes": _warnings(items, _behind(space)),
                "pictures": drawn,
                "regions": [
                    {
                        "roi": row["roi"],
                        "fingerprint": row["fingerprint"],
                        "flags": sorted(flags.get((space, rater, row["roi"]), ())),
                        "picture": strips.get(row["roi"]),
                    }
                    for row in regions
                ],
            }
        )
    write_json(kept, {"made_of": made_of, "cards": cards})
    return cards


def _drawn_by() -> str:
    """Hash of the code that draws."""
    digest = hashlib.sha256()
    for name in DRAWN_BY:
        digest.update((ROOT / "osteoflow" / name).read_bytes())
    return digest.hexdigest()


def _flags(files: SubjectFiles) -> dict[tuple[str, int, str], set[str]]:
    """Flags of the measurements and low overlap of raters: (space, rater, region) -> flags."""
    found: dict[tuple[str, int, str], set[str]] = {}
    for row in read_rows(files.measurements):
        if int(row["reading"]) != 1:
            continue
        image = row["image"]
        space = IMAGES[image].space if image in IMAGES else image.removeprefix("seg_")
        place = space, int(row["rater"]), row["roi"].removesuffix(TRABECULAR)
        # Without a trabecular volume the numbers of the whole body remain.
        parts = [part for part in row["flag"].split(";") if part not in NO_DOUBT]
        found.setdefault(place, set()).update(part.replace("_", " ") for part in parts)
    for row in read_rows(files.agreement):
        if row["comparison"] == COMPARISONS["_rater2"] and float(row["dice"]) < LOW_DICE:
            for rater in (1, 2):
                place = row["image"].removeprefix("seg_"), rater, row["roi"]
                found.setdefault(place, set()).add(
                    f"raters overlap by {quantity('dice', float(row['dice']))}"
                )
    return found


def _behind(space: str) -> set[tuple[str, str]]:
    """Steps and items that make an image and the map beside it."""
    return {("convert", space)} | {(IMAGES[name].step, IMAGES[name].item) for name in MAPS[space]}


def _warnings(items: list[dict[str, Any]], wanted: set[tuple[str, str]]) -> list[str]:
    """Warnings of some steps and items, each once."""
    found = [item["warnings"] for item in items if (item["step"], item["item"]) in wanted]
    return list(dict.fromkeys(text for texts in found for text in texts))


def _draw(
    files: SubjectFiles, item: str, rois: list[str], folder: Path
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Overviews of a mask's image and map, and a strip for each region; written to the folder."""
    from osteoflow.reports.overlay import ImageView, draw_overlays
    from osteoflow.reports.strip import Strips
    from osteoflow.segmentation.schemes import level_name

    space, rater, _ = RATERS[item]
    labels, voi = (read_volume(files.regions(item, kind)).data for kind in ("mask", "voi"))
    base = _base_layer(files, space, rater, labels)
    further = _map_layer(files, space)
    seeded = is_seeded(files.regions(item, "mask"))
    drawn = []
    for layer in (base, further):
        if layer is None:
            continue
        planes = ("sagittal", "axial") if layer is base and space == "ct" else ("sagittal",)
        view = ImageView(
            *(layer.name, layer.image, layer.unit, layer.window, labels, voi),
            planes=planes,
            colour_map=layer.colour_map,
            seeded=seeded,
        )
        for overlay in draw_overlays(view):
            name = f"{item}_{'map' if layer is further else 'image'}_{overlay.plane}"
            drawn.append(_keep(folder / f"{name}.png", overlay.png, overlay.text))
    strips = Strips(base, labels, voi, further)
    numbers = {level_name(n): int(n) for n in np.unique(labels[labels > 0])}
    kept = {}
    for roi in rois:
        if roi != WHOLE_IMAGE:
            overlay = strips.draw(numbers[roi], roi)
            text = overlay.text + ("; outlines seeded" if seeded else "")
            kept[roi] = _keep(folder / f"{item}_{roi}.png", overlay.png, text)
    return drawn, kept


def _keep(path: Path, png: bytes, text: str) -> dict[str, Any]:
    """Write a picture; its name, text and size."""
    with whole_file(path) as part:
        part.write_bytes(png)
    # Width and height stand at fixed places of a PNG's first chunk (ISO/IEC 15948, 11.2.1).
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return {"file": path.name, "text": text, "width": width, "height": height}


def _base_layer(files: SubjectFiles, space: str, rater: int, labels: np.ndarray) -> Any:
    """The image that was outlined; of a stack of echoes or weightings the first one."""
    from osteoflow.reports.strip import Layer
    from osteoflow.reports.views import LOOKS

    path = next(p for name in GRIDS[space] if (p := files.image(name)).exists())
    image = read_volume(path, float)
    if image.data.ndim == 4:
        image = image.like(image.data[..., 0])
    name = NAMES[space] + (f" (rater {rater})" if rater > 1 else "")
    if space == "ct":
        return Layer(name, image, "HU", LOOKS["ct"].window)
    return Layer(name, image, "a.u.", _signal_window(image.data, labels))


def _signal_window(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Window of a magnitude image without a unit, for what lies around the outlined regions."""
    corners = [(i.min(), i.max() + 1) for i in np.nonzero(labels)]
    around = values[tuple(slice(low, high) for low, high in corners)]
    low, high = np.nanpercentile(around, [DARKEST, BRIGHTEST])
    return float(low), float(high if high > low else low + 1)


def _map_layer(files: SubjectFiles, space: str) -> Any:
    """The map beside the image, or None."""
    from osteoflow.reports.strip import Layer
    from osteoflow.reports.views import LOOKS

    for name in MAPS[space]:
        path = files.image(name)
        if path.exists():
            unit = read_json(sidecar_path(path))["Units"]
            look = LOOKS[name]
            label = IMAGES[name].label
            return Layer(label, read_volume(path, float), unit, look.window, look.colours)
    return None


def as_json(content: Any) -> str:
    """JSON that may stand inside a ``<script>``: nothing in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
