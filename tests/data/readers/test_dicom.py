"""DICOM files as images: equal to what was written, and to what pydicom reads; all else refused with its reason."""

import contextlib
import functools
import io
import os
import struct
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space

from lag_zoo.data import find_images, read_image
from lag_zoo.data.encoded import Encoded
from lag_zoo.data.images import read_size
from lag_zoo.data.phantom import draw_frame
from lag_zoo.data.readers.codestream import codestream_of
from lag_zoo.data.readers.dicom import open_dicom, read_dicom
from lag_zoo.errors import UnreadableImageError
from tests.data.readers import written_dicom as written

FILES = Path(pydicom.data.__file__).parent / "test_files"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def drawn(count: int = 1, size: tuple[int, int] = (121, 151)) -> np.ndarray:
    """Frames (N, H, W, 3); the sides are odd, as a frame then may have an odd number of bytes."""
    return np.stack([draw_frame(size, seed=seed).permute(1, 2, 0).numpy() for seed in range(count)])


def real(shared: Path) -> np.ndarray:
    """Frames (2, H, W, 3) of real mucosa and a polyp, with Fujifilm's and Olympus's colours."""
    paths = (shared / "samples/WLI_normal").glob("*.TIF"), (shared / "demo").glob("polyp.jpg")
    return np.stack([read_image(next(each))[:, 200:402, 100:301].permute(1, 2, 0).numpy() for each in paths])


def pixels(path: Path, index: int | None = None) -> np.ndarray:
    found = read_dicom(path, index)
    assert found.dtype == torch.uint8
    return found.permute(1, 2, 0).numpy()


class TestWhatWasWritten:
    @pytest.mark.parametrize("syntax", written.LOSSLESS)
    def test_is_read_pixel_by_pixel(self, tmp_path: Path, syntax: str, shared: Path) -> None:
        # FFmpeg's lossless JPEG stores rows by twos, of which libjpeg leaves out the last of an odd number.
        size = (120, 151) if syntax == written.JPEG_LOSSLESS else (121, 151)
        for name, frames in (("drawn", drawn(3, size)), ("real", real(shared))):
            path = written.write(tmp_path / f"{name}.dcm", frames, syntax)
            for index, frame in enumerate(frames):
                assert np.array_equal(pixels(path, index), frame), (syntax, name, index)

    @pytest.mark.parametrize("syntax", [written.JPEG, written.JPEG_2000])
    def test_is_read_as_the_encoder_meant_it(self, tmp_path: Path, syntax: str, shared: Path) -> None:
        frames = real(shared)
        path = written.write(tmp_path / "lossy.dcm", frames, syntax)
        for index, frame in enumerate(frames):
            there = np.asarray(Image.open(io.BytesIO(written.encoded(frame, syntax))).convert("RGB"))
            assert np.abs(pixels(path, index).astype(int) - there).max() <= 3  # of one rounding and another
            assert np.abs(pixels(path, index).astype(int) - frame).mean() < 4

    @pytest.mark.parametrize("colours", ["YBR_FULL", "YBR_FULL_422"])
    def test_uncompressed_ybr(self, tmp_path: Path, colours: str) -> None:
        frames = drawn(2, (120, 150))
        ybr = convert_color_space(frames, "RGB", "YBR_FULL")
        if colours == "YBR_FULL_422":  # of two pixels both Y, and one Cb and Cr (PS3.3, C.7.6.3.1.2)
            pairs = ybr.reshape(2, 120, 75, 2, 3)
            ybr = np.stack([pairs[..., 0, 0], pairs[..., 1, 0], pairs[..., 0, 1], pairs[..., 0, 2]], -1)
        path = written.write(
            tmp_path / "ybr.dcm", frames, pixels=ybr.tobytes(), PhotometricInterpretation=colours
        )
        theirs = pydicom.dcmread(path).pixel_array
        for index in range(2):
            assert np.array_equal(pixels(path, index), theirs[index])
            if colours == "YBR_FULL":
                assert np.abs(pixels(path, index).astype(int) - frames[index]).max() <= 2

    def test_planes(self, tmp_path: Path) -> None:
        frames = drawn(2)
        data = frames.transpose(0, 3, 1, 2).tobytes()
        path = written.write(tmp_path / "planes.dcm", frames, pixels=data, PlanarConfiguration=1)
        assert np.array_equal(pixels(path, 1), frames[1])

    def test_grey_values_stand_in_all_colours(self, tmp_path: Path) -> None:
        grey = drawn()[..., 0]
        written.write(tmp_path / "2.dcm", grey)
        written.write(tmp_path / "1.dcm", grey, PhotometricInterpretation="MONOCHROME1")
        assert np.array_equal(pixels(tmp_path / "2.dcm"), np.stack([grey[0]] * 3, -1))
        assert np.array_equal(pixels(tmp_path / "1.dcm"), 255 - np.stack([grey[0]] * 3, -1))

    def test_a_frame_in_several_fragments(self, tmp_path: Path) -> None:
        frames = drawn(3)
        each = [written.encoded(frame, written.JPEG_LS) for frame in frames]
        path = written.write(
            tmp_path / "torn.dcm", frames, written.JPEG_LS, pixels=encapsulate(each, fragments_per_frame=3)
        )
        for index, frame in enumerate(frames):
            assert np.array_equal(pixels(path, index), frame)
        single = written.write(
            tmp_path / "single.dcm",
            frames[:1],
            written.JPEG_LS,
            pixels=encapsulate(each[:1], fragments_per_frame=4, has_bot=False),
        )
        assert np.array_equal(pixels(single), frames[0])


