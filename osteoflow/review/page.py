"""The page on which masks and maps are reviewed: one HTML file that works without a server.

Pictures are embedded where they are few, so that the file can be handed on by itself; those of a
large cohort lie in a folder beside it and are loaded when they are looked at. Nothing is loaded
from elsewhere, and the page runs no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from osteoflow.inventory.build import study_salt
from osteoflow.io.whole import write_text
from osteoflow.layout import INVENTORY, SUBJECTS, SubjectFiles
from osteoflow.review.cards import CARD_JSON, as_json, subject_cards
from osteoflow.review.table import COLUMNS, REVIEW_TSV, Decision, read_review
from osteoflow.segmentation.fingerprint import WHOLE_IMAGE
from osteoflow.subjects import SubjectsTable

FOLDER = Path("results") / "review"
PICTURES = "pictures"
# Up to so many bytes of pictures, the page holds them itself: about ten subjects.
EMBEDDED_BYTES = 8_000_000
REASONS = (
    "mask leaks into disc or soft tissue",
    "mask too small",
    "wrong name of the level",
    "fractured vertebra",
    "metal or cement",
    "osteophytes or sclerosis",
    "motion or ghosting",
    "water-fat swap",
    "wrong series",
)


@dataclass(frozen=True)
class WrittenPage:
    """Where the page lies, what it shows, and whether it is complete in itself."""

    path: Path
    subjects: int
    regions: int
    decisions: int
    embedded: bool
    left_aside: tuple[tuple[str, str], ...]


def write_review(
    study: Path,
    title: str,
    table: SubjectsTable,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
    embedded_bytes: int = EMBEDDED_BYTES,
) -> WrittenPage:
    """Write ``results/review/index.html`` of a study with all subjects that have results.

    Pictures of subjects whose results are as they were are not drawn again.

    Parameters
    ----------
    study
        Study folder.
    title
        Its title.
    table
        Its subjects table.
    processes
        Subjects drawn in parallel.
    progress
        Called with (subjects done, subjects in all).
    embedded_bytes
        Bytes of pictures up to which the page holds them itself.

    Raises
    ------
    StudyError
        Mistakes in ``config/review.tsv``.
    """
    review = study / REVIEW_TSV
    decisions = read_review(review, table) if review.exists() else []
    folder = study / FOLDER
    pictures = folder / PICTURES
    found = [SubjectFiles(study / SUBJECTS / subject.name) for subject in table.subjects]
    done = [files for files in found if files.status.exists() and files.outlined.exists()]
    cards = _all_cards(done, pictures, processes, progress)
    _remove_stale(pictures, {files.name for files in done})
    with_cards = {card["subject"] for card in cards}
    aside = [
        (files.name, "no usable mask" if files.status.exists() else "no results yet")
        for files in found
        if files.name not in with_cards
    ]
    size = sum(path.stat().st_size for path in pictures.rglob("*.png"))
    embedded = size <= embedded_bytes
    content = page_content(title, study_id(study), cards, decisions, aside, REASONS)
    write_text(folder / "index.html", render_page(content, pictures if embedded else None))
    regions = sum(region["roi"] != WHOLE_IMAGE for card in cards for region in card["regions"])
    return WrittenPage(
        folder / "index.html", len(with_cards), regions, len(decisions), embedded, tuple(aside)
    )


def study_id(study: Path) -> str:
    """What tells this study's decisions from those of others in a browser's storage: a hash of
    the study's secret, the same for as long as the study lives."""
    salt = study_salt(study / INVENTORY)
    return hashlib.sha256(f"review {salt}".encode()).hexdigest()[:16]


def page_content(
    title: str,
    identity: str,
    cards: Sequence[dict[str, Any]],
    decisions: Iterable[Decision],
    aside: Iterable[tuple[str, str]] = (),
    reasons: Sequence[str] = REASONS,
) -> dict[str, Any]:
    """Everything that the page's script works on.

    Parameters
    ----------
    title, identity
        Of the study.
    cards
        Of all subjects, from :func:`osteoflow.review.cards.subject_cards`.
    decisions
        Those made so far.
    aside
        (subject, reason) of subjects with nothing to review.
    reasons
        Offered for a rejection.
    """
    rows = [
        {**asdict(decision), "session": decision.session or "n/a", "rater": str(decision.rater)}
        for decision in decisions
    ]
    digest = hashlib.sha256(as_json(rows).encode()).hexdigest()[:16]
    return {
        "title": title,
        "study": identity,
        "columns": list(COLUMNS),
        "decisions": rows,
        "digest": digest,
        "cards": list(cards),
        "aside": [list(pair) for pair in aside],
        "reasons": list(reasons),
        "whole": WHOLE_IMAGE,
    }


def render_page(content: dict[str, Any], embed_from: Path | None) -> str:
    """The page as HTML.

    Parameters
    ----------
    content
        From :func:`page_content`.
    embed_from
        Folder with the pictures of each subject, which are then part of the page; None: the page
        finds them in the folder beside it.
    """
    from markupsafe import Markup

    from osteoflow.reports.html import environment

    templates = environment()
    script = templates.loader.get_source(templates, "review.js.j2")[0]
    cards = [_with_sources(card, embed_from) for card in content["cards"]]
    # The browser runs this script alone, whatever a comment or a name holds.
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return templates.get_template("review.html.j2").render(
        title=content["title"],
        reasons=content["reasons"],
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{allowed}",
        data=Markup(as_json({**content, "cards": cards})),  # noqa: S704
    )


def _with_sources(card: dict[str, Any], embed_from: Path | None) -> dict[str, Any]:
    """A card whose pictures have an address instead of a file name."""

    def address(picture: dict[str, Any] | None) -> dict[str, Any] | None:
        if picture is None:
            return None
        if embed_from is None:
            src = f"{PICTURES}/{card['subject']}/{picture['file']}"
        else:
            png = (embed_from / card["subject"] / picture["file"]).read_bytes()
            src = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        return {"src": src, **{k: picture[k] for k in ("text", "width", "height")}}

    regions = [{**r, "picture": address(r["picture"])} for r in card["regions"]]
    return {**card, "pictures": [address(p) for p in card["pictures"]], "regions": regions}


def _all_cards(
    done: Sequence[SubjectFiles],
    pictures: Path,
    processes: int,
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, Any]]:
    work = partial(_cards_of, pictures)
    cards: list[dict[str, Any]] = []
    if processes > 1 and len(done) > 1:
        with ProcessPoolExecutor(processes) as pool:
            return _collect(pool.map(work, done, chunksize=1), len(done), progress, cards)
    return _collect(map(work, done), len(done), progress, cards)


def _collect(
    results: Iterable[list[dict[str, Any]]],
    total: int,
    progress: Callable[[int, int], None] | None,
    cards: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    for number, found in enumerate(results, 1):
        cards += found
        if progress is not None:
            progress(number, total)
    return cards


def _cards_of(pictures: Path, files: SubjectFiles) -> list[dict[str, Any]]:
    return subject_cards(files, pictures / files.name)


def _remove_stale(pictures: Path, subjects: set[str]) -> None:
    """Pictures of subjects that are no longer in the study, or have no results any more."""
    for path in pictures.glob(f"*/{CARD_JSON}"):
        if path.parent.name not in subjects:
            shutil.rmtree(path.parent)
