"""Train a denoiser: preset, data and split, the job and its live curves, the finished model."""
