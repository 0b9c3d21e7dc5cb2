"""The two looks at a frame."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from lag_zoo.views.boxes import boxes_at
from lag_zoo.views.extract import _gathered, crops_of, global_views
from lag_zoo.views.field_of_view import whole_frame


def frames(count: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * width + count)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)


class TestGlobalViews:
    @pytest.mark.parametrize("size", [32, 224])
    def test_is_torchvision_s_antialiased_resize(self, size: int) -> None:
        images = frames(3, 300, 417)
        resize = v2.Resize((size, size), antialias=True)
        assert torch.equal(global_views(images, size), torch.stack([resize(image) for image in images]))

    def test_one_frame_gives_the_same_bits_alone_and_in_a_batch(self) -> None:
        images = frames(4, 200, 333)
        batch = global_views(images, 96)
        assert torch.equal(batch, torch.cat([global_views(image[None], 96) for image in images]))

    def test_float_is_within_one_grey_level_of_uint8(self) -> None:
        images = frames(2, 517, 640)
        exact = global_views(images.float() / 255, 224) * 255
        assert (global_views(images, 224).float() - exact).abs().max() <= 1

    def test_keeps_the_dtype_and_enlarges_small_frames(self) -> None:
        assert global_views(frames(1, 40, 50), 224).dtype == torch.uint8
        assert global_views(frames(1, 40, 50).float() / 255, 224).shape == (1, 3, 224, 224)


@given(
    height=st.integers(32, 130),
    width=st.integers(32, 130),
    corners=st.lists(st.tuples(st.integers(0, 66), st.integers(0, 66)), min_size=1, max_size=6),
    size=st.sampled_from([16, 64, 100]),
)
def test_crops_are_native_pixels_and_zeros_beyond(
    height: int, width: int, corners: list[tuple[int, int]], size: int
) -> None:
    image = frames(1, height, width)
    # As the policies place them: within the frame, or at its edge where it is smaller than a crop.
    places = [(min(x, max(0, width - size)), min(y, max(0, height - size))) for x, y in corners]
    crops = crops_of(image, boxes_at(torch.tensor([places]), size))
    assert crops.shape == (1, len(places), 3, size, size)
    if min(height, width) >= size:  # as a GPU does it
        assert torch.equal(_gathered(image, boxes_at(torch.tensor([places]), size), size), crops)
    picture = Image.fromarray(image[0].permute(1, 2, 0).numpy())  # PIL pads with zeros beyond the frame
    for (x, y), crop in zip(places, crops[0], strict=True):
        expected = torch.frombuffer(
            bytearray(picture.crop((x, y, x + size, y + size)).tobytes()), dtype=torch.uint8
        )
        assert torch.equal(crop, expected.view(size, size, 3).permute(2, 0, 1))


def test_each_frame_of_a_batch_has_its_own_boxes() -> None:
    images = frames(2, 100, 100)
    boxes = boxes_at(torch.tensor([[[0, 0]], [[30, 20]]]), 32)
    crops = crops_of(images, boxes)
    assert torch.equal(crops[0, 0], images[0, :, :32, :32])
    assert torch.equal(crops[1, 0], images[1, :, 20:52, 30:62])


class TestShareSeen:
    def test_overlap_counts_once(self) -> None:
        field = whole_frame(1, (128, 128))
        twice = boxes_at(torch.tensor([[[0, 0], [0, 0]]]), 64)
        apart = boxes_at(torch.tensor([[[0, 0], [64, 64]]]), 64)
        assert field.coverage(twice).item() == 0.25
        assert field.coverage(apart).item() == 0.5

    def test_what_lies_outside_the_field_does_not_count(self) -> None:
        field = whole_frame(1, (128, 128))
        field.cutouts[0, 0] = torch.tensor([0, 0, 64, 128])
        assert field.coverage(boxes_at(torch.tensor([[[0, 0]]]), 64)).item() == 0
        assert field.coverage(boxes_at(torch.tensor([[[64, 0]]]), 64)).item() == 0.5
