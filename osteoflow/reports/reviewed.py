"""What the study's report says of the review of masks and maps."""

from __future__ import annotations

import pandas as pd

from osteoflow.cohort.review import (
    ACCEPTED_STATE,
    OPEN_STATE,
    REJECTED_STATE,
    STALE,
    review_warnings,
)
from osteoflow.reports.html import HtmlTable, make_table
from osteoflow.segmentation.fingerprint import WHOLE_IMAGE


def review_summary(review: pd.DataFrame) -> pd.DataFrame:
    """Counts of regions by image and rater.

    Parameters
    ----------
    review
        ``results/cohort/review.tsv``.

    Returns
    -------
    DataFrame
        ``image``, ``rater``, ``regions``, ``accepted``, ``rejected``, ``undecided``, ``stale`` (of
        these, decided on something else than what is there now), ``images_rejected``.
    """
    there = review[review["state"].notna()]
    rows = []
    for (image, rater), block in there.groupby(["image", "rater"], sort=True):
        whole = block["roi"] == WHOLE_IMAGE
        regions = block[~whole]
        states = regions["state"].value_counts()
        rows.append(
            {
                "image": str(image).upper(),
                "rater": rater,
                "regions": len(regions),
                "accepted": int(states.get(ACCEPTED_STATE, 0)),
                "rejected": int(states.get(REJECTED_STATE, 0)),
                "undecided": int(states.get(OPEN_STATE, 0)),
                "stale": int((block["note"] == STALE).sum()),
                "images_rejected": int((block.loc[whole, "state"] == REJECTED_STATE).sum()),
            }
        )
    columns = ["image", "rater", "regions", "accepted", "rejected", "undecided", "stale"]
    return pd.DataFrame(rows, columns=[*columns, "images_rejected"])


def describe_review(review: pd.DataFrame | None) -> dict[str, object] | None:
    """The report's table, warnings and reviewers; None without a review."""
    if review is None:
        return None
    told = review["reviewer"].dropna().astype(str).str.split("; ").explode()
    return {
        "table": _table(review_summary(review)),
        "warnings": review_warnings(review.to_dict("records")),
        "reviewers": sorted(set(told)),
    }


def _table(summary: pd.DataFrame) -> HtmlTable:
    return make_table(
        summary,
        "Regions reviewed, by image and rater",
        headings={
            "regions": "Regions",
            "accepted": "Accepted",
            "rejected": "Rejected",
            "undecided": "Not decided",
            "stale": "Decisions out of date",
            "images_rejected": "Images rejected as a whole",
        },
        digits=dict.fromkeys(summary.columns[2:], 0),
        note="A rejected region is left out of every table; the reason stands among the "
        "exclusions. A decision is out of date where the mask or the image has changed since.",
    )
