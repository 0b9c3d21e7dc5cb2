"""A plain timm fine-tuning loop: what a user would write without lag_zoo, as the peer of its recipes.

timm's network from the same weights, timm's transforms, AdamW and cosine schedule with a warm-up, cross-entropy with
label smoothing; the epoch of the best AUROC on the validation frames is kept. No moving average, no class weights, no
layer decay, no field of view: the whole frame is resized.
"""

import copy
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import roc_auc_score
from timm.data import create_transform, resolve_model_data_config
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lag_zoo import create_model
from lag_zoo.data import Frame, Manifest
from lag_zoo.evaluate.scores import Scores

BACKBONE = "tf_efficientnet_lite0"
BATCH, RATE, DECAY, SMOOTHING = 32, 5e-4, 0.05, 0.1


def fold_scores(manifest: Manifest, *, size: int, epochs: int, seed: int, fold: str) -> Scores:
    """Train on the split `train`, choose the epoch on `val`, and score the split `test`; labels are exclusive."""
    random.seed(seed)
    torch.manual_seed(seed)
    model = start(len(manifest.label_names))
    shown = {**resolve_model_data_config(model), "input_size": (3, size, size), "crop_pct": 1.0}
    training, testing = create_transform(**shown, is_training=True), create_transform(**shown)
    parts = {split: manifest.where(split=split).frames for split in ("train", "val", "test")}
    train = DataLoader(
        Frames(manifest, parts["train"], training), batch_size=BATCH, shuffle=True, drop_last=True
    )
    val, test = (
        DataLoader(Frames(manifest, parts[split], testing), batch_size=BATCH) for split in ("val", "test")
    )
    optimizer = create_optimizer_v2(model, "adamw", lr=RATE, weight_decay=DECAY)
    scheduler, _ = create_scheduler_v2(
        optimizer, num_epochs=epochs, warmup_epochs=1, step_on_epochs=False, updates_per_epoch=len(train)
    )
    best, kept, step = -1.0, model.state_dict(), 0
    for _ in range(epochs):
        model.train()
        for pixels, labels in train:
            loss = F.cross_entropy(
                model(pixels.contiguous(memory_format=torch.channels_last)),
                labels,
                label_smoothing=SMOOTHING,
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            scheduler.step_update(step)
        area = _auroc(model, val)
        if area > best:
            best, kept = area, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    logits, labels = _logits(model, test)
    tested = parts["test"]
    return Scores.from_arrays(
        logits,
        labels,
        label_names=manifest.label_names,
        images=[frame.image for frame in tested],
        groups=[frame.exam for frame in tested],
        grouping="exam",
        fold=[fold] * len(tested),
    )


def start(num_classes: int) -> nn.Module:
    """Return timm's network with the weights that travel with lag_zoo, and a new classifier."""
    model = timm.create_model(BACKBONE, num_classes=num_classes)
    ours = create_model(f"lag_{BACKBONE}", pretrained="backbone", num_classes=2).backbone.state_dict()
    missing, unexpected = model.load_state_dict(ours, strict=False)
    if unexpected or {name.partition(".")[0] for name in missing} - {"classifier"}:
        raise ValueError(f"weights that do not fit: {unexpected or missing}")
    return model.to(memory_format=torch.channels_last)


class Frames(Dataset[tuple[Tensor, int]]):
    """Frames from their files, by a transform of timm's."""

    def __init__(self, manifest: Manifest, frames: Sequence[Frame], transform: object) -> None:
        self.files = [Path(manifest.path(frame)) for frame in frames]
        self.labels = [int(frame.labels[0]) for frame in frames]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        with Image.open(self.files[number]) as image:
            return self.transform(image.convert("RGB")), self.labels[number]  # type: ignore[operator]


@torch.inference_mode()
def _logits(model: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> tuple[np.ndarray, np.ndarray]:
    model.eval()
    found = [
        (model(pixels.contiguous(memory_format=torch.channels_last)), labels) for pixels, labels in loader
    ]
    logits, labels = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    return logits, labels


def _auroc(model: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> float:
    logits, labels = _logits(model, loader)
    return float(roc_auc_score(labels, logits[:, 1] - logits[:, 0]))
