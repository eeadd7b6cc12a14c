"""A breast on a sagittal grid: outline, skin, fat, gland, vessels and chest wall.

Positions are millimetres on the grid's own axes: slice (medial to lateral, 0 in the middle), row (0 at the top edge)
and column (0 at the anterior edge). It knows nothing of scanners, patients or files.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tumordiff_core.simulation.kinetics import Tissue

Float = npt.NDArray[np.float32]

FIELD_MM = (120.0, 180.0, 180.0)
"""Extent of the imaged block: slices, rows, columns."""

FAT, GLAND, SKIN, MUSCLE, LUNG, BONE, ORGAN, VESSEL = 21.0, 68.0, 54.0, 56.0, 4.0, 16.0, 46.0, 50.0
"""Stored units before contrast under fat suppression, as in a 1.5 T unilateral study."""


@dataclass(frozen=True)
class Shape:
    """One breast.

    Parameters
    ----------
    depth_mm : how far the nipple stands out from the chest wall
    half_height_mm, half_width_mm : of its base
    density : 0 almost all fat, 1 almost all gland
    nipple_mm : slice and row of the nipple
    """

    depth_mm: float = 92.0
    half_height_mm: float = 72.0
    half_width_mm: float = 58.0
    density: float = 0.5
    nipple_mm: tuple[float, float] = (-4.0, 97.0)


@dataclass(frozen=True)
class Grid:
    """Voxels (slice, row, column) over a block of tissue, and where each axis' voxels lie in mm."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    def axes(self) -> tuple[Float, Float, Float]:
        """Slice, row and column positions in mm, shaped to broadcast; slices and the margin count from the middle."""
        found = []
        for axis, (count, step) in enumerate(zip(self.shape, self.spacing_mm, strict=True)):
            centred = (np.arange(count) - (count - 1) / 2) * step
            offset = 0.0 if axis == 0 else FIELD_MM[axis] / 2
            shape = [1, 1, 1]
            shape[axis] = count
            found.append((centred + offset).astype(np.float32).reshape(shape))
        return found[0], found[1], found[2]


@dataclass(frozen=True)
class Anatomy:
    """Everything but the tumour.

    Parameters
    ----------
    still : float32 [slice, row, column], signal of what takes up no contrast (fat, lung, bone)
    water : float32 [slice, row, column], signal before contrast of what does
    tissue : how the water enhances
    room : float32 [slice, row, column], 0 where no tumour may grow (skin, muscle, outside), 1 inside the breast
    coil : float32 [slice, row, column], how bright the receiver coil shows a voxel
    texture, second_texture : float32 [slice, row, column], smooth random fields that mottle a tumour
    """

    grid: Grid
    still: Float
    water: Float
    tissue: Tissue
    room: Float
    coil: Float
    texture: Float
    second_texture: Float

    def cropped(self, start: tuple[int, int, int], shape: tuple[int, int, int]) -> "Anatomy":
        """The same breast as seen in a smaller block: how a patient lies differently at each visit."""
        window = tuple(slice(first, first + count) for first, count in zip(start, shape, strict=True))
        t = self.tissue
        tissue = Tissue(t.ktrans[window], t.kep[window], t.vp[window], t.t1_s)
        maps = (self.room, self.coil, self.texture, self.second_texture)
        grid = Grid(shape, self.grid.spacing_mm)
        return Anatomy(grid, self.still[window], self.water[window], tissue, *(m[window] for m in maps))


