"""Every caption states n, and beside a p value its test and how it is adjusted."""

from __future__ import annotations

import re

import numpy as np
import outcome_cohort
import pandas as pd
import pytest
import survival_cohort
from test_figures import MODALITIES, bland_altman_tables, statuses, truth_tables

from osteoflow.cohort.flow import count_flow
from osteoflow.figures.agreement import draw_bland_altman, draw_truth
from osteoflow.figures.decision_curve import draw_decision_curve, event_share, last_threshold
from osteoflow.figures.flow import draw_flow
from osteoflow.figures.heatmap import draw_heatmap
from osteoflow.figures.measurement_roc import draw_measurement_roc
from osteoflow.figures.model_tables import SetSize, fitted_size, set_size
from osteoflow.figures.of_analysis import draw_of_analysis
from osteoflow.figures.of_kind import FIGURES_OF_KIND
from osteoflow.figures.panels import agreement_bands
from osteoflow.figures.scatter import draw_scatter
from osteoflow.figures.style import new_figure
from osteoflow.io.tables import write_table
from osteoflow.io.volume import write_json
from osteoflow.models.analyse import run
from osteoflow.models.decision import THRESHOLDS, at_prevalence, net_benefit, treat_all
from osteoflow.models.measurements import measurement_roc_tables
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.figures import Figures
from osteoflow.settings.statistics import Correlation, CorrelationMatrix, MeasurementRoc
from osteoflow.statistics.correlation import correlations_table, matrices_table

SETTINGS = Figures()
TESTS = (
    "DeLong", "Student's t", "Mann-Whitney", "log-rank test", "permutation test", "Pitman's test",
)  # fmt: skip
CORRECTIONS = ("Holm", "Benjamini and Hochberg", "not adjusted")
MORE = {"permutations": 1}
ANALYSES = {
    "binary": outcome_cohort.BASE
    # A hold-out large enough for DeLong's test.
    | {"name": "b", "outcome": "dxa_tscore <= -1.7", "prevalence": 0.04, "holdout_fraction": 0.4},
    "ordinal": outcome_cohort.BASE | outcome_cohort.ORDINAL,
    "continuous": outcome_cohort.BASE | outcome_cohort.CONTINUOUS,
    "survival": survival_cohort.BASE,
}


def says_what_it_must(caption: str, *sizes: str) -> None:
    """All sizes stand in a caption; a p value has its test and correction."""
    for size in sizes:
        assert re.search(rf"(?<!\d){re.escape(size)}", caption), (size, caption)
    if re.search(r"\bp (?:value )?(?:[=<>]|below)|\bp of\b", caption):
        assert any(test in caption for test in TESTS), caption
        assert any(correction in caption for correction in CORRECTIONS), caption


@pytest.fixture(scope="module")
def analyses(tmp_path_factory):
    """Kind -> files and summary of an analysis of it, as the workflow writes them."""
    found = {}
    for kind, declared in ANALYSES.items():
        module = survival_cohort if kind == "survival" else outcome_cohort
        result = run(*module.cohort(), Analysis.model_validate(declared | MORE), seed=3)
        folder = tmp_path_factory.mktemp(kind)
        files = {name: folder / f"{name}.tsv" for name in result.tables}
        for name, table in result.tables.items():
            write_table(files[name], table)
        summary = result.documents["summary"]
        documents = {"stard": _stard(summary), "nomogram": result.documents.get("nomogram", {})}
        for name, document in documents.items():
            files[name] = folder / f"{name}.json"
            write_json(files[name], document)
        found[kind] = (files, summary)
    return found


def _stard(summary: dict) -> dict:
    analysed = {"n": summary["n"], "events": summary.get("n_events")}
    numbers = {"eligible": 91, "index_test": summary["n"], "reference_standard": summary["n"]}
    nothing = {"lost": [], "further_sessions": 0, "interval": None, "results": None}
    return numbers | nothing | {"analysed": analysed, "development": analysed, "holdout": None}


BOTH_SETS = ("roc", "calibration", "decision_curve", "classes", "predicted", "kaplan_meier")


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in FIGURES_OF_KIND.items() for name in names]
)
def test_figures_of_analyses(analyses, kind, name):
    files, summary = analyses[kind]
    _, caption = draw_of_analysis(name, files, summary, SETTINGS, "lambda_min")
    trained = summary["n"] - summary["n_holdout"]
    assert summary["n_holdout"] > 0
    sizes = [f"{trained} participants"]
    if name == "stard":
        sizes = ["91 participants", f"{summary['n']} participants"]
    elif name in BOTH_SETS:
        sizes.append(f"{summary['n_holdout']} participants")
    says_what_it_must(caption, *sizes)
    if kind == "binary" and name in BOTH_SETS:
        assert fitted_size(summary) in caption
        assert f"{summary['n_events_holdout']} events" in caption
    if name in ("roc", "permutation"):
        assert re.search(r"p [=<>] \d", caption)
    if name == "decision_curve":
        assert "declared prevalence of 4 %" in caption
        assert "averaged over repeats of out-of-fold predictions" in caption


def _related() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(60, 3)) + rng.normal(size=(60, 1)), columns=list("abc"))
    return table.assign(event=(table["a"] + rng.normal(size=60) > 0).astype(float))


def _bland_altman() -> str:
    limits, points = bland_altman_tables()
    return draw_bland_altman(limits.assign(slope=0.3, slope_p=0.012), points, SETTINGS)[1]


def _scatter() -> str:
    table = _related()
    found = correlations_table(table, [Correlation(x="a", y="b"), Correlation(x="a", y="c")])
    return draw_scatter(table, "a", "b", SETTINGS, str, found)[1]


