"""What tests of the commands share."""

import dataclasses

import pytest
import torch

import lag_zoo
import lag_zoo.predict.predictor as predict_module
from tests.networks import as_loaded


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network in place of the built-in one: what it answers is of no concern here."""
    torch.manual_seed(0)
    model = lag_zoo.LAG(
        "mobilenetv3_small_050", label_names=("mucosa", "polyp"), global_size=64, num_crops=4, crop_size=32
    )
    weights = lag_zoo.model_info("lag_tf_efficientnet_lite0_polyp").weights[0]
    as_loaded(model, dataclasses.replace(weights, doubts=None))  # they know another backbone
    monkeypatch.setattr(predict_module, "create_model", lambda name, pretrained: model)
