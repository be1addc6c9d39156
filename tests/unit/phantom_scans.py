"""Simulated QCT scans with a calibration phantom, drawn at random over what is met in practice.

Shapes are drawn from their signed distance with an error-function edge, which is the exact image
of a straight edge under a Gaussian point spread; rods are drawn on sub-slices, so a tilted one
smears within a thick slice. Noise has the spectrum of filtered back projection: it rises with
frequency and is cut off by the kernel (Hanson, Med Phys 1979;6:441), so means over a region are
quieter than the voxel's SD suggests, down to a floor of white noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import fft
from scipy.special import erfc

from osteoflow.ct.certificate import K2HPO4, Phantom, phantom
from osteoflow.io.volume import Volume

# CT number per mg/cm3 of mineral by tube voltage: about those of published phantom scans; each
# scan varies by 5 % about them, so nothing may rely on them.
SLOPES = {
    K2HPO4: {80: 1.75, 100: 1.5, 120: 1.33, 140: 1.2},
    "hydroxyapatite": {80: 2.05, 100: 1.7, 120: 1.45, 140: 1.3},
}
AIR = -1000.0
WHITE_SHARE = 0.1


@dataclass(frozen=True)
class PhantomScan:
    """A scan and what is true in it.

    ``rods``: CT number per rod in the certificate's order; ``base`` (rods, 3) are points on their
    axes and ``axis`` is their direction, RAS in mm. ``vertebra``: boolean map of its inner part;
    ``bone_density`` in mg/cm3.
    """

    ct: Volume
    certificate: Phantom
    kvp: int
    noise: float
    slope: float
    intercept: float
    bone_density: float
    vertebra: np.ndarray
    rods: np.ndarray
    base: np.ndarray
    axis: np.ndarray
    complete: bool
    about: dict = field(default_factory=dict)

    def centres_at(self, height: np.ndarray | float) -> np.ndarray:
        """Centres (rods, 2) in mm where the rods cross a height."""
        away = (height - self.base[:, 2]) / self.axis[2]
        return self.base[:, :2] + away[:, None] * self.axis[:2]

    @property
    def vertebra_hu(self) -> float:
        """Mean CT number of the vertebra's inner part in the noisy scan."""
        return float(self.ct.data[self.vertebra].mean())


def true_numbers(certificate: Phantom, slope: float, intercept: float) -> np.ndarray:
    """CT numbers (HU) of the rods."""
    mineral = np.array(certificate.mineral_density)
    if certificate.mineral != K2HPO4:
        return slope * mineral + intercept
    water = np.array(certificate.water_density)
    return water + (slope + 0.2174) * mineral + intercept - 999.6


