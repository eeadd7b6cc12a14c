"""The denoise module's sentences."""

NOTHING_OPEN = "No series chosen"
NOTHING_OPEN_HINT = (
    "Choose a dynamic series in Browse; its slices are denoised here as you look, the whole series as a job."
)
GO_BROWSE = "Go to Browse"
LOADING = "reading {name}"
PREVIEWING = "preview of slice {number}"
CHAIN_LOADING = "computing the steps"
AWAY = "The files of this series are not where they were read; a connected disk was expected; connect it and try again."
NOT_ACQUIRED = "{role} series are not denoised: noise is removed from what was acquired, never from maps or masks."
ROLES = {
    "ser_map": "SER", "pe_map": "PE", "seg": "Mask", "localizer": "Localizer", "report": "Report",
    "reformat": "Reformatted", "derived": "Derived",
}  # fmt: skip

SERIES = "Series"
PHASE_PRE = "pre"
PHASE_POST = "post {number}"
MODEL = "Model"
CARD = "Card…"
CARD_HINT = "What the model was trained on, how it was measured, where it fails."
NO_MODEL = "no model is installed"
LAYOUT_STEP = "Views: {title}"
NO_MODELS = "No model is installed: train one in Train, or install one with `tumordiff models install`."
UNEVALUATED = "unevaluated: its card has no measured figures with intervals"
MODEL_BROKEN = "{count} folder(s) among the models are no model: {sentence}"

NOISE_UNKNOWN = "Noise level: measured with the first preview."
NOISE_MEASURED = "measured {sigma} ({low} – {high}), {percent:.1f} % of the range, from {estimator}"
NOISE_GIVEN = "given {sigma}, {percent:.1f} % of the range (measured {measured})"
ESTIMATORS = {"air": "air", "tissue": "tissue", "given": "the form"}
RIMS_WHY_NOT = "This model does not come with a network that gives rims of lesions back."
OUT_OF_RANGE = "{percent:.0f} % noise is outside what {model} was trained on ({low:.0f} – {high:.0f} %)."
OUT_BADGE = "OUT OF TRAINED RANGE"
UNEVALUATED_BADGE = "UNEVALUATED"
PREVIEW_BADGE = "PREVIEW"

NO_INPUT_YET = "series:"
RUN = "Run series"
RUN_WHY_NOT_SERIES = "Choose an acquired series first."
RUN_WHY_NOT_MODEL = "Install or train a model first."
RUN_WHY_RUNNING = "This series is being denoised already."
JOB_TITLE = "Denoise {visit} {series}"
WAITING = "waiting for its turn"
PROGRESS = "{stage} {done}/{total}"
LEFT = "left {left}"

RESULT = "Result"
NO_RESULTS = "This series has no denoised result yet; what you see is a preview of the slice that is shown."
RESULT_ENTRY = "{model}   {when}"
RESULT_PREVIEW = "Preview, slice by slice"
STRENGTH = "Strength"
STRENGTH_HINT = (
    "0: as acquired, 1: denoised. Only what is drawn changes; nothing is computed again. "
    "What becomes of small lesions stands on the model's card."
)
STRENGTH_STEP = "Strength {value:.2f}"
STRENGTH_VALUE = "{value:.2f}"
KEEP_STRENGTH = "Compute at {value:.2f}"
KEEP_HINT = "Exports and figures hold strength {computed:.2f} as computed; this runs the series again at the slider's."
HOLD = "Hold D: original"
EXPORT = "Export…"
EXPORT_HINT = "Write this result as DICOM, NIfTI, NRRD or MetaImage, marked as derived."
EXPORT_WHY_NOT = "Run the series first; a preview is not exported."

LAYOUT = "Views"
COMPARE, MODELS, STEPS, EXPLAIN = "Compare", "Models", "Steps", "Explain"
COMPARE_HINT = "Original, denoised, residual in units of noise, and doubt, linked"
MODELS_HINT = "Both networks on the same slice"
STEPS_HINT = "Noise added and removed step by step"
EXPLAIN_HINT = "Click a pixel and see what its denoised value was made of (Shift+W under the pointer)"

ORIGINAL, NOISY, TRUTH = "original", "acquired (noisy)", "truth (simulated)"
DENOISED, RESIDUAL, UNCERTAINTY = "denoised", "residual / σ", "posterior sd"
DENOISED_BY = "denoised · {model}"
DENOISED_AT = "{model} · strength {strength:.2f}"
RESIDUAL_BY = "residual / σ · {model}"
HELD = "original (D held)"
NO_PAPER = (
    "The seed paper's network is not installed; a model of its family was expected; train one with the paper preset."
)
NO_SPREAD = "Uncertainty comes with the series"
NO_SPREAD_HINT = "It says how much the clean picture may differ and still fit the noisy one; the job computes it."
RUN_WITH_SPREAD = "Run with uncertainty"

