"""The zoo through torch.hub: each name that `lag_zoo.list_models()` gives is an entry point.

torch.hub lists the public callables of this module, so the entries are made on demand (PEP 562) and nothing
else here is public. It does not install the package: it puts this folder on the path, and looks for what
`dependencies` names.

    torch.hub.load("owner/lag_zoo", "lag_mobilenetv3_small_100_polyp", pretrained=True, trust_repo=True)

Without `trust_repo=True` torch.hub asks on a terminal whether the repository is trusted, which a batch job
cannot answer.
"""

import functools as _functools
from typing import Any as _Any

import lag_zoo as _lag_zoo

dependencies = ["torch", "torchvision", "timm", "huggingface_hub", "safetensors", "einops"]


def __dir__() -> list[str]:
    return ["dependencies", *_lag_zoo.list_models()]


def __getattr__(name: str) -> _Any:
    if name.startswith("_") or name not in _lag_zoo.list_models():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    entry = _functools.partial(_lag_zoo.create_model, name)
    spec = _lag_zoo.model_info(name)
    entry.__doc__ = (
        f"{name}. {spec.description}\n\n"
        f"Weights: {spec.weights_state}; they are loaded with pretrained=True. Labels: {spec.label_names}.\n"
        "Further keyword arguments are those of lag_zoo.create_model.\n"
        "For research and teaching; not a medical device."
    )
    return entry
