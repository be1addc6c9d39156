"""Shared by all tests: helpers beside the tests are importable, and numbers can be kept.

`--measured FILE` makes the `record` fixture append what tests measured to a file of JSON lines,
from which `make validation` writes `docs/validation.md`.
"""

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "unit")]


def pytest_addoption(parser):
    parser.addoption("--measured", metavar="FILE", help="append measured numbers as JSON lines")


@pytest.fixture
def record(request):
    """Function that keeps a number: section, what, value, unit, limit in words."""
    path = request.config.getoption("--measured")

    def write(section, what, value, unit="", limit=""):
        row = {"section": section, "what": what, "value": value, "unit": unit, "limit": limit}
        if path:
            with Path(path).open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row, default=float) + "\n")

    return write