def smooth_field(rng: np.random.Generator, grid: Grid, length_mm: float | tuple[float, float, float]) -> Float:
    """A Gaussian random field of standard deviation 1 with features of about ``length_mm``, float32 of the grid."""
    lengths = (length_mm,) * 3 if isinstance(length_mm, float | int) else length_mm
    white = np.fft.rfftn(rng.standard_normal(grid.shape, dtype=np.float32))
    for axis, (count, step, length) in enumerate(zip(grid.shape, grid.spacing_mm, lengths, strict=True)):
        frequency = np.fft.rfftfreq(count) if axis == 2 else np.fft.fftfreq(count)
        shape = [1, 1, 1]
        shape[axis] = frequency.size
        white *= np.exp(-2 * (np.pi * frequency * length / (2 * step)) ** 2).astype(np.float32).reshape(shape)
    field = np.fft.irfftn(white, s=grid.shape, axes=(0, 1, 2))
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def step(values: npt.NDArray[np.floating], width: float) -> Float:
    """A soft step from 0 to 1 around zero (logistic), float32."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values / width, -30, 30))), dtype=np.float32)


def _wall(rows: Float, slices: Float) -> Float:
    """Column of the chest wall's front."""
    return np.asarray(127 + 8 * ((rows - 92) / 90) ** 2 + 9 * (slices / 60) ** 2 - 3 * slices / 60 + 0.06 * (rows - 90))


def _outline(shape: Shape, rng: np.random.Generator, grid: Grid) -> tuple[Float, Float]:
    """Column of the skin [slice, row, 1] and the slope factor that turns column distance into true distance."""
    slices, rows, _ = grid.axes()
    side, middle = shape.nipple_mm
    below = rows > middle
    height = np.where(below, shape.half_height_mm * 0.86, shape.half_height_mm)
    wobble = smooth_field(rng, Grid((*grid.shape[:2], 1), grid.spacing_mm), (45.0, 45.0, 1.0))
    r2 = ((slices - side) / shape.half_width_mm) ** 2 + ((rows - middle) / height) ** 2
    r2 = r2 * (1 + 0.05 * wobble)
    bulge = shape.depth_mm * np.maximum(1 - r2, 0) ** 0.66
    areola = 4.0 * np.exp(-(((slices - side) / 6) ** 2 + ((rows - middle) / 5) ** 2))
    skin = _wall(rows, slices) - 13 - bulge - areola
    skin = ndimage.gaussian_filter(skin, (0.6, 0.9, 0))
    by_slice, by_row = np.gradient(skin[..., 0], grid.spacing_mm[0], grid.spacing_mm[1])
    slope = np.sqrt(1 + by_slice**2 + by_row**2)[..., None]
    return skin.astype(np.float32), slope.astype(np.float32)


def _gland(shape: Shape, rng: np.random.Generator, grid: Grid, skin: Float) -> Float:
    """Share of gland [slice, row, column]: lobes that fan out from the nipple, with fat between them."""
    slices, rows, columns = grid.axes()
    side, middle = shape.nipple_mm
    front = float(skin.min())
    wall = _wall(rows, slices)
    along = np.clip((columns - front) / (wall - front), 0.02, 1.2)
    width = 9 + 52 * along**0.75
    across_slice, across_row = (slices - side) / width, (rows - middle) / width
    radius = np.sqrt(across_slice**2 + across_row**2)
    inside = step(0.92 - radius, 0.13) * step(0.82 - along, 0.05)
    ducts = smooth_field(rng, Grid((32, 32, 32), (1.0, 1.0, 1.0)), (5.0, 5.0, 10.0))
    target = np.broadcast_arrays(16 + 14 * across_slice, 16 + 14 * across_row, 30 * along)
    fan = ndimage.map_coordinates(ducts, [np.asarray(t) for t in target], order=1, mode="grid-wrap")
    lobes = 0.5 * fan + 0.8 * smooth_field(rng, grid, 16.0) + 0.5 * smooth_field(rng, grid, 5.0)
    return inside * step(lobes + 3.2 * shape.density - 1.7, 0.22)


def _septa(rng: np.random.Generator, grid: Grid) -> Float:
    """Share of thin fibrous sheets between the lobules of fat."""
    coarse = np.exp(-((smooth_field(rng, grid, 17.0) / 0.09) ** 2))
    fine = np.exp(-((smooth_field(rng, grid, 9.0) / 0.08) ** 2))
    return np.asarray(0.34 * coarse + 0.16 * fine, dtype=np.float32)


