"""Write what was found and read into the database, one short transaction at a time; nothing here opens an image."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumordiff_core.catalogue import database, stored
from tumordiff_core.catalogue.scanning import Chunk, Found, Group, ReadFile, Reading, Skip
from tumordiff_core.catalogue.stored import printable
from tumordiff_core.catalogue.walking import Listing
from tumordiff_core.errors import InputError, MissingError

IMAGE, SKIPPED, COPY = 0, 1, 2
CHUNK_FILES = 128
_SAME_BLOCK = 1 << 18


# what was found


def begin() -> None:
    """Forget which folders an earlier import of this process visited."""
    made = database.connection()
    made.execute("CREATE TEMP TABLE IF NOT EXISTS visited (folder INTEGER PRIMARY KEY)")
    made.execute("DELETE FROM visited")


def root_for(path: str, kind: str) -> int:
    """The root that a path lies under, a new one where there is none."""
    with database.writing() as made:
        for row, other, other_kind in made.execute("SELECT id, path, kind FROM roots").fetchall():
            known = stored.to_path(other)
            if known == path or (other_kind == "folder" and path.startswith(known.rstrip("/\\") + "/")):
                return int(row)
        entered = made.execute("INSERT INTO roots (path, kind) VALUES (?, ?)", (stored.to_stored(path), kind))
        return int(entered.lastrowid or 0)


def note_imported(root: int) -> None:
    """Write down when a root was imported."""
    with database.writing() as made:
        made.execute("UPDATE roots SET imported=? WHERE id=?", (database.now(), root))


def folder_row(made: sqlite3.Connection, root: int, path: str, shown: str = "") -> int:
    """The row of a folder, entered where it is new, and marked as visited."""
    made.execute(
        "INSERT OR IGNORE INTO folders (root_id, path, shown) VALUES (?, ?, ?)", (root, stored.to_stored(path), shown)
    )
    row: tuple[int] = made.execute("SELECT id FROM folders WHERE path=?", (stored.to_stored(path),)).fetchone()
    made.execute("INSERT OR IGNORE INTO visited VALUES (?)", row)
    return row[0]


def unchanged(made: sqlite3.Connection, listing: Listing) -> bool:
    """Whether a folder's listing is the one already known; then it counts as visited."""
    row = made.execute(
        "SELECT id FROM folders WHERE path=? AND digest=?", (stored.to_stored(listing.path), listing.digest())
    ).fetchone()
    if row is None:
        return False
    made.execute("INSERT OR IGNORE INTO visited VALUES (?)", row)
    return True


def enter_listing(root: int, listing: Listing, *, shown: str = "") -> None:
    """Note the new and changed files of a folder as pending, and those that are no longer there as gone."""
    with database.writing() as made:
        folder = folder_row(made, root, listing.path, shown)
        known = {
            stored.to_path(name): (row, size, mtime_ns, state, gone) for row, name, size, mtime_ns, state, gone in
            made.execute("SELECT id, name, size, mtime_ns, state, gone FROM files WHERE folder_id=?", (folder,))
        }  # fmt: skip
        changed, back = [], []
        for name, size, mtime_ns in listing.files:
            row = known.pop(name, None)
            if row is None or row[1:3] != (size, mtime_ns):
                changed.append((name, size, mtime_ns))
            elif row[4]:
                back.append(row[0])
        set_gone(made, back, gone=False)
        odd = _enter_odd(made, folder, listing)
        vanished = [row for name, row in known.items() if name not in odd]
        made.executemany("DELETE FROM files WHERE id=?", [(row[0],) for row in vanished if row[3] == SKIPPED])
        set_gone(made, [row[0] for row in vanished if row[3] != SKIPPED and not row[4]], gone=True)
        made.execute("DELETE FROM pending WHERE folder_id=?", (folder,))
        enter_pending(made, folder, changed)
        made.execute("UPDATE folders SET digest=? WHERE id=?", (None if listing.trouble else listing.digest(), folder))


def _enter_odd(made: sqlite3.Connection, folder: int, listing: Listing) -> set[str]:
    """Skip rows for what is no regular file, and for the folder itself where it could not be read."""
    skips = []
    for name in listing.odd:
        error = InputError("dicom.unreadable", name=printable(name), reason="not a regular file")
        skips.append(Skip(name, 0, 0, error.code, error.sentence))
    if listing.trouble:
        refused = InputError("index.folder", name=printable(Path(listing.path).name), reason=listing.trouble)
        skips.append(Skip(".", 0, 0, refused.code, refused.sentence))
    for skip in skips:
        _enter_skip(made, folder, skip)
    return {skip.name for skip in skips}


