"""How the crops of a training are drawn: shares, told without any array library so that a form may know them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mix:
    """How crops are drawn, as shares of all crops.

    Parameters
    ----------
    made_up : from noise-free made-up anatomy
    native : real slices at their own pixels instead of 2x2 means
    resampled : at another pixel size
    alone, nearest : without any neighbour, with the two nearest at most; the rest may have all
    uptake : with lesions and tissue that brighten
    phases : with one or two other phases of such uptake, a little shifted
    black_air : with the air set to zero, where it can be told from tissue
    """

    made_up: float = 0.2
    native: float = 0.2
    resampled: float = 0.35
    alone: float = 0.3
    nearest: float = 0.3
    uptake: float = 0.3
    phases: float = 0.1
    black_air: float = 0.5
