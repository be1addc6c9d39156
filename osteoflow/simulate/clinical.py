"""Who is simulated: age, sex, bone and marrow of each participant, and what is wrong with whom.

Sources of the trends (the curves between the published points are this module's own choice):

* Trabecular vBMD of the spine falls over life by 55 % in women and 46 % in men; young men's bones
  have 35-42 % larger cross-sections (Riggs et al., J Bone Miner Res 2004;19:1945-1954). Of that
  loss 37 % (women) and 42 % (men) happens before the age of 50 (Riggs et al., J Bone Miner Res
  2008;23:205-214).
* Vertebral marrow fat: 27 % in women and 32-35 % in men below 40, rising caudally from L1 to L4
  (Baum et al., Front Endocrinol 2018;9:141); in
  women it rises sharply between 55 and 65 and is then about 10 % above men's, whose rise is
  gradual (Griffith et al., J Magn Reson Imaging 2012;36:225-230). At about 70 years 56.3 % with
  normal, 63.5 % with low and 65.5 % with osteoporotic bone density (Yeung et al., J Magn Reson
  Imaging 2005;22:279-285).
* R2* of vertebral marrow rises with bone density, r about 0.63 in postmenopausal women (Kim et
  al., Korean J Radiol 2019;20(6)).
* Marrow fat lowers the vBMD of single-energy QCT: 17.6 % in the median below dual-energy QCT in
  early postmenopausal women (Sfeir et al., Bone 2018;112:145-152). Here it is linear: fat at
  -100 HU instead of red marrow at about +25 HU in 87 % of the volume, divided by about 1.55 HU per
  mg/cm3, is 7 mg/cm3 for each 10 % of fat.

The cohort is a referral population with fixed case mix: bone status, microarchitecture and age are
drawn by Latin hypercube, so that small cohorts span the range too, and the 40 % with the highest
simulated risk carry a fracture. Risk depends on vBMD and, beyond it, on microarchitecture, which
shows in the texture only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from osteoflow.simulate.texture import Texture

FAT_EFFECT = 0.70
"""Loss of apparent vBMD, mg/cm3 K2HPO4, per percentage point of marrow fat."""

MRI_VIOLATIONS = ("fat_spectrum_liver", "noise_correlated", "r2star_dual")
CT_VIOLATIONS = ("cupping", "noise_correlated")
DEFECTS = ("ct_missing_slice", "ct_no_phantom", "mri_truncated_file")
MATCHED = "matched"

_PEAK_VBMD = {"F": 190.0, "M": 180.0}
_LOSS_AGE = (25, 50, 60, 70, 80, 90)
_LOSS = {
    "F": (0.0, 0.55 * 0.37, 0.33, 0.42, 0.49, 0.55),
    "M": (0.0, 0.46 * 0.42, 0.26, 0.33, 0.40, 0.46),
}
_REFERRAL_OFFSET = -22.0
_VBMD_SD = 25.0
_FAMILY_NAMES = ("Muster", "Beispiel", "Example", "Sample", "Modelo", "Esempio", "Fictive", "Probe")
_GIVEN_NAMES = {
    "F": ("Anna", "Beatrix", "Clara", "Dorothea", "Elena", "Frida", "Greta", "Hanna"),
    "M": ("Albert", "Bruno", "Carl", "David", "Emil", "Franz", "Gustav", "Hugo"),
}


@dataclass(frozen=True)
class Participant:
    """One simulated person with both scans' conditions.

    ``mineral`` and ``fat_fraction`` are means per level (mg/cm3 K2HPO4 without any fat effect; %).
    ``sigma_ct`` (HU per mg/cm3) and ``beta_ct`` (HU) are the scanner's true calibration.
    ``defect`` is one of `DEFECTS` or empty. ``rater2`` says whether second contours exist.
    """

    participant_id: str
    patient_id: str
    patient_name: str
    birth_date: str
    study_date: str
    age: int
    sex: str
    bmi: float
    site: str
    mineral: dict[str, float]
    fat_fraction: dict[str, float]
    texture: Texture
    dxa_tscore: float
    fracture: int
    field_strength: float
    phase_sign: int
    sigma_ct: float
    beta_ct: float
    ct_model: str
    mri_model: str
    defect: str
    rater2: bool
    canonical_masks: bool

    def apparent_vbmd(self, level: str) -> float:
        """Mean vBMD of a perfect single-energy calibrated CT, mg/cm3 K2HPO4."""
        return self.mineral[level] - FAT_EFFECT * self.fat_fraction[level]


def expected_apparent_vbmd(age: np.ndarray | float, sex: str) -> np.ndarray:
    """Population mean of apparent trabecular vBMD of L1-L2 by age (years), mg/cm3 K2HPO4."""
    return _PEAK_VBMD[sex] * (1 - np.interp(age, _LOSS_AGE, _LOSS[sex]))


def expected_fat_fraction(age: np.ndarray | float, sex: str) -> np.ndarray:
    """Population mean of the marrow fat fraction of L1-L2 by age (years), %."""
    age = np.asarray(age, float)
    if sex == "F":
        return 28 + 25 / (1 + np.exp(-(age - 59) / 3.5)) + 0.15 * np.maximum(age - 65, 0)
    return 35 + 0.3 * (age - 35)


def r2star_of(mineral: np.ndarray | float, field_strength: float) -> np.ndarray | float:
    """R2* of marrow (1/s) from the mineral around it (mg/cm3) and the field strength (T).

    Susceptibility differences at trabeculae dephase in proportion to the field; the rest is R2.
    """
    return 50 + (0.40 if field_strength < 2 else 0.52) * mineral


def draw_cohort(
    participants: int, seed: int, levels: tuple[str, ...], broken: bool
) -> list[Participant]:
    """Draw all participants.

    Parameters
    ----------
    participants
        How many; at least 1, and at least 4 with ``broken``.
    seed
        Seed of the cohort.
    levels
        Vertebrae that the scans cover.
    broken
        Whether the last three participants carry the three `DEFECTS`.

    Returns
    -------
    list of Participant

    Raises
    ------
    ValueError
        If there are too few participants.
    """
    least = len(DEFECTS) + 1 if broken else 1
    if participants < least:
        raise ValueError(f"at least {least} participants are needed, not {participants}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    sound = participants - len(DEFECTS) if broken else participants
    traits = _traits(participants, sound, rng)
    return [_participant(traits, index, sound, levels, rng) for index in range(participants)]


@dataclass(frozen=True)
class _Traits:
    """What is drawn of all participants at once, shape (n,) each."""

    age: np.ndarray
    sex: np.ndarray
    site: np.ndarray
    bone: np.ndarray
    decay: np.ndarray
    fracture: np.ndarray
    field: np.ndarray
    mri_model: list[str]
    ct_model: list[str]
    rater2: np.ndarray
    number: np.ndarray


def _traits(n: int, sound: int, rng: np.random.Generator) -> _Traits:
    """Draw ``n`` participants' traits; the order of the draws makes the cohort."""
    age = np.floor(50 + 36 * _stratified(n, rng)).astype(int)
    sex = np.where(rng.permutation(n) < round(0.8 * n), "F", "M")
    site = np.where(rng.permutation(n) < max(1, round(0.35 * n)), "B", "A")
    bone = stats.norm.ppf(_stratified(n, rng))
    independent = stats.norm.ppf(_stratified(n, rng))
    # Poor microarchitecture goes along with low density, but is mostly its own property.
    decay = -0.3 * bone + np.sqrt(1 - 0.3**2) * independent
    risk = -1.0 * bone + 1.3 * decay + rng.normal(0, 0.6, n)
    return _Traits(
        age=age,
        sex=sex,
        site=site,
        bone=bone,
        decay=decay,
        fracture=np.argsort(np.argsort(-risk)) < round(0.4 * n),
        field=np.where(rng.permutation(n) < n / 2, 3.0, 1.5),
        mri_model=_violations(sound, n, MRI_VIOLATIONS, rng),
        ct_model=_violations(sound, n, CT_VIOLATIONS, rng),
        rater2=rng.permutation(n) < np.ceil(n / 3),
        number=rng.choice(900_000, size=n, replace=False) + 100_000,
    )


