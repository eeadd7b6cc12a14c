"""Puts a theme on the application: style Fusion, a whole palette and one small style sheet from the tokens."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from tumordiff_core import paths
from tumordiff_gui.theme.tokens import CONTROL_HEIGHT, DARK, THEMES, Tokens

_current: Tokens = DARK
PX_PER_PT_AT_96_DPI = 96 / 72


def current() -> Tokens:
    """The theme that is on."""
    return _current


def resolve(wish: str) -> Tokens:
    """The theme of a wish: ``dark``, ``light``, or ``system`` where the system says which (else dark)."""
    if wish == "system":
        scheme = QGuiApplication.styleHints().colorScheme()
        return THEMES["light" if scheme == Qt.ColorScheme.Light else "dark"]
    return THEMES.get(wish, DARK)


def apply(app: QApplication, wish: str) -> Tokens:
    """Put a theme on; every widget repaints by itself."""
    global _current
    _current = resolve(wish)
    app.setStyle("Fusion")
    app.setPalette(palette(_current))
    app.setFont(font(13))
    app.setStyleSheet(style_sheet(_current))
    return _current


def font(pixels: float, *, semibold: bool = False, tabular: bool = False) -> QFont:
    """The system's font at a size given in logical pixels of a 96 dpi screen, set in points."""
    made = QFont()
    made.setPointSizeF(pixels / PX_PER_PT_AT_96_DPI)
    if semibold:
        made.setWeight(QFont.Weight.DemiBold)
    if tabular and hasattr(made, "setFeature"):
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


def palette(tokens: Tokens) -> QPalette:
    """All roles of a palette, disabled ones included."""
    roles = {
        "Window": tokens.window, "WindowText": tokens.text, "Base": tokens.panel, "AlternateBase": tokens.raised,
        "Text": tokens.text, "Button": tokens.raised, "ButtonText": tokens.text, "BrightText": tokens.error,
        "ToolTipBase": tokens.raised, "ToolTipText": tokens.text, "PlaceholderText": tokens.secondary,
        "Highlight": tokens.accent, "HighlightedText": tokens.on_accent, "Link": tokens.accent,
        "LinkVisited": tokens.predicted, "Light": tokens.raised, "Midlight": tokens.raised, "Mid": tokens.hairline,
        "Dark": tokens.hairline, "Shadow": tokens.window, "Accent": tokens.accent,
    }  # fmt: skip
    made = QPalette()
    for name, colour in roles.items():
        role = getattr(QPalette.ColorRole, name, None)
        if role is not None:
            made.setColor(role, QColor(colour))
    for name in ("WindowText", "Text", "ButtonText", "HighlightedText"):
        made.setColor(QPalette.ColorGroup.Disabled, getattr(QPalette.ColorRole, name), QColor(tokens.disabled))
    made.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Highlight, QColor(tokens.hairline))
    return made


