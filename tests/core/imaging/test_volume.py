"""A volume holds what its geometry says, and bad values are counted."""

import numpy as np
import pytest

from tumordiff_core.errors import InputError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.imaging.volume import Volume, require_contrast, require_finite

GRID = Geometry((2, 3, 4), (1, 1, 1))


def test_array_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="shape") as caught:
        Volume(np.zeros((2, 3, 4)), GRID)
    assert caught.value.code == "volume.wrong_shape"


def test_other_values_keep_grid_and_facts_but_not_provenance() -> None:
    volume = Volume(np.zeros((1, 2, 3, 4)), GRID, labels=("pre",), facts={"a": 1})
    changed = volume.with_values(np.ones((1, 2, 3, 4)), "derived")
    assert (changed.provenance, changed.labels, changed.facts) == ("derived", ("pre",), {"a": 1})
    assert volume.provenance == "acquired"
    assert changed.phases == 1


def test_values_that_are_not_numbers_are_counted() -> None:
    with pytest.raises(InputError) as caught:
        require_finite(np.array([1.0, np.nan, np.inf]))
    assert (caught.value.code, caught.value.fields["count"]) == ("volume.not_finite", 2)
    require_finite(np.array([1, 2]))


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros(0)])
def test_images_without_contrast_are_refused(values: np.ndarray) -> None:
    with pytest.raises(InputError) as caught:
        require_contrast(values)
    assert caught.value.code == "volume.constant"
