"""The train module's sentences."""

TITLE = "Train a denoiser"
SUBTITLE = "The training runs as a job: it goes on when the window is closed, and can be stopped and resumed."
PRESET = "Preset"
PRESETS = {
    "ours": ("Ours", "Preconditioned residual network that knows the noise level; the default."),
    "large": ("Large", "The same with four times the work, for training on a GPU."),
    "paper": ("Paper", "The network and noise schedule of the paper this project began with, used correctly."),
}
"""Name and hint of each preset."""

DATA = "Data"
DATA_LABEL = "Data: a pack of slices or a cohort with truth; empty for the demo cohort"
DATA_EMPTY = "demo cohort"
CHOOSE_PACK, CHOOSE_COHORT = "Pack of slices…", "Cohort folder…"
CHOOSE = "Choose data"
PACK_FILTER = "Packs of slices (*.npz)"
FORM = "Training"
MORE, LESS = "More", "Less"

SPLIT_READING = "reading the patients of the data"
SPLIT_COUNTS = "{total} patients: {train} to train, {val} to validate, {test} to test; {slices} slices"
SPLIT_TITLE = "Split by patient"
SPLIT_HINT = "No patient stands in two parts; the test patients are never seen while training."
SPLIT_PART = "{part} ({count})"
SPLIT_PARTS = {"train": "Train", "val": "Validate", "test": "Test"}
SPLIT_NONE = "The patients of the data appear here."

START = "Start training"
START_WHY_FORM = "A field is wrong; the form says which."
START_WHY_DATA = "The data cannot be read; see the sentence above."
JOB_TITLE = "Train {name}"
RUNS = "Run"
RUN_ENTRY = "{name}   {state}"
NO_RUN = "No training yet"
CHANGED = "The form says something else than the run that is shown."

WAITING = "waiting for its turn"
STAGE = "{stage}"
EPOCH = "epoch {epoch}/{epochs}"
PACE = "{seconds} s/step"
LEFT = "left {left}"
RATE = "lr {rate:.1e}"
BEST = "best epoch {epoch}"
ENDED = "{state} after epoch {epoch}"
STOP_EPOCH, STOP_NOW = "Stop after epoch", "Stop now"
RESUME = "Resume"
RESUME_FROM = "Resume from epoch {epoch}"
RETRY = "Try again"

LOSS_TITLE, LOSS_EMPTY = "Training loss", "The loss appears with the first epoch."
VALIDATION_TITLE = "Validation error of the clean image"
VALIDATION_EMPTY = "Validation appears with the first epoch."
RATE_TITLE, RATE_EMPTY = "Learning rate", "The learning rate appears with the first epoch."
EPOCH_AXIS = "epoch"
SAMPLE = "noisy, denoised, clean"

MODEL = "Model"
NO_MODEL = "A finished run leaves a model here; until then nothing is installed."
MODEL_READY = "{name} is ready: best validation error {error}."
INSTALL = "Install {name}"
INSTALL_HINT = "Copies the model among your own models; Denoise then offers it, marked as unevaluated."
INSTALLED = "{name} is installed; evaluate it before relying on it."
USE = "Use in Denoise"