def draw_scan(
    name: str,
    seed: int,
    *,
    tilt_degrees: float = 10.0,
    cropped: bool = False,
    contrast: bool = False,
) -> PhantomScan:
    """One scan with everything about it drawn from ``seed``.

    Rotation up to ``tilt_degrees`` about each of the three axes, noise SD 10 to 40 HU, 80 to
    140 kVp, slices of 0.5 to 3 mm, pixels of 0.7 to 1.4 mm; upside down or not, either direction of
    the row, with and without a holder; the phantom may end within the scan.
    """
    rng = np.random.default_rng([seed, 71])
    certificate = phantom(name)
    kvp = int(rng.choice([80, 100, 120, 140]))
    slope = SLOPES[certificate.mineral][kvp] * rng.uniform(0.95, 1.05)
    intercept = rng.uniform(-15, 15)
    noise = rng.uniform(10, 40)
    thickness = float(rng.choice([0.5, 0.625, 1.0, 1.25, 2.0, 2.5, 3.0]))
    pixel = rng.uniform(0.7, 1.4)
    roll, pitch, yaw = np.deg2rad(rng.uniform(-tilt_degrees, tilt_degrees, 3))
    upside_down, reverse = rng.random() < 0.25, rng.random() < 0.5
    bone_density = rng.uniform(40, 220)
    length = rng.uniform(60, 90)
    count = max(12, round(length / thickness))
    columns, rows = 2 * int(180 / pixel), 2 * int(140 / pixel)
    psf = rng.uniform(0.5, 0.8)

    rod_radius = rng.uniform(7, 11)
    n_rods = len(certificate.rods)
    pitch_mm = rng.uniform(2 * rod_radius + 4, min(48, 190 / max(n_rods - 1, 1)))
    holder = rng.uniform(-60, 130) if rng.random() < 0.85 else AIR
    row_y = -105.0 + rng.uniform(-3, 3)
    row_x = rng.uniform(-12, 12)
    if cropped:
        row_x = 180 - (n_rods - 1) / 2 * pitch_mm + rng.uniform(0, rod_radius)
    numbers = true_numbers(certificate, slope, intercept)

    x = ((np.arange(columns) - (columns - 1) / 2) * pixel)[:, None]
    y = ((np.arange(rows) - (rows - 1) / 2) * pixel)[None, :]
    z = (np.arange(count) - (count - 1) / 2) * thickness
    bone, disc = _anatomy(
        x, y, psf, rng_seed=seed, density_hu=intercept + slope * bone_density, contrast=contrast
    )
    edge = 0.5 * erfc((np.abs(z) - 14.0) / 0.8)  # one vertebra of 28 mm between two discs
    slices = np.empty((count, columns, rows), np.float32)
    present = np.ones(count, bool)
    if rng.random() < 0.3:
        present[: int(rng.uniform(0.0, 0.35) * count)] = False

    turn = _rotation(roll, pitch, yaw)
    along, axis = turn @ [1.0, 0, 0], turn @ [0, 0, 1.0]
    order = (np.arange(n_rods) - (n_rods - 1) / 2) * pitch_mm
    if reverse:
        order = -order
    base = np.array([row_x, row_y, 0.0]) + order[:, None] * along
    for k in range(count):
        # Away from its edges a slice shows the one or the other alone.
        whole = {0.0: disc, 1.0: bone}.get(round(edge[k], 12))
        image = (1 - edge[k]) * disc + edge[k] * bone if whole is None else whole
        if present[k]:
            image = _with_phantom(
                image, x, y, z[k], thickness, base, axis, rod_radius, numbers, holder, psf
            )
        slices[k] = image
    grain = _noise(rng, slices.shape, pixel)
    grain *= noise
    slices += grain
    data = slices.transpose(1, 2, 0)
    vertebra = ((x / 14) ** 2 + ((y - 5) / 9) ** 2 <= 1)[..., None] & (np.abs(z) < 9)
    affine = np.diag([pixel, pixel, thickness, 1.0])
    affine[:3, 3] = [x[0, 0], y[0, 0], z[0]]
    if upside_down:
        data, vertebra = data[::-1, ::-1], vertebra[::-1, ::-1]
        affine[:2, 3] = -x[-1, 0], -y[0, -1]
        base = base * [-1, -1, 1]
        axis = axis * [-1, -1, 1]
    ends = [base[:, :2] + axis[:2] * ((end - base[:, 2]) / axis[2])[:, None] for end in z[[0, -1]]]
    extent = np.array([columns, rows]) * pixel / 2 - rod_radius
    complete = all((np.abs(centres) < extent).all() for centres in ends)
    return PhantomScan(
        Volume(np.ascontiguousarray(data), affine),
        certificate,
        kvp,
        noise,
        slope,
        intercept,
        bone_density,
        np.ascontiguousarray(vertebra),
        numbers,
        base,
        axis,
        complete,
        {
            "thickness": thickness,
            "pixel": pixel,
            "degrees": np.rad2deg([roll, pitch, yaw]).round(1).tolist(),
            "holder": holder,
            "radius": rod_radius,
            "pitch": pitch_mm,
        },
    )