def _participant(
    traits: _Traits, index: int, sound: int, levels: tuple[str, ...], rng: np.random.Generator
) -> Participant:
    """One participant; those from ``sound`` on carry the defects in turn."""
    age, sex, site = traits.age[index], traits.sex[index], traits.site[index]
    mineral, fat = _vertebrae(age, sex, site, traits.bone[index], levels, rng)
    mean_mineral = float(np.mean(list(mineral.values())))
    given = _GIVEN_NAMES[sex][rng.integers(8)]
    year = 2024 if site == "A" else 2025
    # Born in the second half of the year and scanned in the first, hence the year before.
    born = f"{year - age - 1}{rng.integers(7, 13):02d}{rng.integers(1, 29):02d}"
    width = max(2, len(str(len(traits.age))))
    return Participant(
        participant_id=f"sub-{index + 1:0{width}d}",
        patient_id=f"MRN{traits.number[index]}",
        patient_name=f"{_FAMILY_NAMES[rng.integers(8)]}^{given}",
        birth_date=born,
        study_date=f"{year}{rng.integers(1, 7):02d}{rng.integers(1, 29):02d}",
        age=int(age),
        sex=str(sex),
        bmi=round(float(26 + _bounded_normal(rng, 3.6, 2.2)), 1),
        site=str(site),
        mineral=mineral,
        fat_fraction=fat,
        texture=_texture(traits.decay[index]),
        dxa_tscore=round(float((mean_mineral - 142) / 24 - 1.7 + rng.normal(0, 0.6)), 1),
        fracture=int(traits.fracture[index]),
        field_strength=float(traits.field[index]),
        phase_sign=-1 if site == "B" else 1,
        sigma_ct=float({"A": 1.56, "B": 1.47}[site] + rng.normal(0, 0.012)),
        beta_ct=float({"A": -1.5, "B": 2.5}[site] + _bounded_normal(rng, 0.8, 2.5)),
        ct_model=traits.ct_model[index],
        mri_model=traits.mri_model[index],
        defect=DEFECTS[index - sound] if index >= sound else "",
        rater2=bool(traits.rater2[index]),
        canonical_masks=index % 4 == 1,
    )


