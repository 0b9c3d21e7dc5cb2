"""The crop ensemble of LAG: a small network on each native crop, which keeps the texture that shrinking erases.

Per crop, as in the paper's figure: convolution, batch norm, ReLU and max pooling three times, squeeze and excitation,
one more convolution, global average pooling, a fully connected layer.

Source: Yang et al., A Benchmark Dataset of Endoscopic Images and Novel Deep Learning Method to Detect Intestinal
Metaplasia and Gastritis Atrophy, IEEE JBHI 2022. The paper does not state the widths; the defaults are ours.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lag_zoo.errors import InvalidImageError
from lag_zoo.nn.fast.fold_norms import fold, is_hooked
from lag_zoo.specs import LAGConfig

# Bytes of the largest map of a block of crops. Larger ones leave the cache, and the system hands them out page by page:
# they take two to three times as long.
_BLOCK = 24 << 20


class ConvNorm(nn.Sequential):
    """3 x 3 convolution and batch norm on `columns` groups of channels that never mix."""

    def __init__(self, inputs: int, outputs: int, columns: int) -> None:
        super().__init__(
            nn.Conv2d(columns * inputs, columns * outputs, 3, padding=1, groups=columns, bias=False),
            nn.BatchNorm2d(columns * outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, columns * inputs, h, w) -> (B, columns * outputs, h, w)."""
        conv, norm = cast(nn.Conv2d, self[0]), cast(nn.BatchNorm2d, self[1])
        if norm.training or not self.is_as_built:
            return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]
        # Memory is what this costs: with the norm folded into the convolution it is passed over once less.
        mean, var = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        scale = norm.weight * (var + norm.eps).rsqrt()
        weight = conv.weight * scale[:, None, None, None]
        return conv._conv_forward(x, weight, norm.bias - mean * scale)  # type: ignore[no-any-return]

    @property
    def is_as_built(self) -> bool:
        """Whether nobody put another layer in the place of one, or hooked something onto it: then the two are one."""
        conv, norm = self
        return (
            type(conv) is nn.Conv2d
            and type(norm) is nn.BatchNorm2d
            and not (is_hooked(conv) or is_hooked(norm))
            and conv.bias is None
            and norm.affine
            and norm.track_running_stats
        )


class _PooledReLU(nn.Module):
    """Max pooling over 2 x 2 and ReLU: the same either way round, and this way ReLU has a quarter of the work."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return F.max_pool2d(x, 2).relu_()
        # The same numbers, four times as fast: on a CPU torch's own pooling looks for places too, for a gradient.
        height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
        rows = torch.maximum(x[:, :, 0:height:2], x[:, :, 1:height:2])
        return torch.maximum(rows[..., 0:width:2], rows[..., 1:width:2]).relu_()


class SqueezeExcite(nn.Module):
    """Channel attention within each column. Source: Hu et al., 2018, https://arxiv.org/abs/1709.01507."""

    def __init__(self, channels: int, ratio: float, columns: int) -> None:
        super().__init__()
        narrow = max(1, round(channels * ratio))
        self.reduce = nn.Conv2d(columns * channels, columns * narrow, 1, groups=columns)
        self.expand = nn.Conv2d(columns * narrow, columns * channels, 1, groups=columns)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.expand(self.reduce(x.mean((2, 3), keepdim=True)).relu())
        return x * gate.sigmoid()


class CropEnsemble(nn.Module):
    """Crops (B, N, 3, c, c), normalised -> features (B, N, D).

    With `shared=True` one column of weights serves every crop. With `shared=False` crop i has column i: N columns in
    one grouped pass, equal to N networks side by side.

    Raises:
        InvalidConfigError: a number out of range; see `LAGConfig`.

    >>> import torch
    >>> CropEnsemble(num_crops=4, crop_size=32)(torch.rand(2, 4, 3, 32, 32)).shape
    torch.Size([2, 4, 64])
    """

    def __init__(
        self,
        num_crops: int = 10,
        crop_size: int = 64,
        *,
        widths: Sequence[int] = (16, 32, 64, 64),
        embed_dim: int = 64,
        se_ratio: float = 0.25,
        shared: bool = True,
    ) -> None:
        super().__init__()
        # The bounds are those of a network's configuration; they stand in one place.
        LAGConfig(
            backbone=None,
            num_classes=0,
            num_crops=num_crops,
            crop_size=crop_size,
            crop_widths=tuple(widths),
            crop_embed_dim=embed_dim,
            crop_se_ratio=se_ratio,
        )
        self.num_crops = num_crops
        self.crop_size = crop_size
        self.widths = tuple(widths)
        self.embed_dim = embed_dim
        self.se_ratio = se_ratio
        self.shared = shared
        columns = 1 if shared else num_crops
        first, second, third, fourth = self.widths
        self.blocks = nn.Sequential(
            ConvNorm(3, first, columns),
            _PooledReLU(),
            ConvNorm(first, second, columns),
            _PooledReLU(),
            ConvNorm(second, third, columns),
            _PooledReLU(),
        )
        self.se = SqueezeExcite(third, se_ratio, columns)
        self.last = ConvNorm(third, fourth, columns)
        self.fc = nn.Conv2d(columns * fourth, columns * embed_dim, 1, groups=columns)

    def fold(self) -> None:
        """Folds what norms can be into the convolutions, in place and for good: to predict with."""
        for module in self.modules():
            if isinstance(module, ConvNorm) and module.is_as_built:
                fold(cast(nn.Conv2d, module[0]), cast(nn.BatchNorm2d, module[1]))
                module[1] = nn.Identity()

    def forward(self, crops: Tensor) -> Tensor:
        if crops.ndim != 5 or crops.shape[2] != 3:
            raise InvalidImageError(f"crops have the shape (B, N, 3, c, c), got {tuple(crops.shape)}")
        count = crops.shape[1]
        if self.shared:
            # Channels last, in words that torch.func.vmap knows too.
            x = rearrange(crops, "b n c h w -> (b n) h w c").contiguous().permute(0, 3, 1, 2)
        elif count == self.num_crops:
            x = rearrange(crops, "b n c h w -> b (n c) h w")
        else:
            raise InvalidImageError(
                f"each of {self.num_crops} crops has weights of its own; got {count} crops"
            )
        # In training the norms need all crops at once, and a gradient keeps every map anyway.
        whole = (
            self.training
            or torch.is_grad_enabled()
            or x.device.type != "cpu"
            or torch.compiler.is_compiling()
            or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        )
        blocks = [x] if whole else torch.split(x, self._block_length(x))
        x = torch.cat([self._embed(block) for block in blocks])
        return x.reshape(crops.shape[0], count, self.embed_dim)

    def _embed(self, x: Tensor) -> Tensor:
        """(R, columns * 3, c, c) -> (R, columns * D, 1, 1)."""
        x = self.last(self.se(self.blocks(x))).relu()
        embedded: Tensor = self.fc(x.mean((2, 3), keepdim=True))
        return embedded

    def _block_length(self, x: Tensor) -> int:
        """How many rows of x (R, columns * 3, c, c) keep the largest map, each level a quarter, within `_BLOCK`."""
        area, columns = x.shape[2] * x.shape[3], x.shape[1] // 3
        largest = max(width * area >> 2 * level for level, width in enumerate(self.widths))
        return max(1, _BLOCK // (columns * largest * x.element_size()))
