"""A study whose results are made by hand: small CT volumes with two outlined vertebrae."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from osteoflow.io.hashes import hash_file
from osteoflow.io.tables import MEASUREMENT_COLUMNS, write_rows
from osteoflow.io.volume import Volume, write_json, write_volume
from osteoflow.layout import SubjectFiles
from osteoflow.measurements import TRABECULAR
from osteoflow.segmentation.fingerprint import REGION_COLUMNS, region_rows
from osteoflow.segmentation.readings import AGREEMENT_COLUMNS
from osteoflow.segmentation.schemes import level_name
from osteoflow.segmentation.voi import trabecular_voi

L1, L2 = 20, 21
AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])
SHAPE = (36, 40, 50)
CONFIG = "study:\n  title: {title}\n"
TABLE = "participant_id\tdicom\tage\nsub-01\traw/1\t61\nsub-02\traw/2\t72\nsub-03\traw/3\t55\n"


def vertebrae(shift: int = 0) -> Volume:
    """L1 above L2; ``shift`` moves L2 forwards by voxels."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:28, 12:30, 28:44] = L1
    labels[8:28, 12 + shift : 30 + shift, 6:22] = L2
    return Volume(labels, AFFINE)


def write_subject(
    study: Path,
    name: str,
    *,
    shift: int = 0,
    second_rater: bool = False,
    flag: str = "",
    warning: str = "",
) -> SubjectFiles:
    """Results of one subject: CT, masks, bone density map, measurements and status."""
    files = SubjectFiles(study / "results" / "subjects" / name)
    labels = vertebrae(shift)
    noise = np.random.default_rng(5).normal(0, 20, SHAPE)
    # A corrected outline on the image as it was.
    image = labels.like(np.where(vertebrae().data > 0, 250, 40) + noise)
    for space in ("ct", "vbmd"):
        values = image.data if space == "ct" else image.data * 0.8
        about = {"Units": "HU" if space == "ct" else "mg/cm3 K2HPO4", "Method": "made up"}
        write_volume(files.image(space), image.like(values.astype(np.float32)), about)
    regions, rows = [], []
    for item in ("ct", "ct_rater2") if second_rater else ("ct",):
        voi, _ = trabecular_voi(labels, 3.0)
        write_volume(files.regions(item, "mask"), labels, {"Units": "VerSe label"})
        write_volume(files.regions(item, "voi"), voi)
        regions += region_rows(item, image, labels, voi)
        rows += measured(files, image, voi, 2 if item.endswith("2") else 1, flag)
    write_rows(files.outlined, REGION_COLUMNS, regions)
    write_rows(files.measurements, MEASUREMENT_COLUMNS, rows)
    about = {"comparison": "inter_rater", "image": "seg_ct", "dice": 0.91}
    agreement = [{**about, "roi": roi} for roi in ("L1", "L2")] if second_rater else []
    write_rows(files.agreement, AGREEMENT_COLUMNS, agreement)
    warnings = [warning] if warning else []
    items = [
        {"step": "convert", "item": "ct", "status": "ok", "warnings": []},
        {"step": "segment", "item": "ct", "status": "ok", "warnings": warnings},
        {"step": "calibrate_ct", "item": "vbmd", "status": "ok", "warnings": []},
    ]
    hashes = {path: hash_file(found) for path, found in files.made()}
    write_json(files.status, {"subject": name, "items": items, "files": hashes})
    return files


def measured(
    files: SubjectFiles, image: Volume, voi: Volume, rater: int, flag: str
) -> list[dict[str, object]]:
    """Trabecular means of both levels and of the two together; L2 carries the flag."""
    rows = []
    identity = {
        "participant_id": files.participant_id,
        "session": "n/a",
        "rater": rater,
        "reading": 1,
    }
    about = {"image": "vbmd", "metric": "vbmd_mean", "unit": "mg/cm3 K2HPO4"}
    for label in (L1, L2):
        values = 0.8 * image.data[voi.data == label]
        rows.append(
            {
                **identity,
                **about,
                "roi": level_name(label) + TRABECULAR,
                "value": float(values.mean()),
                "method": "made up",
                "n_voxels": values.size,
                "flag": flag if label == L2 else "",
            }
        )
    mean = float(np.mean([row["value"] for row in rows]))
    more = {"roi": "L1-L2" + TRABECULAR, "value": mean, "method": "made up; mean of levels"}
    n_voxels = sum(row["n_voxels"] for row in rows)
    return [*rows, {**rows[0], **more, "n_voxels": n_voxels, "flag": flag}]


def write_study(folder: Path, title: str = "Reviewed study") -> Path:
    """A study of three, of whom two have results; sub-02's L2 is flagged."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text(CONFIG.format(title=title), encoding="utf-8")
    (folder / "config" / "subjects.tsv").write_text(TABLE, encoding="utf-8")
    inventory = folder / "results" / "inventory"
    inventory.mkdir(parents=True)
    (inventory / "salt").write_text("0123456789abcdef\n", encoding="ascii")
    write_subject(folder, "sub-01", second_rater=True)
    write_subject(folder, "sub-02", flag="few_voxels", warning="labels 99 ignored")
    return folder
