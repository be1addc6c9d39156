"""What was done to the images, in words with the parameters that were used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osteoflow.ct.certificate import phantom


def describe_methods(settings: Mapping[str, Any]) -> dict[str, str]:
    """Step -> sentences for a methods section.

    Parameters
    ----------
    settings
        Sections ``segmentation``, ``mri``, ``ct`` and ``radiomics`` of the configuration.
    """
    certificate = phantom(settings["ct"]["phantom"])
    own = " with this study's own certificate" if settings["ct"]["certificate"] else ""
    erosion = settings["segmentation"]["erosion_mm"]
    texts = {
        "convert": "DICOM series were chosen by header content, checked for missing, duplicate and "
        "unevenly spaced slices, converted by dcm2niix, and the resulting grid was compared with "
        "the headers",
        "segment": "Vertebral masks were brought to the image grid without interpolation of "
        "labels; trabecular volumes of interest are the masks with their surface moved inwards by "
        f"{erosion:g} mm, equally in all directions",
        "map_mri": "Proton density fat fraction and R2* come from a joint complex fit of water, "
        f"fat ({settings['mri']['spectrum'].replace('_', ' ')} multi-peak spectrum), field and one "
        "R2* per voxel by variable projection, with a spatially smooth choice among the field's "
        "candidate values and magnitude discrimination",
        "calibrate_ct": f"CT numbers were converted to bone mineral density "
        f"({certificate.mineral} equivalent) by the {len(certificate.rods)} rods of the "
        f"{settings['ct']['phantom'].replace('_', ' ')} phantom in the same scan{own}",
    }
    images = settings["radiomics"]["images"]
    if images:
        parts = [
            f"{name} ({', '.join(item['levels'])} pooled, recipe {item['settings']})"
            for name, item in images.items()
        ]
        texts["extract_radiomics"] = (
            "Radiomic features were computed by pyradiomics' feature classes after pre-processing "
            f"as the Image Biomarker Standardisation Initiative defines it, on {'; '.join(parts)}"
        )
    return texts
