"""The conformance suite that the author of a plugin runs: `check_model(name)`.

The model is built untrained, and held to the conventions that lag_zoo, timm's scripts and torch rely on. Weights are
not tried: loading holds them to their SHA-256 and to the network's keys.
"""

import copy
import pickle
from collections.abc import Callable

import torch
from timm.models import group_parameters
from torch import Tensor

from lag_zoo.errors import BackboneError, ConformanceError
from lag_zoo.factory import create_model
from lag_zoo.nn import LAG
from lag_zoo.registry import model_info
from lag_zoo.specs import LAGConfig, ModelSpec

__all__ = ["check_model"]


def check_model(name: str) -> None:
    """Check that a registered model keeps the conventions of the zoo. The process's random state is left as it was.

    Args:
        name: of the zoo or of a plugin, or `lag_<any timm name>`, which is built with three classes.

    Raises:
        UnknownModelError: no such name.
        ConformanceError: a convention is broken; the message names the check and its outcome.

    >>> check_model("lag_mobilenetv3_small_100_wli")
    """
    spec = model_info(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            model = create_model(name) if spec.config.num_classes else create_model(name, num_classes=3)
        except Exception as error:
            raise ConformanceError(f"{name} cannot be built: {type(error).__name__}: {error}") from error
        _attempt(name, "specification", lambda: _check_specification(spec, model))
        for check in _CHECKS:
            title = check.__name__.removeprefix("_check_").replace("_", " ")
            _attempt(name, title, lambda check=check: check(model.eval()))  # type: ignore[misc]


def _attempt(name: str, title: str, check: Callable[[], None]) -> None:
    """Runs one check; whatever a stranger's model raises in it is a failure of this check."""
    try:
        check()
    except ConformanceError as error:
        raise ConformanceError(f"{name}, {title}: {error}") from None
    except Exception as error:
        raise ConformanceError(f"{name}, {title}: {type(error).__name__}: {error}") from error


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConformanceError(message)


def _require_close(got: Tensor, expected: Tensor, message: str) -> None:
    """Close, not equal: one frame alone and several together go through other kernels."""
    _require(got.shape == expected.shape, f"{message}: shapes {tuple(got.shape)} and {tuple(expected.shape)}")
    apart = (got - expected).abs().max().item()
    _require(apart <= 1e-4 * (1 + expected.abs().max().item()), f"{message}: up to {apart:.2g} apart")


def _require_shape(got: Tensor, expected: tuple[int, ...], what: str) -> None:
    _require(
        tuple(got.shape) == expected, f"{what} have the shape {tuple(got.shape)}, {expected} is expected"
    )


def _frames(count: int = 2) -> Tensor:
    """Bright noise: raw uint8 frames whose whole area is the field of view."""
    noise = torch.Generator().manual_seed(1)
    return torch.randint(60, 256, (count, 3, 288, 352), generator=noise, dtype=torch.uint8)


@torch.no_grad()
def _logits(model: LAG, count: int = 2) -> Tensor:
    return model(_frames(count))  # type: ignore[no-any-return]


def _shapes(model: LAG) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def _check_specification(spec: ModelSpec, model: LAG) -> None:
    _require(ModelSpec.from_json(spec.to_json()) == spec, "it changes on its way through JSON")
    params = sum(p.numel() for p in model.parameters())
    _require(spec.params in (None, params), f"it states {spec.params} parameters, the network has {params}")


def _check_configuration(model: LAG) -> None:
    config = LAGConfig.from_json(model.config.to_json())
    _require(config == model.config, "it changes on its way through JSON")
    ours, rebuilt = _shapes(model), _shapes(LAG.from_config(config))
    differing = sorted(key for key in {*ours, *rebuilt} if ours.get(key) != rebuilt.get(key))
    _require(not differing, f"the network that it describes has other tensors: {', '.join(differing[:3])}")


@torch.no_grad()
def _check_inputs(model: LAG) -> None:
    frames = _frames()
    before = frames.clone()
    logits = model(frames)
    _require_shape(logits, (2, model.num_classes), "logits of uint8 frames (2, 3, H, W)")
    _require(bool(logits.isfinite().all()), "logits are not finite")
    _require(torch.equal(frames, before), "forward changes the frames that it is given")
    _require_close(model(list(frames)), logits, "logits of a list of frames and of their batch")
    _require_close(model(model.views(frames)), logits, "logits of the Views and of their frames")
    mixed = model([frames[0], frames[1, :, :200, :300]])
    _require_shape(mixed, (2, model.num_classes), "logits of a list of frames of two sizes")
    _require_close(mixed[:1], logits[:1], "logits of a frame beside a frame of another size")


def _check_determinism(model: LAG) -> None:
    _require(torch.equal(_logits(model), _logits(model)), "two runs in evaluation mode give different logits")


@torch.no_grad()
def _check_batch_independence(model: LAG) -> None:
    together = _logits(model, 3)
    alone = torch.cat([model(frame[None]) for frame in _frames(3)])
    _require_close(alone, together, "logits of a frame alone and in a batch")


def _check_state_dict(model: LAG) -> None:
    twin = LAG.from_config(model.config).eval()
    twin.load_state_dict(model.state_dict(), strict=True)
    _require(torch.equal(_logits(twin), _logits(model)), "a twin with the same state dict gives other logits")


def _check_copies(model: LAG) -> None:
    expected = _logits(model)
    _require(torch.equal(_logits(copy.deepcopy(model)), expected), "a deep copy gives other logits")
    _require(
        torch.equal(_logits(pickle.loads(pickle.dumps(model))), expected),
        "a pickled model gives other logits",
    )


@torch.no_grad()
def _check_features(model: LAG) -> None:
    features, logits = model.forward_features(_frames()), _logits(model)
    rows = (2,) if model.config.pooling == "average" else features.shape[:2]  # a row a frame, or a position
    _require_shape(features, (*rows, model.num_features), "forward_features gives features that")
    hidden = model.forward_head(features, pre_logits=True)
    _require_shape(
        hidden, (*rows, model.head_hidden_size), "forward_head(pre_logits=True) gives features that"
    )
    _require_close(model.forward_head(features), logits, "forward_head(forward_features(x)) and forward(x)")
    labels = [i for i in range(model.num_classes) if i != model.background_index]
    _require_close(
        model.pooled(model.get_classifier()(hidden))[:, labels],
        logits[:, labels],
        "get_classifier() on the pre-logits and forward(x)",
    )


def _check_timm_conventions(model: LAG) -> None:
    cfg = model.pretrained_cfg
    raw = tuple(cfg["mean"]) == (0, 0, 0) and tuple(cfg["std"]) == (1, 1, 1)
    _require(
        raw, f"pretrained_cfg must declare raw pixels, mean 0 and std 1; got {cfg['mean']} and {cfg['std']}"
    )
    _require(cfg["num_classes"] == model.num_classes, f"pretrained_cfg declares {cfg['num_classes']} classes")
    names = {name for name, _ in model.named_parameters()}
    parts = {
        part for part, _ in model.named_children()
    }  # timm's own models name tokens that they may not have
    strange = sorted(name for name in model.no_weight_decay() if name.partition(".")[0] not in parts)
    _require(
        not strange, f"no_weight_decay names what is in no part of the network: {', '.join(strange[:3])}"
    )
    try:
        groups = group_parameters(model, model.group_matcher(), reverse=True)
        model.set_grad_checkpointing(False)
    except BackboneError:  # the backbone has none of this, and LAG says so
        return
    missing = sorted(names - set(groups))
    _require(not missing, f"group_matcher leaves out {', '.join(missing[:3])}")
    layers = {groups[name] for name in names if name.startswith("backbone.")}
    _require(len(layers) > 1, "group_matcher puts the whole backbone into one layer")


def _check_gradients(model: LAG) -> None:
    model.train()
    model(_frames()).square().sum().backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    _require(not without, f"parameters without a gradient, which plain DDP refuses: {', '.join(without[:3])}")
    broken = [
        name for name, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()
    ]
    _require(not broken, f"gradients that are not finite: {', '.join(broken[:3])}")
    model.zero_grad(set_to_none=True)


def _check_reset_classifier(model: LAG) -> None:
    model.reset_classifier(5)
    _require_shape(_logits(model), (2, 5), "logits after reset_classifier(5)")
    _require(
        model.num_classes == model.config.num_classes == 5, "num_classes is not 5 after reset_classifier(5)"
    )
    model.reset_classifier(2, label_names=["no", "yes"])
    _require(
        model.label_names == ("no", "yes"), f"label_names are {model.label_names} after a reset to no, yes"
    )
    model.reset_classifier(0)
    _require_shape(_logits(model), (2, model.head_hidden_size), "features after reset_classifier(0)")


_CHECKS = (
    _check_configuration,
    _check_inputs,
    _check_determinism,
    _check_batch_independence,
    _check_state_dict,
    _check_copies,
    _check_features,
    _check_timm_conventions,
    # These two change the model, so they come last.
    _check_gradients,
    _check_reset_classifier,
)
