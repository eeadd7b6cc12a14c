"""DICOM: what a tag means, which file is which slice, pixels, masks, maps, and objects of our own."""
