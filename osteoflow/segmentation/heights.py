"""Heights of vertebral bodies from their masks, and the deformity grades made of them.

Six points in the midsagittal plane, as in quantitative morphometry of radiographs: where the
endplates meet the anterior and the posterior wall, and their middles. Masks are voxels, so the
points come from curves fitted to the surface, not from single voxels.

A grade computed here is quantitative morphometry of a mask. It is no radiologist's reading: that
weighs the endplates' look, and tells old from new, fracture from variant (short vertebral height,
Scheuermann's disease, Schmorl's nodes), which heights alone do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from osteoflow.segmentation.body import Body
from osteoflow.segmentation.frame import first_exit
from osteoflow.segmentation.schemes import level_name, verse_id

STEP_MM = 0.5
# Half width of the midsagittal zone, relative to the body's width.
ZONE = 0.25
# From either wall to where its edge is not rounded any more, mm.
EDGE_MM = 2.5
# Share of an endplate's profile that has to be there.
LEAST_SEEN = 0.8
# Stiffness of an endplate's profile, in steps to the sixth: it follows what is longer than 3 cm.
STIFFNESS = 1e6
# And against curvature at all, in steps to the fourth, with voxels of 1 mm along the spine.
STRAIGHTNESS = 100.0
# Share of the depth around the middle in which the middle height is taken.
MIDDLE = (0.42, 0.58)
# Genant et al., J Bone Miner Res 1993;8:1137: loss of height in percent from which a deformity is
# mild, moderate, severe.
GRADES = (20.0, 25.0, 40.0)
# Their posterior height is lower than their neighbours' by nature: no expected one is taken of
# the neighbours for them, nor from them.
NATURALLY_WEDGED = ("L5", "L6")
# Neighbours whose posterior heights differ by more than this share are not both intact.
UNEQUAL = 0.1
# Voxels longer than this along the spine, in mm, make grades uncertain near their limits.
THICK_MM = 2.0


@dataclass(frozen=True)
class Heights:
    """Heights of one body in mm; NaN where the image or the outline does not allow them."""

    anterior: float
    middle: float
    posterior: float


HEIGHT_METRICS = (
    "height_anterior",
    "height_middle",
    "height_posterior",
    "wedge_deformity",
    "biconcavity_deformity",
    "crush_deformity",
    "genant_grade",
)
HEIGHT_COLUMNS = ("level", *HEIGHT_METRICS, "flag")
NONE = Heights(*3 * (float("nan"),))


@dataclass(frozen=True)
class Deformity:
    """Loss of height in percent of what is expected, its type and Genant's grade.

    Attributes
    ----------
    wedge, biconcavity
        Anterior and middle height against the posterior one.
    crush
        Posterior height against that of the neighbours; NaN without any.
    grade
        0 to 3; NaN without heights.
    kind
        ``wedge``, ``biconcave`` or ``crush``; empty for grade 0.
    """

    wedge: float
    biconcavity: float
    crush: float
    grade: float
    kind: str = ""

    @property
    def worst(self) -> float:
        """Largest loss in percent."""
        return float(np.nanmax([self.wedge, self.biconcavity, self.crush]))


def body_heights(body: Body) -> Heights:
    """Anterior, middle and posterior height.

    Parameters
    ----------
    body
        From :func:`osteoflow.segmentation.body.find_bodies`; one that the image's border cuts has
        no heights.

    Returns
    -------
    Heights
        Distances between the points of the upper and the lower endplate at either wall and in the
        middle. An endplate's profile is carried on over its last :data:`EDGE_MM`: rounded edges
        and lips do not count.
    """
    if body.cut:
        return NONE
    walls = body.walls
    half = ZONE * walls.width
    across = np.arange(-half, half + STEP_MM, 2 * STEP_MM)
    reach = walls.depth / 2 + 4.0
    along = np.arange(-reach, reach + STEP_MM / 2, STEP_MM)
    upward = np.arange(0, walls.height / 2 + 8.0 + abs(walls.upper[2] * reach), STEP_MM)
    used = (along >= walls.back[0] + EDGE_MM) & (along <= walls.front[0] - EDGE_MM)
    curves = []
    for direction in (1.0, -1.0):
        phi = body.surface.sample(body.frame, across, along, direction * upward)
        edges = direction * first_exit(phi, upward)
        edges[:, ~used] = np.nan
        if np.isfinite(edges[:, used]).mean() < LEAST_SEEN:
            return NONE
        curves.append(profile(across, edges, step_along(body)))
    front, back = ([_corner(along, c, wall) for c in curves] for wall in (walls.front, walls.back))
    share = (along - walls.back[0]) / walls.depth
    middle = (share > MIDDLE[0]) & (share < MIDDLE[1])
    upper, lower = (float(curve[middle].mean()) for curve in curves)
    anterior, posterior = (float(np.hypot(*np.subtract(*ends))) for ends in (front, back))
    return Heights(anterior, upper - lower, posterior)


def profile(across: np.ndarray, edges: np.ndarray, step_mm: float = 1.0) -> np.ndarray:
    """An endplate's midsagittal profile through the steps of its voxels.

    Smoothing spline with a penalty on the third derivative (Whittaker, Proc Edinb Math Soc
    1922;41:63; Eilers, Anal Chem 2003;75:3631): parabolas pass, and it goes on as one where nothing
    is seen. Columns beside the midline help to place it below the voxel size; that the endplate is
    tilted or hollow from left to right is fitted along. The coarser the steps, the more a straight
    profile is preferred to one bent by them.

    Parameters
    ----------
    across
        Positions (m,) from the midline, mm.
    edges
        Heights (m, n) at equal steps from back to front, mm; NaN where unknown.
    step_mm
        Distance of voxel centres along the spine.

    Returns
    -------
    numpy.ndarray
        Heights (n,) in the midline.
    """
    n = edges.shape[1]
    slope, bend = (np.diff(np.eye(n), order, axis=0) for order in (2, 3))
    penalty = STIFFNESS * bend.T @ bend + STRAIGHTNESS * step_mm**3 * slope.T @ slope
    seen = np.isfinite(edges)
    aside = np.stack([across, across**2]) / np.abs(across).max()
    weights = seen.sum(axis=0).astype(float)
    data = np.where(seen, edges, 0.0)
    matrix = np.zeros((n + 2, n + 2))
    matrix[:n, :n] = np.diag(weights) + weights.max() * penalty
    matrix[n:, :n] = aside @ seen
    matrix[:n, n:] = matrix[n:, :n].T
    matrix[n:, n:] = (aside * seen.sum(axis=1)) @ aside.T
    right = np.concatenate([data.sum(axis=0), aside @ data.sum(axis=1)])
    return np.linalg.solve(matrix, right)[:n]


def _corner(along: np.ndarray, curve: np.ndarray, wall: tuple[float, float]) -> tuple[float, float]:
    """(v, w) where an endplate's profile meets a wall."""
    position = wall[0]
    for _ in range(3):
        height = float(np.interp(position, along, curve))
        position = wall[0] + wall[1] * height
    return position, height


