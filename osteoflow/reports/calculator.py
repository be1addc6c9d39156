"""A nomogram as a page that computes: one HTML file without any address outside itself.

The page holds the model (its coefficients and their covariance), so the probability and the
interval that it shows are those of :func:`osteoflow.models.nomogram_document.predict`. It starts
empty: no value stands there that nobody entered.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from osteoflow.figures.model_tables import study_share
from osteoflow.statistics.intervals import Z95
from osteoflow.wording import MINUS, count, number, quantity_estimate, significant

if TYPE_CHECKING:
    import pandas as pd

_STEPS = 200
_FITS = {
    "ml": "maximum likelihood",
    "firth": "Firth's penalised likelihood with maximum-likelihood intercept, because the classes "
    "are separated",
}
# Of Firth's fit.
_APPROXIMATE = (
    " It is approximate: where the classes are separated the likelihood is not symmetrical, as "
    "this interval presumes. The limits and tests of the coefficients do not presume that "
    "(coefficients.tsv: profile penalised likelihood)."
)


def calculator_content(
    nomogram: Mapping[str, Any], summary: Mapping[str, Any], performance: pd.DataFrame
) -> dict[str, Any]:
    """Everything that the page's script works on, ready for JSON.

    Parameters
    ----------
    nomogram
        ``nomogram.json`` of an analysis.
    summary
        Its ``summary.json``.
    performance
        Its ``performance.tsv``.
    """
    event = str(summary.get("outcome_label") or summary.get("outcome") or "Event")
    return {
        "event": event,
        "analysis": str(summary.get("name", "")).replace("_", " "),
        "warnings": _warnings(summary),
        "statements": _statements(nomogram, summary, performance),
        "predictors": [_predictor(axis) for axis in nomogram["predictors"]],
        "linear": nomogram["linear_model"],
        "total": nomogram["total_points"],
        "marks": nomogram["probability"],
        "z": Z95,
    }


def _predictor(axis: Mapping[str, Any]) -> dict[str, Any]:
    """How a predictor is entered, and its points."""
    label = str(axis.get("label") or axis["name"])
    unit = axis.get("unit")
    label = f"{label} ({unit})" if unit and f"({unit}" not in label else label
    entry = {"name": axis["name"], "label": label, "kind": axis["kind"]}
    if axis["kind"] == "categorical":
        return {
            **entry,
            "levels": [{"level": t["level"], "points": t["points"]} for t in axis["ticks"]],
        }
    first, last = axis["ticks"][0], axis["ticks"][-1]
    return {
        **entry,
        **entry_grid(axis["observed"]),
        "zero": first["value"],
        "points_at_zero": first["points"],
        "slope": (last["points"] - first["points"]) / (last["value"] - first["value"]),
        "source": axis.get("source", ""),
    }


def entry_grid(observed: Mapping[str, Any]) -> dict[str, Any]:
    """Limits, step and decimals of a number's field and slider.

    The limits are those observed, rounded outwards by less than 0.1 % of the range (whole numbers
    stay), so that a person can type them.

    Returns
    -------
    dict
        ``low``, ``high``, ``step``, ``decimals``.
    """
    low, high = float(observed["min"]), float(observed["max"])
    if observed.get("integer"):
        step = float(max(1, round(_one_two_five((high - low) / _STEPS))))
        return {"low": low, "high": high, "step": step, "decimals": 0}
    step = _one_two_five((high - low) / _STEPS)
    decimals = max(0, 1 - math.floor(math.log10(step)))
    grid = 10.0**-decimals if decimals else step / 10
    low, high = math.floor(low / grid + 1e-9) * grid, math.ceil(high / grid - 1e-9) * grid
    return {
        "low": round(low, decimals),
        "high": round(high, decimals),
        "step": round(step, decimals),
        "decimals": decimals,
    }


def _one_two_five(size: float) -> float:
    """The nearest 1, 2 or 5 times a power of ten that is not above ``size``, at least 1e-300."""
    base = 10.0 ** math.floor(math.log10(max(size, 1e-300)))
    return max(factor * base for factor in (1.0, 2.0, 5.0) if factor * base <= size * (1 + 1e-9))


def _shown(value: float) -> str:
    """A limit as it may be typed."""
    tiny = value != 0 and abs(value) < 1e-4
    return f"{value:.6g}".replace("-", MINUS) if tiny else significant(value, 7)


def _warnings(summary: Mapping[str, Any]) -> list[str]:
    found = [share] if (share := study_share(summary)) else []
    if summary.get("incorporation_bias"):
        found.append(
            "Incorporation bias: predictors come from the scan that defines the outcome. The "
            "probabilities are not those of an independent test."
        )
    return found


def _statements(
    nomogram: Mapping[str, Any], summary: Mapping[str, Any], performance: pd.DataFrame
) -> list[str]:
    """What the calculator is and what it rests on."""
    from osteoflow.models.fit_warnings import HARMONISED_SIGNATURE

    model = str(nomogram.get("model", "combined"))
    fit = _FITS[nomogram["linear_model"]["method"]]
    text = f"Logistic regression ({model} model), fitted by {fit}"
    if summary.get("n") is not None:
        n = int(summary["n"]) - int(summary.get("n_holdout", 0))
        events = int(summary["n_events"]) - int(summary.get("n_events_holdout", 0))
        text += f", to {count(n, 'participant')} with {count(events, 'event')}"
    found = [text + ".", *_tested(model, summary, performance)]
    calibration = nomogram.get("calibration") or {}
    error = calibration.get("mean_absolute_error")
    if error is not None and math.isfinite(error):
        found.append(
            f"Calibration on the development data, corrected for optimism with "
            f"{count(int(calibration['resamples']), 'bootstrap resample')}: mean absolute error "
            f"{number(error, 3)}."
        )
    chosen = ""
    if any(axis["name"] == "rad_score" for axis in nomogram["predictors"]):
        chosen = "leaves out the uncertainty of choosing the radiomic features, and "
        found.append(
            "The Rad-score is not measured by hand: it is what this analysis's radiomic signature "
            "gives for features extracted with the same settings."
        )
        if HARMONISED_SIGNATURE in summary.get("warnings", ()):
            found.append(
                "The signature takes features harmonised between the sites of the study. It does "
                "not hold for features as measured, nor for other sites."
            )
    found.append(
        f"The interval is that of the model's probability (95 %, Wald, on the logit scale). It "
        f"{chosen}says nothing about scanners and populations other than the study's."
        + (_APPROXIMATE if nomogram["linear_model"]["method"] == "firth" else "")
    )
    return found


def _tested(model: str, summary: Mapping[str, Any], performance: pd.DataFrame) -> list[str]:
    """The areas under the curve that were found, and that nothing further was tested."""
    aucs = {}
    if len(performance):
        rows = performance[(performance["model"] == model) & (performance["metric"] == "auc")]
        aucs = {row.set: row for row in rows.itertuples()}
    found = []
    for name, where in (("cv", "in cross-validation"), ("holdout", "in the hold-out")):
        if name in aucs:
            row = aucs[name]
            size = ""
            if name == "holdout" and summary.get("n_holdout"):
                events = count(int(summary["n_events_holdout"]), "event")
                size = f" ({count(int(summary['n_holdout']), 'participant')}, {events})"
            value = quantity_estimate("auc", *map(float, (row.value, row.ci_low, row.ci_high)))
            found.append(f"AUC (95 % interval) {where}{size}: {value}.")
    if "holdout" in aucs:
        found.append("Not validated externally, that is on participants of other studies.")
    else:
        found.append("Neither validated externally nor tested on participants held out.")
    return found


def render_calculator(
    nomogram: Mapping[str, Any] | None, summary: Mapping[str, Any], performance: pd.DataFrame
) -> str:
    """The page as HTML; without a nomogram it says why there is nothing to compute."""
    from markupsafe import Markup

    from osteoflow.reports.html import environment
    from osteoflow.review.cards import as_json

    templates = environment()
    script = templates.loader.get_source(templates, "calculator.js.j2")[0]
    # The browser runs this script alone, whatever a label holds.
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    problem, content = "", {"warnings": []}
    if nomogram is None:
        reason = summary.get("not_possible")
        problem = (
            f"This analysis was not possible: {reason}."
            if reason
            else "The calculator belongs to binary outcomes: this analysis has none."
            if summary.get("kind", "binary") != "binary"
            else "There is nothing to compute: no logistic model of several predictors, or none "
            "of its predictors has an effect."
        )
    else:
        content = calculator_content(nomogram, summary, performance)
    return templates.get_template("calculator.html.j2").render(
        event=content.get("event", str(summary.get("outcome_label") or summary.get("outcome"))),
        analysis=str(summary.get("name", "")).replace("_", " "),
        problem=problem,
        content=content,
        range_of=lambda p: f"{_shown(p['low'])} to {_shown(p['high'])}",
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{allowed}",
        data=Markup(as_json(content)),  # noqa: S704
    )
