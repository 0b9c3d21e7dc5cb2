"""Small networks for tests, and whether two are the same."""

import torch

import lag_zoo

SMALL = "lag_mobilenetv3_small_050"


def small(seed: int = 0, **fields: object) -> lag_zoo.LAG:
    """A network of 2.5 MB, untrained, the same for each seed."""
    torch.manual_seed(seed)
    options = {"label_names": ["normal", "IM"], "global_size": 64, "num_crops": 2, "crop_size": 32, **fields}
    return lag_zoo.create_model(SMALL, **options).eval()  # type: ignore[arg-type]


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two networks have the same weights, bit for bit."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
