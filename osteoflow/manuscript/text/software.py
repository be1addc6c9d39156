"""Software with versions, and the state of the code."""

from __future__ import annotations

from osteoflow.manuscript.text.citations import cite
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.markup import code, paragraph, plain
from osteoflow.wording import listing

_PAPERS = {
    "snakemake": ("moelder2021",),
    "numpy": ("harris2020",),
    "scipy": ("virtanen2020",),
    "pandas": ("mckinney2010",),
    "SimpleITK": ("lowekamp2013",),
    "dcm2niix": ("li2016",),
    "pyradiomics-bhklab": ("vangriethuysen2017",),
    "scikit-learn": ("pedregosa2011",),
    "statsmodels": ("seabold2010",),
    "matplotlib": ("hunter2007",),
}
_OWN = ("OsteoFlow", "Python")


def software(facts: Facts) -> list[str]:
    """Paragraphs of the section."""
    if not facts.versions:
        return []
    own = [f"{name} {plain(facts.versions[name])}" for name in _OWN if name in facts.versions]
    state = f" (state of the code {code(facts.code)})" if facts.code else ""
    packages = [
        f"{name} {plain(version)}{cite(*_PAPERS.get(name, ()))}"
        for name, version in facts.versions.items()
        if name not in _OWN and _used(facts, name)
    ]
    first, *rest = own or [""]
    run_by = f"all computations were made by {first}{state}"
    on = [*rest, *packages]
    return [paragraph([run_by + (f", with {listing(on)}" if on else "")])]


def _used(facts: Facts, name: str) -> bool:
    """Whether the study made use of a package that not every study needs."""
    if name == "pyradiomics-bhklab":
        return bool(facts.images)
    if name == "dcm2niix":
        return any(
            item.get("Source") == "dicom" for found in facts.scans.values() for item in found
        )
    if name == "scikit-learn":
        return bool(facts.models)
    return True
