"""The sentences and words that several rooms of the window share; modules keep their own in ``strings.py``."""

APP = "TumorDiff"
RESEARCH_USE = "RESEARCH USE ONLY"
MISSING = "-"

LATERALITY = {"R": "R BREAST", "L": "L BREAST", "B": "BOTH BREASTS"}
LATERALITY_UNKNOWN = "SIDE UNKNOWN"
LATERALITY_DOUBT = "{side} ?"
PLANES = {"sagittal": "sagittal", "axial": "axial", "coronal": "coronal"}

ANONYMOUS = "patient {code}"
VISIT = "{label} · {day}"
DAY = "day {days}"
YEARS = "{age} y"
PHASE = "{label} {number}/{count}"
PHASE_TIME = "{seconds:+.0f} s"
MATRIX = "{columns} × {rows} × {slices}"
WINDOW = "W {width}  L {center}"
ZOOM = "zoom {percent} %"
SLICE = "slice {number}/{count}"
SLICE_OUTSIDE = "outside the stack"
POSITION = "{axis} {mm:.1f} mm"
PROBE = "{value} {unit}"
SCALE_MM = "{mm:g} mm"
SCALE_CM = "{cm:g} cm"
GREY_INVERTED = "inverted"
REFORMATTED = "{plane}, reformatted"

GREY_STEP = "Window {width} / {center}"
LAYOUT_STEP = "Layout {title}"

NOTHING_SHOWN = "No picture here yet"
TRY_AGAIN = "Try again"
DETAILS = "Details"
UPDATE = "Update"
STALE = "made with older parameters"
LOADING = "loading"

JOB_STATES = {
    "queued": "waiting", "running": "running", "stopping": "stopping", "done": "done", "stopped": "stopped",
    "failed": "failed", "lost": "lost",
}  # fmt: skip
JOB_LEFT = "left {left}"

PROBE_LINE = "{value} {unit}   x {x:.1f}  y {y:.1f}  z {z:.1f} mm   slice {slice} row {row} column {column}"

CHOOSE_PLACE = "Choose a file or folder"
AUTOMATIC = "automatic"
NO_POINTS = "nothing to draw yet"
