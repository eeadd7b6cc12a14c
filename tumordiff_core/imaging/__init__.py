"""Volumes and where they lie in the patient; no DICOM tags, no pictures on a screen."""
