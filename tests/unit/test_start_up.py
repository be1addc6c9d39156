"""Each step of a subject is a process of its own: it loads nothing that it does not use."""

import ast
import subprocess
import sys

import pytest

from osteoflow.resources import ROOT

HEAVY = {
    *("pydicom", "pandas", "matplotlib", "requests", "pydantic", "sklearn", "SimpleITK", "numba"),
    *("radiomics", "nibabel", "numpy.f2py", "numpy.testing", "scipy.fft"),
    *(
        "scipy.interpolate",
        "scipy.linalg",
        "scipy.ndimage",
        "scipy.optimize",
        "scipy.special",
        "scipy.stats",
    ),
}
NEEDED = {
    "convert_images.py": {"pydicom"},
    "segment_vertebrae.py": set(),
    "outline_totalsegmentator.py": set(),
    "outline_totalspineseg.py": set(),
    "outline_spineps.py": set(),
    "outline_spine_segment.py": set(),
    "map_mri.py": {"numba"},
    "calibrate_ct.py": set(),
    "extract_features.py": {"pydantic", "numba"},
    "measure_subject.py": set(),
}
# What steps do, small, and what of the above it loads.
MESH = """
import numpy as np
from osteoflow.radiomics.kernels.mesh import region_mesh
area, volume = region_mesh(np.ones((3, 4, 5), bool), (1.0, 1.0, 1.0))
assert 50 < area < 94 and 50 < volume < 60
"""
PAGE = """
import numpy as np
from osteoflow.io.volume import Volume
from osteoflow.reports.overlay import ImageView
from osteoflow.reports.subject import render_subject
row = {"rater": "1", "reading": "1", "roi": "L1", "image": "pdff", "metric": "pdff_mean"}
row |= {"value": "52.3", "unit": "%", "method": "", "n_voxels": "9", "flag": ""}
volume = Volume(np.full((9, 9, 9), 50.0), np.eye(4))
status = {"step": "measure", "modality": "mri", "status": "ok"}
view = ImageView("PDFF", volume, "%", (0.0, 100.0), colour_map="viridis")
page = render_subject(participant_id="sub-01", session=None, study_title="Study",
    statuses=[status], measurements=[row], images=[view])
assert "52.30" in page and "data:image/png" in page
"""
WORK = {
    "mesh": (MESH, {"numba"}),
    "page": (PAGE, set()),
}


def loaded(code: str) -> set[str]:
    """Modules that a process executed."""
    code += "\nfrom osteoflow.lazily import executed; print(*executed())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("script", NEEDED)
def test_a_step_loads_only_what_it_needs(script):
    tree = ast.parse((ROOT / "scripts" / script).read_text(encoding="utf-8"))
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert loaded("\n".join(map(ast.unparse, imports))) & HEAVY <= NEEDED[script]


@pytest.mark.parametrize("work", WORK)
def test_work_loads_only_what_it_needs(work):
    code, needed = WORK[work]
    assert loaded(code) & HEAVY <= needed
