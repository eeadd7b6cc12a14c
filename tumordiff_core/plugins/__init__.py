"""The plugin door: hooks, the records they pass, loading with failures kept apart, and our own plugins' list."""
