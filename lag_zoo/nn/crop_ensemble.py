"""The crop ensemble of LAG: a small network on each native crop, which keeps the texture that shrinking erases.

Per crop, as in the paper's figure: convolution, batch norm, ReLU and max pooling three times, squeeze and excitation,
one more convolution, global average pooling, a fully connected layer.

Source: Yang et al., A Benchmark Dataset of Endoscopic Images and Novel Deep Learning Method to Detect Intestinal
Metaplasia and Gastritis Atrophy, IEEE JBHI 2022. The paper does not state the widths; the defaults are ours.
"""

from collections.abc import Sequence

from einops import rearrange
from torch import Tensor, nn

from lag_zoo.errors import InvalidConfigError, InvalidImageError
from lag_zoo.nn.fast.blocks import in_blocks
from lag_zoo.nn.fast.conv_norm import ConvNorm
from lag_zoo.specs import LAGConfig


def _conv_norm(inputs: int, outputs: int, columns: int) -> ConvNorm:
    """3 x 3 convolution and batch norm on `columns` groups of channels that never mix."""
    return ConvNorm(
        nn.Conv2d(columns * inputs, columns * outputs, 3, padding=1, groups=columns, bias=False),
        nn.BatchNorm2d(columns * outputs),
    )


def _pooled_relu() -> nn.Sequential:
    """Max pooling over 2 x 2 and ReLU: the same either way round, and this way ReLU has a quarter of the work."""
    return nn.Sequential(nn.MaxPool2d(2), nn.ReLU(inplace=True))


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
        if not num_crops:
            raise InvalidConfigError("an ensemble has at least one crop, got num_crops=0")
        LAGConfig.checked(
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
            _conv_norm(3, first, columns),
            _pooled_relu(),
            _conv_norm(first, second, columns),
            _pooled_relu(),
            _conv_norm(second, third, columns),
            _pooled_relu(),
        )
        self.se = SqueezeExcite(third, se_ratio, columns)
        self.last = _conv_norm(third, fourth, columns)
        self.fc = nn.Conv2d(columns * fourth, columns * embed_dim, 1, groups=columns)

    def forward(self, crops: Tensor) -> Tensor:
        x = self._in_rows(crops)
        # In training the norms need all crops at once.
        x = self._embedded(x) if self.training else in_blocks(self._embedded, x, largest=self._largest_map(x))
        return x.reshape(crops.shape[0], crops.shape[1], self.embed_dim)

    def _embedded(self, x: Tensor) -> Tensor:
        """(R, columns * 3, c, c) -> (R, columns * D, 1, 1)."""
        x = self.blocks(x)
        x = self.se(x)
        x = self.last(x).relu()
        x = x.mean((2, 3), keepdim=True)
        return self.fc(x)  # type: ignore[no-any-return]

    def _in_rows(self, crops: Tensor) -> Tensor:
        """(B, N, 3, c, c) -> one crop a row, or with weights of their own the N crops of an image side by side."""
        if crops.ndim != 5 or crops.shape[2] != 3:
            raise InvalidImageError(f"crops have the shape (B, N, 3, c, c), got {tuple(crops.shape)}")
        if self.shared:
            # Channels last, in words that torch.func.vmap knows too.
            return rearrange(crops, "b n c h w -> (b n) h w c").contiguous().permute(0, 3, 1, 2)
        if crops.shape[1] == self.num_crops:
            return rearrange(crops, "b n c h w -> b (n c) h w")
        raise InvalidImageError(
            f"each of {self.num_crops} crops has weights of its own; got {crops.shape[1]} crops"
        )

    def _largest_map(self, x: Tensor) -> int:
        """Bytes of the largest map that a row (columns * 3, c, c) makes; each pooling leaves a quarter."""
        area, columns = x.shape[2] * x.shape[3], x.shape[1] // 3
        largest = max(width * area >> 2 * level for level, width in enumerate(self.widths))
        return columns * largest * x.element_size()
