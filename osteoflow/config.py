"""The study's settings: the one source of defaults, of the JSON schema and of the reference page.

Unknown keys are mistakes, reported with the nearest known key; all mistakes are listed at once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import types
import typing
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from osteoflow.errors import StudyError
from osteoflow.resources import read_resource

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "L6")
Level = Literal["T11", "T12", "L1", "L2", "L3", "L4", "L5", "L6"]
METRICS = tuple(row["metric"] for row in read_resource("measurements.tsv"))
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Section(BaseModel):
    """A part of the configuration; typing mistakes in keys are errors."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


class Study(Section):
    """What the study is."""

    title: str = Field("OsteoFlow study", description="Title of the report.")
    seed: int = Field(20260101, ge=0, description="Seed of every random split and resampling.")
    truth: str | None = Field(
        None,
        description="Table of known values (simulations, phantoms) that the report compares "
        "the measurements with.",
    )


class Segmentation(Section):
    """Volumes of interest derived from the vertebra masks."""

    erosion_mm: float = Field(
        4.0,
        gt=0,
        le=15,
        description="Distance in mm by which the mask's surface is moved inwards, equally in all "
        "directions, to leave the trabecular compartment.",
    )


class Pulses(Section):
    """Slice-selective pulses of a 2D multi-echo spin echo; all at their nominal flip angle."""

    refocusing_thickness: float = Field(
        gt=0.5, le=5, description="Refocused slice thickness relative to the excited one."
    )
    excitation_time_bandwidth: float = Field(
        gt=0, le=20, description="Time-bandwidth product of the excitation pulse."
    )
    refocusing_time_bandwidth: float = Field(
        gt=0, le=20, description="Time-bandwidth product of the refocusing pulses."
    )


class T2(Section):
    """T2 from multi-echo spin echo."""

    method: Literal["epg", "monoexponential", "monoexponential_offset"] = Field(
        "epg",
        description="`epg` fits T2 and the transmit field together, stimulated echoes included; "
        "the others are for comparison with programs that ignore them.",
    )
    refocusing_angle: float = Field(
        180.0, gt=0, le=180, description="Nominal refocusing flip angle in degrees."
    )
    excitation_angle: float = Field(
        90.0, gt=0, le=180, description="Nominal excitation flip angle in degrees."
    )
    t1_ms: float = Field(
        1000.0, gt=0, description="T1 taken for the extended phase graph, in ms; it matters little."
    )
    skip_echoes: int = Field(0, ge=0, description="First echoes left out of the fit.")
    slice_profile: Literal["unknown", "rectangular", "selective"] = Field(
        "unknown",
        description="`unknown` takes a rectangular profile and says so; with selective pulses T2 "
        "then reads some per cent long. `selective` needs `pulses`.",
    )
    pulses: Pulses | None = Field(None, description="The pulses, for `slice_profile: selective`.")

    @model_validator(mode="after")
    def _pulses_are_given(self) -> T2:
        if (self.slice_profile == "selective") != (self.pulses is not None):
            raise ValueError("`slice_profile: selective` and `pulses` belong together")
        return self


class Adc(Section):
    """ADC from diffusion-weighted images."""

    method: Literal["loglinear", "loglinear_unweighted", "nls"] = Field(
        "loglinear",
        description="Log-linear with the weights that the logarithm calls for, without weights (as "
        "many programs do), or non-linear least squares.",
    )
    b_min: float | None = Field(
        None, ge=0, description="Least b-value used in s/mm2; 100 leaves perfusion out."
    )
    b_max: float | None = Field(None, gt=0, description="Greatest b-value used in s/mm2.")

    @model_validator(mode="after")
    def _range_is_one(self) -> Adc:
        if self.b_min is not None and self.b_max is not None and self.b_min >= self.b_max:
            raise ValueError("b_min must be below b_max")
        return self


class MScoreReference(Section):
    """The site's own young adults, measured with the same protocol."""

    mean: float = Field(gt=0, description="Mean signal-to-noise ratio of L1-L4.")
    sd: float = Field(gt=0, description="Its standard deviation between people.")
    people: int = Field(ge=2, description="Number of people aged 20 to 29.")
    noise: Literal["channel", "air"] = Field(
        "channel",
        description="Noise the ratios are of: of one real channel, or the plain standard deviation "
        "of air.",
    )


