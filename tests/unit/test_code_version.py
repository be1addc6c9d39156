"""The version of a rule's code follows what its results depend on, and nothing else."""

import ast
import shutil
import subprocess
import sys

import pytest

from osteoflow.code_version import READERS
from osteoflow.resources import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the code that may be edited."""
    target = tmp_path_factory.mktemp("clone")
    for name in ("osteoflow", "scripts", "resources"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", target)
    return target


def versions(clone):
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from osteoflow.code_version import code_version\n"
        f"print(*(code_version(name) for name in {SCRIPTS}))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=clone, capture_output=True, text=True, check=True
    )
    return dict(zip(SCRIPTS, done.stdout.split(), strict=True))


def edited(clone, path, old, new):
    """Scripts whose version differs after an edit, which is undone."""
    before = versions(clone)
    file = clone / path
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    try:
        after = versions(clone)
    finally:
        file.write_text(text, encoding="utf-8")
    return {name for name in SCRIPTS if before[name] != after[name]}


def test_comments_and_docstrings_do_not_count(clone):
    path = "osteoflow/mri/varpro.py"
    text = (clone / path).read_text()
    assert edited(clone, path, text[:20], "# a comment\n" + text[:20]) == set()
    docstring = text.split('"""')[1]
    assert edited(clone, path, docstring, docstring + " More words.") == set()


def test_a_constant_reaches_the_rules_that_import_it(clone):
    path = "osteoflow/ct/calibration.py"
    assert edited(clone, path, "BETA_WATER = 999.6", "BETA_WATER = 999.7") >= {"calibrate_ct.py"}
    changed = edited(clone, path, "BETA_WATER = 999.6", "BETA_WATER = 999.7")
    assert not changed & {"map_mri.py", "convert_images.py", "fit_models.py"}


def test_a_resource_table_reaches_the_rules_that_read_it(clone):
    text = (clone / "resources/fat_spectra.tsv").read_text()
    changed = edited(clone, "resources/fat_spectra.tsv", text[-4:], "9" + text[-4:])
    assert changed == {"map_mri.py"}


def test_the_dictionary_of_measurements_reaches_no_map(clone):
    """A result has the same file name; only what reads the table depends on it."""
    text = (clone / "resources/measurements.tsv").read_text()
    changed = edited(clone, "resources/measurements.tsv", text[-4:], "9" + text[-4:])
    assert "measure_subject.py" in changed
    images = {"convert_images.py", "segment_vertebrae.py", "map_mri.py", "calibrate_ct.py"}
    assert not changed & images


def test_resources_are_read_by_names_that_can_be_followed():
    """Only a literal name tells which table a rule depends on."""
    for path in (ROOT / "osteoflow").rglob("*.py"):
        if path.name == "resources.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in READERS:
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"


@pytest.mark.parametrize("template", ["base.html.j2", "parts.html.j2"])
def test_templates_reach_every_page_that_draws_them_in(clone, template):
    path = f"osteoflow/reports/templates/{template}"
    text = (clone / path).read_text()
    assert edited(clone, path, text[:10], "<!-- x -->" + text[:10]) == {
        "measure_subject.py",
        "report_cohort.py",
    }


def test_reading_dicom_reaches_no_model(clone):
    changed = edited(clone, "osteoflow/io/dicom.py", "timeout=1800", "timeout=1801")
    assert "convert_images.py" in changed
    assert not changed & {"fit_models.py", "describe_cohort.py", "draw_model_figure.py"}


def test_a_locked_package_reaches_the_rules_that_import_it(clone):
    changed = edited(clone, "requirements.lock", "scikit-learn==", "scikit-learn==9")
    assert "fit_models.py" in changed
    assert not changed & {"convert_images.py", "calibrate_ct.py", "map_mri.py"}


def test_a_script_reaches_its_own_rule_alone(clone):
    assert edited(clone, "scripts/map_mri.py", '"Units"', '"Unit"') == {"map_mri.py"}
