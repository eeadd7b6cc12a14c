"""Reusable pictures: slices, the grid they stand in, placeholders."""
