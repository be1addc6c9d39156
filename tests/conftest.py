"""Shared by all tests: helpers beside the tests are importable."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "unit")]
