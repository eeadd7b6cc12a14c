"""Every sentence the core can show: a code and its English template in three parts.

It must not know who raises a code or who shows it. A sentence says what arrived, what was expected and what to
do, in the reader's words; paths are kept apart (``TumorDiffError.path``) and are never part of a template.
"""

from typing import Any, NamedTuple

NAMES = ("{name}", "{description}")


class Sentence(NamedTuple):
    """The three parts of one message; each is a ``str.format`` template over the error's fields."""

    arrived: str
    expected: str
    do: str

    def text(self, fields: dict[str, Any]) -> str:
        """The whole sentence with the fields filled in; a name at its beginning keeps its own spelling."""
        parts = [part.format(**fields) for part in self]
        whole = f"{parts[0]}; {parts[1]}; {parts[2]}."
        return whole if self.arrived.startswith(NAMES) else whole[0].upper() + whole[1:]


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
    "jobs.no_cluster": Sentence(
        "no cluster at {address} ({reason})", "a Dask scheduler was expected", "start it, or leave --cluster out"
    ),
    "preprocess.nothing": Sentence(
        "no dynamic series was found in what was named",
        "catalogued or named studies with a dynamic series were expected",
        "index the studies or name their folder",
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
        "{name} has an unknown ending",
        "a DICOM folder, .nii, .nii.gz, .nrrd, .mha, .mhd or .npy was expected",
        "convert it first",
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
    # dicom files
    "dicom.empty_file": Sentence("{name} is empty (0 bytes)", "a DICOM file was expected", "copy it again"),
    "dicom.not_dicom": Sentence(
        "{name} is not a DICOM file", "a file with the DICOM signature was expected", "choose another file"
    ),
    "dicom.only_signature": Sentence(
        "{name} ends after the DICOM signature", "a header and pixels were expected", "copy it again"
    ),
    "dicom.cut_header": Sentence(
        "{name} is cut off inside its header ({bytes} bytes)", "a complete file was expected", "copy it again"
    ),
    "dicom.bad_length": Sentence(
        "{name}: element {tag} claims {claimed} bytes, the file has {bytes}",
        "lengths inside the file were expected",
        "copy it again",
    ),
    "dicom.pixels_absurd": Sentence(
        "{name}: pixel data claims {claimed} bytes, the file has {bytes}",
        "as many as the image needs were expected",
        "copy it again",
    ),
    "dicom.pixels_undefined": Sentence(
        "{name}: pixel data has no length in an uncompressed syntax",
        "a length was expected",
        "convert or copy it again",
    ),
    "dicom.pixels_cut": Sentence(
        "{name} holds {found} of {expected} bytes of pixels", "a complete image was expected", "copy it again"
    ),
    "dicom.no_identity": Sentence(
        "{name} has no {missing}", "UIDs of image, series and study were expected", "copy it again from its source"
    ),
    "dicom.unreadable": Sentence(
        "{name} could not be read ({reason})", "a readable DICOM file was expected", "check or copy it again"
    ),
    "dicom.unpacks_too_far": Sentence(
        "{name} unpacks to more than {limit_mb} MB", "a header of usual size was expected", "do not trust this file"
    ),
    "dicom.too_deep": Sentence(
        "{name} nests its tags too deeply", "at most a few levels were expected", "do not trust this file"
    ),
    "dicom.no_signature": Sentence(
        "{name} has no DICOM signature and could not be read as one",
        "a DICOM file was expected",
        "copy it again from its source",
    ),
    "dicom.repeated": Sentence(
        "{name} repeats element {tag} with two values", "one value was expected", "copy it again from its source"
    ),
    "dicom.odd_length": Sentence(
        "{name} states one byte of pixels less than it holds", "an even length was expected", "nothing needs doing"
    ),
    "dicom.trailing": Sentence(
        "{bytes} bytes after the end of {name} were ignored", "nothing was expected there", "nothing needs doing"
    ),
    "dicom.syntax_lies": Sentence(
        "{name} names another transfer syntax than its bytes have",
        "both to agree was expected",
        "it was read by its bytes; check the values",
    ),
    "dicom.character_set": Sentence(
        "text of {name} does not fit its character set",
        "a known character set was expected",
        "look at names with care",
    ),
    "dicom.bad_number": Sentence(
        "{name}: {value} is not a valid number", "a number was expected", "the value was left out"
    ),
    "dicom.declares_too_much": Sentence(
        "{name} declares {declared_gb} GB of pixels but holds {found_mb} MB",
        "an image of usual size was expected",
        "copy it again",
    ),
    "dicom.stream_differs": Sentence(
        "{name}: the compressed image is {found}", "{expected} was expected by the header", "do not trust this file"
    ),
    "dicom.frame_table": Sentence(
        "{name}: the frame table is wrong, {found} frames were found",
        "{expected} frames were expected",
        "export it again",
    ),
    "dicom.decoder_died": Sentence(
        "{name} ended or blocked its decoder", "sound pixels were expected", "do not trust this file"
    ),
    "dicom.mosaic": Sentence(
        "{name} is a mosaic without a count of slices", "the maker's private tag was expected", "export single slices"
    ),
    "dicom.bit_layout": Sentence(
        "the high bit is {high}",
        "the last of {bits} stored bits was expected",
        "values were cut to these bits; check them",
    ),
    "dicom.negative": Sentence(
        "{percent} % of the values are negative",
        "MR values above 0 were expected",
        "check the signedness of the series",
    ),
    "dicom.mixed_formats": Sentence(
        "the slices use {count} pixel formats", "one format was expected", "each was read in its own; check the values"
    ),
    "series.doubled": Sentence(
        "{count} slices lie twice at the same place", "one file per place was expected", "the lower number was used"
    ),
    "series.uneven": Sentence(
        "the slice distance varies from {low_mm} to {high_mm} mm",
        "equal distances were expected",
        "do not measure volumes on it",
    ),
    "series.tilted": Sentence(
        "the stack is tilted by {degrees} degrees", "slices along their normal were expected", "measure with care"
    ),
    "series.several_orientations": Sentence(
        "the series has {count} orientations or grids", "one was expected", "only the largest is shown"
    ),
    "study.several_patients": Sentence(
        "the study holds files of {count} patients", "one was expected", "check whose pictures these are"
    ),
    "series.shared_uid": Sentence(
        "another patient or study has a series of the same number",
        "a number of its own was expected",
        "export one of them again",
    ),
    "series.parts": Sentence(
        "the series holds {count} stacks that lie differently", "one was expected", "open each part by itself"
    ),
    "series.many_parts": Sentence(
        "the series holds {count} stacks", "at most {listed} can be listed", "export it as several series"
    ),
    "series.bad_spacing": Sentence(
        "the {what} is {value}", "a valid one was expected", "measurements are off; use it for viewing only"
    ),
    "dicom.no_image": Sentence("{name} holds no image", "pixels were expected", "choose another series"),
    "dicom.no_size": Sentence(
        "{name} has no image size", "Rows and Columns above 0 were expected", "copy it again from its source"
    ),
    "dicom.matrix_differs": Sentence(
        "{name} has another image size than its neighbours or its header",
        "one size per series was expected",
        "leave it out or export the series again",
    ),
    "dicom.colour": Sentence(
        "{name} is a colour picture", "a measured grey volume was expected", "choose another series"
    ),
    "dicom.bits": Sentence(
        "the images have {bits} bits allocated", "8, 16 or 32 were expected", "convert them at their source"
    ),
    "dicom.syntax": Sentence(
        "{name} is stored as {syntax}",
        "a pixel format that is built in was expected",
        "convert it, for example with gdcmconv",
    ),
    "dicom.rescale": Sentence(
        "the rescale slope is {slope}", "a finite slope other than 0 was expected", "copy the series from its source"
    ),
    "dicom.modality_lut": Sentence(
        "{name} turns stored into measured values by a table",
        "a rescale slope and intercept were expected",
        "export the series without a modality LUT",
    ),
    # series
    "series.empty_folder": Sentence(
        "{name} is an empty folder", "a folder with DICOM files was expected", "choose the folder above or below"
    ),
    "series.no_dicom": Sentence(
        "{name} holds {count} files and none is DICOM", "DICOM files were expected", "choose another folder"
    ),
    "series.several": Sentence(
        "{count} series arrived ({series})", "one was expected", "choose one by its number with --series"
    ),
    "series.unknown_number": Sentence(
        "no series has number {number}", "one of {known} was expected", "choose one of these"
    ),
    "series.missing_slice": Sentence(
        "slice {slice} of {slices} in phase {phase} is missing at {at_mm} mm ({count} in all)",
        "every slice was expected",
        "copy the series again",
    ),
    "series.no_position": Sentence(
        "the series has no usable position in space",
        "position, orientation and pixel spacing were expected",
        "use it for viewing only",
    ),
    "series.mixed": Sentence(
        "the series mixes {count} orientations or grids", "one grid was expected", "choose another series"
    ),
    "mask.other_grid": Sentence(
        "{name} has {found}", "frames on the grid of its images were expected", "choose the series it was made from"
    ),
    "map.not_one": Sentence(
        "{description} is no derived map", "a SER or PE map was expected", "choose a series that ends in SER or PE"
    ),
    "clinical.unreadable": Sentence(
        "{name} could not be read as a table",
        "an undamaged workbook or CSV file was expected",
        "save it again as .xlsx",
    ),
    "series.is_mask": Sentence(
        "{description} is a mask", "measured images were expected", "choose the series it belongs to"
    ),
    "series.no_phase": Sentence(
        "the catalogue holds no phase {phase} of this series",
        "a phase with files was expected",
        "index the folder again",
    ),
    "series.no_mask": Sentence(
        "this study records no mask {label}", "a recorded mask was expected", "index the study's mask files"
    ),
    "reader.unknown": Sentence(
        "the reader was asked for {found}", "one of {known} was expected", "ask for one of these"
    ),
    "reader.no_memory": Sentence(
        "reading this needs more memory than the {limit_gb} GB allowed",
        "a smaller image was expected",
        "raise the limit of the largest series, or split it",
    ),
    "geometry.sheared": Sentence(
        "the slices are shifted against each other",
        "slices stacked along their normal were expected",
        "export as DICOM",
    ),
    # models
    "model.other_preset": Sentence(
        "the model {name} was trained by the other preset",
        "a model of the preset {preset} was expected",
        "choose its own preset, or start from nothing",
    ),
    "model.no_rims": Sentence(
        "rims of lesions cannot be learned for {name}",
        "a residual UNet that is told no facts or phases was expected",
        "name another model, or train one with the preset ours",
    ),
    "model.rims_levels": Sentence(
        "{name} serves noise of {served} of the maximum",
        "some of {expected} was expected",
        "name another model, or train one for such noise",
    ),
    "model.raised": Sentence(
        "the network of {name} broke off ({error})", "an answer was expected", "choose another model, or ask its author"
    ),
    "model.other_shape": Sentence(
        "the network answered {found}", "{expected}, one image for each slice, was expected", "choose another model"
    ),
    "model.not_numbers": Sentence(
        "the network answered {count} values that are not numbers", "finite ones were expected", "choose another model"
    ),
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
    "model.shipped": Sentence(
        "{name} is shipped with TumorDiff", "one of your own models was expected", "leave it, or name another"
    ),
    "model.unknown_family": Sentence(
        "{name} is a network of family {family}", "one of {known} was expected", "install the plugin that made it"
    ),
    "model.wrong_weights": Sentence(
        "the weights of {name} do not fit its architecture",
        "every tensor of the card's network was expected",
        "install the model again",
    ),
    # catalogue
    "catalogue.read_only": Sentence(
        "{name} cannot be written to", "a writable catalogue was expected", "check the permissions of its folder"
    ),
    "catalogue.busy": Sentence(
        "another program holds the catalogue", "a free catalogue was expected", "try again in a moment"
    ),
    "catalogue.damaged": Sentence(
        "{name} is damaged", "a sound catalogue was expected", "import your folders again; your edits are kept"
    ),
    "catalogue.set_aside": Sentence(
        "the catalogue was damaged",
        "a sound one was expected",
        "it was kept as {name}; import your other folders again, too",
    ),
    "catalogue.unknown": Sentence(
        "{kind} {name} is not in the catalogue", "one that was imported was expected", "import its folder"
    ),
    "catalogue.overtaken": Sentence(
        "someone else changed this meanwhile", "the state you saw was expected", "look at it again, then change it"
    ),
    # import
    "index.nothing": Sentence(
        "nothing was named", "a folder, file, archive or table was expected", "name what to import"
    ),
    "index.nothing_usable": Sentence(
        "none of {count} files could be used ({reason})", "readable DICOM files were expected", "copy them again"
    ),
    "index.folder": Sentence(
        "folder {name} could not be read ({reason})", "a readable folder was expected", "check its permissions"
    ),
    "index.unknown_table": Sentence(
        "no collection finds clinical facts in {name}",
        "a table of a known collection was expected",
        "check the names of its columns",
    ),
    "index.volume_file": Sentence(
        "{name} is a volume without patient and visit",
        "DICOM files were expected",
        "denoise it directly by its name",
    ),
    "index.archive_inside": Sentence(
        "{name} is an archive inside a folder", "unpacked files were expected", "import the archive by itself"
    ),
    "dicom.dicomdir": Sentence(
        "{name} is the table of contents of a disk", "images were expected", "nothing: its images were read themselves"
    ),
    "dicom.same_uid": Sentence(
        "{name} has the UID of {other} but other content", "one image per UID was expected", "keep the right one only"
    ),
    "archive.unreadable": Sentence(
        "archive {name} could not be unpacked", "a complete zip or gzip file was expected", "copy it again"
    ),
    "archive.member": Sentence(
        "archive member {name} could not be unpacked", "a plain file was expected", "unpack it yourself"
    ),
    "archive.locked": Sentence(
        "archive member {name} needs a password", "an open archive was expected", "unpack it yourself"
    ),
    "archive.nested": Sentence(
        "archive member {name} is an archive itself", "unpacked files were expected", "unpack it yourself"
    ),
    "archive.bomb": Sentence(
        "archive member {name} unpacks more than {ratio}:1", "images were expected", "do not trust this archive"
    ),
    # training and denoising
    "training.not_a_pack": Sentence(
        "{name} is not a pack of slices ({reason})",
        "an .npz with images, patients and split was expected",
        "choose another file",
    ),
    "recipes.unknown": Sentence(
        "No recipe is called {name}", "one of {known} or a .json file was expected", "choose one of these"
    ),
    "recipes.broken": Sentence(
        "{name} is no recipe ({reason})",
        "stages of trainings that go on from earlier ones were expected",
        "mend that place in the file",
    ),
    "model.not_finite": Sentence(
        "the weights of {name} are not all numbers",
        "finite ones were expected",
        "choose another model, or train it again",
    ),
    "model.other_network": Sentence(
        "{name} is another network than {first}",
        "models that went on from one another were expected",
        "name models of one network",
    ),
    "model.no_companion": Sentence(
        "{name} needs {needed}, which is not installed",
        "the model that serves it was expected",
        "install {needed} first",
    ),
    "model.other_companion": Sentence(
        "{name} needs {needed} with other weights than the installed one has",
        "the {needed} that {name} came with was expected",
        "put that in its place, or make {name} again",
    ),
    "model.companion_task": Sentence(
        "{name} is served by {needed}, a model of the task {found}",
        "one of the task {expected} was expected",
        "correct the card of {name}, or ask its author",
    ),
    "model.other_task": Sentence(
        "{name} is a model of the task {found}",
        "one of the task {expected} was expected",
        "name another, `tumordiff models` tells their tasks",
    ),
    "model.needed": Sentence(
        "{name} needs {needed}", "a model that no other needs was expected", "remove {name} first"
    ),
    "model.other_facts": Sentence(
        "{name} is {told} of patient and acquisition",
        "a start of the same kind as the training was expected",
        "give or leave out the tables (--facts) accordingly",
    ),
    "training.no_facts": Sentence(
        "{name} says nothing of any patient or series",
        "a clinical table of a known collection or an index of series was expected",
        "name another table or leave it out",
    ),
    "training.other_start": Sentence(
        "the stopped training learned from other weights or data",
        "those it began with were expected",
        "put them back, or begin anew under another name",
    ),
    "training.no_data": Sentence(
        "{name} holds no slices to learn from",
        "a pack of slices or a cohort with truth was expected",
        "run `tumordiff demo` first or name a pack",
    ),
    "evaluate.no_repeat": Sentence(
        "the series has {found} for the repeat-phase test",
        "{expected} was expected",
        "choose a dynamic series with two phases after contrast",
    ),
    "evaluate.no_reference": Sentence(
        "{name} holds {found}", "slices of 11x11 pixels or more with tissue were expected", "choose another volume"
    ),
    "evaluate.not_run": Sentence(
        "{found} is not among the methods that are run", "one of {expected} was expected", "name it with --baseline too"
    ),
    "evaluate.no_tissue": Sentence(
        "{name} has room for {found} lesions in tissue",
        "at least {expected} were expected",
        "choose a larger series, or smaller and fewer lesions",
    ),
    "denoise.not_acquired": Sentence(
        "the input is a {found}", "an acquired MR series was expected", "choose the dynamic series it was made from"
    ),
    "denoise.no_pixel": Sentence(
        "row {row}, column {column} lies outside the slice",
        "{rows} rows and {columns} columns were expected",
        "choose a pixel inside the picture",
    ),
    "denoise.peak": Sentence(
        "the residual hangs together here ({found} standard deviations of patches of noise)",
        "at most {limit} were expected",
        "look at this place before and after",
    ),
    "denoise.out_of_range": Sentence(
        "the noise is {found} % of the signal",
        "at most {limit} % was expected by the model",
        "check the result closely, or train on noisier data",
    ),
    # exporting
    "export.not_mr": Sentence(
        "the source files hold {found} objects",
        "single-frame MR images were expected",
        "export as NIfTI or NRRD instead",
    ),
    "export.no_dicom_source": Sentence(
        "this result was not made from DICOM files",
        "a DICOM source for every slice was expected",
        "export as NIfTI or NRRD instead",
    ),
    "export.source_missing": Sentence(
        "{missing} of {total} source files are not where they were",
        "every source file is needed for its header",
        "connect the disk or index the study again",
    ),
    "export.source_changed": Sentence(
        "{name} is not the file that was denoised", "the unchanged source was expected", "denoise the series again"
    ),
    "export.no_images": Sentence(
        "this {kind} result holds no denoised images", "a denoised series was expected", "export its tables as csv"
    ),
    "export.no_tables": Sentence(
        "this {kind} result holds no tables or figures", "a result with figures was expected", "choose another kind"
    ),
    "export.not_acquired": Sentence(
        "the source is a {found}", "a denoised acquired MR series was expected", "denoise the dynamic series itself"
    ),
    "export.ftv_moved": Sentence(
        "tumor volume moved from {before_cc} to {after_cc} cc ({change_percent} %)",
        "at most {limit_percent} % was expected",
        "compare both masks, then confirm (--yes)",
    ),
    "export.tumour_reshaped": Sentence(
        "the tumor masks before and after overlap by {dice}",
        "at least {limit}, as noise alone leaves, was expected",
        "compare both masks, then confirm (--yes)",
    ),
    "export.ser_reclassified": Sentence(
        "{percent} % of the tumor changed its SER class",
        "at most {limit_percent} %, as noise alone does, was expected",
        "compare both SER maps, then confirm (--yes)",
    ),
    "export.rim_changed": Sentence(
        "the lesion's rim went from {before_mm} to {after_mm} mm ({change_percent} %)",
        "at most {limit_percent} % was expected",
        "look for blur, then confirm (--yes)",
    ),
    "export.pe_moved": Sentence(
        "mean enhancement inside the lesion went from {before} to {after} %",
        "less than {limit} points were expected",
        "compare both maps, then confirm (--yes)",
    ),
    "export.ser_moved": Sentence(
        "mean SER inside the lesion went from {before} to {after}",
        "less than {limit} was expected",
        "compare both maps, then confirm (--yes)",
    ),
    "export.structure_in_lesion": Sentence(
        "more than noise was taken from the lesion ({found} standard deviations)",
        "at most {limit} were expected",
        "look at its residual, then confirm (--yes)",
    ),
    "export.structure_in_tissue": Sentence(
        "structure was taken from tissue at {count} places (first {place}: {found} standard deviations)",
        "none was expected",
        "look there, then confirm (--yes)",
    ),
    "export.edges_in_residual": Sentence(
        "more was taken away at edges than elsewhere (correlation {found})",
        "less than {limit} was expected",
        "look for blur, then confirm (--yes)",
    ),
    "export.edges_kept": Sentence(
        "less was taken away at edges than elsewhere (correlation {found})",
        "an even share, within {limit}, was aimed at",
        "mind that noise is left there",
    ),
    "export.repeat_worse": Sentence(
        "the series fits its own next phase worse than before ({before} became {after})",
        "no increase was expected",
        "look for blur, then confirm (--yes)",
    ),
    "export.level_differs": Sentence(
        "noise of {used} was removed where {measured} was measured",
        "the measured level was expected",
        "denoise at that level, or confirm (--yes)",
    ),
    "export.power_unexpected": Sentence(
        "{found} % of the noise's power was taken away",
        "{expected} % was expected of this model at this level",
        "check the noise level, then confirm (--yes)",
    ),
    "export.phases_uneven": Sentence(
        "{least_percent} % of the noise went from phase {phase}, {most_percent} % from another",
        "all phases alike were expected",
        "denoise all in one job, or confirm (--yes)",
    ),
    "export.phases_missing": Sentence(
        "the result holds {held} of {acquired} phases",
        "all phases of one job were expected",
        "denoise the whole series, or confirm (--yes)",
    ),
    "export.unchecked": Sentence(
        "the result carries no safety figures",
        "figures made with the result were expected",
        "denoise again, or confirm (--yes)",
    ),
    "export.no_tumour_volume": Sentence(
        "no tumor volume was measured", "three phases and a rule were expected", "judge the residual by eye"
    ),
    "export.no_lesion": Sentence(
        "no lesion was found before or after", "a lesion to compare was expected", "judge the residual by eye"
    ),
    "export.no_voi": Sentence(
        "the study records no volume of interest",
        "a box around the tumor was expected",
        "mind that all enhancing tissue was compared",
    ),
    "export.out_of_range": Sentence(
        "{what} is {found}",
        "{trained} was expected, as the model was trained",
        "look at the residual, then confirm (--yes)",
    ),
    "export.differs": Sentence(
        "the written series differs when read back ({what})",
        "equal values and positions were expected",
        "report this as our mistake",
    ),
    # response
    "response.unknown_patient": Sentence(
        "{name} names none or several of {count} patients",
        "one patient of the catalogue was expected",
        "see `tumordiff studies`, or index the folder first",
    ),
    "response.no_dynamic": Sentence(
        "{found} phases with contrast timing were found",
        "one before and two after contrast were expected",
        "check the visit's series in Browse",
    ),
    "response.nothing_to_measure": Sentence(
        "no visit of {name} could be measured ({visits} tried)",
        "a dynamic series of three phases was expected",
        "see the warnings, then index the missing series",
    ),
    # display and health
    "display.no_library": Sentence(
        "the system library {library} is missing", "the window needs it", "install it: sudo apt install {packages}"
    ),
    "display.none": Sentence(
        "no screen answers (DISPLAY is {found})", "a desktop session was expected", "start it there, or use --headless"
    ),
    "doctor.failed": Sentence(
        "{count} of {total} checks failed ({names})", "all of them were expected to pass", "see the advice beside each"
    ),
    # demo
    "demo.part_failed": Sentence(
        "a part of the demo, {part}, ended early ({reason})",
        "a demo that runs through was expected",
        "mend that, then start the demo again",
    ),
    # not built yet
    "verb.not_built": Sentence(
        "{verb} is not built yet", "a verb that is built was expected", "see CHANGELOG.md for what this version does"
    ),
    "verb.bug": Sentence(
        "this is our mistake ({kind})", "it should not have happened", "please report the file {report} from the logs"
    ),
    "verb.usage": Sentence("{found}", "{expected} was expected", "see --help of the verb"),
}
