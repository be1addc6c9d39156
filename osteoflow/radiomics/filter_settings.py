"""Settings of the convolutional filters that IBSI-2 standardises (``filters.ibsi`` of a recipe)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Boundary = Literal["mirror", "nearest", "periodic", "zero"]
Pooling = Literal["none", "max", "average"]
Positive = Annotated[float, Field(gt=0)]
Power = Annotated[int, Field(ge=0, le=4)]
RieszOrder = Annotated[tuple[Power, ...], Field(min_length=2, max_length=3)]
LAWS_KERNELS = ("L3", "E3", "S3", "L5", "E5", "S5", "W5", "R5")


def _text(number: float) -> str:
    """A number in a column's name: 2.5 -> 2-5."""
    return f"{number:g}".replace(".", "-")


def _riesz_text(order: tuple[int, ...] | None) -> list[str]:
    return [] if order is None else ["riesz" + "".join(str(power) for power in order)]


def _check_riesz(order: tuple[int, ...] | None, texture: str) -> None:
    wanted = 2 if texture == "2D" else 3
    if order is not None and len(order) != wanted:
        raise ValueError(
            f"riesz has {len(order)} orders, a {texture} recipe needs {wanted}, one per axis"
        )


def _riesz_words(order: RieszOrder | None) -> str:
    return "" if order is None else f"Riesz transform of order {'-'.join(map(str, order))}"


def _pooled(how: str, what: str) -> str:
    return "" if how == "none" else f"{'largest' if how == 'max' else 'mean'} over {what}"


class _Filter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    boundary: Boundary = Field(
        "mirror",
        description="What lies beyond the end of the scan: mirror (edge voxel repeated), nearest, "
        "periodic (needs the whole scan) or zero.",
    )

    @property
    def whole_scan(self) -> bool:
        """Whether a response depends on every voxel of the scan: its ends are joined."""
        return self.boundary == "periodic" or getattr(self, "riesz", None) is not None

    def _named(self, *parts: str) -> str:
        """The image's name in the columns; a boundary other than mirror is part of it."""
        ending = () if self.boundary == "mirror" else (self.boundary,)
        return "-".join(("ibsi", *parts, *ending))

    def _said(self, *parts: str) -> str:
        """The filter in words; a boundary other than mirror is part of it."""
        ending = () if self.boundary == "mirror" else (f"{self.boundary} boundary",)
        return ", ".join((*(part for part in parts if part), *ending)) + " (IBSI-2)"

    def check_axes(self, texture: str) -> None:
        """Refuse parameters that do not fit a 2D or 3D recipe.

        Raises
        ------
        ValueError
            With what to change.
        """

    def too_fine(self, steps: Sequence[float]) -> str:
        """Why voxels cannot carry the filter's kernel; empty if they can.

        Parameters
        ----------
        steps
            Voxel size in mm along the filtered axes.
        """
        return ""


class MeanFilter(_Filter):
    """Mean of a cube (3D recipe) or square (2D recipe)."""

    kind: Literal["mean"]
    support: Annotated[int, Field(ge=3, le=63)] = Field(
        5, description="Edge of the cube in voxels, an odd number."
    )

    @field_validator("support")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("support must be odd, so that the cube has a centre voxel")
        return value

    @property
    def prefix(self) -> str:
        """Name of the filtered image in the columns."""
        return self._named("mean", str(self.support))

    @property
    def words(self) -> str:
        """The filter with its parameters, for people."""
        return self._said(f"mean of {self.support} voxels along each axis")


class LaplacianOfGaussianFilter(_Filter):
    """Laplacian of Gaussian with a sampled, truncated kernel."""

    kind: Literal["laplacian_of_gaussian"]
    sigma_mm: Positive = Field(description="Standard deviation of the Gaussian in mm.")
    truncate: Annotated[float, Field(ge=2, le=8)] = Field(
        4.0, description="Half width of the kernel in standard deviations (IBSI: 4)."
    )
    riesz: RieszOrder | None = Field(
        None,
        description="Order along each axis of a Riesz transform of the response of the whole "
        "scan, e.g. [1, 0, 0]; null: none.",
    )

    @property
    def prefix(self) -> str:
        """Name of the filtered image in the columns."""
        cut = [] if self.truncate == 4 else [f"cut{_text(self.truncate)}"]
        return self._named("log", f"{_text(self.sigma_mm)}mm", *cut, *_riesz_text(self.riesz))

    @property
    def words(self) -> str:
        """The filter with its parameters, for people."""
        return self._said(
            f"Laplacian of Gaussian, sigma {self.sigma_mm:g} mm",
            f"kernel cut at {self.truncate:g} sigma",
            _riesz_words(self.riesz),
        )

    def check_axes(self, texture: str) -> None:
        _check_riesz(self.riesz, texture)

    def too_fine(self, steps: Sequence[float]) -> str:
        if self.sigma_mm >= max(steps) * (1 - 1e-6):
            return ""
        return (
            f"{self.prefix}: sigma of {self.sigma_mm:g} mm is below the voxel size of "
            f"{max(steps):g} mm, the kernel is hardly sampled and responds to constant images"
        )


