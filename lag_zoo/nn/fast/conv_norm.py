"""A convolution and its batch norm, which in evaluation are one convolution.

A norm costs a pass over memory: folded into the convolution, it costs none. The crops of a batch of 8 take 3.9 ms a
frame so and 5.6 ms layer by layer (`python -m benchmarks.crop_ensemble`, AMD EPYC, one thread). That is why this does
not wait for `LAG.fuse()`: an evaluation by hand has it too.
"""

from torch import Tensor, nn

from lag_zoo.nn.fast.fold_norms import folded, is_hooked


class ConvNorm(nn.Sequential):
    """Convolution and batch norm, (B, C, h, w) -> (B, D, h, w); equal to `nn.Sequential` of the two to 1e-5."""

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__(convolution, norm)

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm = self
        # Exactly these: in their place may be a layer of another kind, and a hook wants to see what each of them does.
        if type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
            statistics = not norm.training and norm.running_mean is not None
            if statistics and not (is_hooked(convolution) or is_hooked(norm)):
                return convolution._conv_forward(x, *folded(convolution, norm))  # type: ignore[no-any-return]
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]