def deformities(heights: Mapping[str, Heights]) -> dict[str, Deformity]:
    """Deformity of each body, from its own heights and its neighbours'.

    Parameters
    ----------
    heights
        By level name.

    Returns
    -------
    dict
        Wedge and biconcave deformities are losses against the body's own posterior height. A
        posterior height that is itself 20 % below the neighbours' makes a crush deformity, and the
        neighbours' height is then what all three are compared with.

    Notes
    -----
    Bodies are not cuboids by nature: T12 and L1 are some per cent lower in front, and all lumbar
    endplates are hollow. This is not taken off, so mild grades (20 to 25 %) ask for a look.
    Neighbours that are all crushed hide one another.
    """
    return {level: _deformity(level, found, heights) for level, found in heights.items()}


def _deformity(level: str, found: Heights, heights: Mapping[str, Heights]) -> Deformity:
    if not np.isfinite(found.posterior):
        return Deformity(*4 * (float("nan"),))
    expected = expected_posterior(level, heights)
    crush = 100 * (1 - found.posterior / expected)
    crushed = crush >= GRADES[0]
    reference = expected if crushed else found.posterior
    wedge, biconcavity = (
        100 * (1 - height / reference) for height in (found.anterior, found.middle)
    )
    losses = {"crush": crush if crushed else -np.inf, "wedge": wedge, "biconcave": biconcavity}
    worst = max(losses.values())
    grade = sum(worst >= limit for limit in GRADES)
    kind = ""
    if grade:
        kind = "crush" if crushed else max(losses, key=lambda name: losses[name])
    return Deformity(wedge, biconcavity, crush, float(grade), kind)


