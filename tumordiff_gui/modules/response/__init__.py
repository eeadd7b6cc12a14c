"""Tumour volume, size and contrast kinetics over the visits, ours beside what the study published."""
