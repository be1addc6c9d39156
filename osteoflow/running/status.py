"""The subject x step table: done, excluded and why, failed, or not run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from osteoflow.io.volume import read_json
from osteoflow.io.whole import write_text
from osteoflow.layout import (
    BACK_ENDS,
    INVENTORY,
    MODALITY_OF_STEP,
    STEPS,
    SUBJECTS,
    SubjectFiles,
)
from osteoflow.running.events import JobEnd, failures
from osteoflow.running.failed import left_out

STATUS_TSV = Path("results") / "status.tsv"
# Steps that wait for each step; after a failure, what they made before is out of date.
FOLLOWING = {
    "convert": STEPS[1:],
    **dict.fromkeys(BACK_ENDS, ("segment", "extract_radiomics", "measure")),
    "segment": ("extract_radiomics", "measure"),
    "map_mri": ("extract_radiomics", "measure"),
    "calibrate_ct": ("extract_radiomics", "measure"),
    "extract_radiomics": ("measure",),
    "measure": (),
}


def status_rows(study: Path, index: list[dict[str, str]]) -> list[dict[str, str]]:
    """One row per subject, a column per step.

    Parameters
    ----------
    study
        Study folder.
    index
        Rows of ``results/inventory/inventory.tsv``.

    Returns
    -------
    Rows with ``subject``, ``inventory`` and every step: ``done``, ``done; ct excluded:
    missing_slice``, ``excluded: <modality> <code>``, ``failed: see <log>``, ``not run``, or
    ``no data`` where the subject has no images for the step. A segmentation program has a column
    where any subject was given to it, with ``not needed`` for the others.
    """
    failed = {(end.rule, end.subject): end for end in failures(study)}
    # In a study in batches the shards' runs failed, not its own.
    for row in left_out(study):
        end = JobEnd(row["step"], row["subject"], row["log"], "failed")
        failed.setdefault((end.rule, end.subject), end)
    excluded = _inventory_exclusions(study)
    steps = _steps(study, index, failed)
    rows = []
    for entry in index:
        name = entry["subject"]
        row = {"subject": name, "inventory": excluded.get(name, "done")}
        for step in steps:
            row[step] = _cell(study, entry, step, failed)
        rows.append(row)
    return rows


def _steps(
    study: Path, index: list[dict[str, str]], failed: dict[tuple[str, str], JobEnd]
) -> list[str]:
    """All steps, but of the segmentation programs only those that any subject was given to."""
    subjects = [SubjectFiles(study / SUBJECTS / entry["subject"]) for entry in index]
    used = {rule for rule, _ in failed} | {
        name for name in BACK_ENDS if any(files.folder(name).is_dir() for files in subjects)
    }
    return [step for step in STEPS if step not in BACK_ENDS or step in used]


def write_status(study: Path, rows: list[dict[str, str]]) -> Path:
    """Write ``results/status.tsv``."""
    columns = list(rows[0]) if rows else ["subject", "inventory"]
    lines = ["\t".join(columns)] + ["\t".join(row[column] for column in columns) for row in rows]
    path = study / STATUS_TSV
    write_text(path, "\n".join(lines) + "\n")
    return path


def status_summary(rows: list[dict[str, str]]) -> list[str]:
    """Per step, how many subjects are in which state."""
    lines = []
    for step in list(rows[0])[1:] if rows else ():
        counts = Counter(_state(row[step]) for row in rows)
        lines.append(f"{step:18s} " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    return lines


def _state(cell: str) -> str:
    if cell.startswith("done;"):
        return "done with exclusions"
    return cell.partition(":")[0]


def _cell(
    study: Path, entry: dict[str, str], step: str, failed: dict[tuple[str, str], JobEnd]
) -> str:
    name = entry["subject"]
    if "yes" not in (entry["ct"], entry["mri"]):
        return "no data"
    if step in MODALITY_OF_STEP and entry[MODALITY_OF_STEP[step]] != "yes":
        return "no data"
    end = failed.get((step, name))
    if end is not None:
        return f"failed: see {end.log}"
    waits = any(step in FOLLOWING[rule] for rule, subject in failed if subject == name)
    path = SubjectFiles(study / SUBJECTS / name).status_of(step)
    if not waits and step in BACK_ENDS and not path.exists():
        segmented = SubjectFiles(study / SUBJECTS / name).status_of("segment").exists()
        return "not needed" if segmented else "not run"
    if waits or not path.exists():
        return "not run"
    return "done" if step == "measure" else _ended(step, read_json(path)["items"])


def _ended(step: str, items: list[dict[str, Any]]) -> str:
    """How a step ended: what it excluded itself, and what was excluded before it."""
    reasons = []
    items = [item for item in items if item["item"] != "inventory"]
    for item in items:
        if item["status"] == "excluded":
            own = item["origin"] == step
            reasons.append(f"{item['item']} {item['code'] if own else 'at ' + item['origin']}")
    usable = any(item["status"] == "ok" for item in items)
    if not reasons:
        return "done" if usable else "no data"
    listed = ", ".join(reasons)
    return f"done; excluded: {listed}" if usable else f"excluded: {listed}"


def _inventory_exclusions(study: Path) -> dict[str, str]:
    from osteoflow.io.tables import read_rows

    found: dict[str, list[str]] = {}
    for row in read_rows(study / INVENTORY / "exclusions.tsv"):
        name = SubjectFiles.named(row["participant_id"], row["session"])
        found.setdefault(name, []).append(f"{row['modality']} {row['code']}")
    return {name: "excluded: " + ", ".join(codes) for name, codes in found.items()}
