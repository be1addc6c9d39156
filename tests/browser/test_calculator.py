"""The nomogram's calculator as a reader uses it: what it shows is what Python computes."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from nomogram_models import combined_model, training_rows  # noqa: E402
from scipy.special import expit  # noqa: E402

from osteoflow.models.nomogram_document import nomogram_document  # noqa: E402
from osteoflow.reports.calculator import entry_grid, render_calculator  # noqa: E402
from osteoflow.statistics.intervals import Z95  # noqa: E402

HOSTILE = '</script><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
SUMMARY = {
    "name": "osteoporosis",
    "outcome_label": f"Osteoporosis {HOSTILE}",
    "n": 200,
    "n_events": 70,
    "n_holdout": 40,
    "n_events_holdout": 15,
    "incorporation_bias": True,
}
PERFORMANCE = pd.DataFrame(
    [
        ("combined", "cv", "auc", 0.81, 0.74, 0.88),
        ("combined", "holdout", "auc", 0.79, 0.65, 0.93),
        ("clinical", "holdout", "auc", 0.66, 0.5, 0.82),
    ],
    columns=["model", "set", "metric", "value", "ci_low", "ci_high"],
)
NAMES = ["age", "bmi", "dose", "density", "site", "rad_score"]


class Page:
    """The page in a browser, its fields by the predictor's name."""

    def __init__(self, browser, path):
        self.browser = browser
        browser.get(path.as_uri())

    def at(self, kind, name):
        return self.browser.find_element(By.ID, f"{kind}-{NAMES.index(name)}")

    def enter(self, name, text):
        field = self.at("value", name)
        if field.tag_name == "select":
            Select(field).select_by_visible_text(text)
            return
        field.clear()
        field.send_keys(text)

    def slide(self, name, share):
        """The slider at a share of its range; the value that its field then shows."""
        self.browser.execute_script(
            "const s = arguments[0]; s.value = +s.min + arguments[1] * (s.max - s.min);"
            "s.dispatchEvent(new Event('input', {bubbles: true}))",
            self.at("slider", name), share,
        )  # fmt: skip
        return float(self.at("value", name).get_attribute("value"))

    def result(self):
        panel = self.browser.find_element(By.ID, "result")
        found = [panel.get_attribute(f"data-{k}") for k in ("probability", "low", "high", "total")]
        return [None if text is None else float(text) for text in found]

    def text(self, identity):
        return self.browser.find_element(By.ID, identity).text


def write(path, model, table, labels=None, summary=SUMMARY):
    document = nomogram_document(model, table, labels or {})
    document["calibration"] = {"mean_absolute_error": 0.0312, "resamples": 500}
    path.write_text(render_calculator(document, summary, PERFORMANCE), encoding="utf-8")
    return document


def expected(model, values):
    """Probability and limits from the fitted model itself."""
    row = pd.DataFrame([values])
    design = model.clinical_.transform(row).assign(rad_score=values["rad_score"]).to_numpy(float)
    fit = model.regression_.fit
    eta, error = fit.linear_predictor(design)[0], fit.linear_predictor_error(design)[0]
    return expit([eta, eta - Z95 * error, eta + Z95 * error])


@pytest.mark.parametrize("separated", [False, True], ids=["ml", "firth"])
def test_page_computes_what_python_computes(browser, tmp_path, separated, record):
    table, outcome, scores = training_rows(separated=separated)
    model = combined_model(table, outcome, scores)
    document = write(tmp_path / "c.html", model, table)
    page = Page(browser, tmp_path / "c.html")
    assert page.result() == [None] * 4
    rng = np.random.default_rng(11)
    numbers = [name for name in NAMES if name != "site"]
    worst = 0.0
    shares = [np.zeros(5), np.ones(5), *rng.random((8, 5))]
    for turn, share in enumerate(shares):
        values = dict(zip(numbers, map(page.slide, numbers, share), strict=True))
        values["site"] = ["A", "B", "Centre C"][turn % 3]
        page.enter("site", values["site"])
        found = page.result()
        assert found[0] is not None, page.text("said")
        worst = max(worst, np.abs(np.array(found[:3]) - expected(model, values)).max())
        scale = document["points_per_linear_predictor"]
        line = document["linear_predictor_at_zero_points"] + found[3] / scale
        assert expit(line) == pytest.approx(found[0], abs=1e-6)
    record(
        "Nomogram: largest difference of the page's probability and limits from Python's",
        "Firth" if separated else "maximum likelihood", worst, "", "<= 1e-6",
    )  # fmt: skip
    assert worst <= 1e-6
    # Sliders reach the ends of what was observed, and these are no extrapolation.
    assert [page.slide("age", s) for s in (0, 1)] == [table["age"].min(), table["age"].max()]
    assert "Extrapolation" not in page.text("said")
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def page(browser, tmp_path):
    table, outcome, scores = training_rows()
    model = combined_model(table, outcome, scores)
    labels = {"age": f"Age {HOSTILE}", "bmi": "BMI (kg/m²)"}
    write(tmp_path / "c.html", model, table, labels)
    page = Page(browser, tmp_path / "c.html")
    page.model = model
    return page


FILLED = {"age": 70, "bmi": 25.5, "dose": 2.4e6, "density": 4e-7, "site": "B", "rad_score": -0.5}


