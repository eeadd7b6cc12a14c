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
YEARS = "{age} y"
PHASE = "{label} {number}/{count}"
PHASE_TIME = "{seconds:+.0f} s"
MATRIX = "{columns} × {rows} × {slices}"
WINDOW = "W {width}  L {center}"
ZOOM = "zoom {percent} %"
SLICE = "slice {number}/{count}"
SLICE_OUTSIDE = "outside the stack"
POSITION = "{axis} {mm:.1f} mm"
SCALE_MM = "{mm:g} mm"
SCALE_CM = "{cm:g} cm"
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

BROWSE_TITLE = "Browse"
PALETTE_HINT = "Search commands   Ctrl+K"
JOBS_TITLE = "Jobs"
NO_JOBS = "Jobs"
JOBS_BUTTON = "Jobs ({count})"
JOBS_BUTTON_PERCENT = "Jobs ({count})  {percent} %"
NO_JOBS_YET = "No jobs yet. Imports, denoising and training appear here and go on when the window is closed."
JOBS_COUNT = "{running} running   {waiting} waiting   {done} done"
JOB_COUNT = "{done}/{total}"
PERCENT = "{percent} %"
LOAD = "CPU {cpu}   memory {used} of {total}   GPU {card}   disk {free} free"
ALL_JOBS = "All jobs"
NO_MODULE_FOR_RESULT = "No module shows a result of the kind {kind}; it lies in {name}."
JOB_STAGE = "{stage} {count}"
STOP = "Stop"
STOP_WORDS = {"step": "Stop after this step", "epoch": "Stop after this epoch", "now": "Stop now"}
RESUME = "Resume"
RETRY = "Retry"
OPEN_RESULT = "Open"
NO_DETAILS = "Nothing more is known."
DISMISS = "Close"
SEARCH = "Search"
NOTHING_FITS = "Nothing fits “{query}”"
ROWS_SHOWN = "{shown} of {total}"
FIND_MODULE = "Find a module"
FIND_PATIENT = "Find a patient"
FIND_COMMAND = "Search commands"
NOT_NOW = "not available here"
MEMORY = "{used} of {total}"
ALL_SAVED = "all saved"

RESEARCH_TITLE = "Research use only"
RESEARCH_TEXT = (
    "TumorDiff is not a medical device. It must not be used for diagnosis, staging, treatment planning or any "
    "decision about a patient.",
    "Denoised, derived, predicted and synthetic pictures are marked on every view and in every export. They are "
    "not acquisitions and may hide or invent structure.",
)  # fmt: skip
RESEARCH_VERSION = "Asked once per version (this is {version})."
RESEARCH_ACCEPT = "I understand"
RESEARCH_DECLINE = "Quit"

HISTORY_TITLE = "History"
HISTORY_HINT = "Click a step to go back or forward to it."
HISTORY_START = "Start"
UNDONE = "Undone: {text}"
REDONE = "Redone: {text}"
NOTHING_TO_UNDO = "Nothing to undo"
NOTHING_TO_REDO = "Nothing to redo"

KEYS_TITLE = "Keys and mouse"
KEYS_ACTION = "Action"
KEYS_KEY = "Key"
MOUSE_TABLE = (
    ("Window and level", "left drag"),
    ("Window from a box", "Ctrl + left drag"),
    ("Slices", "wheel"),
    ("Phases", "Shift + wheel"),
    ("Pan", "middle drag, Shift + left drag"),
    ("Zoom", "right drag, Ctrl + wheel"),
    ("Same place in all views", "Shift + move"),
    ("Maximise or restore", "double click"),
    ("Menu of a view", "right click"),
)

SETTINGS_TITLE = "Settings"
SETTINGS_GROUPS = {
    "general": "General", "view": "View", "study": "Study", "jobs": "Jobs", "cache": "Cache", "network": "Network",
    "privacy": "Privacy", "plugins": "Plugins",
}  # fmt: skip
ABOUT = "TumorDiff {version} - research use only. Browse, denoise with doubt shown, measure, export."

PANEL_FAILED = "The module {title} could not be shown; a working panel was expected; see the details, or disable it."
OUR_MISTAKE = "This is our mistake ({kind}); it should not have happened; please report the saved details."
SAVE_PICTURE = "Save a picture of the views"
PICTURE_SAVED = "Saved {name}"
PICTURE_FILTER = "PNG (*.png)"
MENU = "Menu"
MODULE = "module"
IMPORT_TITLE = "Import a folder"
IMPORT_JOB = "Import {names}"
IMPORTING = "Importing {kinds}: {names}; rows appear as they are read"
KIND_BY_NAME = {"DICOMDIR": "dicomdir"}
KIND_BY_SUFFIX = {
    ".zip": "zip", ".gz": "zip", ".xlsx": "table", ".xlsm": "table", ".csv": "table",
    ".tsv": "table",
}  # fmt: skip
KINDS = {
    "folder": ("{count} folder", "{count} folders"), "zip": ("{count} archive", "{count} archives"),
    "table": ("{count} clinical table", "{count} clinical tables"), "dicomdir": ("{count} DICOMDIR",) * 2,
    "file": ("{count} file", "{count} files"),
}  # fmt: skip
FLIP_STEP = "Flip left and right"
NO_DEMO = "There is no demo cohort; the pictures are drawn from it only; run `tumordiff demo --headless` first."