class Scores(Section):
    """Scores of conventional MRI."""

    wanted: list[Literal["vbq", "signal_ratio", "snr", "m_score", "muscle_fat"]] = Field(
        ["vbq", "signal_ratio", "muscle_fat"],
        description="Which scores are made where their images and outlines exist. `m_score` needs "
        "`reference`; `snr` is what a reference group is measured with.",
    )
    statistic: Literal["median", "mean"] = Field(
        "median", description="What the signal of a region is, in VBQ and the signal ratios."
    )
    reference: MScoreReference | None = Field(
        None, description="Reference of the M-score; without one it is refused."
    )
    muscle_levels: list[Level] = Field(
        [],
        description="Vertebrae at whose height muscle fat is measured; none: wherever the muscles "
        "are outlined.",
    )


class Mri(Section):
    """MRI: fat-water imaging, T2, diffusion and scores."""

    spectrum: Literal["bone_marrow", "liver_hamilton", "ismrm"] = Field(
        "bone_marrow", description="Multi-peak fat spectrum of the signal model."
    )
    phase_sign: Literal["auto", "positive", "negative"] = Field(
        "auto",
        description="Sign convention of the phase images; `auto` decides from the data, which two "
        "echoes (Dixon) do not allow.",
    )
    readout: Literal["auto", "monopolar", "bipolar"] = Field(
        "auto",
        description="Whether echoes were read in turns from both sides. The phase between odd and "
        "even echoes of a bipolar readout is taken out; `auto` decides from the data.",
    )
    fit: Literal["auto", "complex", "mixed", "magnitude"] = Field(
        "auto",
        description="`auto`: complex where phase images exist, else magnitudes alone. `mixed` uses "
        "no phase of `magnitude_echoes`.",
    )
    magnitude_echoes: list[Annotated[int, Field(ge=1)]] = Field(
        [1],
        min_length=1,
        description="Echoes (from 1) whose phase eddy currents spoil, for `fit: mixed`.",
    )
    assumed_r2star: float | None = Field(
        None,
        ge=0,
        description="R2* in 1/s taken for two-point Dixon, which cannot measure it; absent: decay "
        "between the echoes is not corrected.",
    )
    t1_bias: Literal["warn", "correct"] = Field(
        "warn",
        description="Whether T1 bias of the fat fraction is predicted and told, or corrected.",
    )
    t1_water_ms: float | None = Field(
        None, gt=0, description="T1 of marrow water in ms; absent: a tabulated value."
    )
    t1_fat_ms: float | None = Field(
        None, gt=0, description="T1 of marrow fat in ms; absent: a tabulated value."
    )
    in_phase_t2star: bool = Field(
        False,
        description="Also fit one exponential to the in-phase echoes. The joint fit's T2* is the "
        "one to prefer: the other fat peaks bias this one.",
    )
    scanner_pdff_unit: Literal["percent", "fraction", "permille"] | None = Field(
        None,
        description="Unit of fat-fraction maps made by the scanner; without it they are refused.",
    )
    t2: T2 = Field(default_factory=T2)
    adc: Adc = Field(default_factory=Adc)
    scores: Scores = Field(default_factory=Scores)

    @model_validator(mode="after")
    def _times_belong_together(self) -> Mri:
        if (self.t1_water_ms is None) != (self.t1_fat_ms is None):
            raise ValueError("give both t1_water_ms and t1_fat_ms, or neither")
        if len(set(self.magnitude_echoes)) < len(self.magnitude_echoes):
            raise ValueError("magnitude_echoes names an echo twice")
        return self


class Rod(Section):
    """One rod of a calibration phantom, as on its certificate."""

    name: str = Field(description="Name on the certificate.")
    density: float = Field(description="Mineral density in mg/cm3.")
    water: float | None = Field(
        None, description="Water-equivalent density in mg/cm3 (K2HPO4 phantoms need it)."
    )


class Ct(Section):
    """Quantitative CT."""

    phantom: str = Field(
        "mindways_model3",
        description="Name of the calibration phantom in `resources/phantoms.tsv`.",
    )
    certificate: list[Rod] | None = Field(
        None,
        description="Rods of this study's own phantom; absent: the values in the resource table.",
    )


def _each_once(levels: list[str]) -> list[str]:
    if len(set(levels)) < len(levels):
        raise ValueError("a level is named twice")
    return levels


Levels = Annotated[list[Level], Field(min_length=1), AfterValidator(_each_once)]


