"""Ask the collection when each study of a patient was made, and write down label, days and how that is known.

What the reader corrected lies in a table of its own and wins where the two differ (``listing.py``).
"""

import sqlite3
from collections.abc import Mapping

from tumordiff_core.plugins.specs import StudyRecord, TimePoint


def enter(made: sqlite3.Connection, known: Mapping[int, StudyRecord], points: list[TimePoint]) -> None:
    """Write the time points of one patient's studies (by row id); a study the collection is silent about stays blank.

    Days since baseline come from the dates where the collection gives none.
    """
    by_uid = {point.study_uid: point for point in points}
    dated = [one.study_date for one in known.values() if one.study_date is not None]
    baseline = min(dated, default=None)
    for row, one in known.items():
        point = by_uid.get(one.uid)
        days = None if point is None else point.days
        if days is None and baseline is not None and one.study_date is not None:
            days = (one.study_date - baseline).days
        made.execute(
            "UPDATE studies SET label=?, days=?, evidence=?, study_date=? WHERE id=?",
            (point.label if point else "", days, point.evidence if point else "",
             one.study_date.isoformat() if one.study_date else None, row),
        )  # fmt: skip
