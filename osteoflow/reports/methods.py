"""What was done to the images, in words with the parameters that were used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from osteoflow.ct.certificate import phantom
from osteoflow.seeded import SEEDED_FLAG
from osteoflow.segmentation.backends.tasks import find_task
from osteoflow.wording import listing, step_name

# Images of MRI in words, in the order of the text.
MRI_IMAGES = {
    "pdff": "Proton density fat fraction",
    "sff": "Signal fat fraction",
    "t2": "T2",
    "adc": "Apparent diffusion coefficient",
}

SEEDED_TEXT = (
    "Where no mask was given, vertebral bodies were grown from one manually placed point in each: "
    "a template centred on the image's edges, then a watershed of the image's outward fall from "
    "markers inside the bodies, in the discs and around, on a grid of 1.5 mm; outlines that failed "
    "limits of size, shape, edges and homogeneity were left out, and only trabecular volumes were "
    "measured (rows flagged as seeded)"
)


def methods_by_image(measurements: pd.DataFrame) -> dict[str, list[str]]:
    """Image -> what the cohort's measurements say of how it was made (means of levels apart)."""
    single = measurements[measurements["metric"] == measurements["image"] + "_mean"]
    single = single[~single["method"].str.endswith("mean of levels", na=True)]
    return {image: sorted(set(found)) for image, found in single.groupby("image")["method"]}


def any_seeded(measurements: pd.DataFrame) -> bool:
    """Whether any measurement rests on outlines that grew from seeds."""
    flags = measurements["flag"].dropna().astype(str)
    return any(SEEDED_FLAG in flag.split(";") for flag in flags.unique())


def describe_methods(
    settings: Mapping[str, Any],
    methods: Mapping[str, list[str]],
    seeded: bool = False,
    compliance: str = "",
) -> dict[str, str]:
    """Step -> sentences for a methods section.

    Parameters
    ----------
    settings
        Sections ``segmentation``, ``ct`` and ``radiomics`` of the configuration.
    methods
        Image -> what the cohort's measurements say of how it was made.
    seeded
        Whether any outline grew from seeds.
    compliance
        How many radiomic features agree with the IBSI standard where this study ran, in words.
    """
    erosion = settings["segmentation"]["erosion_mm"]
    outlined = _outlined_text(settings["segmentation"].get("backends") or {})
    texts = {
        "convert": "DICOM series were chosen by header content, checked for missing, duplicate and "
        "unevenly spaced slices, converted by dcm2niix (enhanced objects were read frame by "
        "frame), and the resulting grid and values were compared with the headers",
        "segment": f"{outlined}Vertebral masks were brought to the image grid without "
        "interpolation of labels; trabecular volumes of interest are the masks with their surface "
        f"moved inwards by {erosion:g} mm, equally in all directions"
        + (f". {SEEDED_TEXT}" if seeded else ""),
        "map_mri": _mri_text(methods),
        "calibrate_ct": ct_text(settings["ct"]),
    }
    if not methods.get("vbmd"):
        del texts["calibrate_ct"]
    images = settings["radiomics"]["images"]
    if images:
        parts = [
            f"{name} ({', '.join(item['levels'])} pooled, recipe {item['settings']})"
            for name, item in images.items()
        ]
        texts["extract_radiomics"] = (
            "Radiomic features as pyradiomics defines them were computed after pre-processing as "
            f"the Image Biomarker Standardisation Initiative defines it, on {'; '.join(parts)}"
            + (f". {compliance}" if compliance else "")
        )
        if settings["radiomics"].get("perturbation"):
            texts["extract_radiomics"] += f". {perturbation_text(settings['radiomics'])}"
    return {step: text for step, text in texts.items() if text}


def perturbation_text(
    radiomics: Mapping[str, Any], source: str = "(Zwanenburg et al., Sci Rep 2019;9:614)"
) -> str:
    """How robustness was assessed, with its source as the text cites it."""
    chain = radiomics["perturbation"]
    noise = chain["noise"]
    parts = []
    if noise == "estimated":
        parts.append("Gaussian noise as estimated in each image")
    elif noise != "none":
        levels = ", ".join(f"{sd:g} in {name}" for name, sd in noise.items())
        parts.append(f"Gaussian noise (SD {levels})")
    for key, words, unit in (
        ("growth", "a change of the region's volume", ""),
        ("translation_voxels", "a translation along each axis", " voxels"),
        ("rotation_degrees", "a rotation about the axis across the slices", " degrees"),
    ):
        if any(chain[key]):
            parts.append(f"{words} ({', '.join(f'{value:g}' for value in chain[key])}{unit})")
    if chain["randomise"]:
        parts.append(f"a contour drawn anew of supervoxels of {chain['supervoxel_mm']:g} mm")
    people = chain["participants"]
    share = "all participants" if people == "all" else f"a share of {people:g} of the participants"
    return (
        f"Robustness of features was assessed in {chain['repetitions']} perturbed versions of the "
        f"images ({', '.join(chain['images'] or radiomics['images'])}) of {share}, with "
        f"{listing(parts)}, each drawn at random, by ICC(1,1) {source}"
    )


def _outlined_text(back_ends: Mapping[str, Any]) -> str:
    """Which programs outlined the vertebrae where no mask was given; empty where none did."""
    parts = []
    for modality in ("ct", "mri"):
        chosen = back_ends.get(modality)
        if chosen:
            task = find_task(chosen["name"], modality, chosen["task"])
            parts.append(f"{modality.upper()} by {step_name(task.back_end)} (task {task.name})")
    if not parts:
        return ""
    return (
        f"Where no mask was given, vertebrae were outlined on {listing(parts)}; each subject's "
        "files state version and weights. "
    )


def ct_text(ct: Mapping[str, Any]) -> str:
    """How CT numbers became densities."""
    certificate = phantom(ct["phantom"])
    internal = ct["internal"]
    own = " with this study's own certificate" if ct["certificate"] else ""
    name = ct["phantom"].replace("_", " ")
    way = {
        "phantom": f"({certificate.mineral} equivalent) by the {len(certificate.rods)} rods of the "
        f"{name} phantom in the same scan{own}",
        "asynchronous": "by a phantom that was scanned separately on the same scanner with the "
        "same tube voltage and kernel, by the scan nearest in time within "
        f"{ct['asynchronous']['maximum_days']} days",
        "internal": f"({internal['mineral']} equivalent, as by {internal['equivalence']})"
        " by the patient's own tissues: effective energy, scale and offset of the CT numbers were "
        "estimated from air, subcutaneous fat, muscle and blood",
        "none": "",
    }[ct["calibration"]]
    converted = ""
    if ct["report_mineral"] != "as_calibrated":
        converted = f", and reported as {ct['report_mineral']} where the source's conditions held"
    return f"CT numbers were converted to bone mineral density {way}{converted}"


def _mri_text(methods: Mapping[str, list[str]]) -> str:
    """What was mapped and how; empty where there is no MRI."""
    parts = [
        f"{words}: {'; or '.join(sorted(methods[image]))}"
        for image, words in MRI_IMAGES.items()
        if methods.get(image)
    ]
    if any(text.startswith("complex") for text in methods.get("pdff", [])):
        parts.append(
            "The complex fit finds water, fat, field and R2* by variable projection, with a "
            "spatially smooth choice among the field's candidate values and magnitude "
            "discrimination"
        )
    return ". ".join(parts)
