"""EDM preconditioning (Karras 2022, arXiv 2206.00364, eq. 7 and table 1): D = c_skip y + c_out F(c_in y; c_noise)."""

from typing import NamedTuple

from torch import Tensor


class Coefficients(NamedTuple):
    """The four numbers of eq. 7, shaped like sigma."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def coefficients(sigma: Tensor, sigma_data: float) -> Coefficients:
    """Coefficients for y = x + sigma n; as sigma -> 0, c_skip -> 1 and c_out -> 0: the identity by construction."""
    total = sigma**2 + sigma_data**2
    root = total.sqrt()
    return Coefficients(
        c_skip=sigma_data**2 / total,
        c_out=sigma * sigma_data / root,
        c_in=1 / root,
        c_noise=sigma.clamp_min(1e-8).log() / 4,
    )


def weight(sigma: Tensor, sigma_data: float) -> Tensor:
    """Loss weight 1 / c_out^2, so that every level counts alike (table 1)."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2
