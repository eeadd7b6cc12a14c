"""What the response module says."""

PATIENT = "Patient"
MEASURE = "Measure visits"
MEASURE_AGAIN = "Measure again"
MEASURE_HINT = "Choose a patient first"
JOB_TITLE = "Response of {patient}"
RUNNING = "{stage}"
WAITING = "waiting for its turn"
STOP = "Stop"

NO_PATIENTS = "The response of a patient to treatment belongs here"
NO_PATIENTS_HINT = "Import visits of a patient in Browse first."
GO_BROWSE = "Go to Browse"
NOT_MEASURED = "{patient} is not measured yet"
NOT_MEASURED_HINT = "Tumour volume, diameter and SER classes of every visit, by the rule that the study recorded."
FAILED_TITLE = "The visits could not be measured"
NO_CATALOGUE = "The catalogue could not be opened"
DAMAGED = "The result could not be read"
STALE = "New results since this was measured"
STALE_VISITS = "The patient's visits changed since this was measured"

RULE = "Rule"
RULE_TEXT = "PE ≥ {pe:g} %   S0 ≥ {threshold:g}\n≥ {neighbours} of 26 neighbours   SER ≥ {ser:g}"
RULE_RECORDED = "recorded by the study"
RULE_ASSUMED = "assumed: the study recorded none"
RULE_VOI = "inside the study's box"
RULE_NO_VOI = "whole volume, no box"

MAPS = "Pictures"
MAP_TUMOUR = "SER classes in the tumour"
MAP_PE = "Percent enhancement (PE)"
MAP_SER = "Signal enhancement ratio (SER)"
LEGEND_PE = "PE"
LEGEND_SER = "SER"
UNIT_PERCENT = "%"
LOADING = "loading {visit}"
NO_PICTURE = "{visit}: {why}"
NOT_KEPT = "no maps were kept"

VOLUME_TITLE = "Tumour volume, cc"
DAYS = "day"
OURS = "ours"
PUBLISHED = "published"
DENOISED = "denoised"

TABLE = "Visits"
COLUMNS = (
    "Visit",
    "Images",
    "FTV",
    "Published",
    "Change",
    "Diameter",
    "Recorded",
    "SER   wash / plat / pers %",
    "Rule",
)
COLUMN_HINTS = (
    "Time point and days since baseline; double click opens it in Read",
    "What the volume was measured on",
    "Functional tumour volume by PE, ours",
    "Functional tumour volume that the study itself published",
    "Change of our volume since the first visit",
    "Longest diameter of the largest part, ours",
    "Longest diameter in the clinical record",
    "Washout (SER > 1.1), plateau, persistent (SER ≤ 0.9) in percent of the tumour; the bar shows six classes of SER",
    "Recorded by the study, or assumed where it recorded none",
)
KINDS = {"acquired": "acquired", "synthetic": "SYNTHETIC", "denoised": "DERIVED", "missing": "-"}
RULES = {"recorded": "recorded", "assumed": "assumed ⚠"}
KINETICS = "{washout:.0f} / {plateau:.0f} / {persistent:.0f}"
CLASS_NAMES = ("≤ 0.9", "0.9-1.0", "1.0-1.3", "1.3-1.75", "1.75-3", "> 3")
CLASS_LEGEND = "SER"
CLASS_BAR = "SER classes: {text}"
CLASS_PART = "{name}: {percent:.0f} %"
