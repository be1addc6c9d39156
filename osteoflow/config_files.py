"""Files made from the configuration model: a new study's two files, the schema, the reference."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from osteoflow.config import Config, json_schema
from osteoflow.errors import StudyError
from osteoflow.io.whole import write_text
from osteoflow.resources import ROOT
from osteoflow.settings.section import section_in
from osteoflow.study import CONFIG_YAML, SUBJECTS_TSV

EXAMPLE = """\
# An outcome model; remove the first two characters of these lines and adapt them.
# analyses:
#   - name: osteoporosis
#     outcome: dxa_tscore <= -2.5
#     outcome_label: Osteoporosis (DXA)
#     clinical: [age, sex, bmi]
#     radiomics:
#       image: vbmd
"""
HEADER = (
    "participant_id\tsession\tdicom\tct_mask\tmri_mask\tmask_scheme\t"
    "ct_mask_rater2\tmri_mask_rater2\tage\tsex\tbmi\tsite\tdxa_tscore\n"
)


def write_study_files(study: Path) -> list[Path]:
    """Write `config/config.yaml` and `config/subjects.tsv` of a new study.

    Raises
    ------
    StudyError
        One of them exists.
    """
    files = {study / CONFIG_YAML: config_template(), study / SUBJECTS_TSV: HEADER}
    present = [path for path in files if path.exists()]
    if present:
        raise StudyError([f"{path} exists already and is left as it is" for path in present])
    for path, content in files.items():
        write_text(path, content)
    return list(files)


def config_template() -> str:
    """A commented `config.yaml` with every key at its default."""
    lines = [
        "# Settings of this study. Every key stands at its default; a key left out keeps it.",
        "# All keys are explained in docs/reference/config.md of OsteoFlow.",
    ]
    for name, field in Config.model_fields.items():
        if name == "analyses":
            continue
        lines.append(f"\n{name}:")
        default = field.get_default(call_default_factory=True)
        for key, item in type(default).model_fields.items():
            value = getattr(default, key)
            lines.extend(f"  # {line}" for line in _wrapped(item.description or ""))
            lines.append(f"  {key}: {_flow(value)}")
    return "\n".join(lines) + "\n\n" + EXAMPLE


def reference_page() -> str:
    """`docs/reference/config.md`: every key with its type, default and meaning."""
    parts = [
        "# Configuration\n",
        "Made from the configuration model (`osteoflow/config.py`) by `make reference`.\n",
    ]
    parts += _section_tables("config.yaml", Config, "")
    return "\n".join(parts)


def schema_text() -> str:
    """`config/schemas/config.schema.json`."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _section_tables(title: str, model: type[BaseModel], prefix: str) -> list[str]:
    parts = [f"## {title}\n", "| key | type | default | meaning |", "|---|---|---|---|"]
    below: list[str] = []
    for name, field in model.model_fields.items():
        nested = section_in(field.annotation)
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            shown = "see below"
        elif default is PydanticUndefined:
            shown = "required"
        else:
            shown = f"`{_flow(default)}`"
        meaning = field.description or f"See `{prefix}{name}` below."
        parts.append(f"| `{prefix}{name}` | {_type_name(field.annotation)} | {shown} | {meaning} |")
        if nested is not None:
            below += ["", *_section_tables(f"{prefix}{name}", nested, f"{prefix}{name}.")]
    return [*parts, *below]


def _type_name(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin is list:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"mapping from {_type_name(arguments[0])} to {_type_name(arguments[1])}"
    if arguments:
        names = [_type_name(a) for a in arguments if a is not type(None)]
        return " or ".join(names) + (", or empty" if type(None) in arguments else "")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return {"str": "text", "float": "number", "int": "whole number", "bool": "true/false"}.get(
        annotation.__name__, annotation.__name__
    )


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _wrapped(text: str, width: int = 92) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)


if __name__ == "__main__":
    write_text(ROOT / "config" / "schemas" / "config.schema.json", schema_text())
    write_text(ROOT / "docs" / "reference" / "config.md", reference_page())
    from osteoflow.radiomics.page import feature_page

    write_text(ROOT / "docs" / "reference" / "radiomics-features.md", feature_page())
