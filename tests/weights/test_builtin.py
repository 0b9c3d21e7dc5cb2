"""The weights inside the package: the ones that their specification vouches for, and they answer as they did."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError
from lag_zoo.factory import create_model
from lag_zoo.registry import list_models, model_info
from lag_zoo.specs import WeightSpec
from lag_zoo.weights import read_weights
from lag_zoo.weights.golden import Golden
from lag_zoo.weights.sources import find_builtin

BUILTIN = [name for name in list_models(pretrained=True) if model_info(name).weights[0].repo is None]
FOLDER = files("lag_zoo.weights.builtin")
MOST_BYTES = 20_000_000  # of all weights in the package


def weights_of(name: str) -> WeightSpec:
    return model_info(name).weights[0]


def test_there_are_some() -> None:
    assert "lag_tf_efficientnet_lite0_polyp" in BUILTIN


def test_all_together_are_small() -> None:
    sizes = {file.name: file.stat().st_size for file in Path(str(FOLDER)).glob("*.safetensors")}
    assert sum(sizes.values()) <= MOST_BYTES, sizes


@pytest.mark.parametrize("name", BUILTIN)
def test_files_are_the_ones_vouched_for(name: str) -> None:
    for file, digest in weights_of(name).files.items():
        data = (FOLDER / file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest


@pytest.mark.parametrize("name", BUILTIN)
def test_half_precision_but_for_statistics(name: str) -> None:
    for key, tensor in read_weights(Path(str(FOLDER / f"{name}.safetensors"))).tensors.items():
        if key.endswith(("running_mean", "running_var")):
            assert tensor.dtype == torch.float32, key
        elif not key.endswith("num_batches_tracked"):
            assert tensor.dtype == torch.float16, key


@pytest.mark.parametrize("name", BUILTIN)
def test_the_saved_example_holds(name: str) -> None:
    pair = Golden.read(Path(str(FOLDER / f"{name}_golden.safetensors")))
    model = create_model(name, pretrained=True)
    assert pair.apart(model) <= pair.tolerance
    assert pair.logits.abs().max() > 10 * pair.tolerance
    with torch.no_grad():
        model.head.bias += 2 * pair.tolerance
    with pytest.raises(WeightsMismatchError, match="saved example"):
        pair.apart(model)


@pytest.mark.parametrize("name", BUILTIN)
def test_results_have_what_a_reader_needs(name: str) -> None:
    weights = weights_of(name)
    assert weights.results
    for result in weights.results:
        assert result.low is not None
        assert result.high is not None
        assert result.low <= result.value <= result.high
        assert result.n > 0
        assert result.interval
        assert result.date
    assert any("not a medical device" in limit.lower() for limit in weights.limits)


def test_other_bytes_are_refused() -> None:
    spec = model_info(BUILTIN[0])
    weights = spec.weights[0]
    other = WeightSpec.from_dict({**weights.to_dict(), "files": dict.fromkeys(weights.files, "0" * 64)})
    with pytest.raises(WeightsIntegrityError, match="SHA-256"):
        find_builtin(spec, other)
