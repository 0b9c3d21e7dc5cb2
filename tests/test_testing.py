"""The conformance suite passes what is right, and each of its checks can fail."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lag_zoo.testing as testing
from lag_zoo.errors import BackboneError, ConformanceError, UnknownModelError
from lag_zoo.nn import LAG
from lag_zoo.registry import model_info
from lag_zoo.testing import check_model
from lag_zoo.views import Views

NAME = "lag_mobilenetv3_small_100_wli"


@pytest.mark.parametrize("name", [NAME, "lag_vit_tiny_patch16_224", "lag_squeezenet1_1_lci"])
def test_passes_what_is_right(name: str) -> None:
    check_model(name)


def test_leaves_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    check_model(NAME)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_unknown_name_is_that() -> None:
    with pytest.raises(UnknownModelError):
        check_model("lag_nothing_of_the_kind")


class Loses(LAG):
    """Gives one logit too few."""

    def forward(self, x: Any) -> Tensor:
        return super().forward(x)[:, 1:]


class Spoils(LAG):
    def forward(self, x: Any) -> Tensor:
        logits = super().forward(x)
        if isinstance(x, Tensor):
            x.zero_()
        return logits


class NotFinite(LAG):
    def forward(self, x: Any) -> Tensor:
        return super().forward(x) / 0


class OtherOfLists(LAG):
    def forward(self, x: Any) -> Tensor:
        return super().forward(x) + isinstance(x, list)


class OtherOfViews(LAG):
    def forward(self, x: Any) -> Tensor:
        return super().forward(x) + isinstance(x, Views)


class RefusesSizes(LAG):
    def forward(self, x: Any) -> Tensor:
        return super().forward(torch.stack(x) if isinstance(x, list) else x)


class Rolls(LAG):
    def forward(self, x: Any) -> Tensor:
        logits = super().forward(x)
        return logits + 1e-3 * torch.randn_like(logits)


class Compares(LAG):
    """Subtracts the mean of the batch."""

    def forward(self, x: Any) -> Tensor:
        logits = super().forward(x)
        return logits - logits.mean(0)


class Hides(LAG):
    """Has a number that the state dict does not have."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.hidden_number = float(torch.rand(()))

    def forward(self, x: Any) -> Tensor:
        return super().forward(x) + self.hidden_number


class CopiesBadly(LAG):
    def __deepcopy__(self, memo: dict[int, Any]) -> LAG:
        return LAG.from_config(self.config).eval()


class WillNotPickle(LAG):
    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.helper = lambda: None


class OtherFeatures(LAG):
    @property
    def num_features(self) -> int:
        return 7

    @num_features.setter
    def num_features(self, value: int) -> None: ...


class OtherHead(LAG):
    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        return super().forward_head(features, pre_logits) + (not pre_logits)

    def forward(self, x: Any) -> Tensor:
        return super().forward_head(self.forward_features(x))


class OtherPreLogits(LAG):
    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        return features if pre_logits else super().forward_head(features)


class OtherClassifier(LAG):
    def get_classifier(self) -> nn.Module:
        return nn.Linear(self.head_hidden_size, self.num_classes)


class Normalises(LAG):
    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        return {**super().pretrained_cfg, "mean": (0.5, 0.5, 0.5)}


class OtherClasses(LAG):
    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        return {**super().pretrained_cfg, "num_classes": 1000}


class SparesNothing(LAG):
    def no_weight_decay(self) -> set[str]:
        return {"pos_embed"}


class LeavesOut(LAG):
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        return {"stem": "^backbone", "blocks": []}


