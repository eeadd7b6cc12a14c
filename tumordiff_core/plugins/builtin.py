"""The list of our own plugins: modules that implement hooks, loaded through the same door as a stranger's."""

PLUGINS: tuple[str, ...] = (
    "tumordiff_core.engine.families",
    "tumordiff_core.exporters.csv_table",
    "tumordiff_core.exporters.dicom",
    "tumordiff_core.exporters.gate",
    "tumordiff_core.exporters.nifti",
    "tumordiff_core.exporters.npy",
    "tumordiff_core.exporters.nrrd",
    "tumordiff_core.imaging.readers",
    "tumordiff_core.known_collections.ispy1.collection",
    "tumordiff_core.known_collections.generic",
    "tumordiff_core.tasks.demo",
    "tumordiff_core.tasks.denoise",
    "tumordiff_core.tasks.doctor",
    "tumordiff_core.tasks.evaluate",
    "tumordiff_core.tasks.export",
    "tumordiff_core.tasks.preview",
    "tumordiff_core.tasks.reader",
    "tumordiff_core.tasks.response",
    "tumordiff_core.tasks.simulate",
    "tumordiff_core.tasks.train",
)
