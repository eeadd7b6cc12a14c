"""The browse module's sentences."""

SEARCH = "Search patient, visit, series"
IMPORT = "Import"
IMPORT_FOLDER = "Import a folder…"
IMPORT_FILE = "Import a zip or file…"
EMPTY = "No studies yet"
EMPTY_HINT = "Drop a folder, a zip or a DICOMDIR anywhere in this window. Files are only read, never changed or moved."
NOTHING_FOUND = "Nothing fits “{query}”"
NOTHING_FOUND_HINT = "Patients, visits, series descriptions and modalities are searched."
CHOOSE_PATIENT = "Choose a patient"
CHOOSE_PATIENT_HINT = "Visits stand side by side; a double click on a phase opens it in Read."
NO_CATALOGUE = "The catalogue could not be read; a readable catalogue was expected; import again to rebuild it."

FILTERS = {"subtype": "Subtype", "pcr": "pCR", "vendor": "Vendor", "missing": "Missing", "result": "Result"}
FILTER_NAME = "Filter by {name}"
FILTER_OFF = "All"
FILTERS_CLEAR = "Clear"
PCR_CHOICES = (("yes", "pcr:yes"), ("no", "pcr:no"), ("not known", "pcr:none"))
VENDORS = ("GE", "Siemens", "Philips")
MISSING_ANY = "any visit"
RESULT_CHOICES = (
    ("any result", "result:"), ("denoised", "result:denoised"), ("response", "result:response"),
    ("registration", "result:registration"),
)  # fmt: skip
RESULT_NONE = "none yet"
SORT = "Order of the list"
SORTS = {"id": "By identifier", "age": "By age", "subtype": "By subtype", "pcr": "By pCR"}
NOTHING_FILTERED = "No patient fits all filters"
NOTHING_FILTERED_HINT = "Clear the filters, or search for less."
DISK_AWAY = "away: {names}"
DISK_AWAY_HINT = "{paths}\nNot reachable now. Its patients stay listed, and what is cached still opens."

TREE = "Patients"
COLUMN_NAME = "Patient, visit, series, phase"

VISITS = "{count} visits"
VISIT = "1 visit"
YEARS = "{age} y"
SIDES = {"R": "right", "L": "left", "B": "both"}
NO_LABEL = "visit"
MISSING_VISIT = "not in the catalogue"
MISSING_HINT = "No study of {label} is in the catalogue: it was not acquired, not released, or not imported."
MISSING_MEASURED = (
    "The clinical record has a diameter of {diameter} at {label}: its study was made, and is not in the catalogue; "
    "it was not released, or not imported."
)
MISSING_UNMEASURED = "The clinical record has no diameter at {label} either: the visit was probably not made."
DIAMETER_FACT = "mri_ld_{label}"
AWAY = "files away"
AWAY_HINT = "The files of this series are not where they were read; connect their disk. Cached phases still open."
DYNAMIC = "{phases} × {slices}"
PARTS = "{parts} parts"
SLICES = "{slices} slices"
FILE = "1 file"
FILES = "{files} files"
PHASE_PRE = "pre"
PHASE_POST = "post {number}"
EFFECTIVE = "{seconds:+.0f} s"
EVIDENCE = "({evidence})"

ROLES = {
    "dynamic": "DCE", "ser_map": "SER", "pe_map": "PE", "seg": "SEG", "localizer": "localizer", "t2": "T2",
    "diffusion": "diffusion", "reformat": "reformat", "report": "report", "look_alike": "look-alike",
    "derived": "DERIVED", "synthetic": "SYNTHETIC", "other": "other",
}  # fmt: skip
ROLE_HINTS = {
    "dynamic": "dynamic contrast-enhanced series", "ser_map": "signal enhancement ratio, derived",
    "pe_map": "percent enhancement, derived", "seg": "segmentation by the study", "localizer": "scout",
    "look_alike": "looks like the dynamic series and is not: never measured by itself",
    "derived": "made by a program from acquired pictures", "synthetic": "made up with known truth",
}  # fmt: skip
REMARKS_ARE_USUAL = frozenset({"localizer", "diffusion", "reformat"})
SHOWN_MARKED = frozenset({"ser_map", "pe_map", "derived", "synthetic"})
MARKS = {"synthetic": "SYNTHETIC"}
MARK_DEFAULT = "DERIVED"

OPEN = "Open in Read"
DENOISE = "Denoise…"
EDIT_VISIT = "Correct the visit…"
COPY_ID = "Copy identifier"

IMPORT_RUNNING = "importing  {done} of {total} files"
IMPORT_RUNNING_UNKNOWN = "importing  {stage}"
IMPORT_SKIPPED = "{count} skipped"
WHY = "why"
SKIPPED_TITLE = "Files that were left out, and why"
SKIPPED_HINT = "They are still where they were: nothing was moved or changed. Import again after mending a file."
SKIPPED_SEARCH = "Search file or reason"
SKIPPED_COLUMNS = ("File", "Why")
IMPORT_DONE = "import done"

FACTS = "Clinical record"
NO_FACTS = "No clinical record was imported for this patient."
LAST_RESULTS = "Results"
FACT_TITLES = {
    "subtype": "Subtype", "hr_her2": "Subtype", "pcr": "pCR", "rcb_class": "RCB class", "rcb": "RCB class",
    "hr": "HR", "er": "ER", "pgr": "PR", "pr": "PR", "her2": "HER2", "mp": "MammaPrint high", "age": "Age",
    "race": "Race", "menopausal_status": "Menopause", "laterality": "Index tumour", "bilateral": "Bilateral",
    "arm": "Arm", "survival_state": "State", "survival_days": "Survival", "rfs_event": "Recurrence",
    "rfs_days": "Without recurrence",
}  # fmt: skip
FACT_UNITS = {"age": "{value} y", "survival_days": "{value} days", "rfs_days": "{value} days"}
YES, NO = "yes", "no"
YES_NO_FACTS = frozenset({"pcr", "er", "pr", "pgr", "hr", "her2", "bilateral", "mp", "rfs_event"})
DIAMETERS = ("mri_ld_t1", "mri_ld_t2", "mri_ld_t3", "mri_ld_t4")
DIAMETER_TITLE, DIAMETER_TEXT = "Diameter {visits}", "{values} mm"
SIDES_DIFFER = "The record names the {record} breast, the pictures are of the {pictures} one: check before measuring."

EDIT_TITLE = "Correct the visit"
EDIT_HINT = "Found by: {evidence}. The correction is yours, wins over every import and can be undone."
EDIT_LABEL = "Visit"
EDIT_DAYS = "Days since baseline"
EDIT_DAYS_UNKNOWN = "unknown"
EDIT_STEP = "Visit {old} becomes {new}"
EDIT_DONE = "The visit is now {new}"