def _vertebrae(
    age: int, sex: str, site: str, bone: float, levels: tuple[str, ...], rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, float]]:
    """Mineral (mg/cm3 K2HPO4) and marrow fat (%) of each level."""
    vbmd = expected_apparent_vbmd(age, sex) + _REFERRAL_OFFSET
    vbmd = vbmd + _VBMD_SD * bone + (2.0 if site == "B" else 0.0)
    fat = expected_fat_fraction(age, sex) - 2.0 * bone
    fat = fat + _bounded_normal(rng, 6.5, 1.8)
    fat_by_level, mineral_by_level = {}, {}
    for step, level in enumerate(levels):
        fat_by_level[level] = float(fat + 1.2 * step + _bounded_normal(rng, 1.0, 2.0))
        apparent = vbmd - 1.5 * min(step, 2) + _bounded_normal(rng, 3.0, 2.0)
        mineral_by_level[level] = float(apparent + FAT_EFFECT * fat_by_level[level])
    return mineral_by_level, fat_by_level


def _texture(decay: float) -> Texture:
    """Texture from the state of the microarchitecture (standard normal, high is poor)."""
    share = 1 / (1 + np.exp(-1.3 * decay))
    return Texture(
        length_mm=float(1.05 + 0.5 * share),
        coarse_fraction=float(0.15 + 0.6 * share),
        mineral_sd=float(24 + 12 * share),
        fat_sd=float(2.5 + 2.0 * share),
    )


def _stratified(n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` uniform numbers in (0, 1), one in each of ``n`` equal strata, in random order."""
    return (rng.permutation(n) + rng.uniform(0.05, 0.95, n)) / n


def _bounded_normal(rng: np.random.Generator, sd: float, limit: float) -> float:
    """Normal deviate with SD ``sd``, drawn again until within ``limit`` SDs."""
    while True:
        value = rng.standard_normal()
        if abs(value) <= limit:
            return float(sd * value)


def _violations(
    sound: int, total: int, kinds: tuple[str, ...], rng: np.random.Generator
) -> list[str]:
    """Scan models: a quarter of the sound scans violate the fitted model, kinds in turn."""
    models = [MATCHED] * total
    for turn, index in enumerate(rng.permutation(sound)[: round(0.25 * sound)]):
        models[int(index)] = kinds[turn % len(kinds)]
    return models
