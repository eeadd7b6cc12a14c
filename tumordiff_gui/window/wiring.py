"""What connects frame, context, modules and actions once the first paint is done."""

import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from PySide6.QtCore import QObject, QPoint, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QWidget

import tumordiff_core
from tumordiff_core import files, paths, settings, units
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.plugins import manager, specs
from tumordiff_gui import words
from tumordiff_gui.actions import ACTIONS, Action, Actions
from tumordiff_gui.background.job_text import details_text
from tumordiff_gui.background.watchdog import Watchdog
from tumordiff_gui.context import build
from tumordiff_gui.state.undo import Undo
from tumordiff_gui.theme import apply, icons
from tumordiff_gui.views.grid import Grid
from tumordiff_gui.views.placeholder import Placeholder
from tumordiff_gui.window import dialogues, view_actions
from tumordiff_gui.window.chooser import Choice, Chooser
from tumordiff_gui.window.frame import Window
from tumordiff_gui.window.jobs_dock import JobsDock
from tumordiff_gui.window.keys import Keys

MEMORY_EVERY_MS = 3000
SAID_FOR_MS = 8000
SAVE_AFTER_MS = 1500
RESULT_MODULES = {"denoised": "denoise", "response": "response", "model": "train", "export": "export",
                  "cohort": "browse", "index": "browse"}  # fmt: skip
QT_SILENT = ("does not support propagateSizeHints", "This plugin does not support")


def furnish(window: Window, modules: Sequence[str], given: Sequence[str]) -> "Wiring":
    """Bring a painted frame to life."""
    wiring = Wiring(window, modules)
    window.setProperty("wiring", wiring)
    window.wiring = wiring  # type: ignore[attr-defined]
    wiring.begin(given)
    return wiring


