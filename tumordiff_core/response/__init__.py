"""Enhancement, tumour volume and size: pure functions on arrays and a geometry; no tags, no files, no window."""