def expected_posterior(level: str, heights: Mapping[str, Heights]) -> float:
    """Posterior height in mm that the neighbours let expect; NaN without any.

    Parameters
    ----------
    level
        A level with a number next to its neighbours' (``L2``: L1 and L3).
    heights
        By level name.
    """
    if level in NATURALLY_WEDGED:
        return float("nan")
    number = verse_id(level)
    near = [
        found.posterior
        for name, found in heights.items()
        if abs(verse_id(name) - number) == 1
        and name not in NATURALLY_WEDGED
        and np.isfinite(found.posterior)
    ]
    if not near:
        return float("nan")
    low, high = min(near), max(near)
    return high if low < (1 - UNEQUAL) * high else (low + high) / 2


def step_along(body: Body) -> float:
    """Distance of voxel centres along the spine, mm: that of the slices in an axial scan."""
    steps = np.linalg.inv(body.surface.affine[:3, :3]) @ body.frame.axes[2]
    return float(1 / np.abs(steps).max())


def deformity_error(step_mm: float) -> float:
    """Standard error of a deformity by voxel size along the spine, in per cent of the height.

    Measured on synthetic masks: 1.2 at 1 mm, 3 at 2 mm, 7 at 3 mm, 10 at 5 mm.
    """
    return 1.5 * step_mm**1.5


def height_rows(bodies: Mapping[int, Body]) -> list[dict[str, object]]:
    """One row per body: heights in mm, deformities in percent, grade, and flags.

    Parameters
    ----------
    bodies
        By VerSe id.

    Returns
    -------
    list of dict
        :data:`HEIGHT_COLUMNS`. Flags: ``cut_by_image``, ``thick_slices`` (more than
        :data:`THICK_MM` along the spine), ``fracture_wedge`` (or ``biconcave``, ``crush``),
        ``grade_uncertain``: from thick slices, a deformity less than two standard errors beyond
        the limit of a fracture.
    """
    heights = {level_name(number): body_heights(body) for number, body in bodies.items()}
    found = deformities(heights)
    rows = []
    for number, body in bodies.items():
        level = level_name(number)
        deformity, height, step = found[level], heights[level], step_along(body)
        flags = ["cut_by_image"] if body.cut else []
        flags += ["thick_slices"] if step > THICK_MM else []
        flags += [f"fracture_{deformity.kind}"] if deformity.kind else []
        if deformity.grade >= 1 and step > THICK_MM:
            unsure = deformity.worst < GRADES[0] + 2 * deformity_error(step)
            flags += ["grade_uncertain"] if unsure else []
        values = (height.anterior, height.middle, height.posterior)
        losses = (deformity.wedge, deformity.biconcavity, deformity.crush, deformity.grade)
        row = (level, *values, *losses, ";".join(flags))
        rows.append(dict(zip(HEIGHT_COLUMNS, row, strict=True)))
    return rows
