"""What the generated collection holds: every series of the real index, or a made-up list of the same kinds.

A plan says for each series where it lies, when it was acquired and what it truly is; ``collection`` writes it.
Nothing here asks the code under test: phases are planted by what the names of the archive mean, and where names do
not tell (four series with one name), copies and subtractions are planted on purpose.
"""

import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

INDEX = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "ispy1_series_index.csv.gz"
EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
MR_IMAGE, SEGMENTATION = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.66.4"
REPORT, CAPTURE = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.7"
LABELS = ("T1", "T2", "T3", "T4")
BEFORE_S, INJECTION_S, STEP_S = -423, 36_000, 345
DURATION_S = 285.816992

OTHER_SIDE = {
    ("ISPY1_1046", 61000): (7, 9, 11), ("ISPY1_1084", 11000): (101, 103, 105, 107, 109),
    ("ISPY1_1206", 11000): (200, 202, 204, 206, 208, 210, 212),
}  # fmt: skip
"""Series of the other breast, by patient and number of the SER map."""

EARLIER = {("ISPY1_1206", 11000): (201,)}
"""Series of the same breast before the acquisition began, where the name does not say so."""

FIRST_OF_SIDE = {"ISPY1_1084": 102, "ISPY1_1141": 103, "ISPY1_1180": 102}
"""Series before contrast of the studies whose maps name no series."""

PREFERRED = (
    "ISPY1_1002", "ISPY1_1084", "ISPY1_1042", "ISPY1_1229", "ISPY1_1037", "ISPY1_1206", "ISPY1_1171", "ISPY1_1046",
    "ISPY1_1232", "ISPY1_1056", "ISPY1_1110", "ISPY1_1097", "ISPY1_1038", "ISPY1_1179", "ISPY1_1007", "ISPY1_1040",
    "ISPY1_1141", "ISPY1_1200", "ISPY1_1228", "ISPY1_1170",
)  # fmt: skip
"""Patients that hold every layout, trap and syntax among them, first."""

_NOT_A_PHASE = re.compile(
    r"needle|pass|sub|t2|non? ?fat ?sat|\btra\b|axial|\d?ce ?\d|su\d|mpr|cad~|pjn|_non|nonca", re.IGNORECASE
)
_EARLIER = re.compile(r"non? ?fat ?sat|bilat t2", re.IGNORECASE)


@dataclass
class Series:
    """One series to be written: what the index says of it, and where and when it lies."""

    row: dict[str, str]
    number: int
    description: str
    kind: str
    files: int
    slices: int
    role: str | None = None
    phases: int = 1
    starts_s: tuple[int, ...] = (35_000,)
    side: int = 1
    grid: str = "own"
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "OTHER")
    laterality: str = ""

    @property
    def uid(self) -> str:
        """Series instance UID."""
        return self.row["SeriesInstanceUID"]

    @property
    def syntaxes(self) -> tuple[str, ...]:
        """One transfer syntax, or two that alternate from file to file."""
        return tuple(self.row["TransferSyntaxUID"].split(","))


@dataclass
class Study:
    """One visit: its series and what is true of it.

    ``phases`` are (series UID, rank of the phase inside it) in time order, empty where the plan plants none.
    """

    patient: str
    uid: str
    day: date | None
    label: str
    days: int | None
    series: list[Series]
    phases: tuple[tuple[str, int], ...] = ()
    map_slices: int = 0
    side: str = ""
    pe_threshold: int = 70
    study_id: str = "868859"
    fields: dict[str, str] = field(default_factory=dict)


def studies(patients: int | Sequence[str] | None, slices: int | None) -> list[Study]:
    """The visits of so many or of these patients; ``slices`` cuts every series, ``None`` keeps the true counts."""
    rows = _index_rows() if INDEX.is_file() else _made_rows()
    names = list(dict.fromkeys(row["PatientID"] for row in rows))
    if isinstance(patients, int):
        first = [name for name in PREFERRED if name in names]
        names = [*first, *(n for n in names if n not in first)][:patients]
    elif patients is not None:
        names = [name for name in names if name in set(patients)]
    grouped: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if row["PatientID"] in set(names):
            grouped[row["PatientID"], row["StudyInstanceUID"]].append(row)
    found = [_study(patient, uid, own, slices) for (patient, uid), own in grouped.items()]
    _label(found)
    return found