def _rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Rotations about z, then x, then y."""

    def about(i: int, j: int, angle: float) -> np.ndarray:
        matrix = np.eye(3)
        matrix[[i, j], [i, j]] = np.cos(angle)
        matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
        return matrix

    return about(2, 0, yaw) @ about(1, 2, pitch) @ about(0, 1, roll)


def _inside(distance: np.ndarray, psf: float) -> np.ndarray:
    """Share of the shape in each pixel; beyond 6 SD of the edge it is 0 or 1 to 1e-9."""
    share = (distance < 0).astype(float)
    near = np.abs(distance) < 6 * psf
    share[near] = 0.5 * erfc(distance[near] / (np.sqrt(2) * psf))
    return share


def _ellipse(x, y, cx, cy, a, b) -> np.ndarray:
    """Approximate signed distance from an ellipse, exact on its edge; mm."""
    scaled = np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2)
    gradient = np.sqrt(((x - cx) / a**2) ** 2 + ((y - cy) / b**2) ** 2)
    return (scaled - 1) * scaled / np.maximum(gradient, 1e-9)


def _anatomy(x, y, psf, rng_seed, density_hu, contrast) -> tuple[np.ndarray, np.ndarray]:
    """Axial sections through a vertebra (with the CT number of its marrow) and through a disc."""
    rng = np.random.default_rng([rng_seed, 3])
    image = np.full(np.broadcast_shapes(x.shape, y.shape), AIR)

    def add(cx, cy, a, b, hu, image=image) -> None:
        # Nothing is seen of an edge 6 SD beyond it; the approximate distance is a little short.
        reach = 8 * psf
        window = np.ix_(np.abs(x[:, 0] - cx) < a + reach, np.abs(y[0] - cy) < b + reach)
        px, py = x[window[0][:, 0]], y[:, window[1][0]]
        share = _inside(_ellipse(px, py, cx, cy, a, b), psf)
        image[window] = share * hu + (1 - share) * image[window]

    a, b = rng.uniform(130, 165), rng.uniform(85, 98)
    add(0, 10, a, b, -105)
    add(0, 10, a - rng.uniform(12, 30), b - rng.uniform(8, 20), 45)
    for side in (-1, 1):
        add(side * 32, -42, 24, 19, 55)
        add(side * 75, 0, 25, 30, 190 if contrast else 30)
        add(side * 60, 45, 30, 14, -100)
    add(rng.uniform(-40, 40), 60, 24, 11, -900)
    add(8, 38, 10, 10, 260 if contrast else 45)
    add(-16, 36, 12, 9, 150 if contrast else 40)
    add(0, -18, 9, 8, 10)
    bone, disc = image, image.copy()
    add(0, 5, 24, 17, 75, disc)
    add(0, 5, 24, 17, 650, bone)
    add(0, 5, 22.5, 15.5, density_hu, bone)
    add(0, -38, 4, 13, 420, bone)
    table = 30 * (np.abs(x) / 200) ** 2 - 128
    for section in (bone, disc):
        section[(y < table) & (y > table - 3)] = -350
        section[(y <= table - 3) & (y > table - 30)] = -930
    return bone, disc


def _with_phantom(
    image, x, y, z, thickness, base, axis, radius, numbers, holder, psf
) -> np.ndarray:
    """The image with holder and rods painted on it, averaged over the slice's thickness."""
    steps = [0.0] if thickness < 1 else (np.arange(3) - 1) * thickness / 3
    image = image.copy()
    centres = [base + axis * ((z + dz - base[:, 2]) / axis[2])[:, None] for dz in steps]
    middle = np.mean(centres, axis=(0, 1))
    row = centres[0][-1, :2] - centres[0][0, :2]
    half = np.linalg.norm(row) / 2 + radius + 6
    unit = row / np.linalg.norm(row)
    near = [np.abs(x[:, 0] - middle[0]) < half + 12, np.abs(y[0] - middle[1]) < half / 2 + 24]
    window = np.ix_(*near)
    part, px, py = image[window], x[near[0]], y[:, near[1]]
    along = (px - middle[0]) * unit[0] + (py - middle[1]) * unit[1]
    across = -(px - middle[0]) * unit[1] + (py - middle[1]) * unit[0]
    if holder > AIR:
        share = _inside(np.maximum(np.abs(along) - half, np.abs(across) - radius - 4), psf)
        part = share * holder + (1 - share) * part
    image[window] = part
    # Each rod alone, out to where the last of its edge is seen.
    reach = radius + 6 * psf
    for rod, hu in enumerate(numbers):
        low, high = (limit([c[rod] for c in centres], axis=0) for limit in (np.min, np.max))
        around = np.ix_(
            *(
                (place > low[i] - reach) & (place < high[i] + reach)
                for i, place in enumerate((x[:, 0], y[0]))
            )
        )
        px, py = x[around[0][:, 0]], y[:, around[1][0]]
        discs = [np.sqrt((px - c[rod, 0]) ** 2 + (py - c[rod, 1]) ** 2) - radius for c in centres]
        share = np.mean([_inside(distance, psf) for distance in discs], axis=0)
        image[around] = share * hu + (1 - share) * image[around]
    return image


def _noise(rng: np.random.Generator, shape: tuple[int, int, int], pixel: float) -> np.ndarray:
    """Noise of unit SD, independent between slices, which come first."""
    fx = fft.fftfreq(shape[1], pixel)[:, None]
    fy = fft.rfftfreq(shape[2], pixel)[None, :]
    frequency = np.hypot(fx, fy)
    cut = 0.5 / max(pixel, 0.9)
    transfer = np.sqrt(frequency) * np.cos(np.pi / 2 * np.minimum(frequency / cut, 1))
    transfer += np.sqrt(WHITE_SHARE * (transfer**2).mean())
    transfer = transfer.astype(np.float32)
    result = np.empty(shape, np.float32)
    for image in result:
        white = rng.standard_normal(shape[1:], dtype=np.float32)
        image[...] = fft.irfft2(fft.rfft2(white) * transfer, shape[1:])
    result /= result[0].std()
    return result
