"""Small networks for tests, and whether two are the same."""

from pathlib import Path

import torch

import lag_zoo
from lag_zoo.specs import WeightSpec
from lag_zoo.weights.report import LoadReport

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


def as_loaded(model: lag_zoo.LAG, weights: WeightSpec) -> lag_zoo.LAG:
    """The network as if it had been loaded with such weights."""
    model.weight_spec = weights
    model.load_report = LoadReport(
        source="made up", path=Path("nowhere"), sha256="", loaded=(), trained_on=weights.seen_data
    )
    return model