def _vessels(shape: Shape, rng: np.random.Generator, grid: Grid, skin: Float) -> Float:
    """Share of blood [slice, row, column] of a few winding vessels from the chest wall towards the nipple."""
    side, middle = shape.nipple_mm
    front = float(skin.min())
    share = np.zeros(grid.shape, dtype=np.float32)
    moments = np.linspace(0, 1, 160)
    for _ in range(11):
        start = np.array([rng.uniform(-42, 42), middle + rng.uniform(-60, 45), 118.0])
        end = np.array([side + rng.uniform(-12, 12), middle + rng.uniform(-16, 16), front + rng.uniform(8, 34)])
        bow = ndimage.gaussian_filter1d(rng.standard_normal((160, 3)) * 100, 12, axis=0)
        bow = (bow - bow[:1] * (1 - moments[:, None]) - bow[-1:] * moments[:, None]) * [0.6, 0.6, 0.3]
        path = start + (end - start) * moments[:, None] + bow
        _thread(share, path, rng.uniform(0.7, 1.35), grid, rng)
    return np.minimum(share, 1)


def _thread(
    share: Float, path: npt.NDArray[np.float64], radius_mm: float, grid: Grid, rng: np.random.Generator
) -> None:
    """Add a tube along ``path`` [point, (slice, row, column) mm] to ``share`` by counting points spread inside it."""
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    count = max(int(60 * length), 1)
    places = rng.uniform(0, len(path) - 1, count)
    points = np.stack([np.interp(places, np.arange(len(path)), path[:, axis]) for axis in range(3)], axis=1)
    direction = rng.standard_normal((count, 3))
    direction *= (radius_mm * np.cbrt(rng.uniform(0, 1, count)) / np.linalg.norm(direction, axis=1))[:, None]
    origin = [float(axis.flat[0]) for axis in grid.axes()]
    index = np.rint((points + direction - origin) / grid.spacing_mm).astype(int)
    index = index[np.all((index >= 0) & (index < grid.shape), axis=1)]
    volume = np.pi * radius_mm**2 * length / count / float(np.prod(grid.spacing_mm))
    np.add.at(share, tuple(index.T), np.float32(volume))


def _behind(rng: np.random.Generator, grid: Grid, left: bool) -> tuple[Float, Float, Float, Float]:
    """Shares of muscle, bone, lung and the organ below it (heart or liver), each [slice, row, column]."""
    slices, rows, columns = grid.axes()
    depth = columns - _wall(rows, slices) + 1.2 * smooth_field(rng, grid, 22.0)
    pectoral = 7 + 6 * step(100 - rows, 14)
    muscle = step(depth, 0.7) * step(pectoral - depth, 0.8)
    cage = depth - pectoral - 2.5
    beat = np.cos(2 * np.pi * (rows - 8 + 0.35 * slices) / 31)
    rib = step(1 - (beat - 1) ** 2 / 0.30 - ((cage - 5.5) / 5.0) ** 2, 0.12)
    between = step(cage, 0.8) * step(10.5 - cage, 0.8) * (1 - rib)
    inner = step(cage - 12.5, 1.0)
    across, down, wide = (20.0, 122.0, 46.0) if left else (10.0, 186.0, 80.0)
    ball = 1 - np.sqrt(((slices - across) / wide) ** 2 + ((rows - down) / 46) ** 2 + ((columns - 182) / 34) ** 2)
    organ = inner * step(ball + 0.04 * smooth_field(rng, grid, 18.0), 0.03)
    return np.maximum(muscle, between), rib, inner * (1 - organ), organ


