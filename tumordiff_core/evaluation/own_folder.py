"""References from a folder of anyone's volumes: its NIfTI, NRRD, MetaImage and NumPy files, and its DICOM series.

Each volume counts as one patient, named by its file or folder and never by a header.
"""

from collections import Counter
from pathlib import Path

from tumordiff_core.catalogue import walking
from tumordiff_core.dicom import frames, headers, stack, study
from tumordiff_core.errors import InputError, TumorDiffError, UnsupportedError
from tumordiff_core.evaluation import references
from tumordiff_core.evaluation.references import Reference
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.specs import Header
from tumordiff_core.progress import Progress
from tumordiff_core.training import datasets

NO_REFERENCES = stack.DERIVED_ROLES | {"localizer", "report"}


def is_own(folder: Path) -> bool:
    """Whether a folder holds neither a preprocess manifest nor the truth of a simulated cohort."""
    return not (folder / datasets.MANIFEST).is_file() and next(folder.rglob("truth.npz"), None) is None


def of_folder(folder: Path, *, progress: Progress | None = None) -> list[Reference]:
    """Slices of every volume in a folder and the folders below it: three of each, of its first phase.

    What is no volume is passed over; what is one and cannot be judged on is left out with a warning.
    Raises InputError("evaluate.no_reference") without any volume, and what reading raises where every volume fails.
    """
    told = progress or Progress()
    volumes, slices, faults = _sort_out(folder, told)
    series = [one for record in study.records(slices) for one in record.series]
    found: list[Reference] = []
    taken: set[str] = set()
    told.stage("read references", len(volumes) + len(series))
    for path, ending in volumes:
        name = _free(path.relative_to(folder).as_posix()[: -len(ending)], taken)
        try:
            found += references.of_file(path, patient=name)
        except TumorDiffError as error:
            faults.append(error)
        told.advance()
    for one in series:
        paths = list(dict.fromkeys(Path(header["path"]) for header in one.headers))
        inside = paths[0].parent.relative_to(folder).as_posix()
        name = _free("series" if inside == "." else inside, taken)
        try:
            found += _of_series(paths, name)
        except TumorDiffError as error:
            faults.append(error)
        told.advance()
    if not found:
        if faults:
            raise faults[0]
        raise InputError("evaluate.no_reference", folder, name=folder.name, found="no volume")
    for code, count in Counter(fault.code for fault in faults).items():
        first = next(fault for fault in faults if fault.code == code)
        name = first.path.name if first.path else "A series"
        more = f" and {count - 1} alike" if count > 1 else ""
        told.warn(code, f"{name}{more}, left out: {first.sentence}")
    return found


def _sort_out(folder: Path, told: Progress) -> tuple[list[tuple[Path, str]], list[Header], list[TumorDiffError]]:
    """Volume files with their endings, headers of DICOM slices, and why a file that is one could not be read."""
    endings = sorted({ending for reader in manager.readers() for ending in reader.suffixes}, key=len, reverse=True)
    files = [Path(listing.path, name) for listing in walking.walk(str(folder)) for name, _, _ in listing.files]
    volumes: list[tuple[Path, str]] = []
    slices: list[Header] = []
    faults: list[TumorDiffError] = []
    told.stage("read headers", len(files))
    for path in files:
        ending = next((ending for ending in endings if path.name.lower().endswith(ending)), "")
        if ending:
            volumes.append((path, ending))
        else:
            try:
                slices.append(headers.read_header(path))
            except TumorDiffError as error:
                if error.code not in stack.NOT_IMAGES:
                    faults.append(error)
        told.advance()
    kept, _, conflicts = stack.distinct(slices)
    return volumes, list(frames.split(kept)), [*faults, *conflicts]


def _of_series(paths: list[Path], name: str) -> list[Reference]:
    volume = stack.read_series(paths)
    role = str(volume.facts["role"])
    if role in NO_REFERENCES:
        raise UnsupportedError("denoise.not_acquired", paths[0].parent, found=role.replace("_", " "))
    return references.of_values(volume.values[0], name, paths[0].parent)


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken already."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    taken.add(free)
    return free
