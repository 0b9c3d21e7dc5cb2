"""Devices, by the name that a user gives."""

import torch

from lag_zoo.errors import InvalidConfigError


def present_device(device: torch.device | str) -> torch.device:
    """A device on which a tensor can be put.

    Raises:
        InvalidConfigError: it is not there, or torch does not know it.

    >>> present_device("cpu")
    device(type='cpu')
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter of a torch that was built without it
        raise InvalidConfigError(f"device {str(device)!r}: {str(error).splitlines()[0]}") from error
    return torch.device(device)
