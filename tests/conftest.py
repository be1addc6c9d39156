"""Shared by all tests: helpers beside the tests are importable, and numbers can be kept.

`--measured FILE` makes the `record` fixture append what tests measured to a file of JSON lines,
from which `make validation` writes `docs/validation.md`.

With `--dist loadfile` the files that take longest start first, so that no worker is left alone with
one of them at the end.
"""

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "unit")]
# By the seconds they take, from minutes down to half a minute.
LONGEST_FIRST = (
    "unit/test_phantom_scans.py",
    "workflow/test_same_tables.py",
    "workflow/test_reruns.py",
    "workflow/test_whole_run.py",
    "workflow/test_review.py",
    "workflow/test_other_studies.py",
    "workflow/test_warm.py",
    "workflow/test_faults.py",
    "reference/test_null_data.py",
    "workflow/test_interrupted.py",
    "workflow/test_backends.py",
    "reference/test_whole_way.py",
    "workflow/test_more_mri.py",
    "workflow/test_mistakes.py",
    "unit/test_score_test.py",
    "reference/test_seeded_outlines.py",
    "workflow/test_weighted_mri.py",
)


def pytest_addoption(parser):
    parser.addoption("--measured", metavar="FILE", help="append measured numbers as JSON lines")


def pytest_configure(config):
    # xdist would begin with the files that hold most tests, which are not those that take longest.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(config, items):
    """In the workers of xdist, files in the order of the time they take; others as they come."""
    if hasattr(config, "workerinput"):
        places = {str(HERE / name): place for place, name in enumerate(LONGEST_FIRST)}
        items.sort(key=lambda item: places.get(str(item.path), len(places)))


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
