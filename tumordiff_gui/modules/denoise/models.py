"""Which model denoises: those installed, the chosen one, its card, and the pair that stands side by side."""

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from tumordiff_core import model_cards
from tumordiff_core.model_cards import Card, Model
from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.modules.denoise.card import CardDialogue, evaluated, is_paper
from tumordiff_gui.modules.denoise.controls import Controls


class Models(QObject):
    """The models of the box in the left column.

    Signals
    -------
    changed : another one was chosen
    """

    changed = Signal()

    def __init__(self, controls: Controls, parent: QWidget) -> None:
        super().__init__(parent)
        self._controls, self._window = controls, parent
        self.known: dict[str, Model] = {}
        controls.model_chosen.connect(lambda _: self._chosen())
        controls.card_pressed.connect(self.show_card)

    def list_again(self) -> None:
        """The models that are installed, and what is wrong with folders that are none."""
        found, wrong = model_cards.all_models(check_weights=False)
        denoisers = [model for model in found if model.card.task == "denoise"]
        self.known = {model.card.name: model for model in model_cards.on_their_own(denoisers)}
        before, box = self.name, self._controls.model
        box.clear()
        for name, model in self.known.items():
            box.addItem(name, name)
            box.setItemData(box.count() - 1, model.card.title, Qt.ItemDataRole.ToolTipRole)
        wanted = before if before in self.known else model_cards.DEFAULT
        box.setCurrentIndex(max(box.findData(wanted), 0 if self.known else -1))
        box.setToolTip(strings.MODEL_BROKEN.format(count=len(wrong), sentence=wrong[0].sentence) if wrong else "")
        self._tell()

    @property
    def name(self) -> str:
        """The model that is chosen, empty when none is installed."""
        return str(self._controls.model.currentData() or "")

    def card_of(self, name: str) -> Card | None:
        """The card of a model, ``None`` when it is not installed."""
        return self.known[name].card if name in self.known else None

    def side_by_side(self) -> tuple[str, str]:
        """The network that stands for ours and the seed paper's, empty where none is installed."""
        ours = [name for name, model in self.known.items() if not is_paper(model.card)]
        papers = [name for name in self.known if name not in ours]
        first = self.name if self.name in ours else model_cards.DEFAULT
        second = self.name if self.name in papers else ""
        return (first if first in ours else next(iter(ours), "")), (second or next(iter(papers), ""))

    def put(self, name: str) -> bool:
        """Put a model into the box by its name, if it is installed; nobody is told."""
        index = self._controls.model.findData(name)
        if index >= 0:
            self._controls.model.setCurrentIndex(index)
            self._tell()
        return index >= 0

    def choose(self, name: str) -> None:
        """Choose a model by name, for example one that was trained just now."""
        if self.put(name):
            self._chosen()

    def _chosen(self) -> None:
        self._tell()
        self.changed.emit()

    def _tell(self) -> None:
        model = self.known.get(self.name)
        self._controls.card.setEnabled(model is not None)
        self._controls.offer_rims(model is None or model.card.rims is not None)
        if model is None:
            self._controls.say_model(strings.NO_MODELS)
        else:
            self._controls.say_model("" if evaluated(model.card) else strings.UNEVALUATED)

    def show_card(self) -> None:
        """The card of the chosen model, to read."""
        model = self.known.get(self.name)
        if model is not None:
            CardDialogue(model, self._window.window()).show()
