"""Every sentence the core can show: a code and its English template in three parts.

It must not know who raises a code or who shows it. A sentence says what arrived, what was expected and what to
do, in the reader's words; paths are kept apart (``TumorDiffError.path``) and are never part of a template.
"""

from typing import Any, NamedTuple


class Sentence(NamedTuple):
    """The three parts of one message; each is a ``str.format`` template over the error's fields."""

    arrived: str
    expected: str
    do: str

    def text(self, fields: dict[str, Any]) -> str:
        """The whole sentence with the fields filled in."""
        parts = [part.format(**fields) for part in self]
        whole = f"{parts[0]}; {parts[1]}; {parts[2]}."
        return whole[0].upper() + whole[1:]


SENTENCES: dict[str, Sentence] = {
    # files
    "files.exists": Sentence("{name} is already there", "a new name was expected", "choose another target"),
    "files.missing": Sentence(
        "{name} was not found", "an existing file or folder was expected", "check the spelling or connect the disk"
    ),
    "files.no_space": Sentence(
        "{free_mb} MB are free on the target disk",
        "{needed_mb} MB are needed",
        "free some space or choose another disk",
    ),
    "files.not_written": Sentence(
        "{name} could not be written ({reason})", "a writable target was expected", "check the folder's permissions"
    ),
    "files.newer_format": Sentence(
        "{name} has format {found}", "this version reads up to format {expected}", "update TumorDiff to open it"
    ),
    "files.not_json": Sentence(
        "{name} is not readable as a TumorDiff record", "a complete JSON file was expected", "restore or delete it"
    ),
    # settings
    "settings.broken": Sentence(
        "the settings file could not be read", "JSON was expected", "it was kept as {kept_as}; defaults are in use"
    ),
    "settings.bad_value": Sentence(
        "setting {name} is {value}", "{expected} was expected", "correct it in the settings"
    ),
    # jobs
    "jobs.unknown": Sentence(
        "no job matches {name}", "a job id or the end of one was expected", "see `tumordiff jobs` for the list"
    ),
    "jobs.ambiguous": Sentence("{count} jobs end in {name}", "one job was expected", "give more characters of the id"),
    "jobs.not_startable": Sentence(
        "the job is {state}", "a queued, stopped, failed or lost job was expected", "wait, or start a new job"
    ),
    "jobs.not_a_folder": Sentence(
        "{name} is not a job folder", "a folder with job.json was expected", "see `tumordiff jobs` for the list"
    ),
    "jobs.no_result": Sentence(
        "{name} holds no finished result", "a job that is done was expected", "run or resume the job first"
    ),
    "jobs.bug": Sentence(
        "the job failed by a mistake of ours ({kind})",
        "it should not have",
        "please report the file traceback.{attempt}.txt in the job folder",
    ),
    "jobs.child_gone": Sentence(
        "the background reader ended while answering", "an answer was expected", "try again; a fresh reader was started"
    ),
    "jobs.child_slow": Sentence(
        "the background reader gave no answer in {seconds} s",
        "an answer was expected sooner",
        "try again, or open a smaller series",
    ),
    # plugins
    "plugins.unknown": Sentence(
        "no {kind} is called {name}", "one of {known} was expected", "check the spelling or see `tumordiff plugins`"
    ),
    "plugins.bad_record": Sentence(
        "plugin {name} returned something unusable ({reason})",
        "the records of the plugin guide were expected",
        "update or disable it",
    ),
    "plugins.bad_params": Sentence(
        "{field} is {value}", "{expected} was expected", "correct the value and start again"
    ),
    # results
    "result.not_one": Sentence(
        "{name} is not a result folder", "a folder with result.json was expected", "give a job id or a result folder"
    ),
    "result.damaged": Sentence(
        "{name} in the result differs from its checksum", "an unchanged result was expected", "run the job again"
    ),
    # imaging
    "volume.unknown_kind": Sentence(
        "{name} has an unknown ending", "a DICOM folder, .nii, .nii.gz, .nrrd or .npy was expected", "convert it first"
    ),
    "volume.unreadable": Sentence(
        "{name} could not be read as a volume ({reason})", "a complete image file was expected", "copy it again"
    ),
    "volume.wrong_shape": Sentence(
        "the array has shape {shape}", "[slice, row, column] was expected", "reorder or split it first"
    ),
    "volume.not_finite": Sentence(
        "the images hold {count} values that are not numbers",
        "finite values were expected",
        "repair or leave out the slices",
    ),
    "volume.constant": Sentence(
        "all values of the images are {value}", "an image with contrast was expected", "choose another series"
    ),
    "volume.too_large": Sentence(
        "the images need {needed_gb} GB", "at most {limit_gb} GB were expected", "split the series or raise the limit"
    ),
    "geometry.grids_differ": Sentence(
        "the images lie on different grids ({found} and {expected})",
        "one common grid was expected",
        "use phases of one series",
    ),
    # models
    "model.unknown": Sentence(
        "no model is called {name}", "one of {known} was expected", "see `tumordiff models` for the list"
    ),
    "model.not_one": Sentence(
        "{name} is not a model folder ({reason})",
        "card.json and weights.safetensors were expected",
        "install the model again",
    ),
    "model.wrong_hash": Sentence(
        "the weights of {name} differ from their card", "an unchanged file was expected", "install the model again"
    ),
    "model.unknown_family": Sentence(
        "{name} is a network of family {family}", "one of {known} was expected", "install the plugin that made it"
    ),
    "model.wrong_weights": Sentence(
        "the weights of {name} do not fit its architecture",
        "every tensor of the card's network was expected",
        "install the model again",
    ),
    # training and denoising
    "training.not_a_pack": Sentence(
        "{name} is not a pack of slices ({reason})",
        "an .npz with images, patients and split was expected",
        "choose another file",
    ),
    "training.no_data": Sentence(
        "{name} holds no slices to learn from",
        "a pack of slices or a cohort with truth was expected",
        "run `tumordiff demo` first or name a pack",
    ),
    # not built yet
    "verb.not_built": Sentence(
        "{verb} is not built yet", "a verb that is built was expected", "see CHANGELOG.md for what this version does"
    ),
    "verb.usage": Sentence("{found}", "{expected} was expected", "see --help of the verb"),
}