class RadiomicsImage(Section):
    """Radiomics of one image."""

    settings: str = Field(
        description="Settings file: a path in the study folder, or a preset's name."
    )
    levels: Levels = Field(
        ["L1", "L2", "L3", "L4"],
        description="Vertebrae whose trabecular compartments are pooled into one region.",
    )
    per_level: bool = Field(False, description="Extract from each vertebra as well.")


class Radiomics(Section):
    """Radiomic features."""

    images: dict[Literal["ct", "vbmd", "pdff", "r2star"], RadiomicsImage] = Field(
        {
            "vbmd": RadiomicsImage(settings="vbmd"),
            "pdff": RadiomicsImage(settings="pdff"),
        },
        description="Images to extract features from.",
    )


class Summary(Section):
    """A measurement averaged over named levels: one column of the participants table."""

    metric: str = Field(description="Metric of the measurements table (`vbmd_mean`).")
    levels: Levels = Field(description="Levels averaged, each counted once.")

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        if metric not in METRICS:
            near = difflib.get_close_matches(metric, METRICS, n=1, cutoff=0.5)
            advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(METRICS)}"
            raise ValueError(f"unknown metric '{metric}' ({advice})")
        return metric

    @property
    def column(self) -> str:
        """``vbmd_mean`` over L1 and L2 -> ``vbmd_l1l2_mean``."""
        stem, _, statistic = self.metric.rpartition("_")
        return f"{stem}_{''.join(self.levels).lower()}_{statistic}"


def _default_summaries() -> list[Summary]:
    lumbar = ["L1", "L2", "L3", "L4"]
    return [
        Summary(metric="vbmd_mean", levels=["L1", "L2"]),
        Summary(metric="vbmd_mean", levels=lumbar),
        Summary(metric="hu_mean", levels=["L1", "L2"]),
        Summary(metric="pdff_mean", levels=lumbar),
        Summary(metric="r2star_mean", levels=lumbar),
        Summary(metric="t2star_mean", levels=lumbar),
    ]


class Cohort(Section):
    """Tables of all participants."""

    summaries: list[Summary] = Field(
        default_factory=_default_summaries,
        description="Columns of the participants table made from the trabecular measurements.",
    )


class GroupComparison(Section):
    """Two or more groups compared on several variables."""

    name: Name = Field(description="Name of the output table.")
    group: str = Field(
        description="A column, or a rule such as `dxa_tscore <= -2.5`, that makes the groups."
    )
    variables: list[str] = Field(min_length=1, description="Columns compared.")
    test: Literal["welch", "mann_whitney", "anova", "kruskal"] = Field(
        "mann_whitney", description="The test, declared beforehand and stated in the table."
    )


class Correlation(Section):
    """A correlation between two variables."""

    x: str = Field(description="A column.")
    y: str = Field(description="A column.")
    covariates: list[str] = Field([], description="Columns partialled out in a second row.")
    method: Literal["pearson", "spearman"] = Field("spearman", description="The coefficient.")

    @property
    def figure(self) -> str:
        """Name of its figure: letters, digits and underscores."""
        words = re.sub(r"[^A-Za-z0-9]+", "_", f"{self.x}_{self.y}").strip("_")
        return f"correlation_{words}"


class Statistics(Section):
    """Descriptive statistics and tests."""

    table1_group: str | None = Field(
        None, description="Column or rule that makes the columns of Table 1."
    )
    table1_variables: list[str] = Field([], description="Rows of Table 1.")
    nonnormal: list[str] = Field(
        [], description="Rows given as median [quartiles] instead of mean (SD)."
    )
    comparisons: list[GroupComparison] = Field([], description="Group comparisons.")
    correlations: list[Correlation] = Field([], description="Correlations.")


class RadiomicsPredictors(Section):
    """The radiomic part of an analysis."""

    image: Literal["ct", "vbmd", "pdff", "r2star"] = Field(
        description="Image whose pooled trabecular features are used."
    )
    icc_threshold: float = Field(
        0.75,
        ge=0,
        lt=1,
        description="Least lower 95 % limit of ICC(2,1) between raters, found in the training "
        "data alone; not applied where no second rater is given.",
    )
    correlation_threshold: float = Field(
        0.9, gt=0, le=1, description="Features more correlated than this (|r|) are redundant."
    )