class TestPydicomsOwnFiles:
    """Each file of pydicom's own that is a picture of 8 bits is read as pydicom reads it, and any other is refused."""

    @pytest.mark.parametrize("path", sorted(FILES.glob("*.dcm")), ids=lambda path: path.stem)
    def test_it_is_read_as_pydicom_does_or_refused(self, path: Path) -> None:
        found, reason = read_or_reason(path)
        assert found or reason.startswith(f"{path}: ")
        assert "Error)" not in reason or path.stem == "badVR"
        if found:
            header = pydicom.dcmread(path)
            theirs = header.pixel_array.reshape(len(found), header.Rows, header.Columns, -1)
            for mine, other in zip(found, theirs, strict=True):
                assert np.array_equal(mine, np.broadcast_to(other, mine.shape))

    def test_colour_files_of_8_bits_are_read(self) -> None:
        reasons = [read_or_reason(path)[1] for path in FILES.glob("SC_*.dcm")]
        refused = [reason for reason in reasons if reason]
        assert len(reasons) - len(refused) >= 20
        expected = ("8 in 8 are read", "32 pixels", "1.2.840.10008.1.2.2,")
        assert all(any(word in reason for word in expected) for reason in refused)


def read_or_reason(path: Path) -> tuple[list[np.ndarray], str]:
    """All frames of a file, or the reason why there are none."""
    try:
        with open_dicom(path) as opened:
            return [opened.read(index).permute(1, 2, 0).numpy() for index in range(len(opened))], ""
    except UnreadableImageError as error:
        return [], str(error)


class TestAsAnImage:
    def test_by_its_content_whatever_its_name(self, tmp_path: Path) -> None:
        frames = drawn()
        for name in ("a.dcm", "IM000001", "b.png"):
            path = written.write(tmp_path / name, frames, written.JPEG_2000_LOSSLESS)
            assert np.array_equal(read_image(path).permute(1, 2, 0).numpy(), frames[0])
            assert np.array_equal(read_image(path.read_bytes()).permute(1, 2, 0).numpy(), frames[0])
            assert read_size(path) == frames.shape[1:3]
        assert [path.name for path in find_images([tmp_path])] == ["a.dcm", "b.png"]

    def test_of_several_frames_none_is_chosen(self, tmp_path: Path) -> None:
        path = written.write(tmp_path / "a.dcm", drawn(3))
        with pytest.raises(UnreadableImageError, match=r"it has 3 frames, and one is wanted: .*data import"):
            read_image(path)


