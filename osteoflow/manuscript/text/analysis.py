"""Statistics: description, declared tests with corrections, agreement and precision."""

from __future__ import annotations

import pandas as pd

from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import code, paragraph
from osteoflow.manuscript.text.measurement_tests import measurement_roc, mixed_models
from osteoflow.manuscript.words.characteristics import TESTS
from osteoflow.wording import count, listing

_EFFECT_SOURCES = {"Hedges g": ("hedges1981",), "rank-biserial r": ("kerby2014",)}
_FDR = "p values were adjusted by the procedure of Benjamini and Hochberg"
_POST_HOC_SOURCES = {"Tukey-Kramer": "kramer1956", "Games-Howell": "games1976", "Dunn": "dunn1964"}
_COMPARISONS = {
    "inter_rater": "two raters",
    "intra_rater": "repeated outlines of one rater",
    "scan_rescan": "repeated scans",
}


def statistics(facts: Facts) -> list[str]:
    """Paragraphs of the section."""
    texts = [
        paragraph([*_table1(facts), *_comparisons(facts), *_correlations(facts)]),
        paragraph([*mixed_models(facts), *measurement_roc(facts)]),
        paragraph(_agreement(facts)),
        paragraph(_closing(facts)),
    ]
    return [text for text in texts if text]


def _table1(facts: Facts) -> list[str]:
    settings = facts.settings["statistics"]
    if not settings["table1_variables"]:
        return []
    median = [name for name in settings["table1_variables"] if name in settings["nonnormal"]]
    numbers = "numbers are given as mean (standard deviation)"
    if median:
        numbers += f", {listing([facts.label(name) for name in median])} as median [quartiles]"
    found = [f"{numbers}, categories as count (%){cite('pollard2018')}"]
    tests = dict.fromkeys(
        test for test in (facts.table1.get("tests") or {}).values() if not test.startswith("none")
    )
    if facts.table1.get("group") and tests:
        adjusted = f"; {_FDR}{cite('benjamini1995')} over the rows"
        found.append(
            f"groups by {code(facts.table1['group'])} were described side by side and compared by "
            f"{listing([test_name(test) for test in tests])}"
            + (adjusted if settings["table1_fdr"] else ", without correction")
        )
        if settings["table1_smd"]:
            found.append(
                "how far groups lie apart was given as the absolute standardised mean difference"
                f"{cite('austin2009')}"
            )
    return found


def test_name(test: str) -> str:
    """A test as a sentence names it."""
    words = TESTS.get(test)
    if words is None:
        return test
    named = words if words.startswith(("one-way", "Welch's", "Fisher's")) else f"the {words}"
    return named + (cite("welch1951") if test == "Welch ANOVA F" else "")


def _comparisons(facts: Facts) -> list[str]:
    table = facts.table("comparisons")
    if table is None or "test" not in table:
        return []
    found = []
    for (group, test), rows in table.groupby(["group", "test"], sort=False):
        labels = [facts.label(name) for name in dict.fromkeys(rows["variable"])]
        found.append(
            f"between groups by {code(group)}, {listing(labels)} "
            f"{'was' if len(labels) == 1 else 'were'} compared by {test_name(str(test))}"
            f"{_effects(rows)}"
        )
    pairs = facts.table("comparison_pairs")
    if pairs is not None:
        methods = [test.partition(", ") for test in pairs["test"].dropna().unique()]
        told = [
            f"{name}'s method{cite(_POST_HOC_SOURCES[name])}"
            + (", adjusted by Holm" if "Holm" in more else "")
            for name, _, more in methods
        ]
        found.append(f"pairs of several groups were compared by {listing(told)}")
    found.append(
        "these tests were declared in the study's settings, none was chosen by a test of "
        f"normality; {_FDR}{cite('benjamini1995')} over the variables of each comparison"
    )
    return found


def _effects(rows: pd.DataFrame) -> str:
    names = list(dict.fromkeys(rows["effect_name"].dropna()))
    if not names:
        return ""
    keys = [key for name in names for key in _EFFECT_SOURCES.get(name, ())]
    return f", with {listing(names)} as effect size{cite(*keys)}"


