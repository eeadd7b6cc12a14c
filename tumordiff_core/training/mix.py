"""How the crops of a training and their noise are drawn, told without any array library so that a form may know."""

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


@dataclass(frozen=True)
class Levels:
    """The range of noise that training sees, as a share of the image's maximum, drawn log-uniformly, and its kinds.

    Parameters
    ----------
    lowest, highest : standard deviation of each part of a channel
    white_share : crops with white noise; the rest have coloured noise
    misjudged_share : crops of which the network hears a wrong level and correlation
    uneven_share, bias_field_share : crops whose noise varies over the image, and whose signal does
    ghost_share : crops with a ghost
    band_share : crops with coloured noise whose signal the scanner filtered likewise
    """

    lowest: float = 0.007
    highest: float = 0.24
    white_share: float = 0.5
    misjudged_share: float = 0.5
    uneven_share: float = 0.1
    bias_field_share: float = 0.15
    ghost_share: float = 0.05
    band_share: float = 0.5
