"""The review page as a reviewer uses it: decisions, keyboard, filters, storage, export."""

import shutil

import pytest
from review_study import CONFIG, write_study, write_subject
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from osteoflow.errors import StudyError
from osteoflow.review.page import write_review
from osteoflow.review.table import COLUMNS, REVIEW_TSV, read_review
from osteoflow.study import check_folder
from osteoflow.subjects import read_subjects

HOSTILE = '</script><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def make_page(study, **options):
    config, table = check_folder(study)
    return write_review(study, config.study.title, table, **options)


def subjects_of(study):
    return read_subjects(study / "config" / "subjects.tsv", [])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A study whose pictures are drawn: copies of it have them already."""
    study = write_study(tmp_path_factory.mktemp("drawn") / "study")
    make_page(study)
    return study


@pytest.fixture
def study(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / "study")


class Page:
    """The page in a browser."""

    def __init__(self, browser, path):
        self.browser = browser
        self.browser.get(path.as_uri())

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def say_who(self, name="AB"):
        self.one("#reviewer").send_keys(name, Keys.TAB)

    def button(self, roi, kind):
        return self.one(f'.region[data-roi="{roi}"] button.{kind}')

    def comment(self, roi):
        return self.one(f'.region[data-roi="{roi}"] input')

    def state(self, roi):
        return self.one(f'.region[data-roi="{roi}"] .state').text

    def listed(self):
        return [entry.text for entry in self.all("#list .who")]

    def choose(self, name):
        self.one(f'#filter option[value="{name}"]').click()

    def open(self, number):
        self.all("#list button")[number].click()

    @property
    def heading(self):
        return self.one("main h2").text

    @property
    def count(self):
        return self.one("#count").text

    def export(self, downloads):
        self.one("#export").click()
        return downloads.wait_for("review.tsv")


def installed(study, path):
    """An exported table put where the workflow reads it; its decisions."""
    (study / REVIEW_TSV).write_bytes(path.read_bytes())
    return read_review(study / REVIEW_TSV, subjects_of(study))


def test_clicks_comments_and_reload(browser, downloads, study):
    page = Page(browser, make_page(study).path)
    assert page.listed() == ["sub-01 · CT", "sub-01 · CT, rater 2", "sub-02 · CT"]
    assert page.count == "0 of 6 regions decided, 0 rejected"
    page.button("L1", "yes").click()
    assert "Say who reviews first" in page.one("#said").text
    assert page.state("L1") == "– undecided"
    page.say_who()
    page.button("L1", "yes").click()
    page.button("L2", "no").click()
    assert "No reason given yet" in page.one('.region[data-roi="L2"]').text
    page.comment("L2").send_keys('leaks into the "disc"', Keys.ENTER)
    page.open(2)
    page.comment("L1").send_keys("sclerosis?", Keys.ENTER)
    assert page.count == "2 of 6 regions decided, 1 rejected"

    browser.refresh()
    assert page.count == "2 of 6 regions decided, 1 rejected"
    assert page.one("#reviewer").get_attribute("value") == "AB"
    assert page.state("L1") == "✓ accepted by AB"
    assert page.state("L2") == "✗ rejected by AB"
    assert page.comment("L2").get_attribute("value") == 'leaks into the "disc"'

    path = page.export(downloads)
    assert path.read_text(encoding="utf-8").splitlines()[0].split("\t") == list(COLUMNS)
    made = {d.region: (d.decision, d.comment, d.reviewer) for d in installed(study, path)}
    assert made == {
        ("sub-01", "ct", "L1"): ("accept", "", "AB"),
        ("sub-01", "ct", "L2"): ("reject", 'leaks into the "disc"', "AB"),
        ("sub-02", "ct", "L1"): ("comment", "sclerosis?", "AB"),
    }
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_decisions_of_the_table_are_shown_and_stale_ones_again_to_be_made(
    browser, downloads, study
):
    page = Page(browser, make_page(study).path)
    page.say_who("CD")
    for roi, kind in (("L1", "yes"), ("L2", "no")):
        page.button(roi, kind).click()
    page.comment("L2").send_keys("wrong level", Keys.ENTER)
    page.open(0)
    page.comment("all").send_keys("phantom cut", Keys.ENTER)
    before = installed(study, page.export(downloads))
    # Another browser knows nothing but the table; meanwhile the outline of L2 was corrected.
    browser.execute_script("localStorage.clear()")
    write_subject(study, "sub-01", shift=2, second_rater=True)
    page = Page(browser, make_page(study).path)
    assert "3 decisions of config/review.tsv" in page.one("#said").text
    assert page.state("L1") == "✓ accepted by CD"
    assert page.state("L2") == page.state("all") == "⟳ out of date"
    assert "since CD rejected it: “wrong level”" in page.one('.region[data-roi="L2"]').text
    assert "since CD remarked on it: “phantom cut”" in page.one('.region[data-roi="all"]').text
    assert page.count == "1 of 6 regions decided, 0 rejected, 2 out of date"
    page.say_who("EF")
    page.button("L2", "yes").click()
    path = downloads.folder / "review.tsv"
    path.unlink()
    after = {d.region: d for d in installed(study, page.export(downloads))}
    assert after["sub-01", "ct", "L2"].decision == "accept"
    assert after["sub-01", "ct", "L2"].comment == ""
    # The others are handed on as they were, so that the workflow goes on warning.
    assert [after["sub-01", "ct", roi] for roi in ("all", "L1")] == before[:2]


def test_keyboard_alone(browser, downloads, study):
    page = Page(browser, make_page(study).path)
    page.say_who()
    assert page.heading == "sub-01 · CT"
    browser.execute_script("document.activeElement.blur()")
    page.press("j")
    page.press("a")
    assert page.state("L1") == "✓ accepted by AB"
    # The next region is the current one, and a rejection asks for its reason.
    page.press("r")
    assert page.state("L2") == "✗ rejected by AB"
    page.press("jakr leak", Keys.ENTER)
    assert page.heading == "sub-01 · CT, rater 2"
    # An accepted image stands for its regions, and leads to the next one.
    page.press("a")
    assert page.heading == "sub-02 · CT"
    page.press("p")
    assert page.state("L1") == "✓ accepted with the image"
    page.press("j")
    page.press("r")
    page.press(Keys.ESCAPE)
    assert page.state("L1") == "✗ rejected by AB"
    page.press("u")
    assert page.state("L1") == "✓ accepted with the image"
    page.press("k")
    page.press("r")
    page.press("motion", Keys.ESCAPE)
    assert page.state("L2") == "✗ rejected with the image"
    page.press("n")
    assert page.heading == "sub-02 · CT"
    page.one("#shortcuts").click()
    page.press("a")
    assert page.state("all") == "– undecided"
    page.one("#shortcuts").click()
    browser.execute_script("document.activeElement.blur()")
    page.press("e")
    made = {d.region: d for d in installed(study, downloads.wait_for("review.tsv"))}
    assert made["sub-01", "ct", "L2"].comment == "jakr leak"
    assert made["sub-01", "ct_rater2", "all"].decision == "reject"
    assert len(made) == 3


def test_every_control_is_reached_by_tab_and_named(browser, study):
    page = Page(browser, make_page(study).path)
    reached = []
    for _ in range(60):
        page.press(Keys.TAB)
        active = browser.switch_to.active_element
        reached.append(active.accessible_name)
        if active.tag_name == "body":
            break
    assert {"Reviewer", "Export review.tsv", "Show", "Find", "Accept L1", "Reject L2"} <= {*reached}
    assert "Comment on L2" in reached
    pictures = page.all("main img")
    assert len(pictures) == 5
    assert all(picture.get_attribute("alt") for picture in pictures)
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    assert browser.execute_script(loaded)


def test_filters_and_search(browser, study):
    page = Page(browser, make_page(study).path)
    page.say_who()
    page.choose("flagged")
    assert page.listed()[0] == "sub-02 · CT"
    assert "few voxels" in page.one('.region[data-roi="L2"]').text
    assert "labels 99 ignored" in page.one("main").text
    page.button("all", "yes").click()
    page.choose("undecided")
    assert page.listed() == ["sub-01 · CT", "sub-01 · CT, rater 2"]
    page.button("L1", "no").click()
    page.choose("rejected")
    assert page.listed() == ["sub-01 · CT"]
    page.choose("reasonless")
    assert page.listed() == ["sub-01 · CT"]
    page.choose("stale")
    assert "Nothing left under this filter" in page.one("main").text
    page.choose("all")
    page.one("#search").send_keys("02")
    assert page.listed() == ["sub-02 · CT"]
    page.one("#search").clear()
    assert "sub-03: no results yet" in page.one("details").get_attribute("textContent")


def test_hostile_text_is_shown_and_not_run(browser, downloads, study):
    config = study / "config" / "config.yaml"
    config.write_text(CONFIG.format(title=f"'{HOSTILE}'"), encoding="utf-8")
    write_subject(study, "sub-01", warning=HOSTILE)
    page = Page(browser, make_page(study).path)
    page.say_who("<b>AB</b>")
    page.button("L1", "no").click()
    page.comment("L1").send_keys(HOSTILE, Keys.ENTER)
    page.comment("L2").send_keys("=1+1", Keys.ENTER)
    path = page.export(downloads)
    # A spreadsheet program must not take a comment for a formula.
    assert "\t'=1+1\t" in path.read_text(encoding="utf-8")
    made = {d.roi: d.comment for d in installed(study, path)}
    assert made == {"L1": HOSTILE, "L2": "=1+1"}
    page = Page(browser, make_page(study).path)
    assert page.one("h1").text.startswith(HOSTILE)
    assert HOSTILE in page.one(".notes").text
    assert page.comment("L1").get_attribute("value") == HOSTILE
    assert page.state("L1") == "✗ rejected by <b>AB</b>"
    assert browser.execute_script("return window.hacked") is None
    # Were text ever taken for code, the page would still not run it.
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 2';"
        "document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked=3\">')"
    )
    assert browser.execute_script("return window.hacked") is None


def test_pictures_beside_the_page_are_loaded_when_looked_at(browser, study):
    page = make_page(study, embedded_bytes=0)
    assert not page.embedded
    text = page.path.read_text(encoding="utf-8")
    assert "data:image/png" not in text
    shown = Page(browser, page.path)
    first = [image.get_attribute("src") for image in shown.all("img")]
    assert len(first) == 5
    assert all("/pictures/sub-01/ct_" in address for address in first)
    shown.open(2)
    loaded = (
        "const done = arguments[0]; Promise.all([...document.images].map(i => i.decode()))"
        ".then(() => done('all'), e => done(String(e)))"
    )
    assert browser.execute_async_script(loaded) == "all"
    assert shown.heading == "sub-02 · CT"


def test_an_exported_decision_gives_way_to_a_newer_table(browser, downloads, study):
    page = Page(browser, make_page(study).path)
    page.say_who()
    page.button("L1", "yes").click()
    path = page.export(downloads)
    text = path.read_text(encoding="utf-8")
    # Not put into the study yet: a page made again shows what this browser knows.
    page = Page(browser, make_page(study).path)
    assert page.state("L1") == "✓ accepted by AB"
    # A colleague's table says otherwise by now.
    other = text.replace("accept\tAB", "reject\tCD")
    (study / REVIEW_TSV).write_text(other, encoding="utf-8")
    page = Page(browser, make_page(study).path)
    assert page.state("L1") == "✗ rejected by CD"
    with pytest.raises(StudyError):
        (study / REVIEW_TSV).write_text(text + other.splitlines()[1] + "\n", encoding="utf-8")
        make_page(study)
