"""DICOM files written from pixels: in each transfer syntax that has an encoder, with a patient's data around them."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

VL_ENDOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
VIDEO_ENDOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.1.1"

IMPLICIT, EXPLICIT, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_2000_LOSSLESS, JPEG_2000 = (f"1.2.840.10008.1.2.4.{n}" for n in (80, 90, 91))
MPEG_4 = "1.2.840.10008.1.2.4.102"
LOSSLESS = (IMPLICIT, EXPLICIT, RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000_LOSSLESS)

SECRETS = {
    "PatientName": "Doe^Jane",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19631224",
    "StudyDate": "20240229",
    "StudyTime": "104512",
    "AccessionNumber": "ACC-9",
    "InstitutionName": "St. Elsewhere",
    "DeviceSerialNumber": "SN-2208",
    "ManufacturerModelName": "CV-290",
    "OperatorsName": "Roe^Richard",
}


def dataset(frames: np.ndarray, **values: Any) -> pydicom.Dataset:
    """An object of frames (N, H, W, 3) or (N, H, W) uint8, without its pixels."""
    made = pydicom.Dataset()
    for keyword, value in SECRETS.items():
        setattr(made, keyword, value)
    made.SOPClassUID = VL_ENDOSCOPIC
    made.SOPInstanceUID, made.StudyInstanceUID = generate_uid(), "1.2.826.0.1.3680043.8.498.77"
    made.InstanceNumber = 1
    made.Rows, made.Columns = frames.shape[1:3]
    made.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    made.PhotometricInterpretation = "RGB" if frames.ndim == 4 else "MONOCHROME2"
    if frames.ndim == 4:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    if len(frames) > 1:
        made.NumberOfFrames = len(frames)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def write(
    path: Path, frames: np.ndarray, syntax: str = EXPLICIT, *, pixels: bytes | None = None, **values: Any
) -> Path:
    """Write frames (N, H, W, 3) or (N, H, W) uint8 into a file.

    Args:
        pixels: the value of the pixel data, where it is not to be made of the frames.
    """
    made = dataset(frames, **values)
    if pixels is None:
        each = [encoded(frame, syntax) for frame in frames]
        data = b"".join(each)
        pixels = data + b"\0" * (len(data) % 2) if syntax in (IMPLICIT, EXPLICIT) else encapsulate(each)
        if syntax == JPEG:
            made.PhotometricInterpretation = "YBR_FULL_422"
        elif syntax == JPEG_2000_LOSSLESS:
            made.PhotometricInterpretation = "YBR_RCT"
        elif syntax == JPEG_2000:
            made.PhotometricInterpretation = "YBR_ICT"
    made.PixelData = pixels
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = syntax not in (IMPLICIT, EXPLICIT)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, made, enforce_file_format=True)
    return path


def encoded(frame: np.ndarray, syntax: str) -> bytes:
    """A frame (H, W, 3) or (H, W) as one of a transfer syntax."""
    if syntax in (IMPLICIT, EXPLICIT):
        return frame.tobytes()
    if syntax == JPEG:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=95, subsampling=0)
        return file.getvalue()
    if syntax == JPEG_LS:
        return _by_ffmpeg(frame, "jpegls", "rgb24")
    if syntax == JPEG_LOSSLESS:
        return _by_ffmpeg(frame, "ljpeg", "yuvj444p")
    return _by_pydicom(frame, syntax)


def _by_pydicom(frame: np.ndarray, syntax: str) -> bytes:
    from pydicom.encaps import get_frame

    made = dataset(frame[None])
    if syntax == JPEG_2000_LOSSLESS:
        made.PhotometricInterpretation = "YBR_RCT"
    elif syntax == JPEG_2000:
        made.PhotometricInterpretation = "YBR_ICT"
    made.compress(
        syntax, frame, encoding_plugin="pydicom" if syntax == RLE else "pylibjpeg", **_ratio(syntax)
    )
    return get_frame(made.PixelData, 0, number_of_frames=1)


def _ratio(syntax: str) -> dict[str, Any]:
    return {"j2k_cr": [4]} if syntax == JPEG_2000 else {}


def _by_ffmpeg(frame: np.ndarray, codec: str, form: str) -> bytes:
    import av

    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = frame.shape[:2]
    encoder.pix_fmt, encoder.time_base = form, Fraction(1, 25)
    if form == "rgb24":
        picture = av.VideoFrame.from_ndarray(frame, format=form)
    else:  # three planes without a transform, whatever they are called
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(2, 0, 1)), format=form)
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))
