"""Trains the plain backbone and LAG on windows, from scratch, with one budget.

Crops that are trained from the start memorise, and starve the backbone of gradient. So the backbone is trained first,
alone; then two copies go on for the same number of epochs: one as it is (the plain backbone), one with crops (LAG).
Masks help in training only, the same for both: small heads, thrown away afterwards, predict where the polyp is. LAG's
crops have such a head too.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lag_zoo.models.polyp import LABELS
from lag_zoo.nn import LAG
from lag_zoo.specs import LAGConfig
from lag_zoo.views import Views, ViewSampler
from lag_zoo.views.extract import crops_of, global_views
from recipes.polyp.windows import Frame, Window

CONFIG = LAGConfig(
    backbone="mobilenetv3_small_100",
    num_classes=2,
    label_names=LABELS,
    global_size=128,
    mask_outside=True,  # whole frames have borders, insets and text; windows have none
)


class Budget(NamedTuple):
    """How long and how hard; the same for every model."""

    backbone_epochs: int = 180
    last_epochs: int = 16
    pairs: int = 420  # of windows, an epoch
    batch: int = 8  # pairs
    rate: float = 1.5e-3
    decay: float = 0.05
    average: float = 0.98  # of the weights, a step


class Batch(NamedTuple):
    """Views of windows, their labels, and the share of polyp in each cell of the global view and in each crop."""

    views: Views
    labels: Tensor
    cells: Tensor  # (B, g, g)
    crops: Tensor  # (B, N)


def view_windows(
    frames: Sequence[Frame],
    windows: Sequence[Window],
    *,
    config: LAGConfig = CONFIG,
    rng: np.random.Generator | None = None,
) -> Batch:
    """The windows as the network sees them when it predicts; with `rng`, pairs of windows as in training.

    Then crops lie at random, and what is seen is turned, tinted, and partly blanked, alike in both windows of a pair.
    """
    sampler = ViewSampler.from_config(config)
    cells = sampler.global_size // 16
    keep = None
    parts = []
    for number, window in enumerate(windows):
        frame = frames[window.frame]
        x1, y1, x2, y2 = window.box
        pixels = frame.pixels[:, y1:y2, x1:x2]
        views = sampler(pixels) if rng is None else _drawn(pixels, sampler, rng)
        map_ = torch.from_numpy(_shares(frame, _lattice(window.box, cells))).view(cells, cells).float()
        crops = torch.from_numpy(_shares(frame, views.boxes.numpy() + np.array([x1, y1, x1, y1]))).float()
        if rng is not None:
            views, map_ = _augmented(views, map_, rng)
            if number % 2 == 0:  # the positive one, whose polyp must stay in view
                keep = _blanking(map_, sampler.global_size, rng)
            if keep is not None:
                views = views._replace(global_view=views.global_view * keep)
                map_ = map_ * F.adaptive_avg_pool2d(keep[None].float(), cells)[0]
        parts.append(Batch(views, torch.tensor(window.label), map_, crops))
    stacked = Views(*(torch.stack(t) for t in zip(*(p.views for p in parts), strict=True)))
    return Batch(stacked, *(torch.stack([p[i] for p in parts]) for i in (1, 2, 3)))


def _drawn(pixels: Tensor, sampler: ViewSampler, rng: np.random.Generator) -> Views:
    """Views with crops anywhere in a window, which all is field: the policy `random` without looking for the field."""
    room = np.array([pixels.shape[2], pixels.shape[1]]) - sampler.crop_size + 1
    corners = torch.from_numpy(rng.integers(0, room, (1, sampler.num_crops, 2)))
    boxes = torch.cat([corners, corners + sampler.crop_size], dim=2)
    inside = torch.ones(sampler.num_crops, dtype=torch.bool)
    view = global_views(pixels[None].contiguous(), sampler.global_size)[0]
    return Views(view, crops_of(pixels[None], boxes)[0], boxes[0], inside, torch.zeros(()))


def _shares(frame: Frame, boxes: np.ndarray) -> np.ndarray:
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return frame.polyp_pixels(boxes) / area.clip(1)


def _lattice(box: tuple[int, int, int, int], cells: int) -> np.ndarray:
    x1, y1, x2, y2 = box
    x = np.linspace(x1, x2, cells + 1).round().astype(np.int64)
    y = np.linspace(y1, y2, cells + 1).round().astype(np.int64)
    left, top = np.meshgrid(x[:-1], y[:-1])
    right, bottom = np.meshgrid(x[1:], y[1:])
    return np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)


def _augmented(views: Views, cells: Tensor, rng: np.random.Generator) -> tuple[Views, Tensor]:
    def turned(image: Tensor, draw: int) -> Tensor:
        image = torch.rot90(image, draw % 4, (-2, -1))
        return image.flip(-1) if draw >= 4 else image

    draw = int(rng.integers(8))
    view, cells = turned(views.global_view, draw), turned(cells, draw)
    crops = torch.stack([turned(crop, int(rng.integers(8))) for crop in views.crops])
    # One light for both looks: brightness, contrast, saturation, and a slight cast.
    gain = torch.tensor(np.exp(rng.normal(0, [0.12, 0.05, 0.05, 0.05])), dtype=torch.float32)
    contrast, saturation = np.exp(rng.normal(0, [0.12, 0.12]))
    mean = view.float().mean()

    def lit(pixels: Tensor) -> Tensor:
        pixels = pixels.float()
        grey = pixels.mean(-3, keepdim=True)
        pixels = grey + (pixels - grey) * saturation
        pixels = mean + (pixels - mean) * contrast
        return (pixels * gain[0] * gain[1:].view(3, 1, 1)).clamp(0, 255).div(255)

    return views._replace(global_view=lit(view), crops=lit(crops)), cells


def _blanking(cells: Tensor, size: int, rng: np.random.Generator) -> Tensor | None:
    """At times a lit field (size, size), as whole frames have one, that leaves most of the polyp in view."""
    if rng.random() >= 0.5:
        return None
    keep = _random_field(size, rng)
    seen = F.adaptive_avg_pool2d(keep[None].float(), cells.shape[-1])[0]
    return keep if (cells * seen).sum() >= 0.6 * cells.sum() else None


def _random_field(size: int, rng: np.random.Generator) -> Tensor:
    """A lit field (size, size): an octagon, a disc or something between, at times with a box cut out of a corner."""
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis - rng.uniform(-0.1, 0.1), axis - rng.uniform(-0.1, 0.1), indexing="ij")
    power = rng.choice([2.0, 4.0, 6.0])
    reach = rng.uniform(0.95, 1.25)
    keep = (x.abs() ** power + y.abs() ** power) <= reach**power
    keep &= (x.abs() + y.abs()) <= rng.uniform(1.3, 1.9)
    if rng.random() < 0.4:
        keep &= ~((x < -rng.uniform(0.3, 0.6)) & (y > rng.uniform(0.3, 0.6)))
    return keep


class Trainee(nn.Module):
    """A LAG and the heads that only training has."""

    def __init__(self, config: LAGConfig = CONFIG) -> None:
        super().__init__()
        self.lag = LAG.from_config(config)
        self.global_head = nn.Linear(config.global_dim, len(LABELS))
        self.fine_map, self.coarse_map = nn.Conv2d(48, 1, 1), nn.Conv2d(576, 1, 1)
        self.crop_head = nn.Linear(config.crop_embed_dim, 1)

    def global_path(self, views: Views) -> tuple[Tensor, Tensor, Tensor]:
        """Global features (B, 256), and the polyp maps at strides 16 and 32, as logits."""
        model, backbone = self.lag, self.lag.backbone
        x = model._normalised(views.global_view).contiguous(memory_format=torch.channels_last)
        x = backbone.bn1(backbone.conv_stem(x))
        maps = []
        for number, block in enumerate(backbone.blocks):
            x = block(x)
            if number == 3:
                maps.append(self.fine_map(x)[:, 0])
        maps.append(self.coarse_map(x)[:, 0])
        features = model.global_fc(backbone.forward_head(x, pre_logits=True))
        return features, maps[0], maps[1]

    def logits(self, views: Views, *, crops: bool) -> Tensor:
        """What is scored: the whole network, or the plain backbone's answer."""
        if crops:
            return self.lag(views)
        return self.global_head(self.global_path(views)[0])

    def loss(self, batch: Batch, *, crops: bool) -> Tensor:
        """Labels, and where the polyp is; with crops, both answers are trained."""
        features, fine, coarse = self.global_path(batch.views)
        loss = F.cross_entropy(self.global_head(features), batch.labels, label_smoothing=0.05)
        loss = loss + F.binary_cross_entropy_with_logits(fine, batch.cells)
        loss = loss + F.binary_cross_entropy_with_logits(
            coarse, F.adaptive_avg_pool2d(batch.cells, coarse.shape[-1])
        )
        if crops:
            with torch.autocast("cpu", torch.bfloat16):  # twice as fast as float32 here
                embedded = self.lag.crop_features(batch.views)
            embedded = embedded.float()
            fused = self.lag.fusion(features, embedded, batch.views.inside).features
            loss = loss + F.cross_entropy(self.lag.forward_head(fused), batch.labels, label_smoothing=0.05)
            loss = loss + F.binary_cross_entropy_with_logits(self.crop_head(embedded)[..., 0], batch.crops)
        return loss


