"""Evaluation mode: for a while, after which every module is in its own again; or of a twin, which has no other."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)

_turning = threading.Lock()
_in_use: dict[
    nn.Module, tuple[int, list[nn.Module]]
] = {}  # threads that run it, and what was in training mode


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode; once no thread runs it any more, each module is in its own mode again.

    `model.train(mode)` would put all modules into one: frozen norms would begin to learn.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2))
    >>> net[0].training = False
    >>> with evaluating(net):
    ...     net[1].training
    False
    >>> [module.training for module in net]
    [False, True]
    """
    with _turning:
        users, training = _in_use.get(model) or (0, [module for module in model.modules() if module.training])
        _in_use[model] = users + 1, training
        for module in training:
            module.training = False
    try:
        yield
    finally:
        with _turning:
            users, training = _in_use.pop(model)
            if users > 1:
                _in_use[model] = users - 1, training
            else:
                for module in training:
                    module.training = True


def evaluation_twin(model: _Module) -> _Module:
    """A network of the same parameters and buffers, in evaluation mode, whatever mode the other is put into.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    >>> twin = evaluation_twin(net)
    >>> twin[0].weight is net[0].weight, net.train().training, twin[1].training
    (True, True, False)
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, dict(shared)).eval()
