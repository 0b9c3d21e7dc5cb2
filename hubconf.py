"""The zoo through torch.hub: each name of lag_zoo's own catalogue is an entry point, and so is `predictor`.

torch.hub lists the public callables of this module, so the entries are made on demand (PEP 562) and nothing
else here is public. It does not install the package: it puts this folder on the path, and looks for what
`dependencies` names.

    torch.hub.load("path/to/lag_zoo", "lag_tf_efficientnet_lite0_polyp", source="local", pretrained=True)
    torch.hub.load("OWNER/lag_zoo", "predictor", trust_repo=True)(["frame.tif"])

OWNER is a placeholder for the account on GitHub: the project is not published there yet. Without `trust_repo=True`
torch.hub asks on a terminal whether the repository is trusted, which a batch job cannot answer.
"""

import functools as _functools
from typing import Any as _Any

import lag_zoo as _lag_zoo
from lag_zoo.catalogue import CATALOGUE as _CATALOGUE

dependencies = ["torch", "torchvision", "timm", "huggingface_hub", "safetensors", "einops", "numpy", "PIL"]

# Without the plugins that may be installed beside it: this lists what this folder holds.
_SPECS = {spec.name: spec for spec in _CATALOGUE}


def predictor(name: str = "lag_tf_efficientnet_lite0_polyp", **options: _Any) -> "_lag_zoo.Predictor":
    """predictor. From images to answers: probabilities, the label, where the crops lay, and what to doubt.

    Arguments: the name of a model that has weights, or `hf-hub:org/repo`, `local-dir:path`; by default the one whose
    weights are built in. Further keyword arguments are those of lag_zoo.Predictor: device, batch_size.
    For research and teaching; not a medical device.
    """
    return _lag_zoo.Predictor(name, **options)


def __dir__() -> list[str]:
    return ["dependencies", "predictor", *_SPECS]


def __getattr__(name: str) -> _Any:
    if name not in _SPECS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    spec = _SPECS[name]
    entry = _functools.partial(_lag_zoo.create_model, name)
    entry.__doc__ = (
        f"{name}. {spec.description}\n\n"
        f"Weights: {spec.weights_state}; they are loaded with pretrained=True. Labels: {spec.label_names}.\n"
        "Further keyword arguments are those of lag_zoo.create_model.\n"
        "For research and teaching; not a medical device."
    )
    return entry
