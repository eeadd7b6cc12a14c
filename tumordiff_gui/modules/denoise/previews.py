"""Asks the warm child for what is computed while the reader looks: slices, chains, figures, the truth."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from tumordiff_gui.background.warm import Request, Warm
from tumordiff_gui.modules.denoise.chosen import Way
from tumordiff_gui.modules.denoise.stacks import Slices

SERVICE = "preview"
CHAIN_STEPS = 16
SLICES_AT_ONCE = 6
LONGEST_MEMORY = 12
Source = tuple[str, str]


class Previews(QObject):
    """Denoised slices of one phase, by model, kept until the phase or the noise level changes.

    Signals
    -------
    arrived : (model, slice)
    failed : (model, sentence, details)
    levelled : the reply's noise level: ``sigma, low, high, measured, estimator, range``
    """

    arrived = Signal(str, int)
    failed = Signal(str, str, str)
    levelled = Signal(dict)

    def __init__(self, warm: Warm, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._warm = warm
        self._source: Source | None = None
        self._way = Way()
        self._shape: tuple[int, int, int] = (0, 0, 0)
        self._stacks: dict[str, Slices] = {}
        self._asked: dict[tuple[str, int], Request] = {}
        self.level: dict[str, Any] = {}

    def aim(self, source: Source | None, shape: tuple[int, int, int], way: Way) -> None:
        """Preview this phase in this way from now on; what another one left is forgotten."""
        if (source, way) == (self._source, self._way):
            return
        if source != self._source:
            self.level = {}
        self._source, self._shape, self._way = source, shape, way
        for request in self._asked.values():
            request.cancel()
        self._asked, self._stacks = {}, {}

    def stack(self, model: str) -> Slices:
        """The slices of a model that have come so far."""
        if model not in self._stacks:
            self._stacks[model] = Slices(self._shape)
        return self._stacks[model]

    def waiting(self, model: str) -> bool:
        """Whether a slice of this model is on its way."""
        return any(name == model for name, _ in self._asked)

    def want(self, model: str, index: int) -> None:
        """Bring a slice, unless it is here or on its way; the newest wish of a model goes first."""
        if self._source is None or self.stack(model).has(index) or (model, index) in self._asked:
            return
        source, stack = self._source, self.stack(model)
        for key in [k for k in self._asked if k[0] == model]:
            self._asked.pop(key).cancel()

        def answered(reply: dict[str, Any]) -> None:
            self._asked.pop((model, index), None)
            try:
                stack.put(index, np.load(Path(reply["npy"]), mmap_mode="r", allow_pickle=False))
            except (OSError, ValueError, KeyError) as error:
                self.failed.emit(model, str(error), repr(error))
                return
            if source == self._source:
                self.level = {k: reply.get(k) for k in ("sigma", "low", "high", "measured", "estimator", "range")}
                self.levelled.emit(self.level)
                self.arrived.emit(model, index)

        def failed(sentence: str, details: str) -> None:
            self._asked.pop((model, index), None)
            self.failed.emit(model, sentence, details)

        body = {"op": "slice", "npy": source[0], "record": source[1], "slice": index, "model": model}
        body |= self._way.asked()
        self._asked[(model, index)] = self._warm.ask(
            SERVICE, body, answered, failed, key=f"slice {model}", first=True
        )  # fmt: skip


class Chain:
    """Images along one process: float32 [step, row, column]; time, level, scores of each, what each step changed."""

    def __init__(self, reply: dict[str, Any]) -> None:
        self.images: npt.NDArray[Any] = np.load(Path(reply["npy"]), mmap_mode="r", allow_pickle=False)
        self.times = [float(t) for t in reply.get("t") or []]
        self.sigmas = [float(s) for s in reply.get("sigma") or []]
        self.psnr = [float(p) for p in reply.get("psnr") or []]
        self.ssim = [float(s) for s in reply.get("ssim") or []]
        self.change = [float(c) for c in reply.get("change") or []]

    def __len__(self) -> int:
        return len(self.images)


class Chains(QObject):
    """Chains of one slice by model and direction, the newest few kept.

    Signals
    -------
    arrived, failed : (model, direction), (model, sentence, details)
    """

    arrived = Signal(str, str)
    failed = Signal(str, str, str)

    def __init__(self, warm: Warm, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._warm = warm
        self._kept: dict[tuple[Any, ...], Chain] = {}
        self._asked: set[tuple[Any, ...]] = set()
        self._forgotten = 0

    def of(self, source: Source, index: int, model: str, direction: str) -> Chain | None:
        """A chain that has come."""
        return self._kept.get((source, index, model, direction))

    def want(self, source: Source, index: int, model: str, direction: str, *, sigma: float | None, truth: str,
             chain: str, seed: int) -> None:  # fmt: skip
        """Bring a chain unless it is here or on its way."""
        key = (source, index, model, direction)
        if key in self._kept or key in self._asked:
            return
        self._asked.add(key)
        forgotten = self._forgotten

        def answered(reply: dict[str, Any]) -> None:
            if forgotten != self._forgotten:
                return
            self._asked.discard(key)
            try:
                self._kept[key] = Chain(reply)
            except (OSError, ValueError, KeyError) as error:
                self.failed.emit(model, str(error), repr(error))
                return
            for old in list(self._kept)[:-LONGEST_MEMORY]:
                del self._kept[old]
            self.arrived.emit(model, direction)

        def failed(sentence: str, details: str) -> None:
            if forgotten != self._forgotten:
                return
            self._asked.discard(key)
            self.failed.emit(model, sentence, details)

        body = {
            "op": "chain", "npy": source[0], "record": source[1], "slice": index, "model": model,
            "direction": direction, "chain": chain, "steps": CHAIN_STEPS, "seed": seed, "truth": truth,
        }  # fmt: skip
        if sigma is not None:
            body["sigma"] = sigma
        self._warm.ask(SERVICE, body, answered, failed)

    def forget(self) -> None:
        """Let go of all chains, also of those on their way, for example when the noise level changed."""
        self._kept.clear()
        self._asked.clear()
        self._forgotten += 1


class Explanation:
    """Why one pixel came out as it did.

    ``weights`` float32 [image, row, column] with ``names``, ``offsets`` along the stack and ``share`` of each image;
    ``attention`` [row, column] where there is one; ``features`` [feature, row, column], ``None`` until asked for.
    """

    def __init__(self, reply: dict[str, Any], pixel: tuple[int, int, int], *, features: bool) -> None:
        self.pixel = pixel
        self.weights: npt.NDArray[Any] = np.load(Path(reply["npy"]), allow_pickle=False)
        self.names = [str(name) for name in reply["names"]]
        self.offsets = [int(offset) for offset in reply["offsets"]]
        self.share = [float(share) for share in reply["share"]]
        self.total, self.width_px = float(reply["total"]), float(reply["width_px"])
        self.attention: npt.NDArray[Any] | None = _loaded(reply.get("attention"))
        nothing = np.zeros((0, 1, 1), np.float32)
        known = _loaded(reply.get("features"))
        self.features = (nothing if known is None else known) if features else None
        self.not_kept = str(reply.get("not_kept") or "")


def _loaded(place: Any) -> npt.NDArray[Any] | None:
    return np.load(Path(place), allow_pickle=False) if place else None


class Explanations(QObject):
    """The newest explanation that was asked for.

    Signals
    -------
    changed : one is asked for, has come or failed; ask ``found``, ``waiting`` and ``trouble``
    added : one was kept with its result
    """

    changed = Signal()
    added = Signal()

    def __init__(self, warm: Warm, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._warm = warm
        self._key: tuple[Any, ...] = ()
        self._request: Request | None = None
        self.found: Explanation | None = None
        self.trouble, self.details = "", ""

    @property
    def waiting(self) -> bool:
        return self._request is not None

    def forget(self) -> None:
        """Nothing is explained any more."""
        if self._request is not None:
            self._request.cancel()
        self._key, self._request, self.found, self.trouble, self.details = (), None, None, "", ""
        self.changed.emit()

    def show(self, found: Explanation) -> None:
        """Show one that is known; nothing is asked."""
        if found is self.found:
            return
        if self._request is not None:
            self._request.cancel()
        self._key, self._request, self.found, self.trouble, self.details = (), None, found, "", ""
        self.changed.emit()

    def want(self, source: Source, pixel: tuple[int, int, int], model: str, way: Way, *,
             features: bool = False, keep: tuple[Path, int] | None = None) -> None:  # fmt: skip
        """Ask about a pixel (slice, row, column), unless it was asked already; ``keep``: with a result, for a phase."""
        key = (source, pixel, model, way, features)
        if key == self._key:
            return
        if key[:4] != self._key[:4]:
            self.found = None
        if self._request is not None:
            self._request.cancel()
        self._key, self.trouble, self.details = key, "", ""

        def answered(reply: dict[str, Any]) -> None:
            self._request = None
            try:
                self.found = Explanation(reply, pixel, features=features)
            except (OSError, ValueError, KeyError) as error:
                self.trouble, self.details = str(error), repr(error)
            if keep is not None:
                self.added.emit()
            self.changed.emit()

        def failed(sentence: str, details: str) -> None:
            self._request, self.found, self._key = None, None, ()
            self.trouble, self.details = sentence, details
            self.changed.emit()

        body = {
            "op": "explain", "npy": source[0], "record": source[1], "slice": pixel[0], "row": pixel[1],
            "column": pixel[2], "model": model, "features": features, **way.asked(),
        }  # fmt: skip
        if keep is not None:
            body["result"], body["phase"] = str(keep[0]), keep[1]
        self._request = self._warm.ask(SERVICE, body, answered, failed, key="explain", first=True)
        self.changed.emit()


class Measures(QObject):
    """Figures of every slice of one phase of a result, a few slices at a time so that previews come first.

    Signals
    -------
    changed : after every few slices
    """

    changed = Signal()

    def __init__(self, warm: Warm, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._warm = warm
        self._request: Request | None = None
        self._key: tuple[Any, ...] = ()
        self.total = 0
        self.figures: dict[str, list[float]] = {}
        self.trouble = ""

    @property
    def done(self) -> int:
        return len(self.figures.get("psnr", []))

    def aim(self, result: Path | None, phase: int, slices: int, truth: str) -> None:
        """Measure this phase from now on; nothing happens when it is the one already."""
        key = (result, phase, slices, truth)
        if key == self._key:
            return
        self._key, self.total, self.figures, self.trouble = key, slices if result else 0, {}, ""
        if self._request is not None:
            self._request.cancel()
        if result is not None:
            self._next(key)
        self.changed.emit()

    def _next(self, key: tuple[Any, ...]) -> None:
        result, phase, slices, truth = key
        first = self.done
        if first >= slices:
            return

        def answered(reply: dict[str, Any]) -> None:
            if key != self._key:
                return
            for name, values in reply["figures"].items():
                kept = self.figures.setdefault(name, [])
                kept.extend(float("nan") if v is None else float(v) for v in values)
            self.changed.emit()
            if self.done > first:
                self._next(key)

        def failed(sentence: str, _details: str) -> None:
            if key == self._key:
                self.trouble = sentence
                self.changed.emit()

        body = {
            "op": "measure", "result": str(result), "phase": phase, "from": first,
            "to": min(first + SLICES_AT_ONCE, slices), "truth": truth,
        }  # fmt: skip
        self._request = self._warm.ask(SERVICE, body, answered, failed)
