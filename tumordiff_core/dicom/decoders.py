"""Decode compressed frames with foreign libraries: only ever run in a child process under limits.

The child's service is ``decoder``; ``pixels.py`` is who asks. JPEG of 12 bits is decoded by SimpleITK, which no
plugin of pydicom does; everything else goes through pydicom's plugins, one frame at a time.
"""

import io
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID, generate_uid

from tumordiff_core.dicom import encapsulated, limits

MOST_BYTES = 6_000_000_000
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_PREFERRED = ("pyjpegls", "pylibjpeg", "gdcm", "pillow")
_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Decode ``{"frames": [{path, parts, syntax, rows, columns, bits, stored, signed}], "out": path}``.

    The frames are written to ``out`` as one ``.npy`` [frame, row, column]; ``{"failed": n, "reason": text}`` names
    the first frame that could not be decoded.
    """
    _limit()
    made = []
    for number, frame in enumerate(request["frames"]):
        try:
            made.append(decode_frame(frame))
        except Exception as error:
            # A decoder raises whatever the damaged stream led to.
            supported = not isinstance(error, NotImplementedError)
            return {"failed": number, "supported": supported, "reason": type(error).__name__}
    np.save(request["out"], np.stack(made), allow_pickle=False)
    return {"failed": -1}


@cache
def _limit() -> None:
    limits.limit_memory(MOST_BYTES)


def decode_frame(frame: dict[str, Any]) -> npt.NDArray[Any]:
    """One frame as integers [row, column]; raises whatever its decoder does."""
    with Path(frame["path"]).open("rb") as file:
        stream = encapsulated.content(file, frame["parts"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if frame["syntax"] == JPEG_EXTENDED:
            return _by_itk(stream, frame)
        return _by_pydicom(stream, frame)


def _by_pydicom(stream: bytes, frame: dict[str, Any]) -> npt.NDArray[Any]:
    decoder = get_decoder(UID(frame["syntax"]))
    available = decoder.available_plugins
    order = [name for name in _PREFERRED if name in available] + [n for n in available if n not in _PREFERRED]
    trouble: Exception = NotImplementedError(frame["syntax"])
    for plugin in order:
        try:
            values, _ = decoder.as_array(
                encapsulate([stream]), index=0, raw=True, decoding_plugin=plugin, rows=frame["rows"],
                columns=frame["columns"], number_of_frames=1, samples_per_pixel=1, pixel_keyword="PixelData",
                photometric_interpretation="MONOCHROME2", bits_allocated=frame["bits"], bits_stored=frame["stored"],
                pixel_representation=int(frame["signed"]), transfer_syntax_uid=UID(frame["syntax"]),
            )  # fmt: skip
            return np.asarray(values)
        except Exception as error:
            # The next decoder may know this stream.
            trouble = error
    raise trouble


def _by_itk(stream: bytes, frame: dict[str, Any]) -> npt.NDArray[Any]:
    """Through a file of the one frame, as MONOCHROME2: SimpleITK inverts MONOCHROME1."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "frame.dcm"
        place.write_bytes(_one_frame_file([stream], frame))
        image = SimpleITK.ReadImage(str(place))
        values = np.array(SimpleITK.GetArrayFromImage(image)).squeeze()
    kind = np.dtype(f"{'i' if frame['signed'] else 'u'}{frame['bits'] // 8}")
    return values.astype(kind)


def _one_frame_file(streams: Sequence[bytes], frame: dict[str, Any]) -> bytes:
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = _MR_IMAGE, generate_uid(entropy_srcs=["frame"]), "MR"
    data.Rows, data.Columns, data.SamplesPerPixel = frame["rows"], frame["columns"], 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", int(frame["signed"])
    data.BitsAllocated, data.BitsStored, data.HighBit = frame["bits"], frame["stored"], frame["stored"] - 1
    data.PixelData = encapsulate(list(streams))
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(frame["syntax"])
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