class TestIsRefused:
    def refused(self, file: Path | Encoded, reason: str, index: int | None = None) -> str:
        with pytest.raises(UnreadableImageError, match=reason) as seen:
            read_dicom(file, index)
        for secret in written.SECRETS.values():
            assert secret not in str(seen.value)
        return str(seen.value)

    def test_without_pixels(self, tmp_path: Path) -> None:
        path = written.write(tmp_path / "a.dcm", drawn())
        made = pydicom.dcmread(path)
        del made.PixelData
        made.save_as(path)
        self.refused(path, "without pixels")
        self.refused(written.write(path, drawn(), pixels=b""), "without pixels")
        self.refused(written.write(path, drawn(), written.RLE, pixels=encapsulate([])), "without pixels")

    def test_of_other_bits(self, tmp_path: Path) -> None:
        wide = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
        path = written.write(tmp_path / "a.dcm", drawn(), pixels=bytes(2 * drawn().size), **wide)
        self.refused(path, "values of 12 bits in 16, and 8 in 8 are read")
        self.refused(written.write(path, drawn(), PixelRepresentation=1), "signed values of 8 bits")

    def test_in_an_unknown_transfer_syntax(self, tmp_path: Path) -> None:
        path = written.write(tmp_path / "a.dcm", drawn())
        whole = path.read_bytes()
        for other in ("1.2.840.10008.1.2.9", "1.3.999999.4711.5.6"):
            path.write_bytes(
                whole.replace(written.EXPLICIT.encode() + b"\0", other.encode().ljust(20, b"\0"))
            )
            said = self.refused(path, "transfer syntax.*those that are read are")
            assert ("4711" in said) is False

    def test_deflated_whatever_it_unpacks_to(self, tmp_path: Path) -> None:
        made = written.dataset(drawn())
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
        made.PixelData = bytes(drawn().size + 1)
        pydicom.dcmwrite(tmp_path / "a.dcm", made, enforce_file_format=True)
        self.refused(tmp_path / "a.dcm", r"transfer syntax 1\.2\.840\.10008\.1\.2\.1\.99")

    def test_of_other_colours(self, tmp_path: Path) -> None:
        path = tmp_path / "a.dcm"
        self.refused(
            written.write(path, drawn()[..., 0], PhotometricInterpretation="PALETTE COLOR"), "PALETTE COLOR"
        )
        self.refused(written.write(path, drawn(), PhotometricInterpretation="DOE JANE"), "other colours of 3")
        self.refused(
            written.write(path, drawn(), PhotometricInterpretation="MONOCHROME2"), "MONOCHROME2 colours of 3"
        )

    def test_of_a_size_that_no_scope_delivers(self, tmp_path: Path) -> None:
        path = tmp_path / "a.dcm"
        self.refused(written.write(path, drawn(), Rows=65000, Columns=65000), "more than 80 megapixels")
        self.refused(written.write(path, drawn(), Rows=0), "how large")
        self.refused(written.write(path, drawn()[:, :20, :20]), "32 pixels on its short side")

    @pytest.mark.parametrize(
        "syntax", [written.JPEG, written.JPEG_LS, written.JPEG_2000, written.JPEG_LOSSLESS]
    )
    def test_a_codestream_that_is_larger_than_its_header_says(self, tmp_path: Path, syntax: str) -> None:
        frames = drawn()
        data = bytearray(written.encoded(frames[0], syntax))
        found = codestream_of(bytes(data))
        assert found is not None
        assert found[:4] == (121, 151, 3, 8)
        height, big = (struct.pack(f">{form}", value) for form, value in (("H", 121), ("H", 65000)))
        data = bytearray(data.replace(height, big))
        path = written.write(tmp_path / "a.dcm", frames, syntax, pixels=encapsulate([bytes(data)]))
        self.refused(path, "the header speaks of 151 x 121 pixels.* and the frame of")

    def test_a_frame_without_end(self, tmp_path: Path) -> None:
        path = written.write(tmp_path / "a.dcm", drawn(), written.RLE, pixels=encapsulate([bytes(3 << 20)]))
        self.refused(path, "are more than such a frame has")

    def test_a_header_without_end(self, tmp_path: Path) -> None:
        path = written.write(tmp_path / "a.dcm", drawn(), ImageComments="x")
        whole = path.read_bytes()
        at = whole.index(b"\x20\x00\x00\x40")  # ImageComments
        path.write_bytes(
            whole[:at] + b"\x20\x00\x00\x40UN\0\0" + struct.pack("<I", 70 << 20) + bytes(70 << 20)
        )
        self.refused(path, "without pixels|more than")

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "nowhere.dcm", "no such file")
        self.refused(tmp_path, "a folder, and no file")
        os.mkfifo(tmp_path / "pipe.dcm")
        self.refused(tmp_path / "pipe.dcm", "a pipe, and no file")
        self.refused(Encoded(b"GIF89a"), "bytes in memory: no DICOM file")


