"""Linked slice views with window, zoom, crosshair; the tag viewer."""