def _index_rows() -> list[dict[str, str]]:
    with gzip.open(INDEX, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _label(found: Sequence[Study]) -> None:
    by_patient: dict[str, list[Study]] = defaultdict(list)
    for one in found:
        by_patient[one.patient].append(one)
    for own in by_patient.values():
        dated = sorted((s for s in own if s.day is not None), key=lambda s: s.day or date.max)
        for rank, one in enumerate(dated):
            one.days = ((one.day or date.max) - (dated[0].day or date.max)).days
            one.label = LABELS[rank] if len(dated) == len(LABELS) else ("T1" if rank == 0 else "")


def _study(patient: str, uid: str, rows: list[dict[str, str]], slices: int | None) -> Study:
    series = [_series(row) for row in rows]
    dates = [row["StudyDate"] for row in rows if row["StudyDate"]]
    day = max(set(dates), key=dates.count) if dates else ""
    one = Study(patient, uid, date.fromisoformat(day) if day else None, "", None, series)
    one.fields = {k: rows[0][k] for k in ("StudyDescription",)}
    _plant(one)
    if slices is not None:
        _cut(one, slices)
    return one


def _series(row: dict[str, str]) -> Series:
    number, count, words = int(row["SeriesNumber"] or 0), int(row["instanceCount"]), row["SeriesDescription"]
    kind = "MR"
    if row["Modality"] == "SEG":
        kind = "SEG"
    elif row["Modality"] == "SR":
        kind = "SR"
    elif row["SOPClassUID"] == CAPTURE:
        kind = "RGB"
    series = Series(row, number, words, kind, count, count)
    if kind != "MR":
        series.role = {"SEG": "seg", "SR": "report", "RGB": None}[kind]
    elif words.endswith(": SER") or re.search(r": PE\d$", words):
        map_kind = "SER" if words.endswith("SER") else "PE"
        series.role, series.grid = map_kind.lower() + "_map", "map"
        series.image_type = ("DERIVED", "PRIMARY", "DCE", map_kind)
    elif re.search(r"^loc|locali|locator|scout|survey|3-pl|\bLOC\b", words, re.IGNORECASE):
        series.role, series.grid = "localizer", "axial"
    elif "PJN" in words:
        series.role, series.grid = "reformat", "turned"
    elif re.search(r"t2", words, re.IGNORECASE):
        series.grid = "coarse"
    elif re.search(r"dwi|dwss|diffusion", words, re.IGNORECASE):
        series.role, series.grid = "diffusion", "axial"
    series.side = -1 if re.search(r"left|\blt\b", words, re.IGNORECASE) else 1
    return series


def _plant(one: Study) -> None:
    """Decide which series are the phases of a study that has maps, and give all of them a place and a time."""
    ser = next((s for s in one.series if s.role == "ser_map"), None)
    for n, series in enumerate(one.series):
        series.starts_s = (INJECTION_S - 2000 + 40 * n,)
    if ser is None:
        _plant_unmapped(one)
        return
    one.map_slices = size = ser.files
    words = " ".join(s.description for s in one.series if s.kind == "SEG")
    told = re.search(r"thresh=?(\d+)", words)
    one.pe_threshold = int(told.group(1)) if told else 70
    first = _first(one, ser)
    parts = [first, *_later(one, ser, first)]
    side = parts[0].side
    phases: list[tuple[str, int]] = []
    for series in parts:
        count = series.files // size
        series.role, series.phases, series.slices, series.grid = "dynamic", count, size, "map"
        ranks = range(len(phases), len(phases) + count)
        series.starts_s = tuple(INJECTION_S + (BEFORE_S if r == 0 else (r - 1) * STEP_S) for r in ranks)
        phases += [(series.uid, n) for n in range(count)]
    one.phases, one.side = tuple(phases), "L" if side < 0 else "R"
    for series in one.series:
        if series.grid == "map":
            series.side = side
    _plant_others(one, ser, parts)


def _first(one: Study, ser: Series) -> Series:
    base, number = ser.description.removesuffix(": SER"), ser.number // 10_000
    if not base:
        wanted = FIRST_OF_SIDE.get(one.patient, 0)
        found = [s for s in one.series if s.number == wanted] or [
            s for s in one.series if re.search("DCE PRE", s.description) and s.files == ser.files
        ]
        return found[0]
    alike = [s for s in one.series if s.kind == "MR" and s.description == base and s.files % ser.files == 0]
    numbered = [s for s in alike if s.number == number or (s.number >= 100 and s.number // 100 == number)]
    return (numbered or alike)[0]


def _later(one: Study, ser: Series, first: Series) -> list[Series]:
    """The later phases of a study with one series per phase, or one merged series after the first."""
    size = ser.files
    if first.files > size:
        return []
    apart = (*OTHER_SIDE.get((one.patient, ser.number), ()), *EARLIER.get((one.patient, ser.number), ()))
    later = [
        s for s in one.series
        if s.kind == "MR" and s.role is None and first.number < s.number < 1000 and s.files % size == 0
        and not _NOT_A_PHASE.search(s.description) and s.number not in apart
        and not (re.search(r"^pre\b", s.description, re.IGNORECASE) or "t1 flash" in s.description)
    ]  # fmt: skip
    same = [s for s in later if s.description == first.description]
    if len(same) > 2 and "fl3d" in first.description:
        # One name four or five times: the third and fifth are subtractions, a fourth a copy. Names cannot tell.
        keep = (0, 2) if len(same) == 4 else (0, 1)
        return [s for n, s in enumerate(same) if n in keep]
    return sorted(later, key=lambda s: s.number)


def _plant_others(one: Study, ser: Series, parts: Sequence[Series]) -> None:
    """Put whatever could be taken for a phase where it misleads most: on the same grid, or at the same time."""
    other = OTHER_SIDE.get((one.patient, ser.number), ())
    earlier = EARLIER.get((one.patient, ser.number), ())
    last = parts[-1].starts_s[-1]
    rank = 0
    for series in one.series:
        if series.kind != "MR" or series.role is not None or series.files % ser.files:
            continue
        words = series.description
        series.role, series.slices, series.phases = "not dynamic", ser.files, series.files // ser.files
        series.grid, series.side = "map", parts[0].side
        if series.number in other or (re.search(r"\bnon", words, re.IGNORECASE) and "fat" not in words.lower()):
            series.side, series.starts_s = -parts[0].side, parts[min(1, len(parts) - 1)].starts_s[:1]
        elif series.number in earlier or _EARLIER.search(words) or series.number < parts[0].number:
            series.starts_s = (INJECTION_S - 1500 + series.number,)
        elif re.search(r"\btra\b|axial", words, re.IGNORECASE):
            series.grid, series.starts_s = "axial", (last + 900,)
        elif re.search(r"needle|t2|flash|pass|ce\d|su\d|sub", words, re.IGNORECASE):
            series.starts_s = (last + 1200 + 60 * rank,)
            if re.search("sub", words, re.IGNORECASE):
                series.image_type = ("DERIVED", "SECONDARY", "SUBTRACTION")
        else:
            # An unnamed copy or subtraction: the name and grid of a phase, and the time of one.
            series.starts_s = parts[min(1 + rank % 2, len(parts) - 1)].starts_s[-1:]
            if rank % 2:
                series.image_type = ("DERIVED", "SECONDARY", "SUBTRACTION")
        series.starts_s = tuple(series.starts_s[0] + STEP_S * n for n in range(series.phases))
        rank += 1


def _plant_unmapped(one: Study) -> None:
    """A study that was never analysed: merged GE series of three phases get theirs, all else stays unsaid."""
    for series in one.series:
        if re.match(r"(SYNTHETIC )?Dynamic-", series.description) and series.files == 180 and not one.phases:
            series.role, series.phases, series.slices = "dynamic", 3, series.files // 3
            series.starts_s = tuple(INJECTION_S + (BEFORE_S if r == 0 else (r - 1) * STEP_S) for r in range(3))
            one.phases = tuple((series.uid, n) for n in range(3))


def _cut(one: Study, slices: int) -> None:
    """Fewer slices everywhere; what was no multiple of the maps' slices stays none."""
    size = one.map_slices
    for series in one.series:
        if series.kind != "MR":
            series.files = series.slices = min(series.files, slices)
        elif size and series.files % size == 0:
            series.files, series.slices = series.files // size * min(slices, size), min(slices, size)
        elif series.phases > 1:
            series.slices = min(slices, series.slices)
            series.files = series.slices * series.phases
        else:
            series.files = series.slices = min(series.files, slices + 1)
    one.map_slices = min(slices, size)


# The made-up plan: the kinds of studies that the archive holds, under ids that it does not.
_KINDS: tuple[tuple[str, str, str, tuple[tuple[int, int, str], ...], str], ...] = (
    ("GE MEDICAL SYSTEMS", "GENESIS_SIGNA", EXPLICIT,
     ((1, 15, "T1-axial-locator"), (2, 36, "T2-FSE-Sagittal"), (3, 180, "Dynamic-3dfgre"), (5, 50, "DWSSFSE Diffusion"),
      (576, 12, "PJN")), "3:60:Dynamic-3dfgre"),
    ("SIEMENS", "Sonata", EXPLICIT,
     ((1, 4, "localizer"), (2, 19, "uni sag t2 fse"), (3, 64, "fl3d_sag_uni_R"), (4, 64, "fl3d_sag_uni_R"),
      (5, 64, "fl3d_sag_uni_R"), (6, 64, "fl3d_sag_uni_R"), (7, 64, "fl3d_sag_uni_R"), (9, 64, "post needle_R"),
      (11, 2, "<MPR Collection>")), "3:64:fl3d_sag_uni_R"),
    ("Philips Medical Systems", "Intera", IMPLICIT,
     ((101, 40, "MST SURVEY"), (801, 40, "T2 SAG"), (1001, 360, "#6657 Breas3DSAG6D")), "10:60:#6657 Breas3DSAG6D"),
    ("GE MEDICAL SYSTEMS", "SIGNA EXCITE", f"{IMPLICIT},{EXPLICIT}",
     ((1, 45, "Localizer"), (3, 60, "T1 right breast non fat sat"), (4, 60, "T1 right breast"),
      (5, 60, "T1 right breast post"), (6, 60, "T1 right breast post delay"), (7, 60, "T1 right breast post axial")),
     "4:60:T1 right breast"),
    ("GE MEDICAL SYSTEMS", "GENESIS_SIGNA", BIG,
     ((2, 27, "3-pl T2* FGRE"), (6, 56, "LT IR-SPGR SAG"), (7, 112, "LT IR-SPGR SAG +C"), (8, 56, "LT IR-SPGR TRA +C")),
     "6:56:LT IR-SPGR SAG"),
    ("GE MEDICAL SYSTEMS", "SIGNA EXCITE", EXPLICIT,
     ((1, 33, "Localization"), (100, 54, "T1 No FatSAT Left"), (102, 54, "DCE PRE Left"), (104, 54, "DCE POST Left"),
      (106, 54, "DCE POST Left"), (108, 54, "DCE POST Left")), "1:54:"),
    ("GE MEDICAL SYSTEMS", "GENESIS_SIGNA", f"{IMPLICIT},{BIG}",
     ((500, 60, "(24671/5/1)+(24671/5/1)"), (501, 60, "(24671/5/61)+(24671/5/61)"),
      (502, 60, "(24671/5/121)+(24671/5/121)"), (872, 12, "PJN")), "1:60:(24671/5/1)+(24671/5/1)"),
    ("SIEMENS", "MAGNETOM VISION", EXPLICIT,
     ((2, 19, "ACRIN_6657/T2_SAG_FS"), (5, 44, "ACRIN_6657/FL3D_T1_SAG_CA"), (6, 44, "ACRIN_6657/FL3D_T1_SAG_CA_"),
      (7, 44, "ACRIN_6657/FL3D_T1_SAG_CA_"), (8, 44, "1st pass right breast"), (9, 44, "LSGT1CE2SU2")),
     "5:44:ACRIN_6657/FL3D_T1_SAG_CA"),
    ("GE MEDICAL SYSTEMS", "GENESIS_SIGNA", EXPLICIT,
     ((1, 15, "T1-axial-locator"), (2, 36, "T2-FSE-Sagittal"), (3, 180, "Dynamic-Unilateral 3dfgre")), ""),
)  # fmt: skip
_VISIT_DAYS = (0, 19, 61, 158)


def _made_rows() -> Iterator[dict[str, str]] | list[dict[str, str]]:
    """Rows like the index's for twenty patients, each with the kinds of study in turn."""
    rows: list[dict[str, str]] = []
    for n in range(20):
        begin = date(1984, 10, 1) + timedelta(days=37 * n)
        visits = 4 if n % 5 else 3
        for visit in range(visits):
            maker, model, syntax, acquired, mapped = _KINDS[(n + (visit == 3 and n % 3 == 0)) % len(_KINDS)]
            study_uid = f"2.25.{9_000_000 + n * 100 + visit}"
            listed = [(number, count, words, "MR", MR_IMAGE, maker) for number, count, words in acquired]
            listed += _derived(mapped, maker)
            listed.append((1, 1, "Standard Breast Imaging Report", "SR", REPORT, "PixelMed"))
            day = (begin + timedelta(days=_VISIT_DAYS[visit])).isoformat()
            for k, (number, count, words, modality, sop, by) in enumerate(listed):
                rows.append({
                    "PatientID": f"ISPY1_{9001 + n}", "StudyInstanceUID": study_uid, "StudyDate": day,
                    "StudyDescription": "MR BREASTUNI UE", "SeriesInstanceUID": f"{study_uid}.{k + 1}",
                    "SeriesNumber": str(number), "SeriesDate": day if modality == "MR" else "",
                    "SeriesDescription": words, "Modality": modality, "SOPClassUID": sop,
                    "TransferSyntaxUID": syntax if modality == "MR" and number < 10_000 else EXPLICIT,
                    "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": str(n % 2),
                    "Manufacturer": by, "ManufacturerModelName": model, "PatientAge": f"{30 + n:03}Y",
                    "PatientSex": "F", "instanceCount": str(count), "series_size_MB": "0",
                })  # fmt: skip
    return rows


def _derived(mapped: str, maker: str) -> list[tuple[int, int, str, str, str, str]]:
    if not mapped:
        return []
    number, size, base = mapped.split(":", 2)
    first = int(number) * 10_000
    return [
        (first + 1000, int(size), f"{base}: SER", "MR", MR_IMAGE, maker),
        (first + 1001, int(size), f"{base}: PE1", "MR", MR_IMAGE, maker),
        (first + 2000, 1, "PE Segmentation thresh=70", "SEG", SEGMENTATION, maker),
        (first + 2001, 1, "Breast Tissue Segmentation", "SEG", SEGMENTATION, maker),
        (first + 2100, 1, "VOI PE Segmentation thresh=70", "SEG", SEGMENTATION, maker),
        (first + 2101, 1, "VOI Breast Tissue Segmentation", "SEG", SEGMENTATION, maker),
    ]
