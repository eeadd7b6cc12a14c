"""Our own ``check_export``: what leaves the house must be an acquired MR series, denoised, with its tumor intact.

The heavy figures are computed when the result is made (``response/safety.py``) and lie in its record under ``gate``;
here they are only judged. Each limit is what the series' own noise does, or what the reader of a map would see.
"""

import math
from typing import TYPE_CHECKING, Any

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tumordiff_core.result_folder import Record, Result

    Figures = Mapping[str, Any]

SD = 1.64
"""The 90 % interval of what one more dose of noise does."""
LEAST_PERCENT = 1.0
"""A volume may always move this much: about as many voxels lie at the threshold as ten draws of noise can tell."""
SLACK = 1.1
"""One more dose of noise reclassifies a little less than the first one did; shares may be a tenth larger."""
RIM_PERCENT = 5.0
PE_POINTS = 2.0
SER_SHIFT = 0.02
LESION_SD = 3.0
GRADIENT = 0.1
LEVEL_FACTOR = 1.25
POWER_FACTOR = 1.5
"""By how much the power of what was taken away may differ from what the model's own response predicts."""
UNEVEN = 0.5
LEAST_REMOVED = 0.1
"""Less removed than this share of the noise is no denoising; nothing is said about its evenness."""
UNACQUIRED = {
    "ser_map": "SER map", "pe_map": "enhancement map", "seg": "mask", "localizer": "localizer", "report": "report",
    "reformat": "reformatted series", "derived": "derived series", "look_alike": "secondary capture",
}  # fmt: skip


@hookimpl
def check_export(result: "Result", exporter: str, options: Any) -> list[Finding]:
    """Refuses what is no acquired MR series; asks where the tumor or the residual say that more than noise went."""
    return judge(result.record)


def judge(record: "Record") -> list[Finding]:
    """Every remark on one result; nothing to say about results that are not denoised series."""
    if record.kind != "denoised":
        return []
    refused = _source(record)
    if refused:
        return refused
    gate: Figures = record.figures.get("gate") or {}
    if not gate:
        return [_ask("export.unchecked"), *_domain(record.figures)]
    return [*_phases(record), *_lesion(record, gate), *_residual(gate), *_level(record, gate), *_domain(gate)]


def _ask(code: str, **fields: Any) -> Finding:
    return Finding("confirm", code, fields)


def _source(record: "Record") -> list[Finding]:
    role, modality = str(record.facts.get("role", "dynamic")), str(record.facts.get("modality", "MR"))
    if role in UNACQUIRED:
        return [Finding("refuse", "export.not_acquired", {"found": UNACQUIRED[role]})]
    if modality != "MR":
        return [Finding("refuse", "export.not_acquired", {"found": f"{modality} series"})]
    if record.provenance == "predicted":
        return [Finding("refuse", "export.not_acquired", {"found": "predicted series"})]
    return []


def _phases(record: "Record") -> list[Finding]:
    """Enhancement and volume of a denoised visit mean something only with all its phases from one job."""
    held = len({source.phase for source in record.sources}) or len(record.phase_s)
    acquired = int(record.facts.get("phases") or held)
    return [_ask("export.phases_missing", held=held, acquired=acquired)] if 0 < held < acquired else []


def _lesion(record: "Record", gate: "Figures") -> list[Finding]:
    voxels = gate.get("lesion_voxels")
    if voxels is None:
        return [Finding("note", "export.no_tumour_volume")]
    if voxels == 0 and not gate.get("lesion_voxels_after"):
        return [Finding("note", "export.no_lesion")]
    found = [] if gate.get("voi", True) else [Finding("note", "export.no_voi")]
    return [*found, *_volume(gate), *_shape(gate), *_enhancement(gate)]


def _volume(gate: "Figures") -> list[Finding]:
    from tumordiff_core.response.safety import volume_doubt_voxels

    before, after = int(gate["lesion_voxels"]), int(gate["lesion_voxels_after"])
    own = {name.removeprefix("doubt_"): value for name, value in gate.items() if name.startswith("doubt_voxels")}
    allowed = max(volume_doubt_voxels(own) or 0.0, LEAST_PERCENT / 100 * before)
    if abs(after - before) <= allowed:
        return []
    per_voxel = float(gate.get("voxel_cc", 0.0))
    change = 100 * (after - before) / before if before else math.inf
    limit = 100 * allowed / before if before else 0.0
    return [
        _ask(
            "export.ftv_moved", before_cc=f"{before * per_voxel:.2f}", after_cc=f"{after * per_voxel:.2f}",
            change_percent=f"{change:+.1f}", limit_percent=f"{limit:.1f}",
        )
    ]  # fmt: skip


