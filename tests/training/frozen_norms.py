"""The commands with all batch norms frozen, also the crops', which no recipe freezes: `python -m` this, as `lag-zoo`.

For tests of what depends on batches otherwise: that two processes train as one, and two small batches as a large one.
"""

import torch
from torch import nn

import lag_zoo.training.step
from lag_zoo.cli import main


def freeze_all_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()


if __name__ == "__main__":
    lag_zoo.training.step.freeze_norms = freeze_all_norms  # type: ignore[assignment]
    main()
