"""Put the files of one series in order: slices along the normal, phases by rank at one position.

Order is decided by positions first, never by file names, and by InstanceNumber inside one position.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import isfinite

import numpy as np

from tumordiff_core.errors import GeometryError, InputError
from tumordiff_core.imaging.geometry import Geometry, is_orthonormal
from tumordiff_core.plugins.specs import Header

POSITION_TOLERANCE_MM = 0.01
GAP_FACTOR = 1.5
STACK_GAP_SLICES = 4
SHEAR_TOLERANCE_MM = 0.05
UNEVEN_TOLERANCE = 0.02
_NO_NUMBER = 1 << 30


@dataclass(frozen=True)
class Missing:
    """One slice that should be there: phase and slice from 0, its place along the nearest patient axis."""

    phase: int
    slice_index: int
    slices: int
    at_mm: float


@dataclass(frozen=True)
class Ordered:
    """Files of one geometry, [phase][slice]; ``positioned`` is False where the files say no place in space."""

    phases: tuple[tuple[Header, ...], ...]
    missing: tuple[Missing, ...] = ()
    doubled: int = 0
    positioned: bool = True

    @property
    def slices(self) -> int:
        """Slices of a complete phase."""
        lost = Counter(m.phase for m in self.missing)
        return max((len(phase) + lost[p] for p, phase in enumerate(self.phases)), default=0)

    @property
    def remark(self) -> str:
        """What is wrong with the series as a sentence, or nothing."""
        if self.missing:
            return self.missing_error().sentence
        return "" if self.positioned else GeometryError("series.no_position").sentence

    def missing_error(self) -> InputError:
        """The error that names the first missing slice by its position."""
        first = self.missing[0]
        return InputError(
            "series.missing_slice", slice=first.slice_index + 1, slices=first.slices, phase=first.phase + 1,
            at_mm=f"{first.at_mm:.1f}", count=len(self.missing),
        )  # fmt: skip


def grid_key(header: Header) -> tuple[object, ...] | None:
    """What all slices of one grid share; ``None`` where position, orientation or spacing is missing or nonsense."""
    orientation, spacing = _vector(header, "ImageOrientationPatient", 6), _vector(header, "PixelSpacing", 2)
    if orientation is None or spacing is None or _vector(header, "ImagePositionPatient", 3) is None:
        return None
    plane = _plane(orientation, spacing)
    if plane is None:
        return None
    return (*plane, header.get("Rows"), header.get("Columns"), header.get("FrameOfReferenceUID"))


@lru_cache(maxsize=1024)
def _plane(orientation: tuple[float, ...], spacing: tuple[float, ...]) -> tuple[float, ...] | None:
    """Rounded orientation and spacing, ``None`` where they are nonsense; asked of every file, the same for many."""
    if min(spacing) <= 0 or not is_orthonormal(orientation[:3], orientation[3:]):
        return None
    return (*(round(c, 3) + 0.0 for c in orientation), *(round(s, 4) for s in spacing))


def _vector(header: Header, keyword: str, count: int) -> tuple[float, ...] | None:
    found = header.get(keyword)
    if not isinstance(found, tuple) or len(found) != count:
        return None
    return found if all([isinstance(v, float) and isfinite(v) for v in found]) else None


def place_mm(header: Header) -> float:
    """Distance of a slice along its own normal, in mm."""
    # Plain arithmetic: for one vector numpy takes ten times as long, and this is asked of every file.
    a, b, c, d, e, f = (float(v) for v in header["ImageOrientationPatient"])
    x, y, z = (float(v) for v in header["ImagePositionPatient"])
    return (b * f - c * e) * x + (c * d - a * f) * y + (a * e - b * d) * z


def instance_order(header: Header) -> tuple[int, int, str, str, str]:
    """The order of files at one position: InstanceNumber, then temporal position, then time, then UID."""
    number, position = header.get("InstanceNumber"), header.get("TemporalPositionIdentifier")
    return (
        number if isinstance(number, int) else _NO_NUMBER,
        position if isinstance(position, int) else _NO_NUMBER,
        str(header.get("AcquisitionDate", "")), str(header.get("AcquisitionTime", "")),
        str(header.get("SOPInstanceUID", "")),
    )  # fmt: skip


def order_series(headers: Sequence[Header]) -> list[Ordered]:
    """Split one series by geometry and put every part in order; the part with most files first.

    Files without pixels are left out; files without a usable place form one part ordered by InstanceNumber. Parallel
    stacks with a gap between them, such as both breasts, are parts of their own, and so are the echoes of one series.
    """
    parts: dict[tuple[object, ...] | None, list[Header]] = defaultdict(list)
    pictures = [header for header in headers if header.get("pixel_length")]
    several_echoes = len({header.get("EchoNumbers") for header in pictures}) > 1
    for header in pictures:
        key = grid_key(header)
        parts[(*key, header.get("EchoNumbers")) if several_echoes and key is not None else key].append(header)
    ordered = []
    for key, files in parts.items():
        ordered += [_unplaced(files)] if key is None else [_placed(places) for places in _stacks(_by_place(files))]
    return sorted(ordered, key=lambda part: -sum(len(phase) for phase in part.phases))


def _unplaced(files: list[Header]) -> Ordered:
    return Ordered((tuple(sorted(files, key=instance_order)),), positioned=False)


def _stacks(places: list[list[Header]]) -> list[list[list[Header]]]:
    """The positions in stacks: cut at wide gaps where the instance numbers say that no file is missing."""
    slots = _slots([place_mm(group[0]) for group in places])
    cuts = [n for n in range(1, len(slots)) if slots[n] - slots[n - 1] > STACK_GAP_SLICES]
    if not cuts or not _numbered_on([header for group in places for header in group]):
        return [places]
    return [places[begin:end] for begin, end in pairwise([0, *cuts, len(places)])]


def _numbered_on(files: list[Header]) -> bool:
    numbers = {instance_order(header)[0] for header in files}
    return len(numbers) == len(files) and max(numbers) - min(numbers) + 1 == len(files)


def _placed(places: list[list[Header]]) -> Ordered:
    counts = Counter(len(group) for group in places)
    phases = max(counts, key=lambda size: (counts[size], size))
    doubled = sum(max(len(group) - phases, 0) for group in places)
    groups = [sorted(group, key=instance_order)[:phases] for group in places]
    ranges = _instance_ranges([group for group in groups if len(group) == phases], phases)
    slots = _slots([place_mm(group[0]) for group in groups])
    table: list[dict[int, Header]] = [{} for _ in range(phases)]
    for slot, group in zip(slots, groups, strict=True):
        for phase, header in _assign(group, phases, ranges).items():
            table[phase][slot] = header
    total = slots[-1] + 1
    missing = _missing(table, total)
    rows = tuple(tuple(phase[slot] for slot in sorted(phase)) for phase in table)
    return Ordered(rows, missing, doubled)


def _by_place(files: list[Header]) -> list[list[Header]]:
    """Files in groups of one position, in the order of the normal."""
    places = sorted(((place_mm(header), n) for n, header in enumerate(files)))
    groups: list[list[Header]] = []
    last = -np.inf
    for place, n in places:
        if place - last > POSITION_TOLERANCE_MM:
            groups.append([])
        groups[-1].append(files[n])
        last = place
    return groups


def _slots(places: list[float]) -> list[int]:
    """Slice numbers of the positions, leaving numbers out where a gap is larger than 1.5 median steps."""
    steps = np.diff(places)
    if len(steps) < 2:
        return list(range(len(places)))
    step = float(np.median(steps))
    jumps = np.where(steps > GAP_FACTOR * step, np.rint(steps / step), 1).astype(int)
    return [0, *np.cumsum(jumps).tolist()]


def _instance_ranges(complete: list[list[Header]], phases: int) -> list[tuple[int, int]]:
    numbers = [[instance_order(group[p])[0] for group in complete] for p in range(phases)]
    return [(min(column), max(column)) for column in numbers]


def _assign(group: list[Header], phases: int, ranges: list[tuple[int, int]]) -> dict[int, Header]:
    """Which phase each file of one position belongs to: by rank, or in an incomplete group by InstanceNumber."""
    if len(group) == phases:
        return dict(enumerate(group))
    assigned: dict[int, Header] = {}
    for header in group:
        number = instance_order(header)[0]
        distance = [max(low - number, number - high, 0) for low, high in ranges]
        free = [p for p in range(phases) if p not in assigned]
        assigned[min(free, key=lambda p: (distance[p], p))] = header
    return assigned


def _missing(table: list[dict[int, Header]], total: int) -> tuple[Missing, ...]:
    lost = []
    for number, phase in enumerate(table):
        for slot in range(total):
            if slot not in phase:
                lost.append(Missing(number, slot, total, _axis_mm(phase, slot)))
    return tuple(lost)


def _axis_mm(phase: dict[int, Header], slot: int) -> float:
    """Where a missing slice should lie on the patient axis nearest to the normal, from its two nearest neighbours."""
    near = sorted(phase, key=lambda other: abs(other - slot))[:2]
    if not near:
        return 0.0
    orientation = np.asarray(phase[near[0]]["ImageOrientationPatient"], dtype=float)
    axis = int(np.argmax(np.abs(np.cross(orientation[:3], orientation[3:]))))
    at = [float(phase[n]["ImagePositionPatient"][axis]) for n in near]
    if len(near) == 1:
        return at[0]
    return at[0] + (at[1] - at[0]) * (slot - near[0]) / (near[1] - near[0])


def grid(slices: Sequence[Header]) -> Geometry:
    """The geometry of one phase of ordered slices; the slice direction carries a shear if there is one.

    Raises GeometryError("series.no_position").
    """
    first, last = slices[0], slices[-1]
    if grid_key(first) is None or grid_key(last) is None:
        raise GeometryError("series.no_position")
    orientation = [float(v) for v in first["ImageOrientationPatient"]]
    row, column = tuple(orientation[:3]), tuple(orientation[3:])
    normal = np.cross(row, column)
    origin = np.asarray(first["ImagePositionPatient"], dtype=float)
    step = float(first.get("SpacingBetweenSlices") or first.get("SliceThickness") or 1.0)
    direction = normal
    if len(slices) > 1:
        along = (np.asarray(last["ImagePositionPatient"], dtype=float) - origin) / (len(slices) - 1)
        step = float(np.linalg.norm(along))
        # Positions are rounded in the files: a lean below the tolerance is the normal itself.
        lean = np.linalg.norm(along - (along @ normal) * normal) * (len(slices) - 1)
        direction = normal if lean < SHEAR_TOLERANCE_MM else along / step
    rows_mm, columns_mm = (float(v) for v in first["PixelSpacing"])
    return Geometry(
        shape=(len(slices), int(first["Rows"]), int(first["Columns"])),
        spacing_mm=(round(step, 6), rows_mm, columns_mm),
        origin_mm=tuple(origin.tolist()), row_direction=row, column_direction=column,  # type: ignore[arg-type]
        slice_direction=tuple((direction + 0.0).tolist()),
        frame_of_reference=str(first.get("FrameOfReferenceUID", "")),
    )  # fmt: skip


def x_extent_mm(headers: Sequence[Header]) -> tuple[float, float] | None:
    """From where to where slices reach from the patient's right (negative) to the left, ``None`` without places."""
    found: list[float] = []
    for header in headers:
        if grid_key(header) is None:
            continue
        x = float(header["ImagePositionPatient"][0])
        rows_mm, columns_mm = (float(v) for v in header["PixelSpacing"])
        along = float(header["ImageOrientationPatient"][0]) * columns_mm * (int(header.get("Columns") or 1) - 1)
        down = float(header["ImageOrientationPatient"][3]) * rows_mm * (int(header.get("Rows") or 1) - 1)
        found += [x, x + along, x + down, x + along + down]
    return (min(found), max(found)) if found else None


def is_even(slices: Sequence[Header]) -> bool:
    """Whether the slices of a phase lie at equal distances within 2 %."""
    if len(slices) < 3:
        return True
    steps = np.diff([place_mm(header) for header in slices])
    return bool(np.ptp(steps) <= UNEVEN_TOLERANCE * float(np.median(steps)))


def seconds_of(time: object) -> float | None:
    """Seconds since midnight of a DICOM time, ``None`` where it is missing or not a time."""
    text = str(time or "").replace(":", "")
    try:
        return int(text[:2]) * 3600 + int(text[2:4] or 0) * 60 + float(text[4:] or 0)
    except ValueError:
        return None


def start_s(slices: Sequence[Header]) -> float | None:
    """Start of a phase: the earliest acquisition time of its files, in seconds since midnight."""
    found = [seconds_of(h.get("AcquisitionTime") or h.get("ContentTime")) for h in slices]
    known = [s for s in found if s is not None]
    return min(known) if known else None