def make(shape: Shape, grid: Grid, rng: np.random.Generator, *, left: bool = False) -> Anatomy:
    """Grow one breast on a grid; the same ``rng`` state gives the same breast."""
    slices, rows, columns = grid.axes()
    side, middle = shape.nipple_mm
    skin, slope = _outline(shape, rng, grid)
    away = (columns - skin) / slope
    inside = np.clip(away / grid.spacing_mm[2] + 0.5, 0, 1).astype(np.float32)
    peel = step(2.2 - away, 0.5)
    nipple = np.exp(-(((slices - side) / 6) ** 2 + ((rows - middle) / 6) ** 2 + ((columns - skin.min() - 3) / 6) ** 2))
    muscle, bone, lung, organ = _behind(rng, grid, left)
    front = 1 - step(columns - _wall(rows, slices), 0.7)
    gland = _gland(shape, rng, grid, skin) * front
    blood = _vessels(shape, rng, grid, skin) * front * (1 - peel)
    mottle = 0.6 * smooth_field(rng, grid, 5.0) + 0.8 * smooth_field(rng, grid, (3.0, 5.0, 2.2))
    water = {
        "skin": np.maximum(peel, np.minimum(nipple, 1)) * front,
        "muscle": muscle,
        "organ": organ,
    }
    free = np.clip(1 - sum(water.values()) - bone - lung, 0, 1)
    water["blood"] = blood * free
    water["gland"] = np.maximum(gland, _septa(rng, grid) * front) * (free - water["blood"])
    fat = np.clip(free - water["blood"] - water["gland"], 0, 1)
    return _assemble(grid, water, fat, bone, lung, inside, away, mottle, rng, front * (1 - peel), left)


def _assemble(
    grid: Grid, water: dict[str, Float], fat: Float, bone: Float, lung: Float, inside: Float, away: Float,
    mottle: Float, rng: np.random.Generator, room: Float, left: bool,
) -> Anatomy:  # fmt: skip
    """Turn shares of tissue into signals and kinetics, under a surface coil and imperfect fat suppression."""
    _, rows, columns = grid.axes()
    coil = inside * (0.72 + 0.42 * np.exp(-np.maximum(away, 0) / 38)) * (1 - 0.35 * step(columns - 160, 9))
    leftover = 1 + 0.16 * smooth_field(rng, grid, 40.0) + 0.9 * step(np.abs(rows - 90) - 80, 5) + 0.09 * mottle
    signal = {"skin": SKIN, "muscle": MUSCLE, "organ": ORGAN, "blood": VESSEL, "gland": GLAND}
    # Ktrans, kep per minute and plasma share; gland is what radiologists call background enhancement.
    leak = {
        "skin": (0.035, 0.2, 0.01), "muscle": (0.03, 0.3, 0.01),
        "organ": (0.0, 0.2, 0.5) if left else (0.05, 0.3, 0.2),
        "blood": (0.0, 0.2, 0.45), "gland": (0.016, 0.1, 0.003),
    }  # fmt: skip
    strength = {name: share * np.float32(signal[name]) for name, share in water.items()}
    whole = sum(strength.values()) + np.float32(1e-3)
    maps = [sum(strength[n] * np.float32(leak[n][i]) for n in leak) / whole for i in range(3)]
    background = 1 + 0.35 * smooth_field(rng, grid, 12.0)
    tissue = Tissue(
        np.maximum(maps[0] * background, 0).astype(np.float32), np.maximum(maps[1], 0.05).astype(np.float32),
        np.asarray(maps[2], dtype=np.float32),
    )  # fmt: skip
    grain = np.asarray(coil * (1 + 0.08 * mottle), dtype=np.float32)
    still = coil * (FAT * fat * leftover + BONE * bone + LUNG * lung)
    return Anatomy(
        grid, still.astype(np.float32), (whole * grain).astype(np.float32), tissue, (room * inside).astype(np.float32),
        np.asarray(coil, dtype=np.float32), smooth_field(rng, grid, 8.0), smooth_field(rng, grid, 8.0),
    )  # fmt: skip
