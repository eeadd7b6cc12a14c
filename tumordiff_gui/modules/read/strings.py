"""The read module's sentences."""

NOTHING_OPEN = "Nothing is open"
NOTHING_OPEN_HINT = "Open a phase in Browse with a double click, or press Ctrl+P to find a patient."
GO_BROWSE = "Go to Browse"
LOADING = "reading {name}"

SERIES = "Series of this visit"
PHASES = "Phase"
PHASE_AUTO = "post {number}"
PHASE_PRE = "pre"
LAYOUT = "Layout"
GREY = "Window"
WIDTH, CENTER = "Width", "Level"
AUTO, HEADER = "Auto", "Header"
OVERLAYS = "Overlays"
NO_OVERLAYS = "This visit has no masks."
OPACITY = "Opacity of {name}"
SHOW = "Show"
CROSSHAIR, INTERPOLATE, INVERT = "Crosshair", "Interpolate", "Invert"
TAGS = "DICOM tags…"
AWAY = "The files of this series are not where they were read; a connected disk was expected; connect it and try again."
NO_FILES = "This picture has no DICOM file of its own."

MASK_TITLES = {"SER_MASK": "tumour mask of the study", "PE_MASK": "enhancing voxels", "VOI": "volume of interest"}
MASK_COLOURS = ("#E5AE3B", "#56B4E9", "#E07BB0", "#12B38A")

TAGS_TITLE = "DICOM tags - {name}"
TAGS_SEARCH = "Search tag, name or value"
TAGS_COUNT = "{shown} of {total}"
TAGS_COLUMNS = ("Tag", "VR", "Name", "Value")
TAGS_COPY = "Copy"
VISIT_STEP = "no study at {label}"
GRID = "{plane}   {columns} × {rows} × {slices}\n{column_mm:.2f} × {row_mm:.2f} × {slice_mm:.2f} mm"