def fill(page):
    for name, value in FILLED.items():
        page.enter(name, str(value))


def test_hostile_labels_are_text(page, browser):
    assert browser.execute_script("return window.hacked") is None
    assert HOSTILE in browser.find_element(By.TAG_NAME, "h1").text
    assert HOSTILE in browser.find_element(By.CSS_SELECTOR, "label[for=value-0]").text
    assert HOSTILE in page.text("said")  # what is still to be entered is set by the script
    assert not browser.find_elements(By.TAG_NAME, "img")


def test_typed_numbers(page):
    fill(page)
    assert page.result()[:3] == pytest.approx(list(expected(page.model, FILLED)), abs=1e-9)
    shown = re.match(r"([\d.]+) %", page.text("probability"))
    assert float(shown[1]) == pytest.approx(100 * page.result()[0], abs=0.051)
    for text in ("25,5", " 25.5 ", "2,55e1"):
        page.enter("bmi", text)
        assert page.result()[0] == pytest.approx(expected(page.model, FILLED)[0], abs=1e-9)
    assert page.text("note-1") == "Read as 25.5."
    for text in ("1.234,5", "abc", "25 5", "--3", "1e999", "25.5kg"):
        page.enter("bmi", text)
        assert page.result() == [None] * 4, text
        assert page.text("probability") == "–"
        assert page.at("value", "bmi").get_attribute("aria-invalid") == "true"
    page.enter("bmi", "\u2212 5")
    assert page.text("note-1") == "This is not a number."


def test_extrapolation_is_flagged_and_what_is_absurd_refused(page):
    fill(page)
    page.enter("age", "95")
    assert page.result()[:3] == pytest.approx(
        list(expected(page.model, {**FILLED, "age": 95})), abs=1e-9
    )
    assert page.text("said").startswith("Extrapolation") and "Extrapolation" in page.text("note-0")
    page.enter("age", "840")
    assert page.result() == [None] * 4 and page.text("note-0").startswith("Refused")
    page.enter("age", "70")
    assert page.text("note-0") == "" and page.result()[0] is not None


def test_keyboard_clear_and_what_the_page_says(page, browser):
    fill(page)
    slider = page.at("slider", "age")
    before = page.result()[3]
    slider.send_keys(Keys.ARROW_RIGHT)
    assert page.at("value", "age").get_attribute("value") == "71"
    assert page.result()[3] > before
    assert slider.get_attribute("aria-label") and slider.get_attribute("aria-valuetext") == "71"
    # Every control has a name that a screen reader speaks.
    for control in browser.find_elements(By.CSS_SELECTOR, "input, select, button"):
        assert control.accessible_name
    # No text of the drawing is cut off, and no two of them touch.
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('#drawing text')].map(t => {"
        "const b = t.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height] })"
    )
    assert len(boxes) > 15
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        assert x0 >= 0 and y0 >= 0 and x1 <= 640 and y1 <= 132
        for a0, b0, a1, b1 in boxes[:i]:
            assert min(x1, a1) <= max(x0, a0) or min(y1, b1) <= max(y0, b0)
    assert browser.find_elements(By.ID, "pointer") and browser.find_elements(By.ID, "band")
    browser.find_element(By.ID, "clear").send_keys(Keys.ENTER)
    assert page.result() == [None] * 4 and not browser.find_elements(By.ID, "pointer")
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "160 participants with 55 events" in text
    assert "hold-out (40 participants, 15 events): 0.790 (0.650 to 0.930)" in text
    assert "Incorporation bias" in text and "For research only" in text
    assert "500 bootstrap resamples: mean absolute error 0.031" in text
    assert "Rad-score is not measured by hand" in text
    assert "0.66" not in text


def test_without_a_nomogram(browser, tmp_path):
    summary = {"name": "a", "outcome": "x < 1", "not_possible": "3 events: too few"}
    (tmp_path / "n.html").write_text(render_calculator(None, summary, pd.DataFrame()))
    Page(browser, tmp_path / "n.html")
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "This analysis was not possible: 3 events: too few." in text
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_page_loads_nothing(tmp_path):
    table, outcome, scores = training_rows()
    summary = {**SUMMARY, "outcome_label": "Osteoporosis"}
    write(tmp_path / "c.html", combined_model(table, outcome, scores), table, summary=summary)
    html = (tmp_path / "c.html").read_text()
    assert not re.findall(r"<[^>]*(?:src|href)\s*=|@import|url\(", html.split('id="data"')[0])
    addresses = set(re.findall(r"https?://[^\"' ]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place


@pytest.mark.parametrize(
    ("low", "high"), [(3.2e-7, 4.9e-7), (1.2e6, 3.3e6), (-3.04, 2.961), (0.5, 0.50004)]
)
def test_limits_can_be_typed_and_enclose_what_was_seen(low, high):
    grid = entry_grid({"min": low, "max": high, "integer": False})
    assert grid["low"] <= low < high <= grid["high"]
    assert grid["high"] - grid["low"] <= 1.002 * (high - low)
    assert 50 <= (high - low) / grid["step"] <= 500
    for name in ("low", "high"):
        assert float(f"{grid[name]:.{grid['decimals']}f}") == grid[name]
