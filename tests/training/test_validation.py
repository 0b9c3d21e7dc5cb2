"""Validation: the network answers as it does in prediction, and is left as it was."""

from pathlib import Path

import pytest
import torch

from lag_zoo.data.manifest import Manifest
from lag_zoo.training.validation import validation_loader, validation_logits, validation_measures
from tests.networks import small
from tests.training.parts import job_for
from tests.training.tiny import RECIPE


@pytest.mark.parametrize("crops", [True, False])
def test_each_module_keeps_its_mode_and_the_answers_are_those_of_a_prediction(
    crops: bool, data: Manifest, tmp_path: Path
) -> None:
    model = small(global_size=32).train()
    for module in model.backbone.modules():
        module.training = False  # as frozen norms are
    modes = [module.training for module in model.modules()]
    assert len(set(modes)) == 2
    counted: list[int] = []
    with job_for(RECIPE, data, tmp_path) as job:
        loader = validation_loader(job, model, job.recipe.stages[1 if crops else 0])
        found = validation_logits(model, loader, job, crops=crops, advance=counted.append)
        assert [module.training for module in model.modules()] == modes
        measures = validation_measures(found, job, crops=crops)
        broken = validation_measures(found._replace(logits=found.logits * torch.nan), job, crops=crops)
    assert counted == [1, 1]
    assert [data.frames[number].split for number in found.numbers] == ["val"] * 8
    frames = [loader.dataset.dataset[number][0] for number in found.numbers]  # type: ignore[attr-defined]
    with torch.no_grad():
        plain = model.eval().without_crops()(frames)
        whole = model(frames)
    assert torch.allclose(found.global_logits, plain, atol=1e-5)
    assert torch.allclose(found.logits, whole if crops else plain, atol=1e-5)
    assert (measures["val_auroc_without_crops"] is None) is (not crops)
    assert broken["val_auroc"] is None
