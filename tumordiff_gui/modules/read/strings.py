"""The read module's sentences."""

NOTHING_OPEN = "Nothing is open"
NOTHING_OPEN_HINT = "Open a phase in Browse with a double click, or press Ctrl+P to find a patient."
GO_BROWSE = "Go to Browse"
LOADING = "reading {name}"

SERIES = "Series of this visit"
PHASES = "Phase"
PARTS = "Part"
SLICES = "{slices} slices"
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

MASK_TITLES = {
    "SER_VOIMASK": "tumour of the study", "SER_MASK": "enhancing tissue", "PE_VOIMASK": "breast in the VOI",
    "PE_MASK": "breast tissue", "VOI": "volume of interest",
}  # fmt: skip
MASK_HINTS = {
    "SER_VOIMASK": "Enhancing tissue inside the volume of interest: the published tumour volume counts these voxels.",
    "SER_MASK": "Every voxel above the percent enhancement threshold, anywhere in the breast.",
    "PE_VOIMASK": "Breast tissue inside the volume of interest.", "PE_MASK": "Breast tissue by the study.",
}  # fmt: skip
OTHER_GRID = "Drawn on the grid of the dynamic series; not shown over a series with another grid."
MASK_COLOURS = ("#E5AE3B", "#56B4E9", "#E07BB0", "#12B38A")

TAGS_TITLE = "DICOM tags - {name}"
TAGS_SEARCH = "Search tag, name or value"
TAGS_COLUMNS = ("Tag", "VR", "Name", "Value")
TAGS_COLUMNS_BOTH = ("Tag", "VR", "Name", "Value", "Value of the other file")
TAGS_COMPARE = "Compare with…"
TAGS_BOTH = "{first}   compared with   {second}"
TAGS_ONLY = "Only differences"
TAGS_DIFFERENT = "{count} differences"
TAGS_ABSENT = "(absent)"
TAGS_NEXT, TAGS_BEFORE = "slice after", "slice before"
TAGS_PHASE = "{phase}, same slice"
TAGS_VISIT = "{label}, {series}, same slice"
TAGS_SERIES = "{series}, first slice"
VISIT_STEP = "no study at {label}"
GRID = "{plane}   {columns} × {rows} × {slices}\n{column_mm:.2f} × {row_mm:.2f} × {slice_mm:.2f} mm"
