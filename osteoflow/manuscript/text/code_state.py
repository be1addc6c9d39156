"""One hash for the code that made a study's results."""

from __future__ import annotations

from osteoflow.code_version import code_version
from osteoflow.config import digest
from osteoflow.resources import ROOT


def code_state() -> str:
    """Hash of the versions of all scripts, 16 hexadecimal digits.

    Comments and docstrings do not count. It is worked out while the text is written: as a parameter
    of the rule, any change of any code would write the text anew although nothing it tells of has
    changed; what the text does tell of is among the rule's inputs.
    """
    scripts = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))
    return digest({name: code_version(name) for name in scripts})
