"""Mixed models of vertebrae, and ROC analyses of single measurements."""

from __future__ import annotations

from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import code
from osteoflow.measurements import dictionary
from osteoflow.models.measurements import YOUDEN
from osteoflow.wording import count, listing, quantity, region_name


def mixed_models(facts: Facts) -> list[str]:
    """Each model that was fitted, and how all were."""
    table = facts.table("mixed_models")
    fitted = None if table is None else table[table["criterion"].notna()]
    if fitted is None or fitted.empty:
        return []
    found = []
    for row in fitted.to_dict("records"):
        levels = [region_name(part.partition("_")[0]) for part in str(row["roi"]).split(", ")]
        effects = [_effect(facts, part) for part in str(row["fixed"]).split("; ")]
        n = count(int(row["n_observations"]), "vertebra", "vertebrae")
        found.append(
            f"{dictionary()[row['metric']]['label']} of {listing(levels)} by {listing(effects)} "
            f"({n} of {count(int(row['n_participants']), 'participant')})"
        )
    return [
        f"vertebrae of one participant were taken as alike: linear mixed models{cite('laird1982')} "
        f"with a random intercept for each participant described {'; '.join(found)}",
        "they were fitted by restricted maximum likelihood, with tests and limits by "
        f"Satterthwaite's degrees of freedom{cite('satterthwaite1946')}",
    ]


def _effect(facts: Facts, name: str) -> str:
    if name == "level":
        return "level"
    return facts.label(name) if name in facts.labels else code(name)


def measurement_roc(facts: Facts) -> list[str]:
    """What single measurements were asked to tell, by which areas, tests and cut-offs."""
    table = facts.table("measurement_roc")
    drawn = None if table is None else table[table["auc"].notna()]
    if drawn is None or drawn.empty:
        return []
    found = []
    for outcome, rows in drawn.groupby("outcome", sort=False):
        labels = [facts.label(name) for name in dict.fromkeys(rows["measurement"])]
        found.append(f"{code(outcome)} by {listing(labels)}")
    pairs = facts.table("measurement_pairs")
    paired = pairs is not None and pairs["p"].notna().any()
    return [
        f"single measurements were tested as indicators of {'; of '.join(found)}: areas under the "
        f"ROC curve with DeLong's limits{cite('delong1988', 'sun2014')}, p values of the "
        "Mann-Whitney test that the area is 0.5, adjusted by the procedure of Benjamini and "
        f"Hochberg{cite('benjamini1995')} within each analysis"
        + (", and DeLong's paired test between measurements, adjusted by Holm" if paired else "")
        + "; which values speak for the event was never chosen by the data",
        *_cutoffs(facts),
    ]


def _cutoffs(facts: Facts) -> list[str]:
    """Where cut-offs come from, and the prevalence of predictive values."""
    table = facts.table("measurement_cutoffs")
    rows = None if table is None else table[table["cutoff"].notna()]
    if rows is None or rows.empty:
        return []
    found = rows["source"] == YOUDEN
    kinds = ["cut-offs fixed beforehand"] * bool((~found).any())
    if found.any():
        kinds.append(
            f"Youden's cut-off of the same data{cite('youden1950')}, whose sensitivity and "
            "specificity were corrected for optimism by resampled participants"
        )
    declared = {
        item["prevalence"]
        for item in facts.settings["statistics"]["measurement_roc"]
        if item["name"] in set(rows["name"])
    }
    shares = [f"{quantity('share', value)} %" for value in sorted(declared - {None})]
    at = [*(["the data's prevalence"] if None in declared else []),
          *([f"a prevalence of {listing(shares)}"] if shares else [])]  # fmt: skip
    return [
        f"sensitivity, specificity, and predictive values at {listing(at)}, were given for "
        f"{listing(kinds)}"
    ]
