"""What a rule's results depend on besides its inputs: the code that makes them.

The version of a script is a hash of its syntax tree and of every project module it imports
(without comments and docstrings), of the resource tables these name, and of the locked versions
of the third-party packages they import. Editing a comment changes nothing; editing a constant
changes exactly the rules whose scripts reach it.
"""

from __future__ import annotations

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

from osteoflow.resources import RESOURCES, ROOT

PACKAGE = "osteoflow"
# Import names that differ from the names of their distributions.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "SimpleITK": "simpleitk",
    "radiomics": "pyradiomics-bhklab",
    "PIL": "pillow",
    "pywt": "pywavelets",
}
DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


@cache
def code_version(script: str) -> str:
    """Version of a script in ``scripts/`` with all it rests on, 16 hexadecimal digits."""
    files = _reach(ROOT / "scripts" / script)
    digest = hashlib.sha256()
    packages: set[str] = set()
    resources: set[str] = set()
    for path in sorted(files):
        tree_hash, imported, named = _module(path)
        digest.update(f"{path.relative_to(ROOT).as_posix()}={tree_hash}\n".encode())
        packages |= imported
        resources |= named
    for name in sorted(resources):
        digest.update(
            f"{name}={hashlib.sha256(_resources()[name].read_bytes()).hexdigest()}\n".encode()
        )
    versions = _locked_versions()
    for name in sorted(packages):
        distribution = DISTRIBUTIONS.get(name, name).lower().replace("_", "-")
        if distribution in versions:
            digest.update(f"{distribution}=={versions[distribution]}\n".encode())
    return digest.hexdigest()[:16]


def _reach(start: Path) -> set[Path]:
    """The file and every project file it imports, directly or through others."""
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_project_imports(path))
    return seen


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _project_imports(path: Path) -> frozenset[Path]:
    found: set[Path] = set()
    for node in ast.walk(_tree(path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == PACKAGE:
                found |= _files_of(name)
    return frozenset(found)


@cache
def _files_of(name: str) -> frozenset[Path]:
    """Files that importing a dotted name executes: the module and its packages."""
    parts = name.split(".")
    files = set()
    for depth in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:depth])
        for candidate in (base / "__init__.py", base.with_suffix(".py")):
            if candidate.is_file():
                files.add(candidate)
    return frozenset(files)


@cache
def _module(path: Path) -> tuple[str, frozenset[str], frozenset[str]]:
    """Hash of the syntax tree without docstrings, third-party imports, resources named."""
    tree = _tree(path)
    packages: set[str] = set()
    resources: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            packages.add(node.module.split(".")[0])
        elif isinstance(node, ast.Constant) and node.value in _resources():
            resources.add(node.value)
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    text = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return text, frozenset(packages - {PACKAGE}), frozenset(resources)


@cache
def _resources() -> dict[str, Path]:
    """Resource tables, and templates of pages, by the name that code gives them."""
    files = [p for p in RESOURCES.rglob("*") if p.is_file()]
    named = {p.relative_to(RESOURCES).as_posix(): p for p in files}
    for template in (ROOT / PACKAGE).rglob("*.j2"):
        named[template.name] = template
    return named


@cache
def _locked_versions() -> dict[str, str]:
    """Locked versions; a package locked per Python version has all of them joined."""
    versions: dict[str, str] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        match = REQUIREMENT.match(line)
        if match:
            name = match[1].lower().replace("_", "-")
            versions[name] = "+".join(filter(None, [versions.get(name), match[2]]))
    return versions
