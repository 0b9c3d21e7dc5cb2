"""Image files: found, and read whole or refused with the reason."""

import io
import os
import socket
import struct
import tempfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from lag_zoo.data import describe_left_out, find_images, open_data, read_image
from lag_zoo.data.exams import exams_by_time
from lag_zoo.data.images import read_size
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError, UnreadableImageError

FORMATS = ["tif", "jpg", "png", "bmp", "webp"]


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(draw_frame((120, 160), seed=seed).permute(1, 2, 0).numpy())


def bind_socket(path: Path) -> None:
    """A socket of this name, which nobody serves; by a short path, for those of sockets are."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(before)


def header_of_a_png(width: int, height: int) -> bytes:
    """All of a PNG but its pixels."""
    return png(width, height, depth=8, pixels=b"")


def wide_png(pixels: np.ndarray) -> bytes:
    """A PNG of 16-bit colours (H, W, 3)."""
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    return png(width, height, depth=16, pixels=lines)


def wide_tiff(pixels: np.ndarray) -> bytes:
    """An uncompressed TIFF of 16-bit colours (H, W, 3)."""
    height, width = pixels.shape[:2]
    data = pixels.astype("<u2").tobytes()
    short, long = 3, 4
    tags = [
        (256, long, 1, width), (257, long, 1, height), (258, short, 3, 8 + len(data)), (259, short, 1, 1),
        (262, short, 1, 2), (273, long, 1, 8), (277, short, 1, 3), (278, long, 1, height), (279, long, 1, len(data)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    depths = struct.pack("<HHHH", 16, 16, 16, 0)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(depths)) + data + depths + directory


def png(width: int, height: int, *, depth: int, pixels: bytes) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    empty = b"IDAT" + zlib.compress(pixels)
    parts = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (chunk, empty, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class TestReads:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_each_format(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"frame.{suffix}"
        picture().save(path, **({"lossless": True} if suffix == "webp" else {}))
        pixels = read_image(path)
        assert (pixels.dtype, pixels.shape) == (torch.uint8, (3, 120, 160))
        if suffix != "jpg":
            assert torch.equal(pixels, draw_frame((120, 160)))

    def test_a_path_as_text_and_a_suffix_of_no_image(self, tmp_path: Path) -> None:
        picture().save(tmp_path / "frame.dat", "PNG")
        assert torch.equal(read_image(str(tmp_path / "frame.dat")), draw_frame((120, 160)))

    def test_exif_orientation(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        picture().save(tmp_path / "turned.png", exif=exif)
        assert torch.equal(read_image(tmp_path / "turned.png"), draw_frame((120, 160)).rot90(-1, (1, 2)))


def encoded(format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, format)
    return buffer.getvalue()


def at_its_end(data: bytes) -> io.BytesIO:
    file = io.BytesIO()
    file.write(data)
    return file


def spooled(data: bytes) -> Any:
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - an upload's
    file.write(data)
    return file


def zipped(data: bytes) -> Any:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("frame.png", data)
    return zipfile.ZipFile(buffer).open("frame.png")


def piped(data: bytes) -> Any:
    here, there = os.pipe()

    def write() -> None:
        with open(there, "wb") as end:
            end.write(data)

    threading.Thread(target=write).start()
    return open(here, "rb")


class Upload:
    """As web frameworks give it: reading is asynchronous, and the file lies below."""

    def __init__(self, data: bytes) -> None:
        self.file, self.filename = spooled(data), "frame.png"
        self.close = self.file.close

    async def read(self, size: int = -1) -> bytes:
        raise AssertionError


HELD: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "every second byte": lambda data: memoryview(np.repeat(np.frombuffer(data, np.uint8), 2))[::2],
    "BytesIO": io.BytesIO,
    "BytesIO at its end": at_its_end,
    "spooled": spooled,
    "zipped": zipped,
    "piped": piped,
    "upload": Upload,
}


@contextmanager
def held(kind: str, data: bytes) -> Iterator[Any]:
    file = HELD[kind](data)
    yield file
    getattr(file, "close", lambda: None)()


class TestHeld:
    """Files that are bytes or open already, each one image."""

    @pytest.mark.parametrize("kind", sorted(HELD))
    def test_each_kind(self, kind: str) -> None:
        with held(kind, encoded()) as file:
            assert torch.equal(read_image(file), draw_frame((120, 160)))

    @pytest.mark.parametrize("buffering", [0, -1])
    def test_an_open_file_and_its_name(self, tmp_path: Path, buffering: int) -> None:
        (tmp_path / "a.png").write_bytes(encoded())
        with (tmp_path / "a.png").open("rb", buffering) as file:
            file.read(7)
            assert torch.equal(read_image(file), draw_frame((120, 160)))
        (tmp_path / "cut.png").write_bytes(encoded()[:900])
        with (
            (tmp_path / "cut.png").open("rb", buffering) as file,
            pytest.raises(UnreadableImageError, match=r"/cut\.png: damaged or truncated"),
        ):
            read_image(file)

    @pytest.mark.parametrize("kind", sorted(HELD))
    @pytest.mark.parametrize("data", [b"", b"no image, but a long enough text\n" * 9, encoded("TIFF")[:9000]])
    def test_damage(self, kind: str, data: bytes) -> None:
        said = r"^bytes in memory: (an empty file|not a TIFF|damaged or truncated)"
        with held(kind, data) as file, pytest.raises(UnreadableImageError, match=said):
            read_image(file)

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(encoded())
        said = r'opened as text; open it in binary mode, open\(path, "rb"\)'
        with (
            (tmp_path / "a.png").open(encoding="utf-8") as file,
            pytest.raises(UnreadableImageError, match=rf"a\.png: a file {said}"),
        ):
            read_image(file)
        with pytest.raises(UnreadableImageError, match=f"bytes in memory: a file {said}"):
            read_image(io.StringIO("text"))

    def test_closed(self) -> None:
        file = io.BytesIO(encoded())
        file.close()
        with pytest.raises(UnreadableImageError, match="an open file that cannot be read"):
            read_image(file)

    def test_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lag_zoo.data.encoded.MAX_BYTES", 1 << 21)
        with open("/dev/zero", "rb") as file, pytest.raises(UnreadableImageError, match="without end"):
            read_image(file)

    @pytest.mark.parametrize("thing", [None, 3, picture(), np.zeros((40, 40), np.uint8)])
    def test_what_is_no_file(self, thing: Any) -> None:
        with pytest.raises(
            UnreadableImageError, match=f"bytes, or a file open in binary mode; got {type(thing).__name__}"
        ):
            read_image(thing)


class TestRefuses:
    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ("https://host/a.jpg", r"https://host/a\.jpg: an address, and no file; fetch it"),
            ("s3://bucket/a.tif", r"s3://bucket/a\.tif: an address"),
            ("data:image/png;base64,iVBORw0KGgo=", "an address"),
            ("frames/*.jpg", r"frames/\*\.jpg: no such file; of a pattern, glob\.glob\(pattern\) lists"),
            ("frame[12].png", r"no such file; of a pattern"),
            ("frame1.png", r"no such file$"),
            (".", r"a folder; lag_zoo\.data\.find_images\(\[folder\]\) lists its images"),
        ],
    )
    def test_what_is_no_path_of_a_file(self, given: str, says: str) -> None:
        with pytest.raises(UnreadableImageError, match=says):
            read_image(given)

    def test_a_file_with_the_signs_of_a_pattern_in_its_name(self, tmp_path: Path) -> None:
        picture().save(tmp_path / "frame[1]*.png")
        assert torch.equal(read_image(tmp_path / "frame[1]*.png"), draw_frame((120, 160)))

    def refused(self, path: Path, reason: str) -> None:
        with pytest.raises(UnreadableImageError) as caught:
            read_image(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert reason in str(caught.value)

    @pytest.mark.parametrize("suffix", ["tif", "png"])
    def test_narrow_colours_in_a_wide_container(self, tmp_path: Path, suffix: str) -> None:
        """Twelve bits in sixteen: PIL keeps the upper eight, and would give a nearly black picture."""
        pixels = np.asarray(picture()).astype(np.uint16)
        for name, scale in (("wide", 257), ("narrow", 15)):
            made = wide_tiff(pixels * scale) if suffix == "tif" else wide_png(pixels * scale)
            (tmp_path / f"{name}.{suffix}").write_bytes(made)
        assert int(read_image(tmp_path / f"wide.{suffix}").max()) == pixels.max()
        self.refused(tmp_path / f"narrow.{suffix}", "look like 12 bits or fewer in a wider container")

    def test_a_name_that_cannot_be(self, tmp_path: Path) -> None:
        for name in ("x" * 300 + ".png", "a\0b.png"):
            assert list(find_images([tmp_path / name])) == [tmp_path / name]
            with pytest.raises(UnreadableImageError):
                read_image(tmp_path / name)

    @pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (12_000, 12_000)])
    def test_a_size_that_no_scope_delivers(self, tmp_path: Path, size: tuple[int, int]) -> None:
        """Nothing of it is decoded, not even to ask for its time or its size."""
        path = tmp_path / "large.png"
        Image.new("1", size).save(path)
        self.refused(path, "which no scope delivers; not decoded")
        with pytest.raises(UnreadableImageError, match="not decoded"):
            read_size(path)
        with pytest.raises(DataError, match="not decoded"):
            exams_by_time([path])

    @pytest.mark.parametrize("kind", ["a pipe", "a device", "a socket", "a folder"])
    def test_what_is_no_file_is_opened_by_nobody(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "frame.png"
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a device":
            path.symlink_to("/dev/zero")
        elif kind == "a socket":
            bind_socket(path)
        else:
            path.mkdir()
        if kind != "a folder":
            assert list(find_images([path])) == [path], "given by name"
        for read in (read_image, read_size):
            with pytest.raises(UnreadableImageError, match=kind):
                read(path)
        with pytest.raises(DataError, match=kind):
            exams_by_time([path])

    def test_a_missing_file(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "none.jpg", "no such file")

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jpg").touch()
        self.refused(tmp_path / "empty.jpg", "an empty file")

    def test_a_folder(self, tmp_path: Path) -> None:
        self.refused(tmp_path, "a folder")

    def test_text_named_jpg(self, tmp_path: Path) -> None:
        (tmp_path / "text.jpg").write_text("not an image at all, but a long enough text\n" * 9)
        self.refused(tmp_path / "text.jpg", "not a TIFF, JPEG, PNG, BMP, WebP or DICOM image")

    def test_another_format(self, tmp_path: Path) -> None:
        picture().save(tmp_path / "frame.gif")
        self.refused(tmp_path / "frame.gif", "not a TIFF, JPEG, PNG, BMP, WebP or DICOM image")

    @pytest.mark.parametrize("suffix", FORMATS)
    @pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
    def test_a_truncated_file(self, tmp_path: Path, suffix: str, kept: float) -> None:
        whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
        picture().save(whole)
        data = whole.read_bytes()
        cut.write_bytes(data[: int(kept * len(data))])
        with pytest.raises(UnreadableImageError, match=r"cut\.\w+: (damaged or truncated|not a TIFF)"):
            read_image(cut)

    def test_a_truncated_progressive_jpeg(self, tmp_path: Path) -> None:
        picture().save(tmp_path / "cut.jpg", progressive=True)
        data = (tmp_path / "cut.jpg").read_bytes()
        (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
        self.refused(tmp_path / "cut.jpg", "truncated")

    def test_half_a_picture_that_pil_was_told_to_let_pass(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        picture().save(tmp_path / "whole.png")
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        self.refused(tmp_path / "whole.png", "LOAD_TRUNCATED_IMAGES is set")

    @pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 9_000), (9_000, 9_000)])
    def test_a_decompression_bomb(self, tmp_path: Path, size: tuple[int, int]) -> None:
        """Over PIL's own error, over its warning, and over ours alone: nothing is decoded."""
        limit = Image.MAX_IMAGE_PIXELS
        (tmp_path / "bomb.png").write_bytes(header_of_a_png(*size))
        self.refused(tmp_path / "bomb.png", "more than 80 megapixels")
        assert limit == Image.MAX_IMAGE_PIXELS

    def test_one_pixel(self, tmp_path: Path) -> None:
        Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
        self.refused(tmp_path / "one.png", "needs 32 pixels on its short side; got 1 x 1")

    def test_pixels_without_a_known_range(self, tmp_path: Path) -> None:
        Image.fromarray(np.zeros((50, 50), np.float32), "F").save(tmp_path / "float.tif")
        self.refused(tmp_path / "float.tif", "no known range")

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_damage_is_never_another_error(self, tmp_path: Path, suffix: str) -> None:
        """Bytes flipped at random: a picture of the right shape, or `UnreadableImageError`."""
        picture().save(tmp_path / f"whole.{suffix}")
        data = np.frombuffer((tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
        rng = np.random.default_rng(0)
        for number in range(40):
            broken = data.copy()
            places = rng.integers(0, len(data) if number % 2 else 400, 6)
            broken[places] = rng.integers(0, 256, 6)
            path = tmp_path / f"broken.{suffix}"
            path.write_bytes(broken.tobytes())
            try:
                assert read_image(path).ndim == 3
            except UnreadableImageError as error:
                assert str(error).startswith(str(path))  # noqa: PT017


class TestFinds:
    def test_walks_folders_in_order(self, tmp_path: Path) -> None:
        for name in (
            "b/2.JPG",
            "b/1.tiff",
            "a.png",
            "c/x.txt",
            "c/d/e.webp",
            ".hidden/f.png",
            "b/._1.jpg",
            "z.bmp",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        found = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]
        assert found == ["a.png", "b/1.tiff", "b/2.JPG", "c/d/e.webp", "z.bmp"]

    def test_files_as_given(self, tmp_path: Path) -> None:
        (tmp_path / "one.png").touch()
        given = [tmp_path / "none.jpg", str(tmp_path), "x.dat"]
        assert list(find_images(given)) == [tmp_path / "none.jpg", tmp_path / "one.png", Path("x.dat")]

    @pytest.mark.parametrize("ending", ["jfif", "JPE", "jif", "JPEG"])
    def test_the_other_endings_of_jpeg(self, tmp_path: Path, ending: str) -> None:
        picture().save(tmp_path / f"a.{ending}", "JPEG")
        (found,) = find_images([tmp_path])
        assert read_image(found).shape == (3, 120, 160)

    def test_what_is_left_out_is_counted_by_kind(self, tmp_path: Path) -> None:
        for name in (
            "a.png", "clip.MP4", "b/clip.mp4", "b/1.dicom", "b/IM0001", "1.2.840.113619", "2.16.840.1", "x.", "7.7z",
            ".DS_Store", ".git/a.png", "b/Thumbs.db", "long.averylongending",
        ):  # fmt: skip
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "b" / "loop").symlink_to(tmp_path)
        left_out: Counter[str] = Counter()
        assert list(find_images([tmp_path, tmp_path / "clip.MP4"], left_out)) == [
            tmp_path / "a.png",
            tmp_path / "clip.MP4",
        ]
        assert left_out == {
            ".mp4": 2, ".dicom": 1, ".7z": 1, ".db": 1, "no ending": 5, "hidden": 2, "link to a folder above": 1,
        }  # fmt: skip
        assert describe_left_out(left_out) == (
            "left out: 5 without an ending, 2 .mp4, 2 hidden, 1 .7z, 1 .db, 1 .dicom, 1 linked to a folder above"
        )

    @pytest.mark.parametrize("ending", [".png", ".JPG", ".txt", ""])
    @pytest.mark.parametrize("linked", [False, True])
    def test_pipes_sockets_and_devices(self, tmp_path: Path, ending: str, linked: bool) -> None:
        folder, there = tmp_path / "frames" / "IM", tmp_path / "elsewhere"
        folder.mkdir(parents=True)
        there.mkdir()
        place = there if linked else folder
        os.mkfifo(place / f"pipe{ending}")
        bind_socket(place / f"socket{ending}")
        (place / f"device{ending}").symlink_to("/dev/null")
        for path in there.iterdir():
            (folder / path.name).symlink_to(path)
        picture().save(folder / "frame.png")
        (folder / "nowhere.png").symlink_to("gone")
        left_out: Counter[str] = Counter()
        found = [path.name for path in find_images([tmp_path / "frames"], left_out)]
        assert found == ["frame.png", "nowhere.png"], "reading a broken link says why it cannot be"
        assert left_out == {"pipe": 1, "socket": 1, "device": 1}
        assert describe_left_out(left_out) == "left out: 1 device, 1 pipe, 1 socket"

    def test_a_pipe_beside_the_folders_of_labels(self, tmp_path: Path) -> None:
        for label in ("IM", "normal"):
            (tmp_path / label).mkdir()
            picture().save(tmp_path / label / "frame.png")
        os.mkfifo(tmp_path / "pipe.png")
        assert open_data(tmp_path).left_out == {"pipe": 1}

    def test_what_is_left_out_in_one_line_of_any_length(self) -> None:
        assert describe_left_out({}) == describe_left_out(Counter({".mp4": 0})) == ""
        many = {f".e{number}": number for number in range(100)}
        assert describe_left_out(many).count(",") == 8
        assert describe_left_out(many).endswith(f", {sum(range(92))} of other kinds")

    def test_linked_folders_at_every_level(self, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        for name in ("one/a.png", "two/deep/b.png"):
            (elsewhere / name).parent.mkdir(parents=True)
            (elsewhere / name).touch()
        frames = tmp_path / "frames" / "p1"
        frames.mkdir(parents=True)
        (frames / "link").symlink_to(elsewhere / "one")
        (elsewhere / "one" / "on").symlink_to(elsewhere / "two")
        found = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path / "frames"])]
        assert found == ["frames/p1/link/a.png", "frames/p1/link/on/deep/b.png"]

    def test_a_link_in_a_circle(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "one.png").touch()
        (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
        (tmp_path / "in" / "up").symlink_to(
            tmp_path
        )  # a folder that it lies in, though the walk begins below
        left_out: Counter[str] = Counter()
        assert list(find_images([tmp_path / "in"], left_out)) == [tmp_path / "in" / "one.png"]
        assert left_out == {"link to a folder above": 2}

    @settings(max_examples=25)
    @given(
        parents=st.lists(st.integers(0, 5), min_size=5, max_size=5),
        links=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4, unique=True),
    )
    def test_links_in_any_circles(
        self, tmp_path_factory: pytest.TempPathFactory, parents: list[int], links: list[tuple[int, int]]
    ) -> None:
        """No path leads through a folder twice, and every folder's image is found."""
        root = tmp_path_factory.mktemp("links")
        folders = [root]
        for number, parent in enumerate(parents, start=1):
            folders.append(folders[min(parent, number - 1)] / f"f{number}")
        for number, folder in enumerate(folders):
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.png").touch()
        for here, there in links:
            (folders[here] / f"to{there}").symlink_to(folders[there])
        left_out: Counter[str] = Counter()
        found = list(find_images([root], left_out))
        assert {path.name for path in found} == {f"{number}.png" for number in range(len(folders))}
        for path in found:
            through = [p.resolve() for p in path.parents if p == root or root in p.parents]
            assert len(set(through)) == len(through)
        assert left_out.keys() <= {"link to a folder above"}

    def test_a_folder_that_cannot_be_opened_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "scandir", denied)
        assert list(find_images([tmp_path])) == [tmp_path]