def train(
    frames: Sequence[Frame],
    pairs: Sequence[tuple[Window, Window]],
    *,
    budget: Budget,
    seed: int,
    log: Callable[[str], None],
    checkpoint: Path,
    plain: bool = True,
) -> dict[str, Trainee]:
    """The `plain` backbone and `lag`, trained on these pairs of windows; averaged weights, in eval mode.

    What both share, the backbone trained alone, is kept in `checkpoint`.
    """
    torch.manual_seed(seed)
    trainee = Trainee().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    of_frame: dict[int, list[tuple[Window, Window]]] = {}
    for pair in pairs:
        of_frame.setdefault(pair[0].frame, []).append(pair)
    run = Run(frames, list(of_frame.values()), budget, seed, log)
    if checkpoint.exists():
        trainee.load_state_dict(torch.load(checkpoint, weights_only=True))
    else:
        run.epochs(trainee, range(budget.backbone_epochs), crops=False)
        torch.save(trainee.state_dict(), checkpoint)
    last = range(budget.backbone_epochs, budget.backbone_epochs + budget.last_epochs)
    trained = {"lag": run.epochs(copy.deepcopy(trainee), last, crops=True)}
    if plain:
        trained["plain"] = run.epochs(trainee, last, crops=False)
    return trained


class Run(NamedTuple):
    """What stays the same from epoch to epoch."""

    frames: Sequence[Frame]
    pairs: list[list[tuple[Window, Window]]]  # of each frame
    budget: Budget
    seed: int
    log: Callable[[str], None]

    def epochs(self, trainee: Trainee, epochs: range, *, crops: bool) -> Trainee:
        """Trains in place for these epochs; each sees one pair a frame. The weights are averaged at the end."""
        # What the crop path has of its own starts with the crops, at the full rate; the rest follows one cosine.
        path = ("lag.backbone", "lag.global_fc", "global_head", "fine_map", "coarse_map")
        known = [p for n, p in trainee.named_parameters() if n.startswith(path)]
        new = [p for n, p in trainee.named_parameters() if not n.startswith(path)]
        optimizer = torch.optim.AdamW(
            [{"params": known}, {"params": new}], lr=0, weight_decay=self.budget.decay
        )
        average = AveragedModel(
            trainee, multi_avg_fn=get_ema_multi_avg_fn(self.budget.average), use_buffers=True
        )
        total = self.budget.backbone_epochs + self.budget.last_epochs
        for epoch in epochs:
            rng = np.random.default_rng([self.seed, epoch])
            config = (
                CONFIG if crops else replace(CONFIG, num_crops=1)
            )  # cutting ten would cost a tenth of the time
            chosen_frames = [self.pairs[i] for i in rng.permutation(len(self.pairs))[: self.budget.pairs]]
            pairs = [of[int(rng.integers(len(of)))] for of in chosen_frames]
            batches = np.array_split(np.arange(len(pairs)), max(1, len(pairs) // self.budget.batch))
            begun, losses = time.perf_counter(), 0.0
            trainee.train()
            for step, chosen in enumerate(batches):
                done = epoch + step / len(batches)
                warm = min(1.0, done - epochs.start + 0.02)
                for group, start in zip(optimizer.param_groups, (0, epochs.start), strict=True):
                    group["lr"] = self.budget.rate * warm * _cosine((done - start) / (total - start))
                batch = view_windows(
                    self.frames, [w for i in chosen for w in pairs[i]], config=config, rng=rng
                )
                loss = trainee.loss(batch, crops=crops)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(trainee.parameters(), 5.0)
                optimizer.step()
                average.update_parameters(trainee)
                losses += loss.item()
            what, seconds = "with crops" if crops else "without crops", time.perf_counter() - begun
            self.log(f"epoch {epoch + 1}/{total} {what}: loss {losses / len(batches):.4f}, {seconds:.0f} s")
        trainee.load_state_dict(average.module.state_dict())
        return trainee.eval()


def _cosine(done: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * done)


@torch.inference_mode()
def scores(
    trainee: Trainee, frames: Sequence[Frame], windows: Sequence[Window], *, crops: bool
) -> list[float]:
    """The logit of polyp against mucosa, one a window; with `crops` of LAG, without of its global path alone."""
    found: list[float] = []
    for start in range(0, len(windows), 64):
        batch = view_windows(frames, windows[start : start + 64])
        logits = trainee.logits(batch.views, crops=crops)
        found += (logits[:, 1] - logits[:, 0]).tolist()
    return found
