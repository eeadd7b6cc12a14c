"""The module of the window: panel and its sentences."""
