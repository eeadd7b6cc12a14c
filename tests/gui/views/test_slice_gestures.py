"""Real mouse events on a slice view."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtTest import QTest

from tests.gui import fakes
from tests.gui.hands import drag, move, wheel
from tumordiff_gui.state.slice_view import Overlay, SliceView
from tumordiff_gui.views import corner_text, pixels
from tumordiff_gui.views.decorations import Decorations
from tumordiff_gui.views.slice_view import SliceWidget

LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def widget(qtbot: Any) -> SliceWidget:
    model = SliceView()
    model.show(fakes.picture(1))
    made = SliceWidget(model)
    made.resize(400, 400)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_plain_left_drag_is_window_and_level(widget: SliceWidget):
    center, width = widget.model.grey.window
    told = []
    widget.grey_dragged.connect(lambda *a: told.append(a))
    drag(widget, LEFT, (200, 200), (256, 228))
    assert widget.model.grey.width == pytest.approx(width + 56 * width / 256)
    assert widget.model.grey.center == pytest.approx(center + 28 * width / 256)
    assert len(told) == 1 and told[0][1] == (center, width)


def test_the_wheel_scrolls_slices_and_fine_wheels_add_up(widget: SliceWidget):
    start = widget.model.slice_index
    wheel(widget, -1)
    assert widget.model.slice_index == start + 1
    for _ in range(4):
        wheel(widget, 0.25)
    assert widget.model.slice_index == start


def test_middle_drag_pans_and_right_drag_zooms_in_when_moved_up(widget: SliceWidget):
    drag(widget, MIDDLE, (200, 200), (240, 180))
    assert widget.model.zoom.offset == pytest.approx((0.1, -0.05))
    drag(widget, RIGHT, (200, 200), (200, 150))
    assert widget.model.zoom.factor > 1.5
    assert widget.model.grey.window == widget.model.picture.default_window


def test_control_wheel_zooms_at_the_pointer(widget: SliceWidget):
    before = widget.index_at(QPointF(260, 140))
    wheel(widget, 2, CONTROL, at=(260, 140))
    assert widget.model.zoom.factor == pytest.approx(2**0.5)
    assert widget.index_at(QPointF(260, 140)) == pytest.approx(before, abs=0.2)


def test_shift_move_puts_the_position_under_the_pointer_in_all_linked_views(widget: SliceWidget):
    other = SliceView(2)
    other.share(place=widget.model.place)
    other.show(fakes.picture(1))
    index = widget.index_at(QPointF(180, 220))
    move(widget, (180, 220), SHIFT)
    assert other.slice_index == round(index[2])
    assert widget.model.index[1:] == (round(index[1]), round(index[2]))


def test_shift_wheel_asks_for_the_next_phase(widget: SliceWidget, qtbot: Any):
    asked = []
    widget.model.phase_wanted.connect(asked.append)
    wheel(widget, -1, SHIFT)
    assert asked == [2]


def test_a_box_with_control_sets_the_window_from_what_is_inside(widget: SliceWidget):
    before = widget.model.grey.window
    drag(widget, LEFT, (180, 180), (220, 220), modifier=CONTROL)
    assert widget.model.grey.window != before


def test_double_click_wants_to_maximise_and_changes_nothing_else(widget: SliceWidget, qtbot: Any):
    before = (widget.model.slice_index, widget.model.grey.window, widget.model.zoom.factor)
    with qtbot.waitSignal(widget.maximise_wanted, timeout=500):
        QTest.mouseDClick(widget, LEFT, pos=widget.rect().center())
    assert (widget.model.slice_index, widget.model.grey.window, widget.model.zoom.factor) == before


def test_right_click_without_moving_asks_for_the_menu(widget: SliceWidget, qtbot: Any):
    with qtbot.waitSignal(widget.menu_wanted, timeout=500):
        QTest.mouseClick(widget, RIGHT, pos=widget.rect().center())


def test_points_and_voxels_are_each_others_inverse_for_every_plane_and_flip(qtbot: Any):
    for axis in (0, 1, 2):
        model = SliceView(axis)
        model.show(fakes.picture(1))
        made = SliceWidget(model)
        qtbot.addWidget(made)
        made.resize(300, 260)
        for flipped in (False, True):
            model.set(flipped=flipped)
            index = made.index_at(QPointF(150, 130))
            point = made.point_of(index)
            assert (point.x(), point.y()) == pytest.approx((150, 130))


def test_voxels_are_drawn_with_their_true_shape(qtbot: Any):
    model = SliceView(1)
    model.show(fakes.picture(1))
    made = SliceWidget(model)
    qtbot.addWidget(made)
    made.resize(300, 300)
    rect = made.picture_rect()
    across_mm, down_mm = fakes.SHAPE[0] * 3.0, fakes.SHAPE[2] * 1.5
    assert rect.width() / rect.height() == pytest.approx(across_mm / down_mm)


def test_the_picture_on_the_screen_is_the_windowed_slice(widget: SliceWidget):
    widget.model.set(annotations="off")
    widget.model.grey.set(500, 1000)
    shown = widget.grab().toImage()
    index = (widget.model.slice_index, 40, 30)
    point = widget.point_of((float(index[0]), 40.0, 30.0))
    expected = pixels.to_grey(np.array([float(fakes.breast(1)[index])], np.float32), (500, 1000), False)[0]
    ratio = widget.devicePixelRatioF()
    assert abs(shown.pixelColor(round(point.x() * ratio), round(point.y() * ratio)).red() - int(expected)) <= 1


def test_window_table_and_direct_scaling_agree_for_signed_and_unsigned_stored_values():
    for dtype in (np.uint16, np.int16, np.uint8):
        values = np.arange(0, 200, 7).astype(dtype)
        table = pixels.window_table(np.dtype(dtype), 2.0, -50.0, (100.0, 180.0), False)
        by_table = np.take(table, values.view(np.dtype(f"u{np.dtype(dtype).itemsize}")))
        direct = pixels.to_grey(values.astype(np.float32) * 2.0 - 50.0, (100.0, 180.0), False)
        assert np.array_equal(by_table, direct)


def test_a_mask_colours_only_its_voxels_and_a_map_skips_missing_values():
    mask = np.zeros((2, 3), bool)
    mask[0, 1] = True
    drawn = pixels.overlay_slice(Overlay("m", "m", mask[None], opacity=1.0), mask)
    assert np.count_nonzero(drawn) == 1
    values = np.array([[0.0, np.nan, 1.0]], np.float32)
    table = np.full(256, 0xFFFFFFFF, np.uint32)
    drawn = pixels.overlay_slice(Overlay("f", "f", values[None], colours=table, opacity=1.0), values)
    assert (drawn != 0).tolist() == [[True, False, True]]


def test_the_side_is_shown_with_annotations_off_and_doubt_is_marked():
    view = SliceView()
    view.show(fakes.picture(1))
    view.set(annotations="off")
    found = corner_text.corners(view, 100, hide_names=False)
    assert (found.side, found.side_doubtful, found.top_left) == ("R BREAST", False, ())
    assert corner_text.laterality({"laterality": "L", "laterality_source": "geometry hint"}) == ("L BREAST ?", True)
    assert corner_text.laterality({"laterality": "B", "laterality_source": "position"}) == ("BOTH BREASTS ?", True)
    assert corner_text.laterality({})[1] is True


def test_the_letter_at_the_bottom_never_lies_on_the_corner_text(widget: SliceWidget, monkeypatch: pytest.MonkeyPatch):
    drawn: list[tuple[str, QRectF]] = []
    draw = Decorations.text

    def noted(self: Decorations, painter: Any, view: Any, text: str, at: QPointF, anchor: str, *rest: Any, **more: Any):
        size = QFontMetricsF(self._font()).boundingRect(text).size()
        left = {"left": at.x(), "right": at.x() - size.width(), "top": at.x() - size.width() / 2}[anchor]
        drawn.append((text, QRectF(left, at.y() + 3, size.width(), size.height() - 6)))
        draw(self, painter, view, text, at, anchor, *rest, **more)

    monkeypatch.setattr(Decorations, "text", noted)
    widget.model.grey.set(1234.5, 2345.6)
    bottom = widget.model.plane.letters["bottom"]
    for width in (180, 240, 300, 330, 500):
        widget.resize(width, 400)
        drawn.clear()
        widget.grab()
        letter = next(rect for text, rect in drawn if text == bottom)
        assert not [text for text, rect in drawn if text != bottom and rect.intersects(letter)], width
        assert letter.top() > 300


def test_names_can_be_hidden_and_missing_facts_print_a_dash():
    assert corner_text.patient_lines({}, hide_names=False) == ("-", "-")
    hidden = corner_text.patient_lines({"patient_id": "DEMO-001", "age": "052Y"}, hide_names=True)
    assert "DEMO-001" not in " ".join(hidden) and "52" not in hidden[0]


def test_one_change_paints_once(widget: SliceWidget, qtbot: Any):
    qtbot.waitUntil(lambda: widget.paints > 0)
    QTest.qWait(20)
    before = widget.paints
    widget.model.scroll(1)
    widget.model.scroll(1)
    qtbot.waitUntil(lambda: widget.paints > before)
    assert widget.paints == before + 1


def test_a_long_series_name_never_runs_over_the_side_of_the_body():
    from PySide6.QtGui import QFontMetricsF

    from tumordiff_gui.views.decorations import MARGIN, Decorations

    drawn = Decorations.__new__(Decorations)
    font = QFontMetricsF(drawn._font())
    for width in (320.0, 640.0, 1600.0):
        shown = drawn._cut("SYNTHETIC Dynamic-3dfgre of the left breast", width, "R BREAST")
        middle = QFontMetricsF(drawn._font(bold=True)).horizontalAdvance("R BREAST") / 2
        assert font.horizontalAdvance(shown) <= width / 2 - middle - 2 * MARGIN
