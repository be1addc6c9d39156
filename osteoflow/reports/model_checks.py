"""What the report shows of an analysis' leakage check and sample size."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from osteoflow.model_names import model_name
from osteoflow.models.permutation import in_text
from osteoflow.models.sample_size import CRITERIA
from osteoflow.reports.html import HtmlTable, given, make_table
from osteoflow.wording import number, p_number, quantity, quantity_interval

CHECK_TABLES = ("permutations", "sample_size")


def model_checks(tables: Mapping[str, pd.DataFrame]) -> list[HtmlTable]:
    """Tables of the checks that an analysis has.

    Parameters
    ----------
    tables
        The analysis' tables by name; ``permutations`` and ``sample_size`` are used.
    """
    found = []
    if given(tables.get("permutations")):
        found.append(_leakage(tables["permutations"]))
    if given(tables.get("sample_size")):
        found.append(_sizes(tables["sample_size"]))
    return found


def _leakage(permutations: pd.DataFrame) -> HtmlTable:
    metrics = permutations["metric"]
    name, chance = in_text(str(metrics.iloc[0])), float(permutations["chance"].iloc[0])
    shown = pd.DataFrame(
        {
            "model": permutations["model"].map(model_name),
            "observed": [
                quantity(metric, value)
                for metric, value in zip(metrics, permutations["observed"], strict=True)
            ],
            "n_permutations": permutations["n_permutations"],
            "permuted": [
                f"{quantity(metric, mean)} ({quantity(metric, spread)})"
                for metric, mean, spread in zip(
                    metrics,
                    permutations["permuted_mean"],
                    permutations["permuted_sd"],
                    strict=True,
                )
            ],
            "range": [
                quantity_interval(metric, low, high)
                for metric, low, high in zip(
                    metrics,
                    permutations["permuted_low"],
                    permutations["permuted_high"],
                    strict=True,
                )
            ],
            "p": permutations["p"],
        }
    )
    n = int(permutations["n_permutations"].min())
    note = (
        "The whole pipeline is cross-validated with the outcomes permuted between participants, "
        f"where {chance:g} is due on average: more would mean that information leaks into the "
        "training. "
        f"With {n} permutations p is never below {p_number(1 / (1 + n))}. "
    )
    note += " ".join(
        f"{model_name(model)}: {str(text)[:1].lower()}{str(text)[1:]}"
        for model, text in zip(permutations["model"], permutations["sentence"], strict=True)
    )
    return make_table(
        shown,
        f"Leakage check: cross-validated {name} with permuted outcomes",
        headings={
            "observed": "Observed",
            "n_permutations": "Permutations",
            "permuted": "Permuted: mean (SD)",
            "range": "95 % of permutations",
        },
        note=note,
    )


def _sizes(sizes: pd.DataFrame) -> HtmlTable:
    names = ("n", "n_events", "candidate_parameters", "n_required")
    whole = {
        name: [number(value, 0) if pd.notna(value) else None for value in sizes[name]]
        for name in names
    }
    criterion = sizes["criterion"].fillna("").map(lambda name: CRITERIA.get(name, ""))
    shown = pd.DataFrame(
        {
            "model": sizes["model"].map(model_name),
            **{name: whole[name] for name in names[:3]},
            "events_per_parameter": sizes["events_per_parameter"],
            "n_required": whole["n_required"],
            "criterion": criterion,
            "sufficient": sizes["sufficient"],
        }
    )
    return make_table(
        shown,
        "Sample size of the models' development",
        headings={
            "n_events": "Events",
            "candidate_parameters": "Candidate parameters",
            "events_per_parameter": "Events per parameter (rarer class)",
            "n_required": "n required",
            "criterion": "Criterion that decides",
            "sufficient": "Sufficient",
        },
        digits={"events_per_parameter": 2},
        note="n required: Riley et al., BMJ 2020;368:m441. The formulae are for unpenalised models "
        "of all candidate parameters. For models that select among radiomic features, all of "
        "which are counted, they give a lower bound.",
    )
