"""Where voxels lie: index and millimetre, letters, volumes, for any orthonormal frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumordiff_core.imaging.geometry import Geometry, direction_letters, is_orthonormal, laterality_hint

SPACING = st.floats(0.1, 10)
ANGLE = st.floats(-3.1, 3.1)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Any grid turned by any rotation."""
    a, b, c = draw(ANGLE), draw(ANGLE), draw(ANGLE)
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    turned = turn_x @ turn_y @ turn_z
    shape = tuple(draw(st.lists(st.integers(1, 300), min_size=3, max_size=3)))
    spacing = tuple(draw(st.lists(SPACING, min_size=3, max_size=3)))
    origin = tuple(draw(st.lists(st.floats(-500, 500), min_size=3, max_size=3)))
    return Geometry(shape, spacing, origin, *(tuple(turned[:, n].tolist()) for n in range(3)), "1.2.3")  # type: ignore[arg-type]


@given(geometries(), st.lists(st.floats(-400, 400), min_size=3, max_size=3))
def test_index_to_mm_and_back_is_the_same_index(geometry: Geometry, index: list[float]) -> None:
    np.testing.assert_allclose(geometry.to_index(geometry.to_mm(index)), index, atol=1e-6)


@given(geometries())
def test_record_and_back_is_the_same_geometry(geometry: Geometry) -> None:
    assert Geometry.from_record(geometry.to_record()) == geometry


@given(geometries())
def test_voxel_volume_is_the_product_of_the_spacing(geometry: Geometry) -> None:
    assert geometry.voxel_cc == pytest.approx(np.prod(geometry.spacing_mm) / 1000)


@given(geometries())
def test_opposite_edges_have_opposite_letters(geometry: Geometry) -> None:
    letters = geometry.edge_letters()
    opposite = str.maketrans("LRPAHF", "RLAPFH")
    assert letters["left"].translate(opposite) == letters["right"]
    assert letters["top"].translate(opposite) == letters["bottom"]


def test_sagittal_right_breast_of_ispy1_is_lettered_and_hinted() -> None:
    geometry = Geometry((60, 256, 256), (2, 0.78125, 0.78125), (-40.1, -106.2, 111), (0, 1, 0), (0, 0, -1), (-1, 0, 0))
    assert geometry.plane == "sagittal"
    assert geometry.edge_letters() == {"left": "A", "right": "P", "top": "H", "bottom": "F"}
    assert laterality_hint(geometry) == "R"
    np.testing.assert_allclose(geometry.to_mm([59, 255, 255]), [-158.1, 93.01875, -88.21875])


def test_oblique_direction_names_the_larger_component_first() -> None:
    assert direction_letters((0.6, -0.8, 0.0)) == "AL"


def test_sheared_stack_has_the_volume_of_its_parallelepiped() -> None:
    lean = (0.0, 0.6, 0.8)
    assert Geometry((2, 2, 2), (5, 1, 1), slice_direction=lean).voxel_cc == pytest.approx(0.004)


@pytest.mark.parametrize("column", [(1, 0, 0), (0, 1.1, 0), (0, float("nan"), 0)])
def test_directions_that_are_not_perpendicular_unit_vectors_are_seen(column: tuple[float, ...]) -> None:
    assert is_orthonormal((1, 0, 0), (0, 1, 0))
    assert not is_orthonormal((1, 0, 0), column)
