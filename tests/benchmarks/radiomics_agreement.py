"""How far the values of radiomics_peers.py's contenders lie from the oracle."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Relative differences up to this are those of arithmetic, not of definition.
EQUAL = 1e-6

# What the contenders call the features that they define as OsteoFlow does, on the image itself. A
# peer that merges the matrices of all directions has no counterpart of the directions' average,
# and one that was given grey levels as its image none of the intensities.
_NAMES = {
    "shape_MeshVolume": {
        "MIRP": "morph_volume",
        "Nyxus": "3MESH_VOLUME",
        "fastrad": "shape:mesh_volume",
        "pictologics": "original_volume_RNU0",
    },
    "shape_SurfaceArea": {
        "MIRP": "morph_area_mesh",
        "Nyxus": "3AREA",
        "fastrad": "shape:surface_area",
        "pictologics": "original_surface_area_C0JK",
    },
    "firstorder_Variance": {
        "MIRP": "stat_var",
        "fastrad": "firstorder:variance",
        "pictologics": "original_intensity_variance_ECT3",
    },
    "firstorder_90Percentile": {"MIRP": "stat_p90"},
    "glcm_Contrast": {
        "MIRP": "cm_contrast_d1_3d_avg_fbn_n32",
        "Nyxus": "3GLCM_CONTRAST_AVE",
        "fastrad": "glcm:contrast",
    },
    "glcm_JointEntropy": {
        "MIRP": "cm_joint_entr_d1_3d_avg_fbn_n32",
        "Nyxus": "3GLCM_JE_AVE",
        "fastrad": "glcm:joint_entropy",
    },
    "glrlm_ShortRunEmphasis": {
        "MIRP": "rlm_sre_3d_avg_fbn_n32",
        "Nyxus": "3GLRLM_SRE_AVE",
        "fastrad": "glrlm:short_run_emphasis",
    },
    "glrlm_RunLengthNonUniformity": {
        "MIRP": "rlm_rlnu_3d_avg_fbn_n32",
        "Nyxus": "3GLRLM_RLN_AVE",
        "fastrad": "glrlm:run_length_non_uniformity",
    },
    "glszm_SmallAreaEmphasis": {
        "MIRP": "szm_sze_3d_fbn_n32",
        "Nyxus": "3GLSZM_SAE",
        "fastrad": "glszm:small_area_emphasis",
        "pictologics": "original_small_zone_emphasis_P001",
    },
    "glszm_ZoneEntropy": {
        "MIRP": "szm_zs_entr_3d_fbn_n32",
        "Nyxus": "3GLSZM_ZE",
        "fastrad": "glszm:zone_entropy",
        "pictologics": "original_zone_size_entropy_GU8N",
    },
    "ngtdm_Coarseness": {
        "MIRP": "ngt_coarseness_3d_fbn_n32",
        "Nyxus": "3NGTDM_COARSENESS",
        "fastrad": "ngtdm:coarseness",
        "pictologics": "original_coarseness_QCDE",
    },
    "ngtdm_Strength": {
        "MIRP": "ngt_strength_3d_fbn_n32",
        "Nyxus": "3NGTDM_STRENGTH",
        "fastrad": "ngtdm:strength",
        "pictologics": "original_strength_1X9X",
    },
    "gldm_LargeDependenceEmphasis": {
        "MIRP": "ngl_hde_d1_a0.0_3d_fbn_n32",
        "Nyxus": "3GLDM_LDE",
        "fastrad": "gldm:large_dependence_emphasis",
        "pictologics": "original_high_dependence_emphasis_IMOQ",
    },
    "gldm_DependenceEntropy": {
        "MIRP": "ngl_dc_entr_d1_a0.0_3d_fbn_n32",
        "Nyxus": "3GLDM_DE",
        "fastrad": "gldm:dependence_entropy",
        "pictologics": "original_dependence_count_entropy_FCBV",
    },
}
# Axis lengths of pyradiomics use the population covariance, its kurtosis that of a normal is 3.
_OTHERWISE_DEFINED = ("AxisLength", "firstorder_Kurtosis")


def _pairs(contender: str, oracle: dict[str, float]) -> dict[str, str]:
    """The oracle's names that a contender has a counterpart of, with the contender's names."""
    if contender == "osteoflow":
        return {name: name for name in oracle}
    if contender.startswith("pyradiomics"):
        return {name: name for name in oracle if not name.endswith(_OTHERWISE_DEFINED)}
    return {
        f"original_{name}": names[contender] for name, names in _NAMES.items() if contender in names
    }


@dataclass(frozen=True)
class Agreement:
    """How a contender's values lie to the oracle's, over all regions.

    Parameters
    ----------
    difference, worst
        Largest relative difference, infinite where a value is missing, and whose it is.
    compared, agreeing
        Values that were compared, and those of them within ``EQUAL`` of the oracle's.
    """

    difference: float
    worst: str
    compared: int
    agreeing: int


def agreement(
    contender: str, given: dict[str, dict[str, float]], oracle: dict[str, dict[str, float]]
) -> Agreement:
    """Compare the features that a contender defines as the oracle does; both by region."""
    found = {}
    for region, expected in oracle.items():
        for name, own in _pairs(contender, expected).items():
            value, truth = given.get(region, {}).get(own, math.inf), expected[name]
            off = abs(value - truth)
            # to the number itself; what is exactly zero has to be zero
            found[f"{region}: {name}"] = off / abs(truth) if truth else math.inf if off else 0.0
    worst = max(found, key=found.__getitem__)
    agreeing = sum(difference <= EQUAL for difference in found.values())
    return Agreement(found[worst], worst, len(found), agreeing)
