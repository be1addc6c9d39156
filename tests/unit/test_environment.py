"""Lock, project file and conda environment are in step; the layers of the library hold."""

import ast
import re
import tomllib

import yaml
from packaging.requirements import Requirement

from osteoflow.environment import environment_text, pins, requirements
from osteoflow.resources import ROOT


def locked():
    found = {}
    for line in requirements():
        requirement = Requirement(line.split(" --hash")[0])
        found.setdefault(requirement.name.lower(), []).append(requirement)
    return found


def test_every_requirement_is_locked_within_its_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lock = locked()
    for text in wanted:
        requirement = Requirement(text)
        versions = [next(iter(r.specifier)).version for r in lock[requirement.name.lower()]]
        assert versions
        assert all(requirement.specifier.contains(version) for version in versions), text


def test_every_locked_requirement_is_pinned_with_hashes():
    for line in requirements():
        assert re.match(r"^[A-Za-z0-9._-]+==\S+", line), line
        assert "--hash=sha256:" in line


def test_conda_environment_holds_exactly_the_lock():
    text = (ROOT / "envs" / "core.yaml").read_text(encoding="utf-8")
    assert text == environment_text()
    content = yaml.safe_load(text)
    assert content["dependencies"][-1]["pip"] == pins()
    assert len(text) < 10_000  # it is kept in the record of every output
    assert "file:" not in text
    assert not re.search(r"^\s+- *-[re] ", text, re.MULTILINE)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_imports_point_downwards():
    """Science never imports another stage; statistics never models; nothing imports the CLI."""
    science = {"mri", "ct", "segmentation", "radiomics"}
    forbidden = {
        **{stage: (science - {stage}) | {"cohort", "statistics", "models"} for stage in science},
        "io": science | {"cohort", "statistics", "models", "inventory", "figures", "reports"},
        "statistics": {"models", "figures", "reports", *science},
        "models": {"figures", "reports", *science},
        "simulate": science | {"inventory", "statistics", "models"},
    }
    for stage, above in forbidden.items():
        for path in (ROOT / "osteoflow" / stage).rglob("*.py"):
            for name in imports(path):
                parts = name.split(".")
                assert not (parts[0] == "osteoflow" and parts[1:2] and parts[1] in above), (
                    f"{path.name} imports {name}"
                )


def test_the_library_knows_nothing_of_snakemake():
    """Only what starts and plans the workflow does."""
    running = ROOT / "osteoflow" / "running"
    paths = [p for p in (ROOT / "osteoflow").rglob("*.py") if running not in p.parents]
    assert len(paths) > 100
    for path in paths:
        assert not any(name.split(".")[0] == "snakemake" for name in imports(path)), path
