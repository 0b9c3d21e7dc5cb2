"""LAG written plainly, as the paper's figure reads: a loop over crops. The reference for parity and for speed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lag_zoo.nn import LAG


class PlainColumn(nn.Module):
    """One crop's network: conv, BN, ReLU, pooling three times; SE; conv, BN, ReLU; average pooling; FC."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv3, self.bn3 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.squeeze, self.excite = nn.Linear(64, 16), nn.Linear(16, 64)
        self.conv4, self.bn4 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.fc = nn.Linear(64, 64)

    def forward(self, crop: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(crop))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = F.max_pool2d(F.relu(self.bn3(self.conv3(x))), 2)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1).flatten(1)))))
        x = x * gate[:, :, None, None]
        x = F.relu(self.bn4(self.conv4(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class PlainLAG(nn.Module):
    """The whole network on full frames (B, 3, H, W) in 0..1 and given boxes (B, N, 4)."""

    def __init__(
        self, backbone: nn.Module, width: int, columns: list[PlainColumn], num_classes: int, size: int
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.columns = nn.ModuleList(columns)  # the same column again and again where the weights are shared
        self.global_fc = nn.Linear(width, 256)
        self.hidden = nn.Linear(256 + 64 * len(columns), 256)
        self.head = nn.Linear(256, num_classes)
        self.size = size
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, frames: Tensor, boxes: Tensor) -> Tensor:
        shrunk = F.interpolate(
            frames, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False
        )
        parts = [self.global_fc(self.backbone((shrunk - self.mean) / self.std))]
        for i, column in enumerate(self.columns):
            crops = [
                frame[:, y1:y2, x1:x2]
                for frame, (x1, y1, x2, y2) in zip(frames, boxes[:, i].tolist(), strict=True)
            ]
            parts.append(column((torch.stack(crops) - self.mean) / self.std))
        return self.head(F.relu(self.hidden(torch.cat(parts, dim=1))))


def plain_copy(model: LAG) -> PlainLAG:
    """The plain network with the weights of `model` (concat fusion, default widths)."""
    ensemble, count = model.crops, model.config.num_crops
    columns = [_column(ensemble, 0 if ensemble.shared else i) for i in range(1 if ensemble.shared else count)]
    plain = PlainLAG(
        model.backbone,
        model.global_fc.in_features,
        columns * count if ensemble.shared else columns,
        model.num_classes,
        model.config.global_size,
    )
    plain.global_fc, plain.hidden, plain.head = model.global_fc, model.hidden[0], model.head
    plain.train(model.training)
    return plain


def _column(ensemble: nn.Module, i: int) -> PlainColumn:
    column = PlainColumn()

    def take(target: nn.Module, source: nn.Module) -> None:
        state = {}
        for name, tensor in target.state_dict().items():
            whole = source.state_dict()[name]
            if whole.ndim:
                rows = tensor.shape[0]
                whole = whole[i * rows : (i + 1) * rows].reshape(tensor.shape)
            state[name] = whole
        target.load_state_dict(state)

    for number, block in (
        (1, ensemble.blocks[0]),
        (2, ensemble.blocks[2]),
        (3, ensemble.blocks[4]),
        (4, ensemble.last),
    ):
        take(getattr(column, f"conv{number}"), block[0])
        take(getattr(column, f"bn{number}"), block[1])
    take(column.squeeze, ensemble.se.reduce)
    take(column.excite, ensemble.se.expand)
    take(column.fc, ensemble.fc)
    return column
