"""What a rule's results depend on besides its inputs: the code that makes them.

The version of a script is a hash of its syntax tree and of every project module it imports
(without comments and docstrings), of the resource tables these name, and of the locked versions
of the third-party packages they import. Editing a comment changes nothing; editing a constant
changes exactly the rules whose scripts reach it.

What a file contributes depends on its bytes alone, so it is kept between runs: `osteoflow
inventory` writes the facts of all files, and parsing the workflow only hashes the files' bytes.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from dataclasses import dataclass
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
    "docx": "python-docx",
}
DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
TEMPLATE = re.compile(r"[\w./-]+\.j2")
# What a template of a page draws in: extends, include, import and from.
DRAWN_IN = re.compile(r"""{%-?\s*(?:extends|include|import|from)\s+["']([^"']+)["']""")
READERS = ("read_resource", "resource_path")
# Syntax trees differ between versions of Python.
EDITION = [2, *sys.version_info[:2]]


@dataclass(frozen=True)
class Facts:
    """What one Python file contributes to the version of the scripts that reach it.

    ``tree`` is the hash of its syntax tree without docstrings, ``imports`` the dotted names it
    imports, ``files`` the resource tables and templates it names.
    """

    tree: str
    imports: tuple[str, ...]
    files: tuple[str, ...]


_known: dict[str, Facts] = {}


@cache
def code_version(script: str) -> str:
    """Version of a script in ``scripts/`` with all it rests on, 16 hexadecimal digits."""
    text = "".join(f"{name}={value}\n" for name, value in code_parts(script).items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def code_parts(script: str) -> dict[str, str]:
    """What a script's version is made of: files and resource tables with their hashes, packages
    with their locked versions."""
    parts: dict[str, str] = {}
    packages: set[str] = set()
    resources: set[str] = set()
    for path in sorted(_reach(ROOT / "scripts" / script)):
        facts = _facts(path)
        parts[path.relative_to(ROOT).as_posix()] = facts.tree
        packages |= {name.split(".")[0] for name in facts.imports} - {PACKAGE}
        resources |= _with_drawn_in(set(facts.files) & _resources().keys())
    for name in sorted(resources):
        parts[name] = hashlib.sha256(_resources()[name].read_bytes()).hexdigest()
    versions = _locked_versions()
    for name in sorted(packages):
        distribution = DISTRIBUTIONS.get(name, name).lower().replace("_", "-")
        if distribution in versions:
            parts[distribution] = versions[distribution]
    return parts


def history_text(path: Path) -> str:
    """The parts of all scripts' versions, now and as kept in a file before, as JSON."""
    known = load_history(path)
    for script in sorted((ROOT / "scripts").glob("*.py")):
        parts = code_parts(script.name)
        known[code_version(script.name)] = {name: value[:16] for name, value in parts.items()}
    return json.dumps(known, indent=0, sort_keys=True) + "\n"


def load_history(path: Path) -> dict[str, dict[str, str]]:
    """Version of a script -> its parts, for every version that the study has seen."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def changed_parts(before: dict[str, str] | None, after: dict[str, str] | None) -> list[str]:
    """Names of the parts in which two versions differ; empty where one is not known."""
    if before is None or after is None:
        return []
    return sorted(n for n in {**before, **after} if before.get(n) != after.get(n))


def load_facts(path: Path) -> None:
    """Take the facts that :func:`save_facts` kept; a file of another edition is ignored."""
    if not path.exists():
        return
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["edition"] == EDITION:
        for key, (tree, imports, files) in content["facts"].items():
            _known[key] = Facts(tree, tuple(imports), tuple(files))


def facts_text() -> str:
    """The facts of all Python files of the project, for :func:`load_facts`."""
    paths = [*(ROOT / PACKAGE).rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    facts = {_content_hash(path): _facts(path) for path in sorted(paths)}
    rows = {key: [f.tree, f.imports, f.files] for key, f in sorted(facts.items())}
    return json.dumps({"edition": EDITION, "facts": rows}, indent=0) + "\n"


def _reach(start: Path) -> set[Path]:
    """The file and every project file it imports, directly or through others."""
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            for name in _facts(path).imports:
                waiting.extend(_files_of(name))
    return seen


@cache
def _facts(path: Path) -> Facts:
    key = _content_hash(path)
    if key not in _known:
        _known[key] = _read_facts(path)
    return _known[key]


@cache
def _content_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_facts(path: Path) -> Facts:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports: set[str] = set()
    files: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imports.add(node.module)
            if node.module.split(".")[0] == PACKAGE:
                imports |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _name_of(node.func) in READERS:
            files |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
        elif isinstance(node, ast.Constant) and TEMPLATE.fullmatch(str(node.value)):
            files.add(str(node.value))
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    dump = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return Facts(dump, tuple(sorted(imports)), tuple(sorted(files)))


def _name_of(function: ast.expr) -> str:
    """``read_resource`` of ``read_resource(...)`` and of ``resources.read_resource(...)``."""
    return getattr(function, "id", getattr(function, "attr", ""))


def _with_drawn_in(names: set[str]) -> set[str]:
    """Resources with the templates that templates among them extend, include or import."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            if TEMPLATE.fullmatch(name):
                waiting += DRAWN_IN.findall(_resources()[name].read_text(encoding="utf-8"))
    return seen


@cache
def _files_of(name: str) -> frozenset[Path]:
    """Files that importing a dotted name executes: the module and its packages."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return frozenset()
    files = set()
    for depth in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:depth])
        for candidate in (base / "__init__.py", base.with_suffix(".py")):
            if candidate.is_file():
                files.add(candidate)
    return frozenset(files)


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
