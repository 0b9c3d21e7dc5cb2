"""A network without crops: made so, or robbed of them, it takes, saves, draws and mentions none."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

import lag_zoo
from lag_zoo.catalogue.size import count_crop_macs
from lag_zoo.cli.prediction_table import as_table
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError, WeightsMismatchError
from lag_zoo.nn import CropEnsemble
from lag_zoo.publishing import save_pretrained
from lag_zoo.views import Views, ViewSampler
from tests.networks import equal, small

FUSIONS = ["concat", "mean", "attention"]
FRAMES = torch.randint(
    40, 255, (3, 3, 150, 200), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
)


def robbed(**fields: object) -> lag_zoo.LAG:
    model = small(**fields)
    model.remove_crops()
    return model


@pytest.mark.parametrize(
    ("fusion", "pooling"), [*((fusion, "average") for fusion in FUSIONS), ("concat", "topk")]
)
def test_it_answers_as_the_plain_backbone_did(fusion: str, pooling: str) -> None:
    model = small(fusion=fusion, pooling=pooling)
    plain = model.without_crops()(FRAMES)
    model.remove_crops()
    torch.testing.assert_close(model(FRAMES), plain, atol=1e-6, rtol=0)
    assert torch.equal(model(FRAMES), model.without_crops()(FRAMES))
    torch.testing.assert_close(model.fuse()(FRAMES), plain, atol=1e-5, rtol=0)
    assert not [name for name in model.state_dict() if name.startswith(("crops.", "fusion."))]
    model.remove_crops()  # again: nothing
    assert model.config.num_crops == 0


@pytest.mark.parametrize("fusion", FUSIONS)
def test_one_that_is_made_so_is_the_same_network(fusion: str) -> None:
    made, model = small(fusion=fusion, num_crops=0), robbed(fusion=fusion)
    assert made.config == model.config
    shapes = [{name: value.shape for name, value in one.state_dict().items()} for one in (made, model)]
    assert shapes[0] == shapes[1]
    assert (made.num_features, count_crop_macs(made.config)) == (256, 0)
    made.load_state_dict(model.state_dict())
    assert torch.equal(made(FRAMES), model(FRAMES))


def test_it_learns() -> None:
    model = robbed().train()
    model(FRAMES).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_crops_of_another_sampler_are_not_looked_at() -> None:
    model = robbed()
    views = ViewSampler(global_size=64, num_crops=2, crop_size=32)(FRAMES)
    assert torch.equal(model(views), model(FRAMES))
    assert model.views(FRAMES).crops.shape == (3, 0, 3, 32, 32)
    assert isinstance(model.sampler()(FRAMES[0]), Views)


def test_it_is_saved_without_them(tmp_path: Path) -> None:
    model = robbed(fusion="attention")
    save_pretrained(model, tmp_path / "plain")
    assert "no crops, global view of 64" in (tmp_path / "plain" / "README.md").read_text(encoding="utf-8")
    again = lag_zoo.create_model(f"local-dir:{tmp_path / 'plain'}", pretrained=True)
    assert again.crops is None
    assert equal(model, again)
    with pytest.raises(WeightsMismatchError, match="num_crops=0, not 4"):
        lag_zoo.create_model(f"local-dir:{tmp_path / 'plain'}", pretrained=True, num_crops=4)
    save_pretrained(small(fusion="attention"), tmp_path / "lag")
    with pytest.raises(WeightsMismatchError, match=r"load it with them and call remove_crops\(\)"):
        lag_zoo.create_model(f"local-dir:{tmp_path / 'lag'}", pretrained=True, num_crops=0)


def test_its_predictions_speak_of_none() -> None:
    predictor = lag_zoo.Predictor(robbed())
    frame = draw_frame((300, 400))
    (prediction,) = predictor(frame)
    assert (prediction.boxes, prediction.coverage, prediction.crop_weights) == ((), None, None)
    assert not [warning for warning in prediction.warnings if "crop" in warning]
    with_crops = lag_zoo.Predictor(small())(frame)[0]
    with pytest.raises(InvalidConfigError, match="has no crops, so every look is the same"):
        predictor(frame, tta=4)
    for answer, said in ((prediction, False), (with_crops, True)):
        screen = Console(width=200)
        with screen.capture() as shown:
            screen.print(as_table([{**answer.to_dict(), "path": "a.png"}], "m", {}))
        assert ("crops saw" in shown.get()) is said


def test_an_ensemble_has_crops() -> None:
    with pytest.raises(InvalidConfigError, match="at least one crop"):
        CropEnsemble(num_crops=0)
