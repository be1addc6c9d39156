"""The conda environment file, made from the lock: one set of packages for both ways to install.

Snakemake copies environment files elsewhere before it uses them, so nothing in them may point to
a neighbouring file: the locked requirements are written into it with their hashes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from osteoflow.io.volume import write_text
from osteoflow.resources import ROOT

HEADER = """\
# Made from requirements.lock by `make lock`: the interpreter and a compiler (pyradiomics is built
# from its source distribution) from conda-forge, every package from the lock by pip.
name: osteoflow-core
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python =3.12
  - pip >=25
  - c-compiler
  - pip:
"""


def requirements() -> list[str]:
    """Each locked requirement with its hashes on one line."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def environment_text() -> str:
    """Content of ``envs/core.yaml``."""
    lines = [f"      - {_quoted(requirement)}" for requirement in requirements()]
    return HEADER + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), environment_text())