class Analysis(Section):
    """One outcome, its predictors, and how they are validated."""

    name: Name = Field(description="Name of the analysis and of its folder.")
    outcome: str = Field(
        description="A 0/1 column, or a rule such as `vbmd_l1l2_mean < 80`, that is the event."
    )
    outcome_label: str = Field("Event", description="The event's name in figures.")
    clinical: list[str] = Field(
        min_length=1,
        description="Columns of the clinical model (numbers, or text taken as categories).",
    )
    radiomics: RadiomicsPredictors = Field(description="The radiomic predictors.")
    outer_folds: int = Field(5, ge=2, description="Folds of the outer cross-validation.")
    repeats: int = Field(5, ge=1, description="Repetitions of the outer cross-validation.")
    inner_folds: int = Field(5, ge=2, description="Folds that choose the LASSO penalty.")
    penalty: Literal["lambda_min", "lambda_1se"] = Field(
        "lambda_min", description="Which LASSO penalty is taken."
    )
    holdout_fraction: float = Field(
        0.3,
        ge=0,
        lt=0.9,
        description="Share of participants kept aside for the final comparison, stratified by "
        "the outcome; 0: none.",
    )
    holdout_rule: str | None = Field(
        None,
        description="A rule such as `site == B` that names the hold-out instead of a random one.",
    )
    bootstraps: int = Field(
        1000, ge=100, description="Resamplings of participants behind each interval."
    )
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Prevalence in the target population, for decision curves of case-control "
        "data; absent: that of the data.",
    )


class Figures(Section):
    """How figures look."""

    formats: list[Literal["pdf", "png", "svg"]] = Field(
        ["pdf", "png", "svg"], min_length=1, description="File formats of every figure."
    )
    single_column_mm: float = Field(85.0, gt=0, description="Width of a one-column figure in mm.")
    double_column_mm: float = Field(174.0, gt=0, description="Width of a two-column figure in mm.")
    dpi: int = Field(300, ge=72, description="Resolution of PNG files.")


class Config(Section):
    """`config/config.yaml`."""

    study: Study = Field(default_factory=Study)
    segmentation: Segmentation = Field(default_factory=Segmentation)
    mri: Mri = Field(default_factory=Mri)
    ct: Ct = Field(default_factory=Ct)
    radiomics: Radiomics = Field(default_factory=Radiomics)
    cohort: Cohort = Field(default_factory=Cohort)
    statistics: Statistics = Field(default_factory=Statistics)
    analyses: list[Analysis] = Field([], description="Outcome models.")
    figures: Figures = Field(default_factory=Figures)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        for section, names in (
            ("analyses", [analysis.name for analysis in self.analyses]),
            ("statistics.comparisons", [item.name for item in self.statistics.comparisons]),
            ("cohort.summaries", [item.column for item in self.cohort.summaries]),
            ("statistics.correlations", [c.figure for c in self.statistics.correlations]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{section}: used more than once: {', '.join(twice)}")
        for analysis in self.analyses:
            if analysis.radiomics.image not in self.radiomics.images:
                raise ValueError(
                    f"analyses.{analysis.name}: no features are extracted from image "
                    f"'{analysis.radiomics.image}' (radiomics.images has "
                    f"{', '.join(self.radiomics.images)})"
                )
        return self


def load_config(content: dict[str, Any]) -> Config:
    """Validated configuration.

    Raises
    ------
    StudyError
        With one line per mistake: its place, what is wrong, and the nearest known key.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise StudyError([_sentence(item) for item in error.errors()]) from None


def canonical(value: Any) -> str:
    """Canonical JSON of settings: what a rule gets as its parameter."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(value: Any) -> str:
    """Short SHA-256 of settings."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def json_schema() -> dict[str, Any]:
    """JSON schema of ``config.yaml``."""
    return Config.model_json_schema()


def _sentence(item: dict[str, Any]) -> str:
    """A validation error in words, with the nearest known key for an unknown one."""
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _known_keys(Config, item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        return f"config: unknown key '{place}' ({advice})"
    message = item["msg"].removeprefix("Value error, ")
    return f"config: {place}: {message}" if place else f"config: {message}"


def _known_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Keys that the section at this location accepts."""
    for part in location:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            found = _section(field.annotation)
            if found is not None:
                model = found
    return list(model.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section inside ``list[Section]``, ``dict[str, Section]`` or ``Section | None``."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for argument in reversed(typing.get_args(annotation)):
        found = _section(argument)
        if found is not None:
            return found
    return None
