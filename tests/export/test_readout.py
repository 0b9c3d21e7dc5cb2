"""The graph's own rules of the tasks are those of `lag_zoo.tasks`, and its parts those of the network."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.export.readout import _PROBABILITIES, Readout
from lag_zoo.tasks import TASKS, rules_of
from tests.networks import small


def test_every_task_can_be_exported() -> None:
    assert _PROBABILITIES.keys() == TASKS.keys()


@pytest.mark.parametrize("task", sorted(TASKS))
@given(logits=arrays(np.float32, (3, 4), elements=st.floats(-50, 50, width=32)))
def test_probabilities_are_those_of_the_task(task: str, logits: np.ndarray) -> None:
    expected = rules_of(task).probabilities(logits.astype(float))
    found = _PROBABILITIES[task](torch.from_numpy(logits))  # type: ignore[index]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "inputs"),
    [
        ({"num_crops": 0}, ["global_view"]),
        ({"fusion": "concat"}, ["global_view", "crops"]),
        ({"fusion": "mean"}, ["global_view", "crops", "inside"]),
        ({"fusion": "attention"}, ["global_view", "crops", "inside"]),
        ({"pooling": "topk", "background": "normal"}, ["global_view", "crops"]),
    ],
)
@torch.inference_mode()
def test_it_answers_as_the_network(fields: dict[str, object], inputs: list[str]) -> None:
    model = small(**fields)
    readout = Readout(model, temperature=2.0)
    views = model.views(torch.stack([draw_frame((96, 128), seed=seed) for seed in (0, 1)]))
    logits, chances, *weights = readout(*readout.inputs_of(views))
    assert list(readout.input_names) == inputs
    assert torch.equal(logits, model(views))
    torch.testing.assert_close(chances, (logits / 2).softmax(1))
    expected = model.fused(views).weights
    assert [w.tolist() for w in weights] == ([] if expected is None else [expected.tolist()])
    assert len(readout.output_names) == 2 + len(weights)


def test_a_fused_network_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="the one that it was made from"):
        Readout(small().fuse())
