"""Settings of MRI."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from osteoflow.settings.section import Level, Section


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
