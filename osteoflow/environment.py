"""The conda environment file, made from the lock: one set of packages for both ways to install.

Snakemake copies environment files elsewhere before it uses them, so nothing in them may point to
a neighbouring file: the locked requirements are written into it. It also keeps the whole file in
the record of every output, so the hashes stay in the lock: with them the records of 40 subjects
take half a gigabyte. The file names the lock's own hash and changes when any of them does.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from osteoflow.io.whole import write_text
from osteoflow.resources import ROOT

HEADER = """\
# Made from requirements.lock by `make lock`: the interpreter and a compiler (pyradiomics is built
# from its source distribution) from conda-forge, every package from the lock by pip.
# SHA-256 of the lock: {digest}
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


def pins() -> list[str]:
    """Each locked requirement, name, version and markers, without its hashes."""
    return [requirement.split(" --hash=")[0] for requirement in requirements()]


def environment_text() -> str:
    """Content of ``envs/core.yaml``."""
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    lines = [f"      - {_quoted(pin)}" for pin in pins()]
    return HEADER.format(digest=digest) + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), environment_text())
