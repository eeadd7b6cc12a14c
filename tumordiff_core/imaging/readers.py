"""Our own file formats, offered through the door; it names the functions that read them and imports none."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Reader

ROOM = "tumordiff_core.imaging.formats"


@hookimpl
def register_readers() -> list[Reader]:
    """NIfTI, NRRD, MetaImage and NumPy stacks."""
    return [
        Reader("nifti", (".nii", ".nii.gz"), f"{ROOM}:can_read_nifti", f"{ROOM}:read_nifti"),
        Reader("nrrd", (".nrrd",), f"{ROOM}:can_read_nrrd", f"{ROOM}:read_nrrd"),
        Reader("metaimage", (".mha", ".mhd"), f"{ROOM}:can_read_metaimage", f"{ROOM}:read_metaimage"),
        Reader("npy", (".npy",), f"{ROOM}:can_read_npy", f"{ROOM}:read_npy"),
    ]
