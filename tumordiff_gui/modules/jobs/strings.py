"""The jobs module's sentences."""

SEARCH = "Search title, task or sentence"
LIST = "All jobs"
SHOW = "Show"
SHOWN = {"all": "All", "active": "Waiting and running", "ended": "Ended", "trouble": "Failed, stopped and lost"}
NO_JOBS = "No jobs yet"
NO_JOBS_HINT = "Imports, denoising and training appear here and go on when the window is closed."
NOTHING_FITS = "No job fits."
CHOOSE = "Choose a job"
CHOOSE_HINT = "Its log, curves and parameters are shown here."
COUNT = "{running} running   {waiting} waiting   {ended} ended"

MACHINE = "This machine"
CPU, MEMORY, CARD, DISK = "CPU", "Memory", "GPU", "Disk"
NO_CARD = "none seen"
OF = "{used} of {total}"
FREE = "{free} free"

STOP_HINT = "Asks the job to end; what is done is kept where the task can go on later."
RESUME_HINT = "Goes on in the same folder, from the newest checkpoint where there is one."
RETRY_HINT = "A new job with the same parameters."
CHANGES = "Retry with changes…"
CHANGES_HINT = "A new job; its parameters can be changed first."
CHANGES_TITLE = "Retry with changes: {title}"
CHANGES_START = "Start"
NO_FORM = "The task {task} is not known here, so its parameters cannot be changed; enable its plugin and try again."
DELETE = "Delete…"
DELETE_ASK = "Delete this job and its result?"
DELETE_TELL = "{title}\nIts folder, log and result are removed and cannot be brought back."
DELETE_YES = "Delete"
DELETED = "Deleted: {title}"
RUNNING_CANNOT = "A running job cannot be deleted; stop it first."
FOLDER = "Copy folder"
FOLDER_COPIED = "The folder's place was copied"
RESULT_NONE = "This job has left no result."

LOG, CURVES, PARAMS, TROUBLE = "Log", "Curves", "Parameters", "Warnings and details"
NO_LOG = "Nothing was written to the log yet."
NO_CURVES = "This job draws no curves yet."
NO_TROUBLE = "No warnings."
NAME, VALUE = "Name", "Value"
FACTS = {
    "id": "Job", "task": "Task", "created": "Made", "program": "Program", "parent": "Retry of", "seed": "Seed",
    "inputs": "Inputs",
}  # fmt: skip
STEP = "step"
AGO = {"s": "just now", "min": "{n} min ago", "h": "{n} h ago", "d": "{n} d ago"}
