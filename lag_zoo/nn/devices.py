"""Devices, by the name that a user gives."""

import torch

from lag_zoo.errors import InvalidConfigError

AUTO = "auto"
"""The name for the GPU where there is one, else the CPU."""


def present_device(device: torch.device | str) -> torch.device:
    """A device on which a tensor can be put; `"auto"`: the GPU where there is one, else the CPU.

    Raises:
        InvalidConfigError: it is not there, or torch does not know it.

    >>> present_device("cpu")
    device(type='cpu')
    """
    if device == AUTO:
        return _best_device()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter of a torch that was built without it
        raise InvalidConfigError(f"device {str(device)!r}: {str(error).splitlines()[0]}") from error
    return torch.device(device)


def describe_device(device: torch.device | str) -> str:
    """A device in words, for a header.

    >>> describe_device("cpu")
    'CPU'
    """
    device = present_device(device)
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return "CPU" if device.type == "cpu" else str(device)


def _best_device() -> torch.device:
    # Apple's GPUs lack the float64 that the field of view is computed in.
    return (
        torch.device("cuda", torch.cuda.current_device())
        if torch.cuda.is_available()
        else torch.device("cpu")
    )
