"""What the report shows of how models do within sites."""

from __future__ import annotations

import pandas as pd

from osteoflow.figures.model_tables import SET_NAMES
from osteoflow.model_names import model_name
from osteoflow.reports.html import HtmlTable, make_table
from osteoflow.wording import DASH, measure_name, quantity_estimate


def within_sites(table: pd.DataFrame) -> HtmlTable:
    """One row per set, model and site, from ``performance_by_site.tsv``."""
    measure = str(table["metric"].iloc[0])
    values = zip(table["value"], table["ci_low"], table["ci_high"], strict=True)
    shown = pd.DataFrame(
        {
            "set": table["set"].map(SET_NAMES),
            "model": table["model"].map(model_name),
            "site": table["site"].astype(str),
            "n": table["n"],
            "events": table["n_events"],
            "found": [
                DASH if pd.isna(row[0]) else quantity_estimate(measure, *row) for row in values
            ],
        }
    )
    if shown["events"].isna().all():
        shown = shown.drop(columns="events")
    return make_table(
        shown.sort_values(["set", "model"], kind="stable"),
        "Performance within the sites between which features are harmonised",
        headings={
            "site": "Site", "events": "Events", "found": f"{measure_name(measure)} (95 % interval)"
        },
        note="Of the participants of one site alone, averaged in cross-validation as the measure "
        "of all is. Where it is clearly below that of all, the model may tell the sites apart, "
        "whose outcomes differ. A dash: not defined, such as in a site whose test folds have one "
        "class each.",
    )  # fmt: skip
