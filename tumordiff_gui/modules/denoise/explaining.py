"""The explain arrangement: asks why one pixel came out as it did, and shows the answer in the views and the strip."""

import math
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
from PySide6.QtCore import QObject

from tumordiff_gui import words
from tumordiff_gui.background.warm import Warm
from tumordiff_gui.modules.denoise import composing, findings, strings
from tumordiff_gui.modules.denoise.chosen import Chosen
from tumordiff_gui.modules.denoise.composing import Source
from tumordiff_gui.modules.denoise.explained import Explained, sentences_of
from tumordiff_gui.modules.denoise.kept import KeptExplanation
from tumordiff_gui.modules.denoise.previews import Explanation, Explanations
from tumordiff_gui.modules.denoise.slice_views import SliceViews
from tumordiff_gui.views import pixels
from tumordiff_gui.views.corner_text import number


class Explaining(QObject):
    """Keeps the filter, the marked pixel and the strip under them in line with one explanation.

    Parameters
    ----------
    full : the denoised stack [slice, row, column] at strength 1 of a source, NaN where it is not computed yet
    """

    def __init__(self, warm: Warm, chosen: Chosen, views: SliceViews, kept: KeptExplanation,
                 full: Callable[[Source], Any], parent: QObject) -> None:  # fmt: skip
        super().__init__(parent)
        self._chosen, self._views, self._kept, self._full = chosen, views, kept, full
        self._drawn: Explanation | None = None
        self._features = False
        self.pixel: tuple[int, int, int] | None = None
        self.strip = Explained()
        self.explanations = Explanations(warm, self)
        self.explanations.added.connect(kept.read_again)
        self.explanations.changed.connect(self.show)
        self.strip.features_wanted.connect(self._want_features)
        self.strip.image_wanted.connect(self._show_image)
        views["filter"].changed.connect(self._filter_changed)

    def refresh(self) -> None:
        """Bring the explanation into line with what is chosen."""
        self._want_explanation()
        self.show()

    def forget(self) -> None:
        """Another series: no pixel is explained any more."""
        self.pixel = None
        self.explanations.forget()

    # which pixel

    def explain_at(self, index: tuple[int, int, int]) -> None:
        """Ask why this voxel came out as it did, and mark it."""
        source = self._chosen.source
        if source is None or self._chosen.arrangement != "explain":
            return
        shape = source.picture.geometry.shape
        k, row, column = (min(max(i, 0), n - 1) for i, n in zip(index, shape, strict=True))
        self._go_to((k, row, column))
        self._want_explanation()

    def _go_to(self, pixel: tuple[int, int, int]) -> None:
        self.pixel = pixel
        k, row, column = pixel
        self._views["original"].go_to_index((float(k), float(row), float(column)))
        for name in ("original", "denoised"):
            self._views[name].set(crosshair=True)

    def _want_features(self) -> None:
        self._features = True
        self._want_explanation()

    def _want_explanation(self) -> None:
        """Show what the result keeps about the pixel, at first the one explained last; else ask."""
        chosen = self._chosen
        if chosen.arrangement != "explain":
            return
        if self.pixel is None:
            last = self._kept.last_place(chosen.phase)
            if last is None:
                return
            self._go_to(last)
        pixel = self.pixel
        assert pixel is not None
        known = self._kept.pixel(chosen.phase, pixel, features=self._features)
        if known is not None:
            self.explanations.show(known)
        elif chosen.files is not None and chosen.model:
            keep = None if self._kept.folder is None else (self._kept.folder, chosen.phase)
            self.explanations.want(
                chosen.files, pixel, chosen.model, chosen.way, features=self._features, keep=keep
            )  # fmt: skip
        elif self.explanations.found is not None:
            self.explanations.forget()

    # what is shown

    def show(self) -> None:
        """The filter, where the network looked, the shares and what all of it means."""
        source, found = self._chosen.source, self.explanations.found
        if self._chosen.arrangement != "explain" or source is None:
            self._views["denoised"].set(overlays=())
            return
        waiting = strings.EXPLAIN_LOADING if self.explanations.waiting else ""
        record = None if self._chosen.result is None else self._chosen.result.record
        spectrum = {} if record is None else findings.spectrum_of(record, self._chosen.phase)
        self.strip.show_spectrum(spectrum)
        if found is None:
            self._show_none(waiting)
            return
        self._show_filter(source, found)
        looked = () if found.attention is None else (composing.attention(source, found.attention, found.pixel[0]),)
        self._views["denoised"].set(overlays=looked)
        self._views["filter"].set(loading=waiting)
        spacing = source.picture.geometry.spacing_mm
        sentences = sentences_of(found, self._pixel_sentence(source, found), (spacing[1] + spacing[2]) / 2)
        if spectrum:
            sentences.append(strings.SPECTRUM_LEGEND)
        self.strip.tell(found, sentences, self._maps_on_screen(source, found))
        self._filter_changed()

    def _show_none(self, waiting: str) -> None:
        fields = {"trouble": self.explanations.trouble, "details": self.explanations.details}
        self._views.put("filter", None, title=strings.FILTER_EMPTY, loading=waiting, **fields)
        self._views["denoised"].set(overlays=())
        self.strip.say(self.explanations.trouble or waiting or self._why_not_explained())

    def _why_not_explained(self) -> str:
        if self._chosen.files is None:
            return strings.EXPLAIN_NO_FILES
        return strings.EXPLAIN_EMPTY if self._chosen.model else strings.NO_MODELS

    def _maps_on_screen(self, source: Source, found: Explanation) -> list[npt.NDArray[Any]]:
        if found.features is None:
            return []
        plane, flipped = source.picture.planes[0], self._views["denoised"].flipped
        return [pixels.on_screen(found.features, plane, k, flipped=flipped) for k in range(len(found.features))]

    def _pixel_sentence(self, source: Source, found: Explanation) -> str:
        k, row, column = found.pixel
        after = float(self._full(source)[(k, row, column)])
        return strings.EXPLAINED_PIXEL.format(
            slice=k + 1, row=row + 1, column=column + 1, before=number(float(source.stack[(k, row, column)])),
            after=number(after) if math.isfinite(after) else words.MISSING, model=self._chosen.model,
        )  # fmt: skip

    def _show_filter(self, source: Source, found: Explanation) -> None:
        view = self._views["filter"]
        if self._drawn is found and view.picture is not None:
            return
        self._drawn = found
        picture = composing.equivalent_filter(source, found.weights, found.offsets, found.pixel)
        self._views.put("filter", picture)
        if picture.window is not None:
            view.grey.set(*picture.window)
        view.zoom.fit()
        self._show_image(0)

    def _show_image(self, place: int) -> None:
        """The filter's image at a place of the bars."""
        found, source = self.explanations.found, self._chosen.source
        if found is not None and source is not None:
            k, row, column = found.pixel
            x, y, z = source.picture.geometry.to_mm((k + found.offsets[place], row, column))
            self._views["filter"].place.move_to((float(x), float(y), float(z)))

    def _filter_changed(self) -> None:
        """Its title and the marked bar follow the image that is scrolled to."""
        found, view = self.explanations.found, self._views["filter"]
        if found is None or view.slice_index is None:
            return
        offset = view.slice_index + min(found.offsets)
        place = found.offsets.index(offset) if offset in found.offsets else 0
        title = strings.FILTER_TITLE.format(name=found.names[place])
        self.strip.bars.mark(place)
        if view.title != title:
            view.set(title=title)
