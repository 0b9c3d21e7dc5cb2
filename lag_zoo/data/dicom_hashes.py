"""Patient, examination and device of a DICOM file, as hashes that nobody turns back without the salt.

Nothing here returns a value of the header but as an HMAC-SHA256 (RFC 2104), or as a rank. Identifiers are short and
guessable, so that a hash without a salt can be turned back by trying them all.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lag_zoo.data.readers.dicom_header import WANTED, read_header

if TYPE_CHECKING:
    from pydicom import Dataset

DIGITS = 16
"""Hexadecimal digits of a hash: 64 bits, so that two of a million names are the same once in 37 million data sets."""

SHORTEST_SALT = 16
"""Bytes that a salt has at least."""

PATIENT = ("PatientID",)
EXAM = ("StudyInstanceUID",)
DEVICE = ("ManufacturerModelName", "DeviceSerialNumber")
OBJECT = ("SOPInstanceUID",)
HASHED = (*PATIENT, *EXAM, *DEVICE, *OBJECT)
"""Attributes of which hashes are kept."""

ORDERED = ("AcquisitionDateTime", "ContentDate", "ContentTime", "InstanceNumber")
"""Attributes of which only the order within an examination is kept."""

DESCRIBING = frozenset(WANTED) | {"PixelData", "TransferSyntaxUID"}
"""Attributes that describe the pixels, and are written into no file."""


class Identity(NamedTuple):
    """The hashes of a file, empty where the header says nothing; `when`: sorts the files of an examination."""

    patient: str
    exam: str
    device: str
    object: str
    when: tuple[str, str, str, int]
    attributes: tuple[str, ...]


def hashed(salt: bytes, kind: str, *parts: bytes) -> str:
    """The hash of something of a kind.

    >>> hashed(b"sixteen bytes, or more", "patient", b"4711")
    '51e0a38a896d68d5'
    """
    message = b"\0".join((kind.encode(), *parts))
    return hmac.new(salt, message, hashlib.sha256).hexdigest()[:DIGITS]


def identity_of(file: BinaryIO, salt: bytes) -> Identity:
    """Read the header of an open DICOM file.

    Raises:
        MissingExtraError: the extra `dicom` is not installed.
        Exception: whatever pydicom raises of a damaged header; its words may repeat it.
    """
    header = read_header(file)
    names = (("patient", PATIENT), ("exam", EXAM), ("device", DEVICE), ("object", OBJECT))
    found = {kind: _hash(header, salt, kind, keywords) for kind, keywords in names}
    taken, date, time, number = (_raw(header, keyword).decode("ascii", "replace") for keyword in ORDERED)
    when = taken, date, time, int(number) if number.lstrip("-").isdecimal() and len(number) < 13 else 0
    return Identity(**found, when=when, attributes=tuple(_attributes(header)))


def _hash(header: "Dataset", salt: bytes, kind: str, keywords: Sequence[str]) -> str:
    values = [_raw(header, keyword) for keyword in keywords]
    return hashed(salt, kind, *values) if any(values) else ""


def _raw(header: "Dataset", keyword: str) -> bytes:
    """The bytes of a value as they stand in the file: pydicom would check them, and warn with them."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag is None or tag not in header:
        return b""
    value = header.get_item(tag).value
    text = value if isinstance(value, bytes) else str(value or "").encode()
    return text.strip(b"\0 ")


def _attributes(header: "Dataset") -> list[str]:
    """Keywords of the attributes, those of the file's own header too; of private ones their numbers."""
    from pydicom.datadict import keyword_for_tag

    tags = [*header.file_meta.keys(), *header.keys()]
    return [
        keyword_for_tag(tag)
        or (f"private ({tag.group:04x},{tag.element:04x})" if tag.is_private else f"{tag}")
        for tag in tags
    ]