def _heatmap() -> str:
    declared = CorrelationMatrix(name="m", variables=list("abc"))
    return draw_heatmap(matrices_table(_related(), [declared]), SETTINGS)[1]


def _measurement_roc() -> str:
    item = MeasurementRoc(name="r", outcome="event", measurements=["b", "c"], bootstraps=100)
    found = measurement_roc_tables(_related(), [item], [], {}, 1)
    tables = (found[name] for name in ("points", "roc", "cutoffs"))
    return draw_measurement_roc(*tables, "event", SETTINGS)[1]


@pytest.mark.parametrize(
    ("caption", "size"),
    [
        (_bland_altman, "n = 14"),
        (_scatter, "60 participants"),
        (_heatmap, "n = 60"),
        (_measurement_roc, "60 participants"),
        (lambda: draw_truth(*truth_tables(), SETTINGS)[1], "8 vertebrae"),
        (lambda: draw_flow(count_flow(statuses(), MODALITIES), SETTINGS)[1], "10 participants"),
    ],
)
def test_figures_of_the_cohort(caption, size):
    says_what_it_must(caption(), size)


def test_size_of_one_set(analyses):
    files, summary = analyses["binary"]
    size = set_size(pd.read_csv(files["predictions"], sep="\t"), "cv")
    assert (size.words, size.folds, size.repeats) == (fitted_size(summary), 3, 2)


# --- decision curves -----------------------------------------------------------------------------


def _curves(n: int, share: float, top: float, prevalence: float | None = None):
    """Curves and predictions of one model that reaches ``top`` and no farther."""
    rng = np.random.default_rng(n)
    event = (np.arange(n) < round(share * n)).astype(float)
    p = top * np.linspace(0.02, 1, n) ** 3
    p = np.where(event == 1, p[::-1], rng.permutation(p))
    p *= top / p.max()
    carried = p if prevalence is None else at_prevalence(p, share, prevalence)
    found = {
        "clinical": net_benefit(event, carried, prevalence=prevalence),
        "all": treat_all(share if prevalence is None else prevalence),
        "none": np.zeros(len(THRESHOLDS)),
    }
    curve = pd.concat(
        pd.DataFrame({"set": "cv", "strategy": k, "threshold": THRESHOLDS, "net_benefit": v})
        for k, v in found.items()
    )
    people = pd.DataFrame(
        {"participant_id": np.arange(n), "set": "cv", "model": "clinical", "repeat": 1, "fold": 1,
         "outcome": event, "probability": p}
    )  # fmt: skip
    return curve, people


@pytest.mark.parametrize(
    ("n", "share", "top", "prevalence", "end", "why"),
    [
        (40, 0.4, 0.995, None, 0.8, "twice the share"),
        (2000, 0.2, 0.605, None, 0.6, "the highest that a model reaches"),
        (400, 0.1, 0.99, None, 0.8, "one false positive costs a tenth"),
        (40, 0.5, 0.9, 0.04, 0.1, "always shown"),
        (300, 0.7, 0.9, None, 0.99, "the highest that was computed"),
    ],
)
def test_axis_of_thresholds_ends_where_curves_say_something(n, share, top, prevalence, end, why):
    curve, people = _curves(n, share, top, prevalence)
    expected = share if prevalence is None else prevalence
    assert event_share(curve) == pytest.approx(expected)
    found, words = last_threshold(curve, set_size(people, "cv"))
    assert found == pytest.approx(end)
    assert why in words
    summary = {"outcome_label": "Fracture", "prevalence": prevalence, "models": ["clinical"]}
    figure, caption = draw_decision_curve(curve, people, summary, SETTINGS)
    (axes,) = figure.axes
    assert axes.get_xlim() == pytest.approx((0.01, end))
    assert f"thresholds ends at {end:.2f}, {words}" in caption
    assert ("declared prevalence of 4 %" in caption) == (prevalence is not None)
    # Lines of all strategies are thicker than those of the axes.
    assert min(line.get_linewidth() for line in axes.lines) >= 1.0
    assert axes.get_ylim()[1] < 1.5 * expected


def test_one_false_positive_at_the_end_costs_a_tenth_of_the_greatest_net_benefit():
    curve, people = _curves(400, 0.1, 0.99)
    end, _ = last_threshold(curve, SetSize(400, 40, 5, 1))
    event, p = (people[name].to_numpy() for name in ("outcome", "probability"))
    more = np.where(np.arange(400) == np.flatnonzero((event == 0) & (p < end))[0], 1.0, p)
    cost = net_benefit(event, p, [end]) - net_benefit(event, more, [end])
    assert cost[0] == pytest.approx(0.1 * event.mean())


# --- bands of agreement --------------------------------------------------------------------------


def test_bands_that_overlap_have_no_third_tone():
    axes = new_figure(80, 60).add_subplot()
    agreement_bands(axes, (-22.0, 7.0), [(-85.0, -17.5), (19.0, 57.0)])
    bias, low, high = sorted(axes.patches, key=lambda patch: -patch.get_zorder())
    assert all(patch.get_alpha() is None for patch in (bias, low, high))
    assert all(patch.get_facecolor()[3] == 1 for patch in (bias, low, high))
    assert bias.get_facecolor() != low.get_facecolor() == high.get_facecolor()
    # The end that the bias' band hides is still told.
    (line,) = axes.lines
    assert set(line.get_ydata()) == {-17.5}
    empty = new_figure(80, 60).add_subplot()
    agreement_bands(empty, (np.nan, np.nan), [(np.nan, np.nan)] * 2)
    assert not empty.patches