def style_sheet(tokens: Tokens) -> str:
    """The rules the palette cannot say. Roles are set with the dynamic property ``role``."""
    t, place = tokens, (paths.resources() / "themes").as_posix()
    return f"""
QMainWindow, QDialog {{ background: {t.window}; }}
QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.hairline}; padding: 4px; }}
QFrame[role="panel"], QWidget[role="panel"] {{ background: {t.panel}; }}
QFrame[role="card"] {{ background: {t.panel}; border: 1px solid {t.hairline}; border-radius: 6px; }}
QFrame[role="bar"] {{ background: {t.panel}; border: none; border-bottom: 1px solid {t.hairline}; }}
QFrame[role="rule"] {{ background: {t.hairline}; border: none; max-height: 1px; min-height: 1px; }}
QLabel[role="title"] {{ font-weight: 600; }}
QLabel[role="secondary"] {{ color: {t.secondary}; }}
QLabel[role="warning"] {{ color: {t.warning}; }}
QLabel[role="error"] {{ color: {t.error}; }}
QLabel[role="good"] {{ color: {t.good}; }}
QLabel[role="research"] {{ color: {t.warning}; font-weight: 600; padding: 0 8px; }}
QPushButton, QToolButton, QComboBox, QLineEdit, QSpinBox, QDoubleSpinBox {{ min-height: {CONTROL_HEIGHT - 8}px; }}
QPushButton {{ background: {t.raised}; border: 1px solid {t.hairline}; border-radius: 4px; padding: 3px 12px; }}
QPushButton:hover {{ border-color: {t.outline}; }}
QPushButton:pressed {{ background: {t.hairline}; }}
QPushButton:focus, QToolButton:focus, QComboBox:focus {{ border: 1px solid {t.accent}; }}
QPushButton:disabled {{ color: {t.disabled}; background: {t.panel}; }}
QPushButton[role="primary"] {{ background: {t.accent}; color: {t.on_accent}; border-color: {t.accent};
  font-weight: 600; }}
QPushButton[role="primary"]:disabled {{ background: {t.raised}; color: {t.disabled}; border-color: {t.hairline}; }}
QPushButton[role="danger"] {{ color: {t.error}; border-color: {t.error}; }}
QPushButton[role="danger"]:disabled {{ color: {t.disabled}; border-color: {t.hairline}; }}
QPushButton[role="flat"] {{ background: transparent; border-color: transparent; color: {t.accent}; padding: 3px 6px; }}
QPushButton[role="flat"]:hover {{ background: {t.raised}; }}
QToolButton {{ background: transparent; border: 1px solid transparent; border-radius: 4px; padding: 3px 5px; }}
QToolButton:hover {{ background: {t.raised}; }}
QToolButton:checked {{ background: {t.raised}; border-color: {t.accent}; }}
QToolButton:disabled {{ color: {t.disabled}; }}
QLineEdit > QToolButton {{ min-height: 0; padding: 0; border: none; background: transparent; }}
QToolButton[role="filter"] {{ border-color: {t.hairline}; color: {t.secondary}; padding: 1px 4px; }}
QToolButton[role="filter"]:checked {{ border-color: {t.accent}; color: {t.text}; }}
QToolButton[role="field"] {{ background: {t.window}; border-color: {t.hairline}; color: {t.secondary}; }}
QToolButton[role="field"]:hover {{ border-color: {t.outline}; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}
QToolButton::menu-indicator {{ image: none; }}
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit {{ background: {t.window}; border: 1px solid {t.outline};
  border-radius: 4px; padding: 2px 6px; selection-background-color: {t.accent}; selection-color: {t.on_accent}; }}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QPlainTextEdit:focus {{ border-color: {t.accent}; }}
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled {{ color: {t.disabled};
  border-color: {t.hairline}; }}
QLineEdit[wrong="true"], QSpinBox[wrong="true"], QDoubleSpinBox[wrong="true"] {{ border-color: {t.error}; }}
QAbstractItemView {{ background: {t.panel}; alternate-background-color: {t.panel}; border: none; outline: none; }}
QAbstractItemView::item {{ padding: 2px 4px; min-height: 20px; }}
QAbstractItemView::item:hover {{ background: {t.raised}; }}
QAbstractItemView::item:selected {{ background: {t.accent}; color: {t.on_accent}; }}
QHeaderView::section {{ background: {t.panel}; color: {t.secondary}; border: none;
  border-bottom: 1px solid {t.hairline}; padding: 4px 6px; }}
QMenu {{ background: {t.raised}; border: 1px solid {t.hairline}; padding: 4px; }}
QMenu::item {{ padding: 5px 24px 5px 12px; border-radius: 3px; }}
QMenu::item:selected {{ background: {t.accent}; color: {t.on_accent}; }}
QMenu::separator {{ height: 1px; background: {t.hairline}; margin: 4px 8px; }}
QDockWidget {{ titlebar-close-icon: none; titlebar-normal-icon: none; }}
QStatusBar {{ background: {t.panel}; border-top: 1px solid {t.hairline}; color: {t.secondary}; }}
QStatusBar::item {{ border: none; }}
QMainWindow::separator {{ background: {t.hairline}; width: 1px; height: 1px; }}
QSplitter::handle {{ background: {t.hairline}; }}
QProgressBar {{ background: {t.raised}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
QTabBar::tab {{ background: transparent; color: {t.secondary}; padding: 5px 12px;
  border-bottom: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {t.text}; border-bottom-color: {t.accent}; }}
QTabWidget::pane {{ border: none; border-top: 1px solid {t.hairline}; }}
QComboBox::drop-down {{ border: none; width: 22px; }}
QComboBox::down-arrow {{ image: url("{place}/down-{t.name}.svg"); width: 12px; height: 12px; }}
QCheckBox::indicator, QRadioButton::indicator {{ width: 14px; height: 14px; border: 1px solid {t.outline};
  border-radius: 3px; background: {t.window}; }}
QRadioButton::indicator {{ border-radius: 8px; }}
QCheckBox::indicator:checked, QRadioButton::indicator:checked {{ background: {t.accent}; border-color: {t.accent};
  image: url("{place}/check-{t.name}.svg"); }}
QCheckBox::indicator:focus {{ border-color: {t.accent}; }}
QCheckBox:disabled {{ color: {t.disabled}; }}
QCheckBox::indicator:disabled {{ border-color: {t.hairline}; }}
QCheckBox::indicator:checked:disabled {{ background: {t.disabled}; border-color: {t.disabled}; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QScrollArea[role="clear"], QScrollArea[role="clear"] > QWidget > QWidget {{ background: transparent; }}
QToolButton[popupMode="1"] {{ padding-right: 22px; }}
QToolButton::menu-button {{ border: none; width: 18px; }}
QToolButton::menu-arrow {{ image: url("{place}/down-{t.name}.svg"); width: 12px; height: 12px; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {t.hairline}; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px; }}
QScrollBar::handle:hover {{ background: {t.outline}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{ background: none;
  border: none; }}
QSlider::groove:horizontal {{ background: {t.hairline}; height: 4px; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {t.accent}; border-radius: 2px; }}
QSlider::handle:horizontal {{ background: {t.text}; width: 12px; height: 12px; margin: -4px 0; border-radius: 6px; }}
QSlider::handle:horizontal:focus {{ background: {t.accent}; }}
QSlider::handle:horizontal:disabled {{ background: {t.disabled}; }}
"""
