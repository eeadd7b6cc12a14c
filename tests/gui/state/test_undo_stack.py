"""One stack for the whole window."""

from tumordiff_gui.state.undo import Command, Undo


def step(log: list[str], name: str, merge_key: str = "") -> Command:
    return Command(name, lambda: log.append(f"do {name}"), lambda: log.append(f"undo {name}"), merge_key)


def test_steps_are_undone_and_redone_in_order_across_rooms():
    undo, log = Undo(), []
    undo.push(step(log, "window"))
    undo.push(step(log, "time point"), done=True)
    assert (undo.undo(), undo.undo(), undo.undo()) == ("time point", "window", None)
    assert undo.redo() == "window"
    assert log == ["do window", "undo time point", "undo window", "do window"]


def test_a_new_step_forgets_what_was_undone():
    undo, log = Undo(), []
    undo.push(step(log, "a"))
    undo.undo()
    undo.push(step(log, "b"))
    assert undo.history == ["b"] and not undo.can_redo


def test_steps_with_the_same_key_become_one_that_goes_back_to_the_first_state():
    undo, log = Undo(), []
    undo.push(step(log, "drag 1", "slider"))
    undo.push(step(log, "drag 2", "slider"))
    assert undo.history == ["drag 2"]
    undo.undo()
    assert log[-1] == "undo drag 1"


def test_a_click_in_the_history_goes_there():
    undo, log = Undo(), []
    for name in "abc":
        undo.push(step(log, name))
    undo.go_to(1)
    assert undo.position == 1 and log[-2:] == ["undo c", "undo b"]
    undo.go_to(3)
    assert undo.position == 3 and undo.history == ["a", "b", "c"]


def test_every_move_is_told():
    undo, told = Undo(), []
    undo.changed.connect(lambda: told.append(undo.position))
    undo.push(step([], "a"))
    undo.undo()
    undo.redo()
    undo.clear()
    assert told == [1, 0, 1, 0]
