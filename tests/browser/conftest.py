"""A browser for tests of pages: Debian's chromium without a window, driven by selenium."""

import shutil
import time
from pathlib import Path

import pytest

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    # Containers have a small /dev/shm, and a browser that fills it crashes.
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)
PROGRAMS = {
    "binary": ("chromium", "chromium-browser", "google-chrome"),
    "driver": ("chromedriver",),
}


class Downloads:
    """Where the browser saves files; empty at the start of each test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wait_for(self, name: str, seconds: float = 60.0) -> Path:
        """The file of this name, once it is whole."""
        path = self.folder / name
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if path.exists() and not list(self.folder.glob("*.crdownload")):
                return path
            time.sleep(0.05)
        raise AssertionError(f"{name} was not saved; there are {sorted(self.folder.iterdir())}")


def _started(start):
    """A browser, at the second attempt if need be.

    The driver looks for a free port and takes it later, when that of another worker may have it.
    """
    from selenium.common.exceptions import WebDriverException

    try:
        return start()
    except WebDriverException:
        return start()


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory):
    """One browser for all tests of a session, and the folder of its downloads."""
    found = {
        what: next(filter(None, map(shutil.which, names)), None) for what, names in PROGRAMS.items()
    }
    if None in found.values():
        lacking = " and ".join(PROGRAMS[what][0] for what, path in found.items() if path is None)
        pytest.skip(f"no {lacking} on this machine (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    folder = tmp_path_factory.mktemp("browser")
    saved = folder / "downloads"
    saved.mkdir()
    options = webdriver.ChromeOptions()
    options.binary_location = found["binary"]
    for option in (*OPTIONS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(option)
    options.add_experimental_option("prefs", {"download.default_directory": str(saved)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = _started(lambda: webdriver.Chrome(options=options, service=Service(found["driver"])))
    driver.set_page_load_timeout(60)
    yield driver, saved
    driver.quit()


@pytest.fixture
def browser(_chromium):
    """A browser (selenium's driver) without anything kept from the test before."""
    driver, saved = _chromium
    shutil.rmtree(saved)
    saved.mkdir()
    driver.get_log("browser")
    yield driver
    driver.execute_script("try { localStorage.clear() } catch (error) {}")
    driver.get("about:blank")


@pytest.fixture
def downloads(_chromium):
    """Files that the page hands over."""
    return Downloads(_chromium[1])