def enter_pending(made: sqlite3.Connection, folder: int, found: Sequence[Found]) -> None:
    """Note files of a folder as still to be read, in chunks."""
    for begin_at in range(0, len(found), CHUNK_FILES):
        part = found[begin_at : begin_at + CHUNK_FILES]
        made.execute(
            "INSERT INTO pending (folder_id, files, count) VALUES (?, ?, ?)", (folder, json.dumps(part), len(part))
        )


def enter_file(root: int, path: Path) -> None:
    """Note one file that was named by itself; the folder around it stays as it was."""
    facts = path.stat()
    with database.writing() as made:
        folder = folder_row(made, root, str(path.parent))
        known = made.execute(
            "SELECT size, mtime_ns FROM files WHERE folder_id=? AND name=?", (folder, stored.to_stored(path.name))
        ).fetchone()
        if known != (facts.st_size, facts.st_mtime_ns):
            enter_pending(made, folder, [(path.name, facts.st_size, facts.st_mtime_ns)])


def enter_skips(root: int, place: str, skips: Iterable[Skip]) -> None:
    """The skip rows of a place that is no folder (members of an archive, entries of a DICOMDIR), over the old ones."""
    with database.writing() as made:
        folder = folder_row(made, root, place)
        made.execute("DELETE FROM files WHERE folder_id=? AND state=?", (folder, SKIPPED))
        for skip in skips:
            _enter_skip(made, folder, skip)


def leave_unvisited(top: str) -> None:
    """Mark the files of folders below ``top`` that were not visited as gone; they stay in the catalogue."""
    made = database.connection()
    low, high = top.rstrip("/\\") + "/", top.rstrip("/\\") + "0"
    lost = [row for (row,) in made.execute(
        "SELECT id FROM folders WHERE path > ? AND path < ? AND id NOT IN (SELECT folder FROM visited)", (low, high),
    )]  # fmt: skip
    for folder in lost:
        with database.writing():
            images = made.execute("SELECT id FROM files WHERE folder_id=? AND state<>? AND gone=0", (folder, SKIPPED))
            set_gone(made, [row for (row,) in images.fetchall()], gone=True)
            made.execute("DELETE FROM files WHERE folder_id=? AND state=?", (folder, SKIPPED))
            made.execute("DELETE FROM pending WHERE folder_id=?", (folder,))
            made.execute("UPDATE folders SET digest=NULL WHERE id=?", (folder,))


def set_gone(made: sqlite3.Connection, rows: Sequence[int], *, gone: bool) -> None:
    """Mark files as gone or back, and their studies as changed."""
    if not rows:
        return
    made.executemany("UPDATE files SET gone=? WHERE id=?", [(int(gone), row) for row in rows])
    series = made.execute(
        "SELECT DISTINCT series FROM files WHERE series IS NOT NULL AND id IN (SELECT value FROM json_each(?))",
        (json.dumps(rows),),
    )
    for (row,) in series.fetchall():
        _count(made, row)


def pending() -> tuple[list[int], int]:
    """Rows of the chunks still to be read in the visited folders, and how many files they hold."""
    rows = database.connection().execute(
        "SELECT p.id, p.count FROM pending p JOIN visited v ON v.folder = p.folder_id ORDER BY p.id"
    ).fetchall()  # fmt: skip
    return [row for row, _ in rows], sum(count for _, count in rows)


def chunk(row: int) -> Chunk | None:
    """One chunk, ``None`` where another process has read it meanwhile."""
    found = database.connection().execute(
        "SELECT p.folder_id, d.path, p.files FROM pending p JOIN folders d ON d.id = p.folder_id WHERE p.id=?", (row,)
    ).fetchone()  # fmt: skip
    if found is None:
        return None
    folder, path, files = found
    return Chunk(row, folder, stored.to_path(path), tuple((n, s, m) for n, s, m in json.loads(files)))


# what was read


@dataclass
class _Verdict:
    """What to do with one file: index it, note it as a copy, or skip it."""

    state: int
    skip: Skip | None = None
    replaces: int | None = None


def enter(reading: Reading) -> set[int]:
    """Write a chunk in one transaction; returns the patients (row ids) it touched."""
    verdicts = _judge(reading)
    patients: set[int] = set()
    with database.writing() as made:
        if made.execute("DELETE FROM pending WHERE id=?", (reading.chunk.row,)).rowcount == 0:
            return patients
        left = _series_until_now(made, reading.chunk)
        for group in reading.groups:
            patients.add(_enter_group(made, reading.chunk.folder_row, group, verdicts))
        for skip in reading.skips:
            _enter_skip(made, reading.chunk.folder_row, skip)
        for series in left:
            _count(made, series)
    return patients


