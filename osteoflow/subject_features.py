"""All radiomic features of one subject: its images, readings and perturbations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osteoflow.features import feature_rows
from osteoflow.images import RADIOMICS, RATERS
from osteoflow.io.tables import FEATURE_KEYS, PERTURBED_KEYS, write_uneven_rows
from osteoflow.io.volume import read_volume, write_json
from osteoflow.layout import SubjectFiles
from osteoflow.normalised import image_for_features
from osteoflow.perturbed import Perturbations
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.seeded import flag_seeded, is_seeded
from osteoflow.step import is_ok


class SubjectFeatures:
    """Features of one subject, image by image.

    Parameters
    ----------
    files
        The subject's files.
    segmented
        Status of the step ``segment``.
    recipes
        Recipe of each image.
    regions
        ``levels`` and ``per_level`` of each image.
    perturbation
        As of :class:`osteoflow.perturbed.Perturbations`.
    """

    def __init__(
        self,
        files: SubjectFiles,
        segmented: Mapping[str, Any],
        recipes: Mapping[str, Mapping[str, Any]],
        regions: Mapping[str, Mapping[str, Any]],
        perturbation: Mapping[str, Any],
    ) -> None:
        self._files = files
        self._segmented = segmented
        self._recipes = recipes
        self._regions = regions
        self._perturbations = Perturbations(perturbation, files.name)
        self._table: list[dict[str, Any]] = []
        self._normalised: dict[str, Any] = {}

    def extract(self, name: str) -> list[str]:
        """Extract from every reading of an image.

        Returns
        -------
        list of str
            Warnings.

        Raises
        ------
        SubjectDataError
            Those of :func:`osteoflow.normalised.image_for_features`.
        """
        recipe = RadiomicsSettings.model_validate(self._recipes[name])
        made = image_for_features(name, self._files, recipe)
        if made.about:
            self._normalised[name] = made.about
        warnings = list(made.warnings)
        levels, per_level = self._regions[name]["levels"], self._regions[name]["per_level"]
        for item, (space, rater, reading) in RATERS.items():
            if space != RADIOMICS[name].space or not is_ok(self._segmented, item):
                continue
            labels = read_volume(self._files.regions(item, "voi")).data
            seeded = is_seeded(self._files.regions(item, "voi"))
            whole = None if seeded else read_volume(self._files.regions(item, "mask")).data
            identity = {
                "participant_id": self._files.participant_id,
                "session": self._files.session or "n/a",
                "rater": rater,
                "reading": reading,
                "image": name,
            }
            rows, notes = feature_rows(
                made.image, labels, levels, per_level, recipe, identity, whole
            )
            again, more = self._perturbations.rows(made.image, labels, levels, recipe, identity)
            if seeded:
                flag_seeded(rows + again)
            self._table += rows
            warnings += [f"{item} {note}" for note in [*notes, *more]]
        return warnings

    def write(self) -> None:
        """Write the tables, and what was done to images before.

        Images may have recipes of their own: a row has "n/a" for features it does not have.
        """
        write_uneven_rows(self._files.features, FEATURE_KEYS, self._table)
        if self._normalised:
            write_json(self._files.normalisation, self._normalised)
        if self._perturbations.images:
            rows = self._perturbations.table
            write_uneven_rows(self._files.perturbed_features, PERTURBED_KEYS, rows)
            write_json(self._files.perturbations, self._perturbations.about)
