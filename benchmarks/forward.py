"""Forward of LAG from full 1280 x 1024 uint8 frames, field of view and views included.

Against the plain backbone on a ready tensor, and against LAG written plainly: a loop over random crops.
"""

from functools import partial

import timm
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from benchmarks.timing import Row, interleaved, row
from lag_zoo.data.phantom import draw_frame
from lag_zoo.nn import LAG
from tests.plain_lag import PlainLAG, plain_copy

GOALS = {
    "resnet50": {
        "lag / plain": "at most 1.08",
        "lag / loop": "at most 0.87",
        "fused / plain": "at most 1.00",
    },
    "mobilenetv3_small_100": {"lag / plain": "", "lag / loop": "at most 0.50", "fused / plain": ""},
}
NAMED = {"lag": "LAG", "fused": "LAG, `fuse()`d,", "plain": "the plain backbone", "loop": "a plain loop"}


class Loop(nn.Module):
    """What a reader of the paper writes first: `RandomCrop` again and again, crop after crop."""

    def __init__(self, plain: PlainLAG) -> None:
        super().__init__()
        self.plain = plain
        self.crop = v2.RandomCrop(64)

    def forward(self, frames: Tensor) -> Tensor:
        plain, images = self.plain, frames.float() / 255
        shrunk = nn.functional.interpolate(images, (plain.size, plain.size), mode="bilinear", antialias=True)
        parts = [plain.global_fc(plain.backbone((shrunk - plain.mean) / plain.std))]
        for column in plain.columns:  # one a crop; the same one again and again where weights are shared
            crops = torch.stack([self.crop(image) for image in images])
            parts.append(column((crops - plain.mean) / plain.std))
        return plain.head(plain.hidden(torch.cat(parts, dim=1)).relu())


@torch.inference_mode()
def rows(*, rounds: int = 15) -> list[Row]:
    """One row a backbone, batch and peer."""
    found = []
    for name, goals in GOALS.items():
        model = LAG(name, num_classes=3).eval()
        fused = model.fuse()
        backbone = timm.create_model(name, num_classes=3).eval()
        loop = Loop(plain_copy(model)).eval()
        for batch in (1, 8):
            frames = torch.stack([draw_frame(seed=i) for i in range(batch)])
            ready = torch.rand(batch, 3, 224, 224)
            times = interleaved(
                {
                    "lag": partial(model, frames),
                    "fused": partial(fused, frames),
                    "plain": partial(backbone, ready),
                    "loop": partial(loop, frames),
                },
                rounds=rounds,
            )
            for pair, goal in goals.items():
                ours, peer = pair.split(" / ")
                what = f"{NAMED[ours]} on {name}, batch {batch} / {NAMED[peer]}"
                found.append(row(what, times[ours], times[peer], goal=goal))
    return found


if __name__ == "__main__":
    from benchmarks.timing import markdown

    print(markdown("Forward from full frames", rows()))