FIGURES_EMPTY = "Figures come with the result of the whole series."
FIGURES_WORKING = "measuring slices {done}/{total}"
COLUMN_BEFORE, COLUMN_AFTER = "before", "after"
ROW_FTV, ROW_DICE, ROW_RESIDUAL = "FTV", "overlap (Dice)", "residual in tissue"
ROW_PSNR, ROW_SSIM = "PSNR, tissue", "SSIM, tissue"
ROW_GAIN = "expected gain"
ROW_SLICE = "this slice: {row}"
DB = "{value:.1f} dB"
GAIN = "{value:+.1f} dB"
RATIO = "{value:.3f}"
SIGMAS = "{value:.2f} σ"
PSNR_TITLE, SSIM_TITLE = "PSNR", "SSIM"
TO_TRUTH, TO_ACQUIRED = "to the truth", "to the acquired slice"
CHOSEN = "slices in this bar: {links}"
CHOSEN_MORE = " and {count} more"
CHOOSE_A_BAR = "A click on a bar names its slices."

FINDINGS = "What to know"
FTV_SENTENCE = "Tumour volume {before} as acquired, {after} denoised ({change}); masks overlap {dice}. Rule: {rule}."
RULES = {"recorded": "the study's own", "assumed": "assumed, the study recorded none"}
FTV_MOVED = "Tumour volume moved by more than {limit:g} %: look at the residual before you rely on it."
RESIDUAL_DEMAND = (
    "What was taken away has {power:.0f} % of the power that the model's own account demands; neighbours correlate by "
    "{lag1:+.2f}, {expected:+.2f} was demanded: {verdict}."
)
DEMAND_MET, DEMAND_MISSED = "it looks like noise", "structure may have gone with the noise, look at the residual"
SPECTRUM_SENTENCE = (
    "From coarse to fine, what was taken away differs from the predicted noise by {worst} at most: {verdict}."
)
SPECTRUM_MET, SPECTRUM_MISSED = "as noise would", "more than 1 dB, so the noise is not quite what the model assumes"
FTV_NONE = "No tumour volume: three phases were expected."
DOUBT_SENTENCE = "Expected gain {gain} over the acquired phase, by the model's own account and without a reference."
PUBLISHED = "Published volume: {value}."
NOISE_SENTENCE = "Noise {sigma} ({low} – {high}) in the units of the series, from {estimator}."
REPEAT_SENTENCE = (
    "Where tissue keeps still, the last two phases differ as noise of {sigma} ({low} – {high}) would: an upper bound, "
    "for motion counts too."
)
TRUTH_SENTENCE = "Against the truth: PSNR {before} → {after}, mean over {count} slices with tissue."
WORSE_SENTENCE = "{count} of {total} slices are worse than the acquired ones: {links}."
RESIDUAL_SENTENCE = "The residual holds {size:.2f} σ in tissue; neighbours correlate by {lag1:+.2f}."
RESIDUAL_LEGEND = "What was taken away, in units of noise: noise without edges or the lesion, an even floor in air."
SPREAD_LEGEND = (
    "Posterior sd: bright where other clean pictures would fit as well; dark does not say that the picture is right."
)
STALE = "The form says something else than this result was made with."
ALARM_JUMP = "{sentence} [slice {number}]"

REVERSE, FORWARD = "Reverse: noise removed", "Forward: noise added"
STEP_READOUT = "t {t:.0f}   σ {sigma}"
STEP_SCORES = "   PSNR {psnr:.1f} dB   SSIM {ssim:.2f}"
OURS, PAPER = "ours", "paper"
STEP_TITLE = "{model} · t {t:.0f}"
CURVE_SIGMA, CURVE_PSNR = "Noise left at each step", "PSNR at each step"
CURVE_X = "step"
CURVE_CHANGE = "What each step changed (σ)"
CHANGE_EMPTY = "Only removing noise changes the clean picture."
CHANGE_LEGEND = (
    "What each step changed: how far it moved the clean picture; early steps settle the coarse, late ones the fine."
)
STEPS_EMPTY = "Move a slider to compute the steps of this slice."
STEPS_LEGEND = (
    "Reverse starts at the noise the slice has and removes it in small steps, down to the network's own picture "
    "before edges are smoothed, rims and local means given back; forward adds noise until nothing is left."
)

