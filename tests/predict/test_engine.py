"""How the network runs: fused, in fewer bits, compiled: close to the plain one, which stays as it was."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import lag_zoo
import lag_zoo.predict.predictor as predict_module
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.nn.fast.onednn import PackedConv2d
from lag_zoo.predict import Predictor

FRAMES = [draw_frame((300, 400), seed=seed) for seed in range(5)]


@pytest.fixture(scope="module")
def model() -> LAG:
    return lag_zoo.create_model("lag_tf_efficientnet_lite0_polyp", pretrained=True).eval()


def chances(predictor: Predictor) -> torch.Tensor:
    return torch.tensor([answer.probabilities["polyp"] for answer in predictor(FRAMES)])


def packed(model: LAG) -> bool:
    return any(isinstance(module, PackedConv2d) for module in model.modules())


def test_a_name_is_fused_and_a_network_as_it_is(model: LAG, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Predictor(model).model.head.weight is model.head.weight
    fused = Predictor(model, fuse=True)
    assert packed(fused.model)
    assert not packed(model)
    assert (chances(fused) - chances(Predictor(model))).abs().max() < 1e-5
    monkeypatch.setattr(predict_module, "create_model", lambda name, pretrained: model)
    assert packed(Predictor("a name").model)
    assert Predictor("a name", fuse=False).model.head.weight is model.head.weight


@pytest.mark.parametrize("fuse", [False, True])
def test_half_precision_is_close(model: LAG, fuse: bool) -> None:
    half = Predictor(model, precision="bf16", fuse=fuse)
    assert {t.dtype for t in half.model.parameters()} == {torch.bfloat16}
    assert {t.dtype for t in model.parameters()} == {torch.float32}, "the caller's own stays as it is"
    apart = (chances(half) - chances(Predictor(model))).abs().max()
    assert 0 < apart < 0.05


def test_what_a_device_lacks(model: LAG) -> None:
    with pytest.raises(InvalidConfigError, match="fp16 is for GPUs"):
        Predictor(model, precision="fp16")
    with pytest.raises(InvalidConfigError, match="one of fp32, bf16, fp16; got 'half'"):
        Predictor(model, precision="half")  # type: ignore[arg-type]
    with pytest.raises(InvalidConfigError, match="workers must be at least 0, got -1"):
        Predictor(model, workers=-1)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_for_one_shape_it_is_close() -> None:
    torch.manual_seed(0)
    small = LAG(
        "resnet10t", label_names=["mucosa", "polyp"], global_size=64, num_crops=2, crop_size=32
    ).eval()
    torch._dynamo.utils.counters.clear()
    compiled = Predictor(small, compile=True, batch_size=3)
    assert torch.allclose(chances(compiled), chances(Predictor(small)), atol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1, "five frames, batches of three"


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_change_nothing(model: LAG, workers: int) -> None:
    one = Predictor(model, workers=workers, batch_size=2)(FRAMES)
    assert one == Predictor(model, workers=0, batch_size=2)(FRAMES)


@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_a_device_that_is_not_there(model: LAG, device: str) -> None:
    with pytest.raises(InvalidConfigError, match=f"device '{device}': "):
        Predictor(model, device=device)


def test_what_is_no_model() -> None:
    with pytest.raises(InvalidConfigError, match="a model is a name or a LAG; got Linear"):
        Predictor(torch.nn.Linear(3, 2))  # type: ignore[arg-type]


def test_no_compiler(model: LAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InvalidConfigError, match=r"needs a C\+\+ compiler"):
        Predictor(model, compile=True)


def test_a_network_in_training_mode_may_be_asked_by_several_threads() -> None:
    torch.manual_seed(0)
    small = LAG("resnet10t", label_names=["a", "b"], global_size=64, num_crops=2, crop_size=32).train()
    before = {key: tensor.clone() for key, tensor in small.state_dict().items()}
    predictors = [Predictor(small, workers=0) for _ in range(2)]
    expected = predictors[0](FRAMES)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: predictors[i % 2](FRAMES), range(12)))
    assert all(answer == expected for answer in answers)
    assert all(torch.equal(before[key], tensor) for key, tensor in small.state_dict().items())
    assert all(module.training for module in small.modules()), "its own mode is put back"


@pytest.mark.parametrize("fuse", [False, True])
def test_another_thread_puts_it_into_training_mode_all_the_time(fuse: bool) -> None:
    torch.manual_seed(0)
    small = LAG("resnet10t", label_names=["a", "b"], global_size=64, num_crops=2, crop_size=32).eval()
    before = {key: tensor.clone() for key, tensor in small.state_dict().items()}
    predictor = Predictor(small, workers=0, fuse=fuse)
    expected, done = predictor(FRAMES), threading.Event()

    def disturb() -> None:
        while not done.is_set():
            small.train()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        assert all(predictor(FRAMES) == expected for _ in range(8))
    finally:
        done.set()
        thread.join()
    assert all(torch.equal(before[key], tensor) for key, tensor in small.state_dict().items())


def test_a_predictor_follows_the_weights_of_its_network() -> None:
    small = LAG("resnet10t", label_names=["a", "b"], global_size=64, num_crops=2, crop_size=32)
    predictor = Predictor(small, workers=0)
    before = predictor(FRAMES[0])[0].probabilities["a"]
    with torch.no_grad():
        small.head.bias += torch.tensor([3.0, 0.0])
    assert predictor(FRAMES[0])[0].probabilities["a"] > before


def test_a_network_that_is_given_other_numbers_goes_on_answering() -> None:
    small = LAG("resnet10t", label_names=["a", "b"], global_size=64, num_crops=2, crop_size=32)
    predictor = Predictor(small, workers=0)
    before = predictor(FRAMES[0])[0].probabilities["a"]
    for change in (small.double, small.float):
        change()
        assert predictor(FRAMES[0])[0].probabilities["a"] == pytest.approx(before, abs=1e-5)


def test_one_class_that_excludes_all_others() -> None:
    with pytest.raises(InvalidConfigError, match='yes or no is task="multilabel"'):
        Predictor(LAG("resnet10t", label_names=["polyp"], global_size=64))
    yes_or_no = LAG("resnet10t", label_names=["polyp"], global_size=64, task="multilabel").eval()
    assert Predictor(yes_or_no)(FRAMES[0])[0].probabilities["polyp"] < 1