def _enter_group(made: sqlite3.Connection, folder: int, group: Group, verdicts: dict[str, _Verdict]) -> int:
    patient, series = _owners(made, group)
    head = made.execute("INSERT INTO heads (series, common) VALUES (?, ?)", (series, group.common)).lastrowid
    rows = []
    for file in group.files:
        verdict = verdicts.get(file.name)
        if verdict is not None and verdict.skip is not None:
            _enter_skip(made, folder, verdict.skip)
            continue
        if verdict is not None and verdict.replaces is not None:
            made.execute("UPDATE files SET state=? WHERE id=?", (COPY, verdict.replaces))
        state = IMAGE if verdict is None else verdict.state
        rows.append((
            folder, stored.to_stored(file.name), file.size, file.mtime_ns, state, series, head,
            stored.sop_key(file.sop_uid), file.own,
        ))  # fmt: skip
    made.executemany(
        "INSERT INTO files (folder_id, name, size, mtime_ns, state, series, head, sop_key, own)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (folder_id, name) DO UPDATE SET size=excluded.size,"
        " mtime_ns=excluded.mtime_ns, state=excluded.state, gone=0, series=excluded.series, head=excluded.head,"
        " sop_key=excluded.sop_key, own=excluded.own", rows,
    )  # fmt: skip
    _count(made, series)
    return patient


def _owners(made: sqlite3.Connection, group: Group) -> tuple[int, int]:
    """Rows of the patient and series of a group, entered where they are new; the study counts as changed."""
    facts = group.facts
    made.execute(
        "INSERT INTO patients (patient_id, sex, age, dirty) VALUES (?, ?, ?, 1) ON CONFLICT (patient_id)"
        " DO UPDATE SET dirty=1", (facts["patient_id"], facts["sex"], facts["age"]),
    )  # fmt: skip
    (patient,) = made.execute("SELECT id FROM patients WHERE patient_id=?", (facts["patient_id"],)).fetchone()
    digits = facts["study_date"].replace(".", "")
    made.execute(
        "INSERT INTO studies (patient, uid, study_date, description) VALUES (?, ?, ?, ?) ON CONFLICT (uid, patient)"
        " DO UPDATE SET dirty=1",
        (patient, facts["study_uid"], _iso(digits), facts["study_description"]),
    )
    (study,) = made.execute(
        "SELECT id FROM studies WHERE uid=? AND patient=?", (facts["study_uid"], patient)
    ).fetchone()
    made.execute(
        "INSERT OR IGNORE INTO series (study, uid, number, description, modality, vendor) VALUES (?, ?, ?, ?, ?, ?)",
        (study, facts["series_uid"], facts["number"], facts["description"], facts["modality"], facts["vendor"]),
    )
    (series,) = made.execute("SELECT id FROM series WHERE uid=? AND study=?", (facts["series_uid"], study)).fetchone()
    return patient, series


def _iso(digits: str) -> str | None:
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) >= 8 and digits[:8].isdigit() else None


def _series_until_now(made: sqlite3.Connection, chunk: Chunk) -> set[int]:
    """The series that files of a chunk belonged to before they changed."""
    if made.execute("SELECT 1 FROM files WHERE folder_id=? LIMIT 1", (chunk.folder_row,)).fetchone() is None:
        return set()
    names = [(chunk.folder_row, stored.to_stored(name)) for name, _, _ in chunk.files]
    asked = "SELECT series FROM files WHERE folder_id=? AND name=? AND series IS NOT NULL"
    rows = (made.execute(asked, name).fetchone() for name in names)
    return {row[0] for row in rows if row is not None}


def _enter_skip(made: sqlite3.Connection, folder: int, skip: Skip) -> None:
    made.execute(
        "INSERT INTO files (folder_id, name, size, mtime_ns, state) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (folder_id, name) DO UPDATE SET size=excluded.size, mtime_ns=excluded.mtime_ns,"
        " state=excluded.state, gone=0, series=NULL, head=NULL, sop_key=NULL, own=NULL",
        (folder, stored.to_stored(skip.name), skip.size, skip.mtime_ns, SKIPPED),
    )
    (row,) = made.execute(
        "SELECT id FROM files WHERE folder_id=? AND name=?", (folder, stored.to_stored(skip.name))
    ).fetchone()
    made.execute("INSERT OR REPLACE INTO skips VALUES (?, ?, ?)", (row, skip.code, skip.sentence))


