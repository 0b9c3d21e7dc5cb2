"""LAG attached to one timm model after another: on the meta device (shapes only), or for real (a training step)."""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from lag_zoo.nn import LAG
from lag_zoo.specs import Pooling
from lag_zoo.views import Views
from lag_zoo.weights import read_weights
from lag_zoo.weights.assembly import assemble

CLASSES = 3


def views_for(model: LAG, batch: int, *, device: str) -> Views:
    """Seeded views of the shape that the network wants; no frame behind them."""
    size, count, crop = model.config.global_size, model.config.num_crops, model.config.crop_size
    generator = None if device == "meta" else torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    return Views(
        draw(batch, 3, size, size),
        draw(batch, count, 3, crop, crop),
        torch.zeros(batch, count, 4, dtype=torch.int64, device=device),
        torch.ones(batch, count, dtype=torch.bool, device=device),
        torch.ones(batch, device=device),
    )


def described(name: str, model: LAG) -> dict[str, object]:
    """A model's row of the table."""
    params = sum(p.numel() for p in model.backbone.parameters())
    return {
        "name": name,
        "params": params,
        "width": model.global_fc.in_features,
        "size": model.config.global_size,
    }


def attach_on_meta(name: str, *, pooling: Pooling = "average") -> dict[str, object]:
    """Builds LAG on `name` without memory, and runs shapes through it."""
    with torch.device("meta"):
        model = LAG(name, num_classes=CLASSES, pooling=pooling).eval()
        logits = model(views_for(model, 1, device="meta"))
    if tuple(logits.shape) != (1, CLASSES):
        raise ValueError(f"logits {tuple(logits.shape)}")
    return described(name, model)


def from_file(model: LAG) -> LAG:
    """The same network, as `create_model` puts it together from a file of its weights."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.safetensors"
        save_file({key: value.contiguous().clone() for key, value in model.state_dict().items()}, path)
        return assemble(model.config, read_weights(path).tensors, source=path.name)[0]


def exercise(name: str, size: int) -> dict[str, object]:
    """Builds LAG on `name`, with a global view of this size, and uses it as a training script would.

    Raises where something is off.
    """
    torch.manual_seed(0)
    begun = time.perf_counter()
    model = LAG(name, num_classes=CLASSES, num_crops=4, crop_size=32, global_size=size)
    batch = 2
    views = views_for(model, batch, device="cpu")

    # The large models pay for every forward: each one below holds more than one thing.
    model.eval()
    with torch.no_grad():
        before = model(views)
        assert before.shape == (batch, CLASSES), f"logits {tuple(before.shape)}"
        features = model.forward_features(views)
        assert features.shape == (batch, model.num_features), f"features {tuple(features.shape)}"
        assert torch.equal(before, model.forward_head(features)), "two evaluations of the same views differ"
        assert model.forward_head(features, pre_logits=True).shape == (batch, model.head_hidden_size)

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loss = nn.functional.cross_entropy(model(views), torch.tensor([0, 2][:batch]))
    loss.backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without, f"no gradient for {without[:4]} and {len(without)} in all"
    optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters()), "parameters are not finite after a step"

    model.zero_grad()  # their memory is needed for the twin
    model.eval()
    with torch.no_grad():
        loaded = from_file(model).eval()
        own = model.state_dict()
        assert all(torch.equal(value, own[key]) for key, value in loaded.state_dict().items())
        after, again = model(views), loaded(views)
        assert not torch.equal(before, after), "a training step changed nothing"
        apart = float((after - again).abs().max())
        assert apart <= 1e-5, f"the logits of the network loaded from a file are {apart:.2g} apart"
        del loaded
        model.reset_classifier(5)
        assert model.forward_head(features).shape == (batch, 5)
        model.reset_classifier(0)
        assert model.forward_head(features).shape == (batch, model.head_hidden_size)
    return {**described(name, model), "seconds": round(time.perf_counter() - begun, 1)}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    print(json.dumps(exercise(sys.argv[1], int(sys.argv[2]))))