class Idles(LAG):
    """Has a parameter that nothing uses."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.idle = nn.Parameter(torch.zeros(3))


class KeepsClassifier(LAG):
    def reset_classifier(self, num_classes: int, *args: Any, **options: Any) -> None:
        head = self.head
        super().reset_classifier(num_classes, *args, **options)
        self.head = head


class ForgetsLabels(LAG):
    def reset_classifier(self, num_classes: int, *args: Any, **options: Any) -> None:
        super().reset_classifier(num_classes)


class Explodes(LAG):
    def forward(self, x: Any) -> Tensor:
        raise RuntimeError("out of luck")


class GradientsExplode(LAG):
    def forward(self, x: Any) -> Tensor:
        logits = super().forward(x)
        return logits + 0 * (logits - logits.detach()).abs().sqrt()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[LAG]], None]:
    """Puts another class behind every model that the suite builds, the first as well as its twins."""

    def put(kind: type[LAG]) -> None:
        def build(name: str, **fields: Any) -> LAG:
            return kind.from_config(model_info(name).config)

        monkeypatch.setattr(testing, "create_model", build)
        monkeypatch.setattr(testing, "LAG", kind)

    return put


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (
            Loses,
            r"inputs: logits of uint8 frames \(2, 3, H, W\) have the shape \(2, 2\), \(2, 3\) is expected",
        ),
        (Spoils, "inputs: forward changes the frames"),
        (NotFinite, "inputs: logits are not finite"),
        (OtherOfLists, "inputs: logits of a list of frames and of their batch: up to 1 apart"),
        (OtherOfViews, "inputs: logits of the Views and of their frames"),
        (RefusesSizes, "inputs: RuntimeError: stack expects"),
        (Hides, "state dict: a twin"),
        (CopiesBadly, "copies: a deep copy gives other logits"),
        (WillNotPickle, "copies: .*pickle"),
        (OtherFeatures, r"features: forward_features .* \(2, 7\) is expected"),
        (OtherHead, r"features: forward_head\(forward_features\(x\)\) and forward"),
        (OtherPreLogits, r"features: forward_head\(pre_logits=True\)"),
        (OtherClassifier, "features: get_classifier"),
        (Normalises, "timm conventions: pretrained_cfg must declare raw pixels"),
        (OtherClasses, "timm conventions: pretrained_cfg declares 1000 classes"),
        (
            SparesNothing,
            "timm conventions: no_weight_decay names what is in no part of the network: pos_embed",
        ),
        (LeavesOut, "timm conventions: group_matcher"),
        (GradientsExplode, "gradients: gradients that are not finite"),
        (KeepsClassifier, r"reset classifier: logits after reset_classifier\(5\)"),
        (ForgetsLabels, "reset classifier: label_names are None"),
        (Explodes, "inputs: RuntimeError: out of luck"),
    ],
    ids=lambda case: case.__name__ if isinstance(case, type) else "",
)
def test_each_check_can_fail(broken: Callable[[type[LAG]], None], kind: type[LAG], says: str) -> None:
    broken(kind)
    with pytest.raises(ConformanceError, match=f"^{NAME}, {says}"):
        check_model(NAME)


def test_determinism_fails_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "_CHECKS", (testing._check_determinism,))
    monkeypatch.setattr(testing, "create_model", lambda name, **_: Rolls.from_config(model_info(name).config))
    with pytest.raises(
        ConformanceError, match="determinism: two runs in evaluation mode give different logits"
    ):
        check_model(NAME)


def test_batch_independence_fails_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "_CHECKS", (testing._check_batch_independence,))
    monkeypatch.setattr(
        testing, "create_model", lambda name, **_: Compares.from_config(model_info(name).config)
    )
    with pytest.raises(ConformanceError, match="batch independence: logits of a frame alone and in a batch"):
        check_model(NAME)


@pytest.mark.parametrize("checks", [(testing._check_gradients,), None])
def test_an_idle_parameter_fails(
    broken: Callable[[type[LAG]], None], monkeypatch: pytest.MonkeyPatch, checks: Any
) -> None:
    broken(Idles)
    if checks:
        spec = dataclasses.replace(model_info(NAME), params=None)
        monkeypatch.setattr(testing, "model_info", lambda name: spec)
        monkeypatch.setattr(testing, "_CHECKS", checks)
    says = (
        "gradients: parameters without a gradient.*idle"
        if checks
        else "specification: it states 2077635 param"
    )
    with pytest.raises(ConformanceError, match=says):
        check_model(NAME)


def test_a_configuration_that_lies_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(name: str, **_: Any) -> LAG:
        model = LAG.from_config(model_info(name).config)
        model.config = dataclasses.replace(model.config, hidden_dim=32)
        return model

    monkeypatch.setattr(testing, "create_model", build)
    with pytest.raises(
        ConformanceError, match=r"configuration: the network that it describes has other .*head.weight"
    ):
        check_model(NAME)


def test_what_cannot_be_built_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(name: str, **_: Any) -> LAG:
        raise BackboneError("no such backbone")

    monkeypatch.setattr(testing, "create_model", build)
    with pytest.raises(ConformanceError, match="cannot be built: BackboneError: no such backbone"):
        check_model(NAME)
