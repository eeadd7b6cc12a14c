"""Our own ``check_export``: what leaves the house must be an acquired MR series, denoised, with its tumour intact.

Thin (science.md 4.6 (a), (d), (e)): the tumour's volume and shape, the trained range and the source are looked at.
"""

from typing import TYPE_CHECKING, Any

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Finding

if TYPE_CHECKING:
    from tumordiff_core.result_folder import Record, Result

FTV_LIMIT_PERCENT = 2.0
DICE_LIMIT = 0.96
"""Twelve repeats of one more dose of noise keep a Dice of 0.961 on the real study (ispy1.md 14)."""
UNACQUIRED = {
    "ser_map": "SER map", "pe_map": "enhancement map", "seg": "mask", "localizer": "localizer", "report": "report",
    "reformat": "reformatted series", "derived": "derived series", "look_alike": "secondary capture",
}  # fmt: skip


@hookimpl
def check_export(result: "Result", exporter: str, options: Any) -> list[Finding]:
    """Refuses what is no acquired MR series; asks where the tumour moved or the model was out of its range."""
    record = result.record
    if record.kind != "denoised":
        return []
    return [*_source(record), *_tumour(record), *_range(record)]


def _source(record: "Record") -> list[Finding]:
    role, modality = str(record.facts.get("role", "dynamic")), str(record.facts.get("modality", "MR"))
    if role in UNACQUIRED:
        return [Finding("refuse", "export.not_acquired", {"found": UNACQUIRED[role]})]
    if modality != "MR":
        return [Finding("refuse", "export.not_acquired", {"found": f"{modality} series"})]
    if record.provenance == "predicted":
        return [Finding("refuse", "export.not_acquired", {"found": "predicted series"})]
    return []


def _tumour(record: "Record") -> list[Finding]:
    before, after = record.figures.get("ftv_before_cc"), record.figures.get("ftv_after_cc")
    if before is None or after is None:
        return [Finding("note", "export.no_tumour_volume")]
    if before == 0:
        change = 0.0 if after == 0 else float("inf")
    else:
        change = 100 * (after - before) / before
    if abs(change) > FTV_LIMIT_PERCENT:
        fields = {
            "before_cc": f"{before:.2f}", "after_cc": f"{after:.2f}", "change_percent": f"{change:+.1f}",
            "limit_percent": f"{FTV_LIMIT_PERCENT:g}",
        }  # fmt: skip
        return [Finding("confirm", "export.ftv_moved", fields)]
    overlap = record.figures.get("ftv_dice")
    if overlap is not None and overlap < DICE_LIMIT:
        return [Finding("confirm", "export.tumour_reshaped", {"dice": f"{overlap:.3f}", "limit": f"{DICE_LIMIT:g}"})]
    return []


def _range(record: "Record") -> list[Finding]:
    codes = {str(finding.get("code", "")) for finding in record.findings}
    return [Finding("confirm", "export.out_of_range")] if "denoise.out_of_range" in codes else []
