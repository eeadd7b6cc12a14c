"""TumorDiff's engine package: reading, measuring and denoising breast DCE-MRI, without any window."""

__version__ = "0.1.0"
