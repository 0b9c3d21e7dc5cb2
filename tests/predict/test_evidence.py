"""Evidence: maps of log-odds over a frame, alone and beside an answer."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import lag_zoo
from lag_zoo import LAG, Predictor, evidence
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import BackboneError, InvalidConfigError, InvalidImageError
from lag_zoo.predict.engine import Engine
from lag_zoo.tasks import rules_of
from lag_zoo.views.extract import over_frame
from tests.networks import as_loaded

LABELS = ("mucosa", "polyp")
CELLS = 6
SIDES = st.integers(60, 260)
BUILT_IN = "lag_tf_efficientnet_lite0_polyp"


class Colours(nn.Module):
    """A backbone in timm's protocol: its last map is the mean colour of each cell."""

    num_features = head_hidden_size = 3

    def forward_features(self, x: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(x, CELLS)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        return x.mean((2, 3))

    def reset_classifier(self, num_classes: int) -> None:
        pass


def red_is_polyp(**fields: object) -> LAG:
    """A network that scores a polyp by 10 times the red of a position, less 5, and mucosa by 0."""
    given = {
        "label_names": LABELS,
        "pooling": "topk",
        "global_size": 8 * CELLS,
        "global_dim": 3,
        "hidden_dim": 3,
        "num_crops": 2,
        "crop_size": 32,
        "field_of_view": False,
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        **fields,
    }
    model = LAG(Colours(), **given).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for layer in (model.global_fc, model.hidden[0], model.head):
            layer.weight.zero_()  # type: ignore[union-attr,operator]
            layer.bias.zero_()  # type: ignore[union-attr,operator]
        model.global_fc.weight.copy_(torch.eye(3))
        model.hidden[0].weight[:, :3] = torch.eye(3)  # type: ignore[index]
        model.head.weight[-1, 0], model.head.bias[-1] = 10, -5  # type: ignore[index,operator]
    return model


def with_patch(height: int, width: int, y: float, x: float) -> tuple[Tensor, Tensor]:
    """A dark frame with a red patch of a third of each side at (y, x), both from 0 to 1, and where the patch is."""
    frame, where = torch.zeros(3, height, width), torch.zeros(height, width, dtype=torch.bool)
    top, left = round(y * height * 2 / 3), round(x * width * 2 / 3)
    where[top : top + round(height / 3), left : left + round(width / 3)] = True
    frame[0, where] = 1.0
    return frame, where


def networks() -> dict[str, LAG]:
    torch.manual_seed(0)
    shape = {"label_names": LABELS, "global_size": 96, "num_crops": 3, "crop_size": 32}
    kinds: dict[str, dict[str, object]] = {
        "topk": {"pooling": "topk", "topk": 0.3},
        "attention": {"pooling": "topk", "topk": 0.3, "fusion": "attention"},
        "average": {},
        "separate": {"pooling": "topk", "task": "multilabel"},
    }
    return {
        kind: LAG("mobilenetv3_small_050", **{**shape, **fields}).eval()  # type: ignore[arg-type]
        for kind, fields in kinds.items()
    }


NETWORKS, RED = networks(), red_is_polyp()
FRAMES = [draw_frame((200 + 30 * i, 300), seed=i) for i in range(3)]


class TestOverTheFrame:
    @settings(max_examples=30)
    @given(SIDES, SIDES, st.floats(0, 1), st.floats(0, 1))
    def test_it_lies_where_the_scores_are(self, height: int, width: int, y: float, x: float) -> None:
        frame, where = with_patch(height, width, y, x)
        found = evidence(RED, frame)["polyp"]
        assert found.shape == (height, width)
        assert found.dtype == torch.float32
        assert where.flatten()[found.argmax()], "the maximum is on the patch"
        assert found[where].mean() > found[~where].mean() + 3
        assert found.max() <= 5 + 1e-4
        assert found.min() >= -5 - 1e-4

    @settings(max_examples=20)
    @given(SIDES, SIDES, st.floats(0, 1), st.floats(0, 1), st.sampled_from([(1,), (2,), (1, 2)]))
    def test_it_turns_with_the_frame(
        self, height: int, width: int, y: float, x: float, axes: tuple[int, ...]
    ) -> None:
        frame, _ = with_patch(height, width, y, x)
        found, turned = evidence(RED, frame)["polyp"], evidence(RED, frame.flip(axes))["polyp"]
        assert torch.allclose(turned, found.flip([axis - 1 for axis in axes]), atol=1e-3)
        across = evidence(RED, frame.mT)["polyp"]
        assert torch.allclose(across, found.mT, atol=1e-3)

    @pytest.mark.parametrize("kind", NETWORKS)
    def test_it_is_the_log_odds_of_the_scores(self, kind: str) -> None:
        model = NETWORKS[kind]
        found = evidence(model, FRAMES[0])
        with torch.inference_mode():
            scores = model.position_scores(FRAMES[0][None])[0].double()
        logits = scores.flatten(1).T.numpy()
        chances = rules_of(model.config.task).probabilities(logits)
        expected = torch.from_numpy(np.log(chances / (1 - chances)).T).view_as(scores)
        for values, label in zip(over_frame(expected.float(), (200, 300)), LABELS, strict=True):
            assert torch.allclose(found[label], values, atol=1e-4)

    def test_of_several_images_and_every_kind(self) -> None:
        model = NETWORKS["topk"]
        array = FRAMES[0].permute(1, 2, 0).numpy()
        one, other, third = evidence(model, [FRAMES[0], array, FRAMES[1]])
        assert torch.equal(one["polyp"], evidence(model, FRAMES[0])["polyp"])
        assert torch.equal(one["polyp"], other["polyp"])
        assert third["polyp"].shape == (230, 300)
        with pytest.raises(InvalidImageError, match="the path"):
            evidence(model, "frame.png")  # type: ignore[call-overload]

    def test_without_crops(self) -> None:
        model = NETWORKS["topk"]
        found = evidence(model.without_crops(), FRAMES[0])
        with torch.no_grad():
            scores = model.outputs(FRAMES[0][None], with_crops=False)
            assert torch.allclose(scores.logits, model.forward_global(FRAMES[0][None]), atol=1e-6)
        odds = scores.scores[:, 1] - scores.scores[:, 0]
        assert torch.allclose(found["polyp"], over_frame(odds, (200, 300))[0], atol=1e-5)

    def test_the_mode_is_put_back(self) -> None:
        model = red_is_polyp().train()
        evidence(model, FRAMES[0])
        assert all(module.training for module in model.modules())

    def test_a_network_that_has_none(self) -> None:
        frame = FRAMES[0]
        with pytest.raises(InvalidConfigError, match="no classifier"):
            evidence(LAG("mobilenetv3_small_050", num_classes=0, global_size=64), frame)
        with pytest.raises(InvalidConfigError, match="one class"):
            evidence(LAG("mobilenetv3_small_050", num_classes=1, global_size=64), frame)

        class Flat(Colours):
            def forward_features(self, x: Tensor) -> Tensor:
                return x.mean((2, 3))

            def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
                return x

        model = LAG(Flat(), label_names=LABELS, global_size=64)
        with pytest.raises(BackboneError, match="no map"):
            evidence(model, frame)
        with pytest.raises(BackboneError, match="no map"):
            Predictor(model, evidence=True)(frame)


class TestBesideAnAnswer:
    @pytest.mark.parametrize("kind", NETWORKS)
    @pytest.mark.parametrize("fuse", [False, True])
    def test_it_is_that_over_the_frame_and_changes_no_answer(self, kind: str, fuse: bool) -> None:
        model = NETWORKS[kind]
        answers = Predictor(model, evidence=True, fuse=fuse, batch_size=2)(FRAMES)
        for frame, answer, plain in zip(FRAMES, answers, Predictor(model)(FRAMES), strict=True):
            assert answer.evidence is not None
            assert plain.evidence is None
            assert list(answer.probabilities.values()) == pytest.approx(
                list(plain.probabilities.values()), abs=1e-5
            )
            assert answer.crop_weights == pytest.approx(plain.crop_weights, abs=1e-5)
            expected, size = evidence(model, frame), (frame.shape[1], frame.shape[2])
            for label in LABELS:
                spread = over_frame(torch.tensor(answer.evidence[label])[None], size)[0]
                assert torch.allclose(spread, expected[label], atol=1e-4)

    @pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 1.0])
    def test_the_logits_are_the_mean_of_the_highest_scores(self, share: float) -> None:
        model = red_is_polyp(topk=share)
        engine = Engine(
            model, batch_size=2, device=None, fuse=False, compile=False, precision="fp32", with_scores=True
        )
        output = engine(model.views(FRAMES))
        assert output.scores is not None
        count = max(1, round(share * CELLS**2))
        highest = output.scores.flatten(2).sort(2, descending=True).values[:, :, :count]
        assert torch.allclose(highest.mean(2), output.logits, atol=1e-6)

    def test_there_is_one_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes, forward = [], Colours.forward_features

        def counted(self: Colours, x: Tensor) -> Tensor:
            sizes.append(len(x))
            return forward(self, x)

        monkeypatch.setattr(Colours, "forward_features", counted)
        for pooling in ("topk", "average"):
            Predictor(red_is_polyp(pooling=pooling), evidence=True, batch_size=2, workers=0)(FRAMES)
        assert sizes == [2, 1, 2, 1]

    def test_at_the_temperature_of_the_weights(self) -> None:
        model = red_is_polyp()
        (plain,) = Predictor(model, evidence=True)(FRAMES[0])
        weights = dataclasses.replace(lag_zoo.model_info(BUILT_IN).weights[0], temperature=2.0, doubts=None)
        warm = as_loaded(red_is_polyp(), weights)
        (answer,) = Predictor(warm, evidence=True)(FRAMES[0])
        assert plain.evidence is not None
        assert answer.evidence is not None
        assert np.allclose(2 * np.array(answer.evidence["polyp"]), plain.evidence["polyp"])
        assert torch.allclose(
            2 * evidence(warm, FRAMES[0])["polyp"], evidence(model, FRAMES[0])["polyp"], atol=1e-5
        )

    def test_of_several_looks_it_is_the_mean(self) -> None:
        model = NETWORKS["topk"]
        (answer,) = Predictor(model, evidence=["polyp"])(FRAMES[0], tta=4)
        assert answer.evidence is not None
        with torch.inference_mode():
            views = [model.sampler(policy="random", seed=seed)(FRAMES[0], index=0) for seed in range(4)]
            scores = torch.stack([model.position_scores(view)[0] for view in views])
        expected = (scores[:, 1] - scores[:, 0]).mean(0)
        assert torch.allclose(torch.tensor(answer.evidence["polyp"]), expected, atol=1e-5)

    def test_of_the_labels_that_are_asked_for(self) -> None:
        (answer,) = Predictor(NETWORKS["topk"], evidence=["polyp"])(FRAMES[0])
        assert answer.evidence is not None
        assert list(answer.evidence) == ["polyp"]
        with pytest.raises(InvalidConfigError, match=r"evidence for .*'ulcer'.*mucosa, polyp"):
            Predictor(NETWORKS["topk"], evidence=["ulcer"])
        with pytest.raises(InvalidConfigError, match="a list is expected"):
            Predictor(NETWORKS["topk"], evidence="polyp")

    def test_a_background_has_none_of_its_own(self) -> None:
        model = red_is_polyp(background="mucosa")
        (answer,) = Predictor(model, evidence=True)(FRAMES[0])
        assert answer.evidence is not None
        assert list(answer.evidence) == list(evidence(model, FRAMES[0])) == ["polyp"]
        (both,) = Predictor(model, evidence=["mucosa", "polyp"])(FRAMES[0])
        assert both.evidence is not None
        assert np.allclose(both.evidence["mucosa"], -np.array(both.evidence["polyp"]))

    def test_without_a_crop(self) -> None:
        model = LAG(
            "mobilenetv3_small_050", label_names=LABELS, pooling="topk", num_crops=0, global_size=96
        ).eval()
        (answer,) = Predictor(model, evidence=True)(FRAMES[0])
        assert answer.evidence is not None
        spread = over_frame(torch.tensor(answer.evidence["polyp"])[None], (200, 300))[0]
        assert torch.allclose(spread, evidence(model, FRAMES[0])["polyp"], atol=1e-4)

    def test_it_compares_and_goes_into_json(self) -> None:
        predictor = Predictor(NETWORKS["topk"], evidence=True)
        (answer,), again = predictor(FRAMES[0]), predictor(FRAMES[0])
        assert [answer] == again
        written = json.loads(json.dumps(answer.to_dict()))["evidence"]
        assert answer.evidence is not None
        assert list(written) == list(LABELS)
        assert np.allclose(written["polyp"], answer.evidence["polyp"], atol=5e-4)
        assert len(repr(answer)) < 1500
