"""Names of units, conversions and how a quantity is printed; nothing here knows where a value came from."""

CC_PER_MM3 = 1e-3


def voxel_cc(spacing_mm: tuple[float, float, float]) -> float:
    """Volume of one voxel in cc from its (slice, row, column) spacing in mm."""
    return spacing_mm[0] * spacing_mm[1] * spacing_mm[2] * CC_PER_MM3


def format_mm(value_mm: float | None) -> str:
    """A length with one decimal, ``-`` when missing."""
    return "-" if value_mm is None else f"{value_mm:.1f} mm"


def format_cc(value_cc: float | None, sd_cc: float | None = None) -> str:
    """A volume with two decimals below 10 cc, else one, and its standard deviation where known; ``-`` when missing."""
    if value_cc is None:
        return "-"
    digits = 2 if abs(value_cc) < 10 else 1
    doubt = "" if sd_cc is None else f" ± {sd_cc:.{digits}f}"
    return f"{value_cc:.{digits}f}{doubt} cc"


def format_percent(value_percent: float | None) -> str:
    """A signed change in percent without decimals, ``-`` when missing."""
    return "-" if value_percent is None else f"{value_percent:+.0f} %"


def format_days(days: int | None) -> str:
    """Days since baseline, ``-`` when unknown."""
    return "-" if days is None else f"day {days}"


def format_duration(seconds: float | None) -> str:
    """Time left as the reader says it: ``6 s``, ``4 min``, ``1 h 12 min``; ``-`` when unknown."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def format_bytes(count: float) -> str:
    """A file size in the largest unit below a thousand: ``12 kB``, ``3.4 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in {"B", "kB"} else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
