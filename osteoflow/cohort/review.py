"""What a review decided on every region: accepted, rejected, not decided, or on something else."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from osteoflow.images import RATERS, modality_of
from osteoflow.io.tables import read_rows
from osteoflow.layout import SubjectFiles
from osteoflow.review.table import ACCEPT, COMMENT, REJECT, Decision, read_review
from osteoflow.segmentation.fingerprint import WHOLE_IMAGE
from osteoflow.segmentation.structures import structure_names
from osteoflow.subjects import SubjectsTable

if TYPE_CHECKING:
    import pandas as pd

STEP = "review"
REJECTED = "rejected_in_review"
ALL_REJECTED = "every_level_rejected"
HINT = "Correct the mask or the image, run again, and review what is new."
# States of a region in `results/cohort/review.tsv`.
ACCEPTED_STATE, REJECTED_STATE, OPEN_STATE = "accepted", "rejected", "undecided"
REVIEW_COLUMNS = (
    *("participant_id", "session", "image", "rater", "roi", "state"),
    *("decided_on", "reviewer", "comment", "note"),
)
STALE, GONE = "stale", "gone"


@dataclass(frozen=True)
class LeftOut:
    """A region that the cohort does not use, and why.

    ``item`` is the mask it was outlined in (one of :data:`osteoflow.images.RATERS`); ``roi`` may
    be ``all``.
    """

    participant_id: str
    session: str
    item: str
    roi: str
    code: str
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """``ct L2``; of a whole image, ``ct``."""
        return self.item if self.roi == WHOLE_IMAGE else f"{self.item} {self.roi}"


@dataclass(frozen=True)
class Outlined:
    """One region of a subject as it is now, with its fingerprint."""

    participant_id: str
    session: str
    item: str
    roi: str
    fingerprint: str

    @property
    def subject(self) -> str:
        """``sub-01`` or ``sub-01_ses-1``."""
        return self.participant_id + (f"_ses-{self.session}" if self.session else "")


def outlined_regions(files: SubjectFiles) -> list[Outlined]:
    """Every region of a subject's masks of first readings, each mask's ``all`` first."""
    return [
        Outlined(files.participant_id, files.session, row["item"], row["roi"], row["fingerprint"])
        for row in read_rows(files.outlined)
        if RATERS[row["item"]].reading == 1
    ]


@dataclass(frozen=True)
class Reviewed:
    """A review set against the regions as they are.

    Attributes
    ----------
    rows
        One per region, columns :data:`REVIEW_COLUMNS`: ``state``; ``decided_on`` (``region`` or
        ``image``); ``note``: ``stale`` where a decision was made on something else than what is
        there now, ``gone`` (in a row of its own) where the region is no longer there.
    left_out
        Regions that were rejected.
    images_out
        (subject, item) of images of which nothing is left, with the region that stands for it.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    images_out: dict[tuple[str, str], LeftOut] = field(default_factory=dict)

    @property
    def places(self) -> list[tuple[str, str, str, str]]:
        """Participant, session, mask and region of everything rejected."""
        return [(out.participant_id, out.session, out.item, out.roi) for out in self.left_out]

    def table(self) -> pd.DataFrame:
        """The rows as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(REVIEW_COLUMNS))

    def status_items(self) -> dict[str, list[dict[str, Any]]]:
        """Images of which nothing is left, by subject, as items of a step's status."""
        found: dict[str, list[dict[str, Any]]] = {}
        for (subject, item), out in self.images_out.items():
            found.setdefault(subject, []).append(
                {
                    "step": STEP,
                    "item": item,
                    "status": "excluded",
                    "origin": STEP,
                    "code": out.code,
                    "message": out.message,
                    "hint": out.hint,
                    "warnings": [],
                }
            )
        return found

    def exclusions(self) -> list[dict[str, Any]]:
        """Single regions that were rejected, as rows of the exclusions table."""
        return [
            {
                "participant_id": out.participant_id,
                "session": out.session or None,
                "modality": modality_of(out.item),
                "step": STEP,
                "item": out.place,
                "code": out.code,
                "message": out.message,
                "hint": out.hint,
            }
            for out in self.left_out
            if out.roi != WHOLE_IMAGE
        ]


def review_cohort(path: str | None, table: SubjectsTable, done: Sequence[SubjectFiles]) -> Reviewed:
    """The decisions of a study set against the regions of its subjects.

    Decisions that no longer hold are warned about.

    Parameters
    ----------
    path
        ``config/review.tsv``; None without a review: every region is undecided.
    table
        The subjects table.
    done
        Subjects with results. Decisions on others wait for these.

    Raises
    ------
    StudyError
        Mistakes in the table of decisions.
    """
    names = {files.name for files in done}
    decisions = [] if path is None else read_review(path, table)
    reviewed = judge(
        (region for files in done for region in outlined_regions(files)),
        [decision for decision in decisions if decision.subject in names],
    )
    for sentence in review_warnings(reviewed.rows):
        logging.warning("review: %s", sentence)
    return reviewed


