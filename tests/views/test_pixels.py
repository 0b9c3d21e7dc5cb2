"""Pixels of every kind become raw RGB, or are refused with the reason."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lag_zoo.errors import InvalidImageError
from lag_zoo.views import FrameTransform, ViewSampler, ViewTransform, to_pixels
from lag_zoo.views.pixels import check_frames

SIDE = (40, 56)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIDE, 3), dtype=np.uint8)


def rgb(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.copy()).permute(2, 0, 1)


class TestPIL:
    def test_rgb_is_itself(self) -> None:
        pixels = to_pixels(Image.fromarray(picture()))
        assert pixels.dtype == torch.uint8
        assert pixels.stride(0) == 1  # colours side by side, as the resize likes them
        assert torch.equal(pixels, rgb(picture()))

    def test_grey_is_three_times_itself(self) -> None:
        grey = picture()[..., 0]
        assert torch.equal(to_pixels(Image.fromarray(grey)), torch.from_numpy(grey.copy()).expand(3, -1, -1))

    def test_one_bit_is_black_and_white(self) -> None:
        bits = picture()[..., 0] > 127
        assert torch.equal(to_pixels(Image.fromarray(bits))[0], torch.from_numpy(bits).to(torch.uint8) * 255)

    def test_transparency_falls_on_black(self) -> None:
        array = np.dstack([picture(), np.zeros(SIDE, np.uint8)])
        array[:20, :, 3] = 255
        pixels = to_pixels(Image.fromarray(array))
        assert torch.equal(pixels[:, :20], rgb(picture())[:, :20])
        assert not pixels[:, 20:].any()

    def test_grey_with_transparency(self) -> None:
        array = np.dstack([picture()[..., 0], np.full(SIDE, 255, np.uint8)])
        assert torch.equal(to_pixels(Image.fromarray(array, "LA"))[2], torch.from_numpy(array[..., 0].copy()))

    @pytest.mark.parametrize("transparent", [False, True])
    def test_palette(self, transparent: bool) -> None:
        indices = (np.arange(SIDE[0] * SIDE[1]) % 3).astype(np.uint8).reshape(SIDE)
        image = Image.fromarray(indices, "P")
        image.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 30])
        colours = torch.tensor([[255, 0, 0], [0, 255, 0], [10, 20, 30]], dtype=torch.uint8)
        if transparent:
            image.info["transparency"] = 1
            colours[1] = 0
        assert torch.equal(to_pixels(image), colours[torch.from_numpy(indices).long()].permute(2, 0, 1))

    def test_cmyk(self) -> None:
        ink = Image.new("CMYK", SIDE[::-1], (0, 255, 255, 0))  # magenta and yellow make red
        red = to_pixels(ink)
        assert red[0].eq(255).all()
        assert not red[1:].any()

    @pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
    def test_sixteen_bits(self, mode: str) -> None:
        wide = np.linspace(0, 65535, SIDE[0] * SIDE[1]).round().astype(np.uint16).reshape(SIDE)
        kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
        image = Image.frombytes(mode, SIDE[::-1], wide.astype(kind).tobytes())
        expected = torch.from_numpy((wide / 257).round().astype(np.uint8))
        assert torch.equal(to_pixels(image), expected.expand(3, -1, -1))

    @pytest.mark.parametrize("mode", ["RGBX", "YCbCr", "LAB", "HSV", "La", "RGBa", "PA"])
    def test_any_other_mode_becomes_rgb(self, mode: str) -> None:
        assert to_pixels(Image.new(mode, SIDE[::-1])).shape == (3, *SIDE)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, orientation: int) -> None:
        """What the tag says was done to the upright picture is undone."""
        turn = {
            1: lambda a: a,
            2: np.fliplr,
            3: lambda a: np.rot90(a, 2),
            4: np.flipud,
            5: lambda a: a.transpose(1, 0, 2),
            6: lambda a: np.rot90(a, 1),
            7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
            8: lambda a: np.rot90(a, -1),
        }[orientation]
        image = Image.fromarray(np.ascontiguousarray(turn(picture())))
        image.getexif()[0x0112] = orientation
        assert torch.equal(to_pixels(image), rgb(picture()))
        assert image.getexif()[0x0112] == orientation, "the caller's image is left alone"

    def test_no_warning_on_the_way(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            to_pixels(np.dstack([picture(), picture()[..., 0]]))


class TestArraysAndTensors:
    @pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", np.longdouble])
    def test_floats_of_any_width_and_byte_order(self, dtype: str) -> None:
        values = np.linspace(0, 1, SIDE[0] * SIDE[1] * 3).reshape(*SIDE, 3).astype(dtype)
        pixels = to_pixels(values)
        assert pixels.dtype == torch.float32
        assert torch.equal(pixels, rgb(values.astype(np.float32)))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_float_tensors(self, dtype: torch.dtype) -> None:
        values = torch.rand(3, *SIDE).to(dtype)
        assert torch.equal(to_pixels(values), values.float())

    def test_sixteen_bits(self) -> None:
        wide = np.full((*SIDE, 3), 65535, np.uint16)
        assert to_pixels(wide).eq(255).all()
        assert to_pixels(torch.from_numpy(wide).permute(2, 0, 1)).eq(255).all()
        assert not to_pixels(np.zeros((*SIDE, 3), np.uint16)).any()

    def test_grey_tensor(self) -> None:
        assert to_pixels(torch.zeros(1, *SIDE, dtype=torch.uint8)).shape == (3, *SIDE)

    def test_views_of_arrays_and_no_shared_memory(self) -> None:
        array = picture()
        mirrored = array[::-1, :, ::-1]
        pixels = to_pixels(mirrored)
        assert torch.equal(pixels, rgb(mirrored))
        array[:] = 0
        assert pixels.any()

    def test_a_read_only_array(self) -> None:
        array = picture()
        array.setflags(write=False)
        assert torch.equal(to_pixels(array), rgb(array))


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("frame.png", r"got the path 'frame.png': lag_zoo.data.read_image\(path\) reads it"),
        (Path("a/b.png"), "got the path 'a/b.png': lag_zoo.data.read_image"),
        (
            Path(__file__).parent,
            r"got the folder '.*': lag_zoo.data.find_images\(\[folder\]\) lists its images",
        ),
        ("https://host/a.jpg", "got the address 'https://host/a.jpg': fetch it, and lag_zoo.data.read_image"),
        ("s3://bucket/a.jpg", "got the address 's3://bucket/a.jpg'"),
        ("x" * 5000, "got the path 'x{100}...': "),
        ("a\0b", r"got the path 'a\\x00b'"),
        (b"II*", r"got the bytes of a file: lag_zoo.data.read_image\(data\) reads them"),
        (bytearray(b"II*"), "got the bytes of a file"),
        (memoryview(b"II*"), "got the bytes of a file"),
        (io.BytesIO(b"II*"), r"got an open file: lag_zoo.data.read_image\(file\) reads it"),
        (None, "got NoneType"),
        (np.zeros((2, *SIDE, 3), np.uint8), r"\(H, W, 3\) or \(H, W, 4\); got \(2, 40, 56, 3\)"),
        (np.zeros((*SIDE, 2), np.uint8), r"got \(40, 56, 2\)"),
        (np.zeros((*SIDE, 3), np.int32), "uint8, uint16 or float; got int32"),
        (np.zeros((*SIDE, 3), bool), "got bool"),
        (np.zeros((*SIDE, 4), np.float32), "an array with alpha is uint8; got float32"),
        (
            torch.zeros(2, *SIDE, dtype=torch.uint8),
            r"three channels before height and width; got \(1, 2, 40, 56\)",
        ),
        (torch.zeros(4, *SIDE, dtype=torch.uint8), "three channels"),
        (torch.zeros(*SIDE, 3, dtype=torch.uint8), "three channels before"),
        (torch.zeros(SIDE, dtype=torch.uint8), r"one image has the shape \(3, H, W\)"),
        (torch.zeros(3, *SIDE, dtype=torch.int64), "uint8, uint16 or float; got torch.int64"),
        (torch.zeros(3, *SIDE, dtype=torch.complex64), "got torch.complex64"),
        (torch.zeros(3, 31, 56, dtype=torch.uint8), "needs 32 pixels on its short side; got 56 x 31"),
        (torch.zeros(3, 1, 1, dtype=torch.uint8), "got 1 x 1"),
        (torch.zeros(3, 0, 40), "got 40 x 0"),
        (torch.full((3, *SIDE), float("nan")), "from 0 to 1; got nan to nan"),
        (torch.full((3, *SIDE), float("inf")), "got inf to inf"),
        (torch.full((3, *SIDE), 255.0), "Divide by 255"),
        (torch.full((3, *SIDE), -0.01), "got -0.01 to -0.01"),
        (np.full((*SIDE, 3), 4095, np.uint16), "reach only 4095 look like 12 bits"),
        (np.full((*SIDE, 3), 200, np.uint16), "reach only 200 look like 12 bits"),
        (Image.new("F", SIDE), "PIL mode F"),
        (Image.new("I", SIDE, -1), "16 bits is expected; got -1 to -1"),
        (Image.new("I", SIDE, 65536), "got 65536 to 65536"),
        (Image.new("RGB", (1, 1)), "got 1 x 1"),
    ],
)
def test_refuses_and_says_why(image: object, says: str) -> None:
    with pytest.raises(InvalidImageError, match=says):
        to_pixels(image)  # type: ignore[arg-type]


@pytest.mark.parametrize("thing", ["frame.png", Path("frame.png"), b"II*", io.BytesIO(b"II*")])
def test_a_file_is_named_by_samplers_and_transforms_too(thing: object) -> None:
    sampler = ViewSampler(num_crops=2, crop_size=32)
    for take in (sampler, ViewTransform(sampler), FrameTransform()):
        with pytest.raises(InvalidImageError, match=r"got (the path|the bytes|an open file).*read_image\("):
            take(thing)  # type: ignore[arg-type]
    with pytest.raises(InvalidImageError, match=r"got (the path|the bytes|an open file).*read_image\("):
        sampler([thing])  # type: ignore[list-item]


@given(
    where=st.integers(0, 3 * 40 * 56 - 1), value=st.sampled_from([float("nan"), float("-inf"), 1.001, -1e-3])
)
def test_one_bad_value_anywhere_is_found(where: int, value: float) -> None:
    frame = torch.full((3, *SIDE), 0.5)
    frame.view(-1)[where] = value
    with pytest.raises(InvalidImageError, match="from 0 to 1"):
        to_pixels(frame)


def test_a_batch_is_checked_alike() -> None:
    assert check_frames(torch.zeros(2, 1, *SIDE, dtype=torch.uint8)).shape == (2, 3, *SIDE)
    with pytest.raises(InvalidImageError, match=r"shape \(B, 3, H, W\)"):
        check_frames(torch.zeros(3, *SIDE))


@given(st.integers(1, 4095))
def test_bits_are_counted_frame_by_frame(top: int) -> None:
    """A frame of full range must not hide one of twelve bits beside it."""
    frames = torch.zeros(2, 3, *SIDE, dtype=torch.int32)
    frames[0] = 65535
    frames[1, 0, 0, 0] = top
    with pytest.raises(InvalidImageError, match=f"reach only {top} look like 12 bits or fewer"):
        check_frames(frames.to(torch.uint16))


@pytest.mark.parametrize("order", "<>")
def test_sixteen_bits_in_either_order_of_bytes(order: str) -> None:
    wide = (picture().astype(np.int64) * 257).astype(f"{order}u2")
    assert torch.equal(to_pixels(wide), rgb(picture()))
