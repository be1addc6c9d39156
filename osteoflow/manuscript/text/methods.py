"""The methods section of a manuscript, composed of what the run really did."""

from __future__ import annotations

from collections.abc import Callable

from osteoflow.manuscript.text.analysis import statistics
from osteoflow.manuscript.text.citations import bibliography, cited
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.features import radiomics
from osteoflow.manuscript.text.imaging import imaging
from osteoflow.manuscript.text.maps import maps
from osteoflow.manuscript.text.outcome_models import models
from osteoflow.manuscript.text.population import population
from osteoflow.manuscript.text.segmentation import segmentation
from osteoflow.manuscript.text.software import software

Section = Callable[[Facts], list[str]]

SECTIONS: tuple[tuple[str, Section], ...] = (
    ("Study population and exclusions", population),
    ("Imaging and conversion", imaging),
    ("Segmentation", segmentation),
    ("Quantitative maps", maps),
    ("Radiomics", radiomics),
    ("Statistics", statistics),
    ("Prediction models", models),
    ("Software", software),
)
# Pandoc finds the references by this, and puts the list where the last lines stand.
_HEAD = "---\nbibliography: methods.bib\nlink-citations: true\n---\n"
_END = "# References\n\n::: {#refs}\n:::\n"


def write_methods(facts: Facts) -> tuple[str, str]:
    """Markdown of the methods and BibTeX of what it cites.

    A section without anything that was done is left out with its heading.

    Returns
    -------
    tuple
        For ``methods.md`` (``pandoc --citeproc`` reads it) and ``methods.bib``.
    """
    parts = [_HEAD, "# Methods\n"]
    for title, section in SECTIONS:
        paragraphs = section(facts)
        if paragraphs:
            parts.append(f"## {title}\n")
            parts += [f"{text}\n" for text in paragraphs]
    text = "\n".join(parts)
    keys = cited(text)
    return (text + "\n" + _END if keys else text), bibliography(keys)