def judge(outlined: Iterable[Outlined], decisions: Sequence[Decision]) -> Reviewed:
    """Set the decisions against the regions that are there.

    A region's own decision counts before that on the image as a whole, except that an image that
    was rejected is rejected with everything in it. A decision whose fingerprint is not that of
    the region as it is now decides nothing: the region is undecided again.
    """
    made: dict[tuple[str, str, str], list[Decision]] = {}
    for decision in decisions:
        made.setdefault(decision.region, []).append(decision)
    images: dict[tuple[str, str], list[Outlined]] = {}
    for region in outlined:
        images.setdefault((region.subject, region.item), []).append(region)
    result = Reviewed()
    for regions in images.values():
        _judge_image(regions, made, result)
    known = {(r.subject, r.item, r.roi) for regions in images.values() for r in regions}
    for region, found in made.items():
        if region not in known:
            result.rows.append(_row(found[-1], "", "", found[-1:], GONE))
    return result


def _judge_image(
    regions: Sequence[Outlined],
    made: Mapping[tuple[str, str, str], list[Decision]],
    result: Reviewed,
) -> None:
    """Rows and rejections of one mask of one subject."""
    found = {r.roi: made.get((r.subject, r.item, r.roi), []) for r in regions}
    current = {r.roi: [d for d in found[r.roi] if d.fingerprint == r.fingerprint] for r in regions}
    whole = _deciding(current.get(WHOLE_IMAGE, []))
    rejected_levels, levels = [], []
    for region in regions:
        own = _deciding(current[region.roi])
        inherits = whole and (not own or whole[0].decision == REJECT)
        deciding, on = (whole, "image") if inherits else (own, "region" if own else "")
        state = OPEN_STATE
        if deciding:
            state = ACCEPTED_STATE if deciding[0].decision == ACCEPT else REJECTED_STATE
        told = deciding or current[region.roi]
        stale = STALE if found[region.roi] and not current[region.roi] else ""
        result.rows.append(_row(region, state, on, told or found[region.roi], stale))
        is_level = region.roi != WHOLE_IMAGE and region.roi not in structure_names().values()
        levels += [region.roi] if is_level else []
        if state == REJECTED_STATE and (on == "region" or region.roi == WHOLE_IMAGE):
            out = _left_out(region, deciding)
            result.left_out.append(out)
            rejected_levels += [region.roi] if is_level else []
            if region.roi == WHOLE_IMAGE:
                result.images_out[region.subject, region.item] = out
    if levels and rejected_levels == levels:
        first = regions[0]
        result.images_out.setdefault(
            (first.subject, first.item),
            LeftOut(
                first.participant_id,
                first.session,
                first.item,
                WHOLE_IMAGE,
                ALL_REJECTED,
                f"every outlined vertebra was rejected in the review: {', '.join(levels)}",
                HINT,
            ),
        )


def _deciding(decisions: list[Decision]) -> list[Decision]:
    """Decisions without mere remarks; they agree, or the table would have been refused."""
    return [decision for decision in decisions if decision.decision != COMMENT]


def _left_out(region: Outlined, deciding: list[Decision]) -> LeftOut:
    reasons = [f"{d.reviewer}: {d.comment}" if d.comment else d.reviewer for d in deciding]
    given = any(d.comment for d in deciding)
    message = f"rejected in the review by {'; '.join(reasons)}" + (
        "" if given else " (no reason given)"
    )
    identity = region.participant_id, region.session, region.item, region.roi
    return LeftOut(*identity, REJECTED, message, HINT)


def _row(
    place: Outlined | Decision, state: str, on: str, told: Sequence[Decision], note: str
) -> dict[str, Any]:
    image, rater, _ = RATERS[place.item]
    return {
        "participant_id": place.participant_id,
        "session": place.session or None,
        "image": image,
        "rater": rater,
        "roi": place.roi,
        "state": state or None,
        "decided_on": on or None,
        "reviewer": "; ".join(dict.fromkeys(d.reviewer for d in told)) or None,
        "comment": "; ".join(dict.fromkeys(d.comment for d in told if d.comment)) or None,
        "note": note or None,
    }


def review_warnings(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sentences about decisions that no longer hold, from rows of ``review.tsv``."""
    counts = Counter(row["note"] for row in rows)
    sentences = []
    for note, words in (
        (STALE, "made on a mask or an image that has changed since: review {them} again"),
        (GONE, "on a region that is no longer outlined: drop {them} from review.tsv"),
    ):
        n = counts[note]
        if n:
            verb = "was" if note == STALE else "is"
            them = "it" if n == 1 else "them"
            plural = "decision of the review " if n == 1 else "decisions of the review "
            verb = verb if n == 1 else {"was": "were", "is": "are"}[verb]
            sentences.append(f"{n} {plural}{verb} {words.format(them=them)}")
    return sentences