class LawsFilter(_Filter):
    """Product of one-dimensional Laws kernels, and the local energy of its response."""

    kind: Literal["laws"]
    kernels: str = Field(
        pattern="^([LESWR][35]){2,3}$",
        description="One kernel per axis, e.g. L5E5E5 (3D) or L5E5 (2D): level, edge, spot, wave "
        "and ripple of 3 or 5 voxels (waves and ripples of 5 only).",
    )
    rotation: Pooling = Field(
        "max",
        description="Pooling over the 24 (2D: 4) right-angle rotations of the kernel, or none.",
    )
    energy: Annotated[int, Field(ge=1, le=31)] | None = Field(
        7,
        description="Chebyshev distance in voxels over which the absolute response is averaged; "
        "null: the response itself.",
    )

    @field_validator("kernels")
    @classmethod
    def _known(cls, value: str) -> str:
        for name in (value[start : start + 2] for start in range(0, len(value), 2)):
            if name not in LAWS_KERNELS:
                raise ValueError(f"no Laws kernel {name}: use one of {', '.join(LAWS_KERNELS)}")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """Kernel of each axis."""
        return tuple(self.kernels[start : start + 2] for start in range(0, len(self.kernels), 2))

    @property
    def prefix(self) -> str:
        """Name of the filtered image in the columns."""
        pooling = [] if self.rotation == "none" else [self.rotation]
        energy = [] if self.energy is None else [f"energy{self.energy}"]
        return self._named("laws", self.kernels, *pooling, *energy)

    @property
    def words(self) -> str:
        """The filter with its parameters, for people."""
        return self._said(
            f"Laws kernel {self.kernels}",
            _pooled(self.rotation, "rotations"),
            f"energy within {self.energy} voxels" if self.energy is not None else "",
        )

    def check_axes(self, texture: str) -> None:
        wanted = 2 if texture == "2D" else 3
        if len(self.names) != wanted:
            raise ValueError(
                f"Laws {self.kernels} has {len(self.names)} kernels, a {texture} recipe needs "
                f"{wanted}, one per axis"
            )


class GaborFilter(_Filter):
    """Modulus of two-dimensional Gabor filters, plane by plane."""

    kind: Literal["gabor"]
    sigma_mm: Positive = Field(description="Standard deviation of the envelope in mm.")
    wavelength_mm: Positive = Field(description="Wavelength of the wave in mm.")
    gamma: Annotated[float, Field(ge=0.1, le=10)] = Field(
        1.5, description="Spatial aspect ratio: along the crests sigma is sigma_mm / gamma."
    )
    theta_degrees: float = Field(
        0.0, description="Direction of the wave from the plane's first axis towards its second."
    )
    theta_step_degrees: Annotated[float, Field(gt=0, le=180)] | None = Field(
        None,
        description="Steps of a full turn whose responses are pooled, a divisor of 360; null: "
        "theta_degrees alone.",
    )
    rotation: Literal["average", "max"] = Field(
        "average", description="Pooling over directions and planes."
    )
    planes: Literal["slice", "orthogonal"] = Field(
        "slice",
        description="slice: within the slices (3D recipe: axial planes); orthogonal: pooled over "
        "the three orthogonal planes (3D recipes only).",
    )

    @field_validator("theta_step_degrees")
    @classmethod
    def _divides_a_turn(cls, value: float | None) -> float | None:
        if value is not None and abs(360 / value - round(360 / value)) > 1e-9:
            raise ValueError("theta_step_degrees must divide 360")
        return value

    @property
    def prefix(self) -> str:
        """Name of the filtered image in the columns."""
        if self.theta_step_degrees is None:
            direction = [f"t{_text(self.theta_degrees % 360)}"]
        else:
            start = [] if self.theta_degrees == 0 else [f"t{_text(self.theta_degrees % 360)}"]
            direction = [*start, f"step{_text(self.theta_step_degrees)}", self.rotation]
        if self.planes == "orthogonal":
            pooled = [] if self.theta_step_degrees else [self.rotation]
            direction += [*pooled, "orthogonal"]
        return self._named(
            "gabor",
            f"s{_text(self.sigma_mm)}mm",
            f"l{_text(self.wavelength_mm)}mm",
            f"g{_text(self.gamma)}",
            *direction,
        )

    @property
    def words(self) -> str:
        """The filter with its parameters, for people."""
        turned = self.theta_step_degrees is not None
        pooled = turned or self.planes == "orthogonal"
        return self._said(
            f"Gabor filter, sigma {self.sigma_mm:g} mm, wavelength {self.wavelength_mm:g} mm, "
            f"aspect ratio {self.gamma:g}, from {self.theta_degrees:g} degrees",
            f"in steps of {self.theta_step_degrees:g} degrees" if turned else "",
            _pooled(self.rotation, "directions and planes") if pooled else "",
            "in three orthogonal planes" if self.planes == "orthogonal" else "within slices",
        )

    def check_axes(self, texture: str) -> None:
        if texture == "2D" and self.planes == "orthogonal":
            raise ValueError(
                "a 2D recipe has one plane: set planes to slice in the Gabor filter, or use a 3D "
                "recipe"
            )

    def too_fine(self, steps: Sequence[float]) -> str:
        used = steps if self.planes == "orthogonal" else steps[:2]
        if self.wavelength_mm >= 2 * max(used) * (1 - 1e-6):
            return ""
        return (
            f"{self.prefix}: a wavelength of {self.wavelength_mm:g} mm is below two voxels of "
            f"{max(used):g} mm and cannot be told from a longer one"
        )


