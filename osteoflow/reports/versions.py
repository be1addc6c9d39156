"""Which software made a result."""

from __future__ import annotations

import platform
from importlib.metadata import version

from osteoflow import __version__

PACKAGES = (
    "snakemake",
    "numpy",
    "scipy",
    "pandas",
    "SimpleITK",
    "nibabel",
    "pydicom",
    "dcm2niix",
    "pyradiomics-bhklab",
    "scikit-learn",
    "statsmodels",
    "matplotlib",
)


def software_versions() -> dict[str, str]:
    """OsteoFlow, Python and the packages that compute, each with its installed version."""
    found = {"OsteoFlow": __version__, "Python": platform.python_version()}
    return found | {name: version(name) for name in PACKAGES}
