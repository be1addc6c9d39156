"""All outlines of one subject: each reading of each image, then the tables over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from osteoflow.images import FURTHER_MRI, GRIDS, RATERS
from osteoflow.io.tables import write_rows
from osteoflow.io.volume import Volume, read_volume
from osteoflow.layout import SubjectFiles
from osteoflow.outline_source import Source, prepare_source
from osteoflow.segmentation.fingerprint import REGION_COLUMNS, region_rows
from osteoflow.segmentation.heights import HEIGHT_COLUMNS
from osteoflow.segmentation.prepare import PreparedMask, write_prepared
from osteoflow.segmentation.readings import (
    AGREEMENT_COLUMNS,
    IDENTICAL,
    agreement_rows,
    is_identical,
)
from osteoflow.segmentation.schemes import labels_table


class SubjectMasks:
    """Masks and volumes of interest of one subject, made one reading after the other.

    Parameters
    ----------
    files
        The subject, whose converted images are there.
    study
        Folder where the inventory's relative paths start.
    erosion_mm
        Margin of the trabecular volumes.
    further
        Volumes of interest besides the trabecular one, with their settings.
    """

    def __init__(
        self, files: SubjectFiles, study: Path, erosion_mm: float, further: Mapping[str, Any]
    ) -> None:
        self.files = files
        self.study = study
        self.erosion_mm = erosion_mm
        self.further = further
        self.settings: dict[str, dict[str, Any]] = {"voi": {"ErosionMillimetres": erosion_mm}}
        self.settings.update((kind, {"Settings": value}) for kind, value in further.items())
        self.prepared: dict[str, PreparedMask] = {}
        self.regions: list[dict[str, Any]] = []
        self.heights: list[dict[str, Any]] = []

    def prepare(self, item: str, source: Source | None) -> list[str]:
        """Make and write the label maps of one reading of an image.

        Parameters
        ----------
        item
            Of :data:`osteoflow.images.RATERS`; first readings come before the further ones.
        source
            As :func:`osteoflow.outline_source.source_of` gives it.

        Returns
        -------
        list of str
            Warnings.

        Raises
        ------
        SubjectDataError
            As :func:`osteoflow.outline_source.prepare_source` does.
        """
        space = RATERS[item].space
        image = self._image(space)
        given = (image, self.files, self.study, self.erosion_mm, self.prepared, self.further)
        found = prepare_source(source, item, *given)
        self.regions.extend(region_rows(item, image, found.labels, found.voi))
        if space not in FURTHER_MRI:
            self.heights.extend({"item": item, **row} for row in found.volumes.heights())
        kinds = ("mask", *found.volumes.volumes)
        paths = {kind: self.files.regions(item, kind) for kind in kinds}
        warnings = write_prepared(found, paths, source.about(found), self.settings)
        self.prepared[item] = found
        further_reading = item != space and space in self.prepared
        first = self.prepared[space].labels if further_reading else None
        return warnings + [IDENTICAL] * is_identical(first, found.labels)

    def _image(self, space: str) -> Volume:
        """The first converted image of a grid."""
        paths = (self.files.image(name) for name in GRIDS[space])
        return read_volume(next(path for path in paths if path.exists()))

    def write_tables(self) -> None:
        """Write the regions with their fingerprints, heights, labels and readings' overlap."""
        write_rows(self.files.outlined, REGION_COLUMNS, self.regions)
        labels = {item: found.labels for item, found in self.prepared.items()}
        present = {int(label) for mask in labels.values() for label in np.unique(mask.data)} - {0}
        write_rows(self.files.heights, ("item", *HEIGHT_COLUMNS), self.heights)
        write_rows(self.files.labels, ["index", "name"], labels_table(sorted(present)))
        write_rows(self.files.agreement, AGREEMENT_COLUMNS, agreement_rows(labels))
