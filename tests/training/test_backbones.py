"""The backbones of the paper's tables through one recipe: a step without crops, a step with, and a report.

Not VGG-19, whose checkpoint would be 1.7 GB: it stands in `benchmarks/training_step.py`.
"""

from pathlib import Path

import pytest
import torch

import lag_zoo
from lag_zoo.evaluate import evaluate, score
from lag_zoo.training import Stage, finetune
from tests.listening import EachEpoch
from tests.training.drawn_data import write_frames

LARGE = ("resnet50", "seresnet50", "densenet121", "googlenet")
SMALL = ("efficientnet_b0", "mobilenetv2_100", "squeezenet1_1")
NAMES = (*(pytest.param(name, marks=pytest.mark.slow) for name in LARGE), *SMALL)


@pytest.mark.parametrize("name", NAMES)
def test_trains_and_is_measured(name: str, tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6, each=1)
    before = lag_zoo.create_model(
        f"lag_{name}", label_names=["normal", "IM"], global_size=64, num_crops=2, crop_size=32
    )
    weights = {key: tensor.clone() for key, tensor in before.state_dict().items()}
    seen: list[str] = []
    trained = finetune(
        before,
        data,
        tmp_path / "run",
        recipe="finetune",
        stages=[Stage(name="backbone", epochs=1, crops=False), Stage(name="crops", epochs=1)],
        batch_size=4,
        warmup=0.0,
        average=0.0,
        workers=0,
        tracker="none",
        device="cpu",
        listener=EachEpoch(lambda row: seen.append(row["stage"])),
    )
    assert seen == ["backbone", "crops"]
    moved = {
        key.split(".")[0]
        for key, tensor in trained.state_dict().items()
        if not torch.equal(tensor, weights[key])
    }
    assert {"backbone", "crops", "head"} <= moved
    for model in (trained, trained.without_crops()):
        report = evaluate(score(model, data, split=None, workers=0), n_resamples=100)
        assert [row.label for row in report.rows] == ["IM"]
        assert all(0 <= row.measures["auroc"].value <= 1 for row in report.rows)