def _shape(gate: "Figures") -> list[Finding]:
    found = []
    overlap = gate.get("dice")
    limit = 1 - SLACK * (1 - gate.get("doubt_dice", 0.0)) - SD * gate.get("doubt_dice_sd", 0.0)
    if overlap is not None and overlap < limit:
        found.append(_ask("export.tumour_reshaped", dice=f"{overlap:.3f}", limit=f"{limit:.3f}"))
    share = gate.get("ser_reclassified", 0.0)
    limit = SLACK * gate.get("doubt_ser_reclassified", 1.0) + SD * gate.get("doubt_ser_reclassified_sd", 0.0)
    if share > limit:
        found.append(_ask("export.ser_reclassified", percent=f"{100 * share:.0f}", limit_percent=f"{100 * limit:.0f}"))
    before, after = gate.get("rim_before_mm"), gate.get("rim_after_mm")
    if before and after and abs(after / before - 1) > RIM_PERCENT / 100:
        found.append(
            _ask(
                "export.rim_changed", before_mm=f"{before:.1f}", after_mm=f"{after:.1f}",
                change_percent=f"{100 * (after / before - 1):+.0f}", limit_percent=f"{RIM_PERCENT:g}",
            )
        )  # fmt: skip
    return found


def _enhancement(gate: "Figures") -> list[Finding]:
    found = []
    before, after = gate.get("pe_before_percent"), gate.get("pe_after_percent")
    if before is not None and after is not None and abs(after - before) >= PE_POINTS:
        found.append(_ask("export.pe_moved", before=f"{before:.1f}", after=f"{after:.1f}", limit=f"{PE_POINTS:g}"))
    before, after = gate.get("ser_before"), gate.get("ser_after")
    if before is not None and after is not None and abs(after - before) >= SER_SHIFT:
        found.append(_ask("export.ser_moved", before=f"{before:.3f}", after=f"{after:.3f}", limit=f"{SER_SHIFT:g}"))
    return found


def _residual(gate: "Figures") -> list[Finding]:
    """Structure that was taken away: inside the lesion, at places in tissue, along edges; and an independent phase."""
    found = []
    in_lesion = max(gate.get("residual_lesion_z") or [0.0])
    if in_lesion > LESION_SD:
        found.append(_ask("export.structure_in_lesion", found=f"{in_lesion:.1f}", limit=f"{LESION_SD:g}"))
    peaks = gate.get("peaks") or []
    if peaks:
        top = peaks[0]
        place = ", ".join(str(n + 1) for n in top["index"])
        found.append(_ask("export.structure_in_tissue", count=len(peaks), place=place, found=f"{abs(top['z']):.1f}"))
    along_edges = gate.get("residual_gradient") or [0.0]
    most, least = max(along_edges), min(along_edges)
    if most >= GRADIENT:
        found.append(_ask("export.edges_in_residual", found=f"{most:.2f}", limit=f"{GRADIENT:g}"))
    if least <= -GRADIENT:
        # Noise left at edges harms no lesion; a posterior mean leaves it wherever it is unsure (Efron 2011).
        found.append(Finding("note", "export.edges_kept", {"found": f"{least:.2f}", "limit": f"{GRADIENT:g}"}))
    before, after = gate.get("repeat_before"), gate.get("repeat_after")
    if before is not None and after is not None and after > before:
        found.append(_ask("export.repeat_worse", before=f"{before:.1f}", after=f"{after:.1f}"))
    return found


def _level(record: "Record", gate: "Figures") -> list[Finding]:
    """The level that was used against the one that was measured, and one phase against the others."""
    found = []
    pairs = zip(record.noise.get("sigma", ()), gate.get("sigma_measured", ()), strict=False)
    for used, measured in pairs:
        if used and measured and not 1 / LEVEL_FACTOR <= used / measured <= LEVEL_FACTOR:
            found.append(_ask("export.level_differs", used=f"{used:.3g}", measured=f"{measured:.3g}"))
            break
    found += _power(record.figures.get("doubt") or [])
    removed = gate.get("residual_rms") or []
    if removed and max(removed) > LEAST_REMOVED and min(removed) < UNEVEN * max(removed):
        least, most = min(removed), max(removed)
        shares = {"least_percent": f"{100 * least:.0f}", "most_percent": f"{100 * most:.0f}"}
        found.append(_ask("export.phases_uneven", phase=removed.index(least) + 1, **shares))
    return found


def _power(phases: "Sequence[Figures]") -> list[Finding]:
    """A model that works at another level than the noise takes more or less than its own response predicts."""
    for phase in phases:
        power, expected = phase.get("residual_power"), phase.get("residual_power_expected")
        if power and expected and not 1 / POWER_FACTOR <= power / expected <= POWER_FACTOR:
            return [_ask("export.power_unexpected", found=f"{100 * power:.0f}", expected=f"{100 * expected:.0f}")]
    return []


def _domain(gate: "Figures") -> list[Finding]:
    """Each fact of the series that lies outside what the model was trained on."""
    return [
        _ask("export.out_of_range", what=one["what"], found=one["found"], trained=one["trained"])
        for one in gate.get("domain", ())
    ]
