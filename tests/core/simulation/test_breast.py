import numpy as np
import pytest

from tumordiff_core.simulation import breast, lesion

GRID = breast.Grid((16, 64, 64), (7.5, 2.8125, 2.8125))


@pytest.fixture(scope="module")
def anatomy() -> breast.Anatomy:
    return breast.make(breast.Shape(), GRID, np.random.default_rng(5))


def test_the_same_seed_grows_the_same_breast(anatomy: breast.Anatomy) -> None:
    again = breast.make(breast.Shape(), GRID, np.random.default_rng(5))
    np.testing.assert_array_equal(anatomy.water, again.water)
    other = breast.make(breast.Shape(), GRID, np.random.default_rng(6))
    assert not np.array_equal(anatomy.water, other.water)


def test_air_lies_in_front_of_the_breast_and_tissue_behind_it(anatomy: breast.Anatomy) -> None:
    whole = anatomy.still + anatomy.water
    assert whole[:, :, :2].max() < 0.5
    middle = whole[8, 32]
    assert middle[:4].max() < 0.5 < 15 < middle[20:40].mean()


def test_denser_breasts_hold_more_gland() -> None:
    bright = [breast.make(breast.Shape(density=d), GRID, np.random.default_rng(5)).water.sum() for d in (0.2, 0.5, 0.8)]
    assert bright == sorted(bright)


def test_a_smooth_field_has_the_correlation_length_it_was_asked_for() -> None:
    grid = breast.Grid((64, 64, 64), (1.0, 1.0, 1.0))
    field = breast.smooth_field(np.random.default_rng(0), grid, 8.0)
    assert field.std() == pytest.approx(1.0, abs=1e-3)
    # A filter exp(-2 (pi f L / 2)^2) gives the correlation exp(-d^2 / L^2) at distance d.
    assert float((field[8:] * field[:-8]).mean()) == pytest.approx(np.exp(-1), abs=0.12)


def test_a_tumour_has_the_volume_of_its_radius_and_stays_inside_the_breast(anatomy: breast.Anatomy) -> None:
    there, share = lesion.grow(anatomy, lesion.Lesion((0.0, 90.0, 80.0), 15.0, spicules=0, seed=1))
    voxel = float(np.prod(GRID.spacing_mm))
    assert share.sum() * voxel == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.25)
    assert not share[anatomy.room == 0].any()
    assert (there.water[share > 0.9] > 40).all()
    np.testing.assert_array_equal(there.water[share == 0], anatomy.water[share == 0])


def test_spicules_reach_further_than_the_mass(anatomy: breast.Anatomy) -> None:
    def reach(spicules: int) -> float:
        _, share = lesion.grow(anatomy, lesion.Lesion((0.0, 90.0, 80.0), 12.0, spicules=spicules, seed=1))
        index = np.argwhere(share > 0.3)
        return float(np.ptp(index[:, 1]))

    assert reach(40) > reach(0)


def test_a_tumour_that_is_gone_leaves_the_breast_as_it_was(anatomy: breast.Anatomy) -> None:
    there, share = lesion.grow(anatomy, lesion.Lesion((0.0, 90.0, 80.0), 0.2, spicules=0))
    assert share.max() < 0.5
    assert np.abs(there.water - anatomy.water).max() < 40
