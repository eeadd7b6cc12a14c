import pytest

from tumordiff_core.simulation import growth


def test_half_the_volume_is_left_after_the_half_life() -> None:
    for response in ("responder", "partial responder"):
        state = growth.at_day(response, 15.0, growth.HALF_LIFE_DAYS[response])
        assert state.radius_mm**3 == pytest.approx(15.0**3 / 2)


def test_a_non_responder_grows_and_leaks_as_before() -> None:
    state = growth.at_day("non-responder", 13.0, 160)
    assert 13.0 < state.radius_mm < 15.0
    assert state.leakage == 1.0


def test_every_patient_starts_with_the_baseline_tumour() -> None:
    for response in growth.HALF_LIFE_DAYS:
        assert growth.at_day(response, 14.0, 0) == growth.State(14.0, 1.0)
