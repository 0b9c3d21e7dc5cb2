"""Image files: found, and read whole or refused with the reason."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from lag_zoo.data import find_images, read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import UnreadableImageError

FORMATS = ["tif", "jpg", "png", "bmp", "webp"]


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(draw_frame((120, 160), seed=seed).permute(1, 2, 0).numpy())


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


class TestRefuses:
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

    def test_a_pipe_and_a_name_that_cannot_be(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        assert [path.name for path in find_images([tmp_path])] == ["pipe.png"]
        self.refused(tmp_path / "pipe.png", "a device or a pipe, and no file")
        for name in ("x" * 300 + ".png", "a\0b.png"):
            assert list(find_images([tmp_path / name])) == [tmp_path / name]
            with pytest.raises(UnreadableImageError):
                read_image(tmp_path / name)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "none.jpg", "no such file")

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jpg").touch()
        self.refused(tmp_path / "empty.jpg", "an empty file")

    def test_a_folder(self, tmp_path: Path) -> None:
        self.refused(tmp_path, "a folder")

    def test_text_named_jpg(self, tmp_path: Path) -> None:
        (tmp_path / "text.jpg").write_text("not an image at all, but a long enough text\n" * 9)
        self.refused(tmp_path / "text.jpg", "not a TIFF, JPEG, PNG, BMP or WebP image")

    def test_another_format(self, tmp_path: Path) -> None:
        picture().save(tmp_path / "frame.gif")
        self.refused(tmp_path / "frame.gif", "not a TIFF, JPEG, PNG, BMP or WebP image")

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

    def test_a_link_in_a_circle(self, tmp_path: Path) -> None:
        (tmp_path / "one.png").touch()
        (tmp_path / "loop").symlink_to(tmp_path)
        assert list(find_images([tmp_path])) == [tmp_path / "one.png"]

    def test_a_folder_that_cannot_be_opened_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "listdir", denied)
        assert list(find_images([tmp_path])) == [tmp_path]
