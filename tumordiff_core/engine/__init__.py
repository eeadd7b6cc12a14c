"""Inference: networks, diffusion algebra, samplers and denoising, with torch and without training."""