def _correlations(facts: Facts) -> list[str]:
    return [*_pairs(facts), *_matrices(facts)]


def _matrices(facts: Facts) -> list[str]:
    """Declared matrices, each with its variables and coefficient."""
    table = facts.table("correlation_matrices")
    if table is None:
        return []
    parts = []
    for _, rows in table.groupby("name", sort=False):
        names = dict.fromkeys([*rows["x"], *rows["y"]])
        symbol = {"pearson": "Pearson's r", "spearman": "Spearman's rho"}[rows["method"].iloc[0]]
        parts.append(f"{listing([facts.label(name) for name in names])} ({symbol})")
    return [
        f"all pairs were correlated among {'; and among '.join(parts)}; {_FDR}"
        f"{cite('benjamini1995')} within each matrix"
    ]


def _pairs(facts: Facts) -> list[str]:
    table = facts.table("correlations")
    if table is None:
        return []
    found = []
    for row in table.itertuples():
        name = {"pearson": "Pearson's r", "spearman": "Spearman's rho"}[row.method]
        pair = f"{facts.label(row.x)} and {facts.label(row.y)}"
        covariates = row.covariates if isinstance(row.covariates, str) else ""
        if covariates:
            labels = listing([facts.label(part) for part in covariates.split(",")])
            found.append(f"partial {name} of {pair}, given {labels}")
        else:
            found.append(f"{name} of {pair}")
    spearman = cite("bonett2000") if (table["method"] == "spearman").any() else ""
    return [
        f"correlation was described by {listing(found)}, with 95 % limits by Fisher's "
        f"transformation{spearman}; {_FDR}{cite('benjamini1995')} over all correlations"
    ]


def _agreement(facts: Facts) -> list[str]:
    """Raters, repeated outlines and scans: only what the study has."""
    found = []
    overlap = facts.compared("overlap")
    if overlap:
        found.append(
            f"overlap of outlines between {_who(overlap)} is Dice's coefficient{cite('dice1945')}"
        )
    agreed = [name for name in facts.compared("reproducibility") if name in _COMPARISONS]
    if agreed:
        n = _participants(facts.table("reproducibility"))
        boots = facts.settings["statistics"]["reproducibility"]["bootstraps"]
        found += [
            f"agreement of measurements between {_who(agreed)} ({n}) was described by intraclass "
            f"correlations ICC(2,1) and ICC(3,1) with F-based 95 % limits{cite('shrout1979')}, by "
            f"bias and limits of agreement{cite('bland1986')} with exact intervals"
            f"{cite('carkeet2015')}, and by the precision error (RMS-SD, RMS-CV) with the least "
            f"significant change{cite('gluer1995')}",
            "where several vertebrae of a participant were taken as one, intervals come from "
            f"{boots} resamples of participants",
        ]
    features = [n for n in facts.compared("reproducibility_features") if n in _COMPARISONS]
    if features:
        found.append(
            f"reliability of radiomic features between {_who(features)} was described likewise"
        )
    return found


def _who(comparisons: list[str]) -> str:
    return listing([_COMPARISONS.get(name, name.replace("_", " ")) for name in comparisons])


def _participants(table: pd.DataFrame | None) -> str:
    if table is None:
        return ""
    counts = sorted(set(table["n"].dropna().astype(int)))
    counts = [n for n in counts if n]
    if not counts:
        return "no complete pair"
    low, high = counts[0], counts[-1]
    return count(high, "participant") if low == high else f"{low} to {high} participants"


def _closing(facts: Facts) -> list[str]:
    """What holds for all of them."""
    tables = ("comparisons", "correlations", "correlation_matrices", "mixed_models")
    tables += ("measurement_roc", "reproducibility")
    if not any(facts.table(name) is not None for name in tables):
        return []
    found = []
    if len(facts.people) != facts.n_people:
        found.append(
            "a participant with several sessions counts once, with the session that comes first in "
            "the study's table; repeated sessions serve precision alone"
        )
    found.append("intervals are 95 % confidence intervals, and p values are two-sided")
    return found
