"""What changed between two looks at a subject's raw data, in words and without paths."""

from __future__ import annotations

import json
from typing import Any

KINDS = {
    "ct": "CT",
    "mri": "MRI",
    "t2": "T2 MRI",
    "dwi": "diffusion MRI",
    "t1w": "T1-weighted MRI",
    "t2w": "T2-weighted MRI",
    "masks": "mask",
}


def describe_change(before: str, after: dict[str, Any]) -> str:
    """Counts of files that changed, came and went, by kind.

    Parameters
    ----------
    before
        The inventory's file of the subject as it was, JSON; empty at first sight.
    after
        Its new content.
    """
    if not before:
        return "seen for the first time"
    earlier = json.loads(before)
    words = [
        text
        for key, kind in KINDS.items()
        if key in after
        and (text := _files_words(kind, listed_files(earlier.get(key)), listed_files(after[key])))
    ]
    if earlier.get("problems") != after.get("problems"):
        words.append("what can be used changed")
    if earlier.get("warnings") != after.get("warnings"):
        words.append("other warnings")
    return "; ".join(words) or "what is known of the data changed"


def listed_files(content: Any, fact: str = "sha256") -> dict[str, Any]:
    """Path -> hash (or another fact) of every file below; a missing file has none."""
    found: dict[str, Any] = {}
    if isinstance(content, dict):
        if "path" in content:
            found[content["path"]] = content.get(fact)
        for value in content.values():
            found |= listed_files(value, fact)
    elif isinstance(content, list):
        for value in content:
            found |= listed_files(value, fact)
    return found


def _files_words(kind: str, before: dict[str, str | None], after: dict[str, str | None]) -> str:
    counts = {
        "changed": sum(after[path] != before[path] for path in before.keys() & after.keys()),
        "new": len(after.keys() - before.keys()),
        "gone": len(before.keys() - after.keys()),
    }
    stated = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{kind} files: {stated}" if stated else ""