def _count(made: sqlite3.Connection, series: int) -> None:
    """Bring the counts of a series up to date; one without files goes, and its study with the last of them."""
    files, gone, roots = made.execute(
        "SELECT count(*), coalesce(sum(f.gone), 0), json_group_array(DISTINCT d.root_id) FROM files f"
        " JOIN folders d ON d.id = f.folder_id WHERE f.series=? AND f.state<>?", (series, SKIPPED),
    ).fetchone()  # fmt: skip
    (images,) = made.execute("SELECT count(*) FROM files WHERE series=? AND state=?", (series, IMAGE)).fetchone()
    row = made.execute("SELECT study FROM series WHERE id=?", (series,)).fetchone()
    if row is None:
        return
    if files == 0:
        made.execute("DELETE FROM series WHERE id=?", (series,))
    else:
        made.execute(
            "UPDATE series SET files=?, gone=?, roots=? WHERE id=?", (images, gone - (files - images), roots, series)
        )
    # Whoever else has files in this study is told of it anew.
    made.execute(
        "UPDATE patients SET dirty=1 WHERE id IN (SELECT o.patient FROM studies s JOIN studies o ON o.uid = s.uid"
        " WHERE s.id=?)", row,
    )  # fmt: skip
    made.execute("UPDATE studies SET dirty=1 WHERE id=?", row)
    made.execute("DELETE FROM studies WHERE id=? AND NOT EXISTS (SELECT 1 FROM series WHERE study=?)", (*row, *row))


# the same image twice


def _judge(reading: Reading) -> dict[str, _Verdict]:
    """Verdicts by name for the files of a chunk whose UID is known already or comes twice."""
    files = [file for group in reading.groups for file in group.files]
    keys = [stored.sop_key(file.sop_uid) for file in files]
    known = _known_uids(keys)
    verdicts: dict[str, _Verdict] = {}
    first: dict[int, ReadFile] = {}
    for file, key in zip(files, keys, strict=True):
        here = Path(reading.chunk.folder, file.name)
        others = [other for other in known.get(key, ()) if other.path != here]
        if others:
            verdicts[file.name] = _compare(file, here, others[0])
        elif key in first:
            twin = _Other(0, Path(reading.chunk.folder, first[key].name), first[key].size, gone=False)
            verdicts[file.name] = _compare(file, here, twin)
        else:
            first[key] = file
    return verdicts


@dataclass(frozen=True)
class _Other:
    """The file that has a UID already."""

    row: int
    path: Path
    size: int
    gone: bool


def _known_uids(keys: Sequence[int]) -> dict[int, list[_Other]]:
    found: dict[int, list[_Other]] = {}
    rows = database.connection().execute(
        "SELECT f.sop_key, f.id, d.path, f.name, f.size, f.gone FROM json_each(?) j JOIN files f ON f.sop_key = j.value"
        " JOIN folders d ON d.id = f.folder_id WHERE f.state=?", (json.dumps(keys), IMAGE),
    )  # fmt: skip
    for key, row, folder, name, size, gone in rows:
        found.setdefault(key, []).append(_Other(row, stored.join(folder, name), size, bool(gone)))
    return found


def _compare(file: ReadFile, here: Path, other: _Other) -> _Verdict:
    """The first file of a UID stays; equal bytes make a copy, other bytes a skip; a file that moved is followed."""
    if other.gone and other.size == file.size:
        return _Verdict(IMAGE, replaces=other.row)
    if file.size == other.size and _same(here, other.path):
        return _Verdict(COPY)
    error = InputError("dicom.same_uid", here, name=printable(here.name), other=printable(other.path.name))
    return _Verdict(SKIPPED, Skip(file.name, file.size, file.mtime_ns, error.code, error.sentence))


def _same(one: Path, other: Path) -> bool:
    """Whether two files of equal size hold equal bytes; one that cannot be reached now is believed by its size."""
    try:
        with one.open("rb") as left, other.open("rb") as right:
            while True:
                block = left.read(_SAME_BLOCK)
                if block != right.read(_SAME_BLOCK):
                    return False
                if not block:
                    return True
    except OSError:
        return True


def vanished(found: Chunk) -> Reading:
    """The reading of a chunk whose folder is gone."""
    skips = []
    for name, size, mtime_ns in found.files:
        error = MissingError("files.missing", name=printable(name))
        skips.append(Skip(name, size, mtime_ns, error.code, error.sentence))
    return Reading(found, (), tuple(skips))
