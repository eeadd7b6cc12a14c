"""Denoise a series: the job, its preview, and original, denoised, residual and doubt side by side."""
