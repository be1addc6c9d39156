"""The study's settings: the one source of defaults, of the JSON schema and of the reference page.

Unknown keys are mistakes, reported with the nearest known key; all mistakes are listed at once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import unicodedata
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from osteoflow.errors import StudyError
from osteoflow.models.baselines import automatic_baselines
from osteoflow.settings.analysis import Analysis
from osteoflow.settings.cohort import Cohort
from osteoflow.settings.ct import Ct
from osteoflow.settings.figures import Figures
from osteoflow.settings.manuscript import Manuscript
from osteoflow.settings.mri import Mri
from osteoflow.settings.radiomics import Radiomics
from osteoflow.settings.section import NAME_PATTERN, Section, section_in
from osteoflow.settings.segmentation import Segmentation
from osteoflow.settings.statistics import Statistics


class Study(Section):
    """What the study is."""

    title: str = Field("OsteoFlow study", description="Title of the report.")
    seed: int = Field(20260101, ge=0, description="Seed of every random split and resampling.")
    truth: str | None = Field(
        None,
        description="Table of known values (simulations, phantoms) that the report compares "
        "the measurements with.",
    )


class Config(Section):
    """`config/config.yaml`."""

    study: Study = Field(default_factory=Study)
    segmentation: Segmentation = Field(default_factory=Segmentation)
    mri: Mri = Field(default_factory=Mri)
    ct: Ct = Field(default_factory=Ct)
    radiomics: Radiomics = Field(default_factory=Radiomics)
    cohort: Cohort = Field(default_factory=Cohort)
    statistics: Statistics = Field(default_factory=Statistics)
    analyses: list[Analysis] = Field([], description="Outcome models.")
    figures: Figures = Field(default_factory=Figures)
    manuscript: Manuscript = Field(default_factory=Manuscript)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        for section, names in (
            ("analyses", [analysis.name for analysis in self.analyses]),
            ("statistics.comparisons", [item.name for item in self.statistics.comparisons]),
            ("cohort.summaries", [item.column for item in self.cohort.summaries]),
            ("statistics.correlations", [c.figure for c in self.statistics.correlations]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{section}: used more than once: {', '.join(twice)}")
        for item in self.cohort.summaries:
            if item.voi not in ("trabecular", *self.segmentation.further_voi):
                raise ValueError(
                    f"cohort.summaries: '{item.column}' needs '{item.voi}' in "
                    "segmentation.further_voi"
                )
        for model in self.statistics.mixed_models:
            if model.voi not in ("trabecular", *self.segmentation.further_voi):
                raise ValueError(
                    f"statistics.mixed_models: '{model.name}' needs '{model.voi}' in "
                    "segmentation.further_voi"
                )
        for analysis in self.analyses:
            problem = self._unsupported_radiomics(analysis)
            if problem:
                raise ValueError(f"analyses.{analysis.name}: {problem}")
            if unread := analysis.without_use():
                raise ValueError(f"analyses.{analysis.name}: {'; '.join(unread)}")
        return self

    @model_validator(mode="after")
    def _baselines_are_chosen(self) -> Config:
        for analysis in self.analyses:
            if analysis.baselines is None:
                analysis.baselines = automatic_baselines(analysis, self.cohort.summaries)
        return self

    def _unsupported_radiomics(self, analysis: Analysis) -> str | None:
        """What an analysis asks of features and the study does not make."""
        if analysis.radiomics is None:
            return None
        reliability = analysis.radiomics.reliability
        if "scan_rescan" in reliability and not self.statistics.reproducibility.repeat_sessions:
            return (
                "reliability over repeated scans needs statistics.reproducibility.repeat_sessions"
            )
        for image in analysis.images:
            if image not in self.radiomics.images:
                return (
                    f"no features are extracted from image '{image}' (radiomics.images has "
                    f"{', '.join(self.radiomics.images)})"
                )
            if "perturbation" in reliability and image not in self.radiomics.perturbed_images:
                return (
                    "reliability under perturbation needs radiomics.perturbation with the image "
                    f"'{image}'"
                )
        return None


def load_config(content: dict[str, Any]) -> Config:
    """Validated configuration.

    Raises
    ------
    StudyError
        With one line per mistake: its place, what is wrong, and the nearest known key.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise StudyError([_sentence(item, content) for item in error.errors()]) from None


def canonical(value: Any) -> str:
    """Canonical JSON of settings: what a rule gets as its parameter."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(value: Any) -> str:
    """Short SHA-256 of settings."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def json_schema() -> dict[str, Any]:
    """JSON schema of ``config.yaml``."""
    return Config.model_json_schema()


def _place(location: tuple[Any, ...], content: Any) -> str:
    """Where a mistake is: entries of a list by their name where they have one, else from 0."""
    parts = []
    for part in location:
        listed = isinstance(content, list) and isinstance(part, int) and part < len(content)
        known = listed or (isinstance(content, dict) and part in content)
        content = content[part] if known else None
        name = content.get("name") if listed and isinstance(content, dict) else None
        parts.append(name if isinstance(name, str) and name else str(part))
    return ".".join(parts)


def _sentence(item: dict[str, Any], content: dict[str, Any]) -> str:
    """A validation error in words, with the nearest known key for an unknown one."""
    place = _place(item["loc"], content)
    if item["type"] == "extra_forbidden":
        known = _known_keys(Config, item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        return f"config: unknown key '{place}' ({advice})"
    if item["type"] == "string_pattern_mismatch" and item["ctx"]["pattern"] == NAME_PATTERN:
        return f"config: {place}: {_name_mistake(item['input'])}"
    message = item["msg"].removeprefix("Value error, ")
    return f"config: {place}: {message}" if place else f"config: {message}"


def _name_mistake(name: str) -> str:
    """What names may hold, and the nearest one that is allowed."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = [word for word in re.split(r"[^a-z0-9]+", plain) if word]
    # A name does not begin with a number: 5_years becomes years_5.
    first = next((place for place, word in enumerate(words) if word[0].isalpha()), None)
    advice = ""
    if first is not None:
        advice = f"; write '{'_'.join(words[first:] + words[:first])}', for instance"
    return (
        f"the name '{name}' may hold small letters from a to z, digits and underscores alone, and "
        f"must begin with a letter{advice}"
    )


def _known_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Keys that the section at this location accepts."""
    for part in location:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            found = section_in(field.annotation)
            if found is not None:
                model = found
    return list(model.model_fields)