class Wiring(QObject):
    """Owns the context and answers the window's own actions."""

    def __init__(self, window: Window, modules: Sequence[str]) -> None:
        super().__init__(window)
        self.window = window
        self.undo, self.actions = Undo(), Actions(settings.load().view.keys)
        self.grid = Grid(self.undo)
        self.context = build(self.grid, self.undo, self.actions, window)
        self.main = importlib.import_module("tumordiff_gui.main")
        self.context.show_details = self.show_details
        self.context.import_paths = self.import_paths
        self.panels: dict[str, QWidget] = {}
        self.specs = self._module_specs(modules)
        self.shown: str | None = None
        self._back: list[str] = []
        self._forward: list[str] = []
        self.chooser: Chooser | None = None
        self.dialogue: QWidget | None = None
        self.watchdog = Watchdog(self.main.write_log, self)
        room = window.pictures.layout()
        assert room is not None
        room.addWidget(self.grid)
        self.dock = JobsDock(self.context.jobs, self.context.desk)
        self.dock.hide()
        window.down.addWidget(self.dock)
        window.down.setCollapsible(0, False)
        self.keys = Keys(window, self.grid, self.actions)
        self._said_timer = QTimer(self, singleShot=True, interval=SAID_FOR_MS)
        self._said_timer.timeout.connect(lambda: window.status.said.setText(""))
        self._memory_timer = QTimer(self, interval=MEMORY_EVERY_MS)
        self._memory_timer.timeout.connect(self._tell_memory)
        self._save_timer = QTimer(self, singleShot=True, interval=SAVE_AFTER_MS)
        self._save_timer.timeout.connect(self.save_state)
        self._connect()
        self._answer()

    def begin(self, given: Sequence[str]) -> None:
        """Icons, state of last time, research use, first module, and what the command line named."""
        self._dress()
        self._restore()
        self.context.jobs.begin()
        self._memory_timer.start()
        self._tell_memory()
        self.show_module("browse")
        self.ask_research_use()
        if given:
            self.import_paths([Path(p) for p in given])

    # modules

    def _module_specs(self, modules: Sequence[str]) -> dict[str, specs.ModuleSpec]:
        try:
            door = manager.door()
        except Exception as error:
            self.main.report(type(error), error, error.__traceback__)
            return {}
        known = {name for name, _ in door.names}
        for dotted in modules:
            if dotted not in known:
                door.add(dotted, importlib.import_module(dotted), version="built in")
        return {spec.id: spec for spec in sorted(manager.modules(), key=lambda spec: (spec.order, spec.title))}

    def show_module(self, module_id: str, *, remember: bool = True) -> None:
        """Show a module's panel; it is imported when first shown."""
        if module_id not in self.specs or module_id == self.shown:
            return
        before = self.shown
        if before is not None:
            _call(self.panels.get(before), "hidden")
            if remember:
                self._back.append(before)
                self._forward.clear()
        panel = self._panel(module_id)
        self.shown = module_id
        self.window.panel.setCurrentWidget(panel)
        _call(panel, "shown")
        button = self.window.bar.buttons["go.module"]
        button.setText(f"{self.specs[module_id].title}  ▾")
        button.setIcon(icons.icon(self.specs[module_id].icon, "accent"))
        button.setAccessibleName(self.specs[module_id].title)
        self._refresh_bar()
        self._save_timer.start()

    def _panel(self, module_id: str) -> QWidget:
        if module_id not in self.panels:
            spec = self.specs[module_id]
            try:
                panel = manager.load(spec.panel)(self.context)
            except Exception as error:
                self.main.write_log(f"{spec.id}: {error!r}")
                owner = next((n for n, m in manager.door().each("register_modules") if spec in m), spec.id)
                manager.door().fail(owner, f"panel {spec.id} raised {type(error).__name__}")
                details = manager.door().failures[-1].traceback
                panel = Placeholder(
                    "alert-circle-outline",
                    words.PANEL_FAILED.format(title=spec.title),
                    (words.DETAILS, lambda: self.show_details(spec.title, details)),
                )
            self.panels[module_id] = panel
            self.window.panel.addWidget(panel)
        return self.panels[module_id]

    # wiring

    def _connect(self) -> None:
        desk, jobs, window = self.context.desk, self.context.jobs, self.window
        window.bar.pressed.connect(self._bar_pressed)
        window.status.jobs_pressed.connect(lambda: self.actions.trigger("go.jobs"))
        window.closing.connect(self._closing)
        window.dropped.connect(lambda places: self.import_paths([Path(place) for place in places]))
        self.grid.probed.connect(window.status.probe.setText)
        self.grid.menu_wanted.connect(self._view_menu)
        self.grid.details_wanted.connect(self.show_details)
        self.dock.details_wanted.connect(self.show_details)
        self.dock.counted.connect(self._tell_jobs)
        jobs.troubled.connect(window.notice.say)
        jobs.ended.connect(self._job_ended)
        desk.said.connect(self.say)
        desk.module_wanted.connect(self._module_wanted)
        desk.result_chosen.connect(self._result_chosen)
        desk.names_hidden.connect(self.grid.set_hide_names)
        desk.selected.connect(self._desk_moved)
        self.undo.changed.connect(self._refresh_bar)
        self.main.LISTENERS.append(self._mistake)
        qInstallMessageHandler(self._qt_said)

    def _module_wanted(self, module_id: str) -> None:
        self.show_module(module_id)

    def _desk_moved(self, _selection: object) -> None:
        self._save_timer.start()

    def _qt_said(self, kind: QtMsgType, _where: object, text: str) -> None:
        if kind != QtMsgType.QtDebugMsg and not any(part in text for part in QT_SILENT):
            self.main.write_log(f"Qt: {text}")

    def _mistake(self, kind: str, details: str) -> None:
        self.window.notice.say(words.OUR_MISTAKE.format(kind=kind), lambda: self.show_details(kind, details))

    def _answer(self) -> None:
        handle = self.actions.handle
        answers = {
            "app.import": self.choose_import, "app.screenshot": self.save_picture, "app.settings": self.open_settings,
            "app.quit": self.window.close, "app.export": lambda: self.show_module("export"),
            "edit.undo": self.do_undo, "edit.redo": self.do_redo, "edit.history": self.open_history,
            "go.palette": self.open_palette, "go.module": self.open_modules, "go.patient": self.open_patients,
            "go.back": self.go_back, "go.forward": self.go_forward, "go.jobs": self.toggle_jobs,
            "go.keys": self.open_keys, "go.about": self.about, "look.theme": self.change_theme,
            "look.full": self.full_screen, "look.panel": self.toggle_panel, "look.names": self.toggle_names,
        }  # fmt: skip
        for action_id, answer in answers.items():
            handle(action_id, answer)
        view_actions.answer(self.grid, self.actions, self.undo)

    def _bar_pressed(self, action_id: str) -> None:
        if action_id == "app.menu":
            self._open_menu()
        else:
            self.actions.trigger(action_id)

    def _dress(self) -> None:
        named = {row.id: row for row in ACTIONS}
        for action_id, button in self.window.bar.buttons.items():
            row = named.get(action_id)
            if row is not None and row.icon and action_id not in {"go.module", "go.palette"}:
                button.setText("")
                button.setIcon(icons.icon(row.icon))
            if row is not None:
                key = f"  ({dialogues.native(row.keys[0])})" if row.keys else ""
                button.setToolTip(f"{row.title}{key}")
                button.setAccessibleName(row.title)
        self.window.bar.buttons["app.menu"].setText("")
        self.window.bar.buttons["app.menu"].setIcon(icons.icon("dots-vertical"))
        self.window.bar.buttons["app.menu"].setAccessibleName(words.MENU)
        self.window.bar.buttons["go.palette"].setIcon(icons.icon("magnify", "secondary"))

    def _refresh_bar(self) -> None:
        buttons = self.window.bar.buttons
        buttons["edit.undo"].setEnabled(self.undo.can_undo)
        buttons["edit.redo"].setEnabled(self.undo.can_redo)
        buttons["go.back"].setEnabled(bool(self._back))
        buttons["go.forward"].setEnabled(bool(self._forward))

    # what is said

    def say(self, text: str) -> None:
        """A short text in the status bar."""
        self.window.status.said.setText(text)
        self._said_timer.start()

    def show_details(self, title: str, text: str) -> None:
        """A text that can be copied."""
        self.dialogue = dialogues.Details(self.window, title, text)
        self.dialogue.show()

    def _tell_jobs(self, running: int, waiting: int, fraction: float | None) -> None:
        button = self.window.status.jobs
        if running + waiting == 0:
            button.setText(words.NO_JOBS)
        elif fraction is None:
            button.setText(words.JOBS_BUTTON.format(count=running + waiting))
        else:
            button.setText(words.JOBS_BUTTON_PERCENT.format(count=running + waiting, percent=round(100 * fraction)))

    def _tell_memory(self) -> None:
        used = psutil.Process().memory_info().rss
        total = psutil.virtual_memory().total
        text = words.MEMORY.format(used=units.format_bytes(used), total=units.format_bytes(total))
        self.window.status.memory.setText(text)

    def _job_ended(self, job_id: str, state: str) -> None:
        view = self.context.jobs.job(job_id)
        if state == "failed":
            self.window.notice.say(
                f"{view.record.title}: {view.sentence}",
                lambda: self.show_details(view.record.title, details_text(view)),
            )
        else:
            self.say(f"{view.record.title}: {words.JOB_STATES.get(state, state)}")
        self.context.desk.catalogue_moved()

    def _result_chosen(self, folder: Path) -> None:
        try:
            kind = files.read_json(folder / "result.json", newest_format=1).get("kind", "")
        except TumorDiffError as error:
            self.window.notice.say(error.sentence)
            return
        wanted = RESULT_MODULES.get(str(kind))
        if wanted in self.specs:
            self.show_module(wanted)
        else:
            self.say(words.NO_MODULE_FOR_RESULT.format(kind=kind, name=folder.parent.name))

    # actions of the window

    def do_undo(self) -> None:
        """Take the last step back and say which."""
        text = self.undo.undo()
        self.say(words.NOTHING_TO_UNDO if text is None else words.UNDONE.format(text=text))

    def do_redo(self) -> None:
        """Do the step again that was taken back and say which."""
        text = self.undo.redo()
        self.say(words.NOTHING_TO_REDO if text is None else words.REDONE.format(text=text))

    def go_back(self) -> None:
        """The module shown before."""
        if self._back and self.shown is not None:
            self._forward.append(self.shown)
            self.show_module(self._back.pop(), remember=False)
            self._refresh_bar()

    def go_forward(self) -> None:
        """The module that was left by going back."""
        if self._forward and self.shown is not None:
            self._back.append(self.shown)
            self.show_module(self._forward.pop(), remember=False)
            self._refresh_bar()

    def toggle_jobs(self) -> None:
        """Show or hide the jobs dock."""
        self.dock.setVisible(not self.dock.isVisible())
        if self.dock.isVisible():
            self.window.down.setSizes([self.window.down.height() - 200, 200])

    def toggle_panel(self) -> None:
        """Show or hide the left side."""
        self.window.panel.setVisible(not self.window.panel.isVisible())

    def toggle_names(self) -> None:
        """Show patients by name or by code."""
        self.context.desk.set_hide_names(not self.context.desk.hide_names)

    def full_screen(self) -> None:
        """Fill the screen, or not any more."""
        self.window.showNormal() if self.window.isFullScreen() else self.window.showFullScreen()

    def change_theme(self) -> None:
        """The other theme, remembered in the settings."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        wish = "light" if apply.current().name == "dark" else "dark"
        apply.apply(app, wish)
        record = settings.load()
        record.general.theme = wish  # type: ignore[assignment]
        settings.save(record)
        self.context.desk.catalogue_moved()

    def open_history(self) -> None:
        """The list of steps that can be undone."""
        self._open(dialogues.History(self.window, self.undo))

    def open_keys(self) -> None:
        """The sheet of all keys."""
        self._open(dialogues.KeySheet(self.window, self.actions.all()))

    def open_settings(self) -> None:
        """The form of all settings."""
        self._open(dialogues.SettingsDialogue(self.window, settings.load(), self._keep_settings))

    def _keep_settings(self, record: settings.Settings) -> None:
        settings.save(record)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        if apply.resolve(record.general.theme).name != apply.current().name:
            apply.apply(app, record.general.theme)
        self.context.desk.set_hide_names(record.view.hide_names)

    def about(self) -> None:
        """Say name and version."""
        self.say(words.ABOUT.format(version=tumordiff_core.__version__))

    def _open(self, dialogue: Any) -> None:
        self.dialogue = dialogue
        dialogue.show()

    def ask_research_use(self) -> None:
        """Once per version; declining closes the window."""
        version = tumordiff_core.__version__
        if settings.load().general.accepted_version == version:
            return
        dialogue = dialogues.ResearchUse(self.window, version)
        dialogue.accepted.connect(self._accepted_research_use)
        dialogue.rejected.connect(self.window.close)
        self._open(dialogue)

    def _accepted_research_use(self) -> None:
        record = settings.load()
        record.general.accepted_version = tumordiff_core.__version__
        settings.save(record)

    # choosers

    def _choose(self, title: str, choices: list[Choice]) -> None:
        self.chooser = Chooser(title, choices, self.window)
        self.chooser.open()

    def open_palette(self) -> None:
        """Every action and every module."""
        rows = [row for row in self.actions.all() if not row.hidden and row.id != "go.palette"]
        choices = [self._choice(row) for row in rows]
        self._choose(words.FIND_COMMAND, [*choices, *self._module_choices()])

    def _choice(self, row: Action) -> Choice:
        key = dialogues.native(row.keys[0]) if row.keys else ""
        why_not = "" if self.actions.can(row.id) else words.NOT_NOW
        return Choice(row.title, lambda: self.actions.trigger(row.id), key, row.icon, (row.group,), why_not)

    def _module_choices(self) -> list[Choice]:
        return [
            Choice(spec.title, lambda i=spec.id: self.show_module(i), words.MODULE, spec.icon, spec.keywords)
            for spec in self.specs.values()
        ]

    def open_modules(self) -> None:
        """All modules."""
        self._choose(words.FIND_MODULE, self._module_choices())

    def open_patients(self) -> None:
        """All patients of the catalogue."""
        choices = [
            Choice(p.patient_id, lambda i=p.patient_id: self._go_to_patient(i), p.collection, "account-outline")
            for p in self.context.catalogue.tree()
        ]
        self._choose(words.FIND_PATIENT, choices)

    def _go_to_patient(self, patient_id: str) -> None:
        self.show_module("browse")
        self.context.desk.select(patient_id)

    def _open_menu(self) -> None:
        menu = QMenu(self.window)
        group = ""
        for row in ACTIONS:
            if row.where != "window":
                continue
            if group and row.group != group:
                menu.addSeparator()
            group = row.group
            entry = menu.addAction(row.title, lambda i=row.id: self.actions.trigger(i))
            if row.keys:
                entry.setText(f"{row.title}\t{dialogues.native(row.keys[0])}")
            if row.icon:
                entry.setIcon(icons.icon(row.icon))
            entry.setEnabled(self.actions.can(row.id))
        button = self.window.bar.buttons["app.menu"]
        menu.popup(button.mapToGlobal(QPoint(button.width() - menu.sizeHint().width(), button.height())))

    def _view_menu(self, _widget: QWidget, at: QPoint) -> None:
        menu = QMenu(self.window)
        group = ""
        for row in self.actions.all():
            if row.where != "view" or not self.actions.can(row.id) or row.id.startswith(("visit.", "slice.")):
                continue
            if group and row.group != group:
                menu.addSeparator()
            group = row.group
            key = f"\t{dialogues.native(row.keys[0])}" if row.keys else ""
            menu.addAction(f"{row.title}{key}", lambda i=row.id: self.actions.trigger(i))
        menu.popup(at)

    # files in and out

    def choose_import(self) -> None:
        """Ask for a folder and import it in the background."""
        found = QFileDialog.getExistingDirectory(self.window, words.IMPORT_TITLE)
        if found:
            self.import_paths([Path(found)])

    def import_paths(self, places: Sequence[Path]) -> None:
        """Import files and folders as one job; rows appear while it runs."""
        if not places:
            return
        shown = ", ".join(p.name or str(p) for p in places[:3])
        job = self.context.jobs.start(
            "index", {"paths": [str(p) for p in places]}, title=words.IMPORT_JOB.format(names=shown)
        )
        if job is not None:
            self.say(words.IMPORTING.format(names=shown, kinds=recognised(places)))

    def save_picture(self) -> None:
        """The picture area as a PNG, with the research-use line burnt in."""
        target, _ = QFileDialog.getSaveFileName(self.window, words.SAVE_PICTURE, "", words.PICTURE_FILTER)
        if target:
            view_actions.burnt_in(self.grid.grab()).save(target, "PNG")
            self.say(words.PICTURE_SAVED.format(name=Path(target).name))

    # state of the window

    def save_state(self) -> None:
        """Keep what comes back after a restart or a crash."""
        window = self.window
        record = {
            "format": 1,
            "size": [window.width(), window.height()],
            "maximised": window.isMaximized(),
            "across": window.across.sizes(),
            "patients": _call(self.panels.get("browse"), "listed") or [],
        }
        place = paths.state()
        place.mkdir(parents=True, exist_ok=True)
        (place / "window.json").write_text(json.dumps(record), "utf-8")
        (place / "desk.json").write_text(json.dumps({"format": 1, **self.context.desk.to_record()}), "utf-8")
        window.status.saved.setText(words.ALL_SAVED)

    def _restore(self) -> None:
        record = self.main.read_remembered()
        try:
            if "size" in record and not os.environ.get("TUMORDIFF_WINDOW_SIZE"):
                self.window.resize(*(int(v) for v in record["size"]))
            if record.get("across"):
                self.window.across.setSizes([int(v) for v in record["across"]])
            self.context.desk.restore(json.loads((paths.state() / "desk.json").read_text("utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError):
            self.main.write_log("the window's state of last time could not be read")
        if settings.load().view.hide_names or self.context.desk.hide_names:
            self.context.desk.set_hide_names(True)

    def _closing(self) -> None:
        for panel in self.panels.values():
            closing = getattr(panel, "may_close", None)
            if callable(closing) and not closing():
                self.window.may_close = False
                return
        self.save_state()
        self.close()

    def close(self) -> None:
        """Let go of everything that runs; jobs go on."""
        if self._mistake not in self.main.LISTENERS:
            return
        self.main.LISTENERS.remove(self._mistake)
        for timer in (self._memory_timer, self._save_timer, self._said_timer):
            timer.stop()
        self.keys.close()
        self.context.jobs.close()
        self.context.warm.close()
        self.grid.close_all()
        self.watchdog.close()
        qInstallMessageHandler(None)


def recognised(places: Sequence[Path]) -> str:
    """What was dropped or chosen, counted by kind: ``1 folder, 2 zip archives``."""
    counts: dict[str, int] = {}
    for place in places:
        suffix = place.suffix.lower()
        kind = "folder" if place.is_dir() else words.KIND_BY_NAME.get(place.name.upper(), "")
        kind = kind or words.KIND_BY_SUFFIX.get(suffix, "file")
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(words.KINDS[kind][count > 1].format(count=count) for kind, count in counts.items())


def _call(panel: QWidget | None, name: str) -> Any:
    answer = getattr(panel, name, None)
    return answer() if callable(answer) else None
