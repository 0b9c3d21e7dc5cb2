"""The point of LAG: it learns a label that lives in texture which shrinking erases, and its backbone alone cannot.

Drawn frames, one budget for both, and a control with a coarse label that both must learn: without it, a backbone that
fails for want of training would look like a proof.
"""

import pytest
import timm
import torch
from torch import nn

from lag_zoo.data.phantom import draw_texture_frame
from lag_zoo.nn import LAG
from lag_zoo.views import Views, ViewSampler

BACKBONE = "resnet10t"
SAMPLER = ViewSampler(global_size=64, num_crops=4, crop_size=32, field_of_view=False)
STEPS, BATCH, TESTED = 60, 16, 128


class GlobalOnly(nn.Module):
    """The backbone on the shrunken frame, normalised as LAG does."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model(BACKBONE, num_classes=2)

    def forward(self, views: Views) -> torch.Tensor:
        return self.backbone((views.global_view / 255 - 0.45) / 0.225)


def with_crops() -> LAG:
    return LAG(
        BACKBONE, num_classes=2, num_crops=4, crop_size=32, global_size=64, mean=(0.45,) * 3, std=(0.225,) * 3
    )


def draw(count: int, *, coarse: bool, first_seed: int) -> tuple[Views, torch.Tensor]:
    labels = torch.arange(count) % 2
    frames = [
        draw_texture_frame(int(label), size=(256, 256), seed=first_seed + i, coarse=coarse)
        for i, label in enumerate(labels)
    ]
    return SAMPLER(torch.stack(frames)), labels


def accuracy(model: nn.Module, *, coarse: bool) -> float:
    """Trains for the budget that every model here has, and scores on frames that it has not seen."""
    views, labels = draw(STEPS * BATCH, coarse=coarse, first_seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for batch in torch.arange(STEPS * BATCH).split(BATCH):
        loss = nn.functional.cross_entropy(model(Views(*(t[batch] for t in views))), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    views, labels = draw(TESTED, coarse=coarse, first_seed=10**6)
    with torch.inference_mode():
        return (model(views).argmax(1) == labels).float().mean().item()


@pytest.mark.slow
def test_lag_learns_what_shrinking_erases() -> None:
    torch.manual_seed(0)
    assert accuracy(with_crops(), coarse=False) >= 0.95
    assert accuracy(GlobalOnly(), coarse=False) <= 0.60


@pytest.mark.slow
@pytest.mark.parametrize("make", [with_crops, GlobalOnly])
def test_both_learn_a_coarse_label(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    assert accuracy(make(), coarse=True) >= 0.95


def test_shrinking_erases_the_texture_and_nothing_else() -> None:
    one, two = (draw_texture_frame(label, size=(256, 256), seed=5) for label in (0, 1))
    views = SAMPLER(torch.stack([one, two]))
    assert (views.global_view[0].int() - views.global_view[1].int()).abs().max() <= 1
    assert (views.crops[0].int() - views.crops[1].int()).abs().max() > 20
