"""Read what a run left behind, for the manuscript's text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteoflow.cohort.assemble import column_label
from osteoflow.cohort.flow import read_flow
from osteoflow.images import RATERS
from osteoflow.io.tables import feature_columns, of_reading, read_table
from osteoflow.io.volume import read_json, sidecar_path
from osteoflow.layout import IMAGE_SUFFIXES, SubjectFiles
from osteoflow.manuscript.text.facts import AnalysisFacts, Facts
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.reports.ibsi import read_compliance
from osteoflow.reports.methods import methods_by_image
from osteoflow.reports.versions import software_versions

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = (
    *("comparisons", "comparison_pairs", "correlations", "correlation_matrices"),
    *("reproducibility", "reproducibility_features", "overlap", "feature_volume"),
    *("mixed_models", "measurement_roc", "measurement_cutoffs", "measurement_pairs"),
)
MODEL_TABLES = (
    *("performance", "comparisons", "filters", "calibration", "decision_curve", "signature"),
)
# Flag of a level that is left out of means, with its reason.
_LEFT_OUT = re.compile(r"(?:^|;)left_out:([^;+]+)")
_LEVEL = re.compile(r"([A-Z]\d+)(?:_.*)?")


def load_facts(
    results: Path,
    settings: Mapping[str, Any],
    recipes: Mapping[str, Mapping[str, Any]],
    statuses: Iterable[str | Path],
    compliance: Sequence[str | Path],
    *,
    reviewed: bool,
    code: str,
) -> Facts:
    """Everything that the text rests on.

    Parameters
    ----------
    results
        The study's folder ``results``.
    settings
        The configuration as plain values.
    recipes
        Recipe of each image with radiomic features, as its file gives it.
    statuses
        ``status.json`` of every subject with images; sidecars lie in the folders beside it.
    compliance
        The file with the features of IBSI's phantom, or nothing.
    reviewed
        Whether the study has a review.
    code
        Hash of the code that made the results.
    """
    cohort = results / "cohort"
    measurements = read_table(cohort / "measurements.tsv")
    subjects = [SubjectFiles.beside(path) for path in statuses]
    columns = read_json(cohort / "participants.json")
    ibsi = read_compliance(compliance)
    return Facts(
        settings=settings,
        recipes={name: _recipe(content) for name, content in recipes.items()},
        flow=read_flow(cohort / "flow.tsv"),
        exclusions=read_table(cohort / "exclusions.tsv"),
        people=read_table(cohort / "participants.tsv"),
        review=read_table(cohort / "review.tsv") if reviewed else None,
        labels={name: column_label(name, columns) for name in columns},
        methods=methods_by_image(measurements) if len(measurements) else {},
        left_out=count_left_out(measurements),
        n_features=count_features(read_table(cohort / "features.tsv")),
        scans=_sidecars(subjects, IMAGE_SUFFIXES["convert"], SubjectFiles.image),
        outlines=_sidecars(subjects, RATERS, lambda files, item: files.regions(item, "mask")),
        statistics={
            name: read_table(results / "statistics" / f"{name}.tsv") for name in STATISTICS
        },
        table1=read_json(results / "statistics" / "table1.json"),
        analyses=[load_analysis(results, item["name"]) for item in settings["analyses"]],
        ibsi=ibsi.statement,
        ibsi_deviations=list(ibsi.warnings),
        versions=software_versions(),
        code=code,
    )


def load_analysis(results: Path, name: str) -> AnalysisFacts:
    """One analysis from its folder."""
    folder = results / "models" / name
    summary = read_json(folder / "summary.json")
    if "not_possible" in summary:
        return AnalysisFacts(name, summary)
    tables = {table: read_table(folder / f"{table}.tsv") for table in MODEL_TABLES}
    # Without a nomogram the file is empty.
    nomogram = (folder / "nomogram.json").stat().st_size > 0
    return AnalysisFacts(name, summary, tables, nomogram)


def count_left_out(measurements: pd.DataFrame) -> dict[str, int]:
    """Why levels are left out of means -> how many levels, each once however often measured."""
    found: dict[tuple[str, str, str], str] = {}
    if measurements.empty:
        return {}
    rows = of_reading(measurements)
    rows = rows[rows["flag"].notna()]
    for row in rows.itertuples():
        level, reason = _LEVEL.fullmatch(str(row.roi)), _LEFT_OUT.search(str(row.flag))
        if level and reason:
            place = (str(row.participant_id), str(row.session), level[1])
            found.setdefault(place, reason[1].strip())
    return dict(sorted(Counter(found.values()).items()))


def count_features(features: pd.DataFrame) -> dict[str, int]:
    """Image -> number of radiomic features with a value in any of its rows."""
    if features.empty:
        return {}
    names = feature_columns(features.columns)
    counts = {
        str(image): int(block[names].notna().any().sum())
        for image, block in features.groupby("image", sort=True)
    }
    return {image: n for image, n in counts.items() if n}


def _sidecars(
    subjects: Sequence[SubjectFiles], kinds: Iterable[str], path: Any
) -> dict[str, list[dict[str, Any]]]:
    """Sidecars of all subjects by kind of image; kinds that nobody has are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in kinds:
        paths = [sidecar_path(path(files, kind)) for files in subjects]
        content = [read_json(place) for place in paths if place.exists() and place.stat().st_size]
        if content:
            found[kind] = content
    return found


def _recipe(content: Mapping[str, Any]) -> dict[str, Any]:
    return RadiomicsSettings.model_validate(dict(content)).model_dump(mode="json")