EXPLAIN_EMPTY = "Click a pixel in the original or the denoised picture to see what its denoised value was made of."
EXPLAIN_NO_FILES = "The acquired series is not at hand, so nothing can be asked about its pixels; connect its disk."
EXPLAIN_LOADING = "asking about this pixel"
FILTER_EMPTY = "Click a pixel"
FILTER_TITLE = "filter · {name}"
FILTER_WEIGHT = "weight"
EXPLAINED_PIXEL = "Slice {slice}, row {row}, column {column}: {before} as acquired, {after} denoised, by {model}."
FILTER_LEGEND = (
    "Filter: how much every acquired pixel around yours counts; dark green adds to its value, dark blue takes "
    "away, pale does not count."
)
FILTER_WIDTH = (
    "Its value was drawn from about {mm} mm ({pixels} pixels) around; narrow keeps detail, wide smooths more."
)
FILTER_TOTAL = (
    "The weights of this slice add up to {total:.2f}: near 1 brightness passes unchanged, lower means that the network "
    "leans on what breasts usually look like."
)
FILTER_NOTHING = "Here the network answers black whatever stands around, as it does in air."
SHARES_TITLE = "How much each slice counts"
SHARES_LEGEND = (
    "Bars: {percent:.0f} % of the weight comes from neighbouring slices, where the same tissue goes on and noise does "
    "not; click a bar to see its filter."
)
ONE_SLICE = "Bars: only this slice counts; no neighbouring slice was used."
SHARE = "{name} {percent:.0f} %"
PERCENT = "{percent:.0f} %"
ATTENTION = "attention"
ATTENTION_LEGEND = "Attention (colours over the denoised picture): where else the network looked for this pixel."
NO_ATTENTION = "This network has no attention: it looks at the neighbourhood only."
SHOW_FEATURES = "Show feature maps"
FEATURES_LEGEND = "Feature maps: what the network's deepest layer reacts to in this slice, bright where it does."
SPECTRUM_TITLE, SPECTRUM_X = "Taken away (dB)", "cycles per pixel"
SPECTRUM_MEASURED, SPECTRUM_PREDICTED = "measured", "predicted"
SPECTRUM_EMPTY = "The spectrum of what was taken away comes with a result that was run with uncertainty."
SPECTRUM_LEGEND = (
    "Curves: how much was taken away of coarse (left) and fine (right) detail, against what noise alone predicts; they "
    "should meet, except at the far left where anatomy lies."
)
NOT_KEPT = "This answer could not be kept with the result: {why}."
NO_FEATURES = "This network has no feature maps to show."

STRESS = "Stress test…"
STRESS_HINT = (
    "Puts known lesions into this series as acquired, denoises it and looks for them: which size and enhancement is "
    "reliably kept. About two minutes; the series itself is not changed."
)
STRESS_WHY_RUNNING = "A stress test of this series is running already; see Jobs."
STRESS_JOB = "Stress test {visit} {series}"
STRESS_TITLE = "Stress test - {model}"
STRESS_CURVE, STRESS_X = "Smallest enhancement reliably found (%)", "lesion size, mm"
STRESS_NONE = "No lesion of any size was found reliably."
STRESS_ACQUIRED = "as acquired"
STRESS_LEGEND = "Curve: lesions of this size and at least this enhancement were found 9 times in 10; lower is better."
STRESS_NEVER = "Not found reliably at any enhancement tried, denoised: {sizes} mm."
STRESS_HARDER = "Denoising made lesions of {sizes} mm harder to find: look at the acquired pictures too."
STRESS_KEPT = "Denoising made no size harder to find in this test."
STRESS_AGAIN = "Run again"

CARD_TITLE = "Model card - {name}"
CARD_NAME = "{title}  (version {version})"
CARD_INTENDED, CARD_FAILURES, CARD_FIGURES = "Intended use", "Where it fails", "Measured"
CARD_DATA, CARD_DOMAIN, CARD_MADE, CARD_LICENCE = "Trained on", "Valid for", "Made with", "Licence"
CARD_NOISE = "Noise"
CARD_WHITE = "Where the noise is white, the weights of {name}."
CARD_RIMS = "With several phases, the rims of lesions are given back by {name}."
CARD_RANGE = "{low:.1f} – {high:.1f} % of the range; {model}"
CARD_PARAMETERS = "{family}, {count:,} parameters"
CARD_PATIENTS = "{part}: {count} patients"
CARD_FIGURE = "{name}{conditions}: {value}{interval} {unit}"
CARD_LEVEL, CARD_COUNTED = "{percent:g} % noise", "{count} patients"
CARD_INTERVAL = " [{low:g}, {high:g}]"
CARD_UNEVALUATED = "Unevaluated: run `tumordiff evaluate denoise` before relying on it."
CLOSE = "Close"