class TestAGapIsOneFrames:
    @pytest.mark.parametrize(
        "syntax", [written.JPEG, written.JPEG_LS, written.JPEG_2000_LOSSLESS, written.RLE]
    )
    def test_a_damaged_frame_in_the_middle(self, tmp_path: Path, syntax: str) -> None:
        frames = drawn(3)
        each = [written.encoded(frame, syntax) for frame in frames]
        each[1] = each[1][:60] + b"\0" * 40
        path = written.write(tmp_path / "a.dcm", frames, syntax, pixels=encapsulate(each))
        with open_dicom(path) as opened:
            assert len(opened) == 3
            opened.read(0)
            with pytest.raises(UnreadableImageError, match="frame 1: damaged"):
                opened.read(1)
            opened.read(2)

    @pytest.mark.parametrize("syntax", [written.EXPLICIT, written.JPEG_LS])
    def test_a_file_that_ends_early(self, tmp_path: Path, syntax: str) -> None:
        frames = drawn(4)
        path = written.write(tmp_path / "a.dcm", frames, syntax)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 5 // 8])
        with open_dicom(path) as opened:
            assert (len(opened), opened.missing) == (3, 1)
            assert np.array_equal(opened.read(1).permute(1, 2, 0).numpy(), frames[1])
            with pytest.raises(UnreadableImageError, match="frame 2: the file ends before it"):
                opened.read(2)
            with pytest.raises(UnreadableImageError, match="frames 0 to 2, and no frame 3"):
                opened.read(3)

    @settings(max_examples=40)
    @given(cut=st.floats(0, 1), place=st.floats(0, 0.999), byte=st.integers(0, 255))
    def test_whatever_is_cut_or_changed_is_read_or_refused(self, cut: float, place: float, byte: int) -> None:
        for data in written_once():
            changed = bytearray(data)
            changed[int(place * len(data))] = byte
            for some in (changed, data[: int(cut * len(data))]):
                with contextlib.suppress(UnreadableImageError):
                    assert read_image(bytes(some)).shape[0] == 3


@functools.cache
def written_once() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            written.write(Path(folder) / "a.dcm", drawn(size=(64, 64)), syntax).read_bytes()
            for syntax in (written.EXPLICIT, written.JPEG, written.RLE)
        ]


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written.write(tmp_path / "a.dcm", drawn())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UnreadableImageError) as seen:
        read_image(path)
    assert str(seen.value) == f'{path}: pydicom is not installed: pip install "lag_zoo[dicom]"'


def test_nothing_of_the_header_reaches_a_traceback(tmp_path: Path) -> None:
    path = written.write(tmp_path / "a.dcm", drawn(), NumberOfFrames="1")
    whole = path.read_bytes()
    count = b"\x28\x00\x08\x00IS\x02\x00"
    path.write_bytes(whole.replace(count + b"1 ", count + b"JD"))
    with pytest.raises(UnreadableImageError, match="damaged, or in a form") as seen:
        read_image(path)
    assert "JD" not in "".join(traceback.format_exception(seen.value))
