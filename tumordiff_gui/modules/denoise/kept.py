"""What the chosen result keeps about itself: read from its folder, so that it is there again after a restart."""

from pathlib import Path

from tumordiff_core import explanations
from tumordiff_core.errors import TumorDiffError
from tumordiff_gui.modules.denoise.previews import Chain, Explanation


class KeptExplanation:
    """The explanation of one result; empty where there is none or the form asks for something else."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._kept = explanations.Kept()
        self._chains: dict[str, Chain] = {}
        self._pixels: dict[str, Explanation] = {}

    def aim(self, folder: Path | None) -> None:
        """Speak of this result from now on, ``None`` of none."""
        if folder != self._folder:
            self._folder, self._chains, self._pixels = folder, {}, {}
            self.read_again()

    def read_again(self) -> None:
        """A pixel may have been added; a folder that cannot be read keeps nothing, and the pixel is asked about."""
        self._kept = explanations.Kept()
        if self._folder is not None:
            try:
                self._kept = explanations.read(self._folder)
            except (TumorDiffError, OSError):
                self._kept = explanations.Kept()

    @property
    def folder(self) -> Path | None:
        """The result that is spoken of."""
        return self._folder

    def pixel(self, phase: int, place: tuple[int, int, int], *, features: bool) -> Explanation | None:
        """Why this voxel came out as it did, where that is kept and its arrays are there; with maps where it has."""
        row = self._kept.pixel(phase, place, features=features)
        if row is None:
            return None
        try:
            if row["npy"] not in self._pixels:
                self._pixels[row["npy"]] = Explanation(row, place, features=bool(row["with_features"]))
            return self._pixels[row["npy"]]
        except (OSError, ValueError, KeyError):
            return None

    def last_place(self, phase: int) -> tuple[int, int, int] | None:
        """The voxel of a phase that was explained last."""
        return self._kept.last_place(phase)

    def chain(self, phase: int, index: int) -> Chain | None:
        """The reverse chain of a slice, where it is kept and its images are there."""
        row = self._kept.chain(phase, index)
        if row is None:
            return None
        try:
            if row["npy"] not in self._chains:
                self._chains[row["npy"]] = Chain(row)
            return self._chains[row["npy"]]
        except (OSError, ValueError, KeyError):
            return None
