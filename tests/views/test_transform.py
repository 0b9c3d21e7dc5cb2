"""The views as a torchvision transform."""

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.views import FrameTransform, ViewSampler, ViewTransform
from lag_zoo.views.extract import crops_of
from lag_zoo.views.transform import turn_views

FRAME = draw_frame((200, 260))
SAMPLER = ViewSampler(global_size=64, num_crops=6, crop_size=32, policy="random")


def turns(image: Tensor) -> list[Tensor]:
    """The eight ways to lay a square picture."""
    quarters = [torch.rot90(image, k, (-2, -1)) for k in range(4)]
    return quarters + [q.flip(-1) for q in quarters]


def test_evaluation_is_the_sampler() -> None:
    views = ViewTransform(SAMPLER)(FRAME, index=3, epoch=2)
    expected = SAMPLER(FRAME, index=3, epoch=2)
    assert all(torch.equal(a, b) for a, b in zip(views, expected, strict=True))


def test_the_raw_frame() -> None:
    image = Image.fromarray(FRAME.permute(1, 2, 0).numpy())
    assert torch.equal(FrameTransform()(image), FRAME)


def test_works_within_a_chain_of_torchvision_s() -> None:
    chain = v2.Compose([v2.RandomHorizontalFlip(1.0), ViewTransform(SAMPLER)])
    expected = SAMPLER(FRAME.flip(-1))
    assert torch.equal(chain(FRAME).crops, expected.crops)
    assert "training=False" in repr(chain)


class TestTraining:
    transform = ViewTransform(SAMPLER, training=True)

    def test_needs_the_index(self) -> None:
        with pytest.raises(InvalidConfigError, match=r"ViewDataset\(dataset, transform\)"):
            self.transform(FRAME)

    def test_is_settled_by_seed_epoch_and_index_and_moves_no_generator(self) -> None:
        state = torch.get_rng_state()
        first = self.transform(FRAME, index=1, epoch=4)
        again = self.transform(FRAME, index=1, epoch=4)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not torch.equal(first.boxes, self.transform(FRAME, index=1, epoch=5).boxes)
        assert not torch.equal(first.boxes, self.transform(FRAME, index=2, epoch=4).boxes)
        assert torch.equal(torch.get_rng_state(), state)

    def test_native_pixels_stay_native(self) -> None:
        """Each look is one of the eight ways to lay the pixels, and all eight come."""
        seen: set[int] = set()
        for epoch in range(8):
            views = self.transform(FRAME, index=0, epoch=epoch)
            untouched = crops_of(FRAME[None], views.boxes[None])[0]
            for crop, native in zip(views.crops, untouched, strict=True):
                (way, *_) = [k for k, turned in enumerate(turns(native)) if torch.equal(turned, crop)]
                seen.add(way)
            whole = SAMPLER(FRAME, index=0, epoch=epoch).global_view
            assert any(torch.equal(turned, views.global_view) for turned in turns(whole))
        assert seen == set(range(8))

    def test_boxes_stay_where_the_pixels_came_from(self) -> None:
        plain = SAMPLER(FRAME, index=0)
        turned = turn_views(plain, torch.Generator().manual_seed(0))
        assert torch.equal(turned.boxes, plain.boxes)
        assert turned.crops.is_contiguous()
