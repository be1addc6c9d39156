"""Each step of a subject is a process of its own: it loads nothing that it does not use."""

import ast
import subprocess
import sys

import pytest

from osteoflow.resources import ROOT

HEAVY = {"pydicom", "pandas", "matplotlib", "requests", "pydantic", "sklearn", "scipy.stats"}
NEEDED = {
    "convert_images.py": {"pydicom", "requests"},
    "segment_vertebrae.py": set(),
    "outline_totalsegmentator.py": set(),
    "outline_totalspineseg.py": set(),
    "outline_spineps.py": set(),
    "outline_spine_segment.py": set(),
    "map_mri.py": set(),
    "calibrate_ct.py": set(),
    "extract_features.py": {"pydantic"},
    "measure_subject.py": {"pandas", "matplotlib"},
}


@pytest.mark.parametrize("script", NEEDED)
def test_a_step_loads_only_what_it_needs(script):
    tree = ast.parse((ROOT / "scripts" / script).read_text(encoding="utf-8"))
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    code = "\n".join(map(ast.unparse, imports)) + "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY <= NEEDED[script]