class SeparableWaveletFilter(_Filter):
    """Undecimated separable wavelet (algorithme à trous)."""

    kind: Literal["separable_wavelet"]
    wavelet: str = Field(description="Discrete wavelet by its PyWavelets name, e.g. db3 or coif1.")
    subband: str = Field(
        pattern="^[LH]{2,3}$",
        description="Low or high pass along each axis, e.g. LLH (3D) or LH (2D).",
    )
    level: Annotated[int, Field(ge=1, le=4)] = Field(
        1, description="Decomposition level; the levels before it are low pass on all axes."
    )
    rotation: Pooling = Field(
        "average",
        description="Pooling over the 24 (2D: 4) right-angle rotations of the kernel, or none.",
    )

    @field_validator("wavelet")
    @classmethod
    def _known(cls, value: str) -> str:
        import pywt

        if value not in pywt.wavelist(kind="discrete"):
            raise ValueError(f"unknown wavelet {value!r}")
        return value

    @property
    def prefix(self) -> str:
        """Name of the filtered image in the columns."""
        pooling = [] if self.rotation == "none" else [self.rotation]
        name = self.wavelet.replace(".", "-")
        return self._named("wavelet", name, self.subband, f"level{self.level}", *pooling)

    @property
    def words(self) -> str:
        """The filter with its parameters, for people."""
        return self._said(
            f"undecimated wavelet {self.wavelet}, sub-band {self.subband}, level {self.level}",
            _pooled(self.rotation, "rotations"),
        )

    def check_axes(self, texture: str) -> None:
        wanted = 2 if texture == "2D" else 3
        if len(self.subband) != wanted:
            raise ValueError(
                f"subband {self.subband} has {len(self.subband)} letters, a {texture} recipe needs "
                f"{wanted}, one per axis"
            )


class SimoncelliFilter(_Filter):
    """Non-separable isotropic wavelet (Simoncelli), with an optional Riesz transform."""

    kind: Literal["simoncelli"]
    level: Annotated[int, Field(ge=1, le=3)] = Field(
        1, description="Decomposition level: passes 1/4 to 1 of the Nyquist frequency over 2^(n-1)."
    )
    boundary: Boundary = Field(
        "periodic",
        description="periodic: the filter as IBSI defines it, by the Fourier transform of the "
        "whole scan. Otherwise its kernel ends at 24 x 2^(level-1) voxels, so that values do not "
        "depend on the scan's far ends.",
    )
    riesz: RieszOrder | None = Field(
        None,
        description="Order along each axis of a Riesz transform, e.g. [1, 0, 0]; null: none. It "
        "needs the periodic boundary.",
    )

    @model_validator(mode="after")
    def _whole_scan(self) -> SimoncelliFilter:
        if self.riesz is not None and self.boundary != "periodic":
            raise ValueError("riesz is defined on the whole scan: set boundary to periodic")
        return self

    @property
    def prefix(self) -> str:
        """Name of the filtered image in the columns."""
        return self._named("simoncelli", f"level{self.level}", *_riesz_text(self.riesz))

    @property
    def words(self) -> str:
        """The filter with its parameters, for people."""
        return self._said(f"Simoncelli wavelet, level {self.level}", _riesz_words(self.riesz))

    def check_axes(self, texture: str) -> None:
        _check_riesz(self.riesz, texture)


IbsiFilter = Annotated[
    MeanFilter
    | LaplacianOfGaussianFilter
    | LawsFilter
    | GaborFilter
    | SeparableWaveletFilter
    | SimoncelliFilter,
    Field(discriminator="kind"),
]
