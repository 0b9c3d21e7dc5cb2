"""ImageNet weights inside the package: the publisher's to fp16 rounding, verified, and had without any request."""

import dataclasses
import hashlib
import os
import socket
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import lag_zoo
from lag_zoo.catalogue.backbones import BACKBONES
from lag_zoo.catalogue.builtin_backbones import BUILTIN_BACKBONES, BuiltinBackbone, builtin_backbone
from lag_zoo.errors import WeightsIntegrityError
from lag_zoo.weights import backbone as backbone_weights
from lag_zoo.weights.backbone import timm_weights
from tools import builtin_backbone as tool

NAME = "tf_efficientnet_lite0"
ROW = BUILTIN_BACKBONES[NAME]
FOLDER = Path(str(files("lag_zoo.weights.builtin")))


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    """The publisher's file, with the classifier."""
    file = shared / "backbones" / f"{NAME}.safetensors"
    if not file.is_file():
        pytest.skip(f"needs the publisher's weights: no file {file}")
    return file


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection at all is an error."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("row", BUILTIN_BACKBONES.values(), ids=lambda row: row.name)
def test_the_file_is_the_one_vouched_for(row: BuiltinBackbone, root: Path) -> None:
    path = FOLDER / row.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
    for key, tensor in load_file(path).items():
        statistic = key.endswith(("running_mean", "running_var"))
        if tensor.is_floating_point():
            assert tensor.dtype == (torch.float32 if statistic else torch.float16), key
    assert set(load_file(path)) == set(timm.create_model(row.name, num_classes=0).state_dict())
    assert (row.tag, row.licence) == (BACKBONES[row.name].tag, BACKBONES[row.name].licence)
    assert row.file in (root / "NOTICE").read_text()


@pytest.mark.parametrize("name", [f"lag_{NAME}", f"lag_{NAME}_wli", f"lag_{NAME}.{ROW.tag}"])
def test_they_are_had_without_any_request(name: str, no_network: None) -> None:
    model = lag_zoo.create_model(name, pretrained="backbone", label_names=["mucosa", "polyp"])
    held = load_file(FOLDER / ROW.file)
    for key, tensor in model.backbone.state_dict().items():
        assert tensor.dtype == (torch.float32 if held[key].is_floating_point() else torch.int64)
        assert torch.equal(tensor, held[key].to(tensor.dtype)), key
    report = model.load_report
    assert report is not None
    assert report.source == f"the built-in {ROW.pinned}"
    assert (report.sha256, report.licences) == (ROW.sha256, ("apache-2.0",))
    assert [data.id for data in report.trained_on] == ["imagenet-1k"]
    assert (report.missing, report.unexpected, report.resized) == ((), (), ())


def test_a_process_with_no_hub_in_reach_is_quick(root: Path, tmp_path: Path) -> None:
    """A closed port in place of the Hub, which nobody waits for. Processor time: the machine may have other work."""
    code = f"""
import time, lag_zoo
def wait(seconds):
    raise AssertionError(f"something waits {{seconds}} s")
lag_zoo.create_model("lag_{NAME}", num_classes=2)
time.sleep = wait
start = time.process_time()
lag_zoo.create_model("lag_{NAME}", pretrained="backbone", label_names=["mucosa", "polyp"])
print(time.process_time() - start)
"""
    environment = {
        **os.environ,
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": str(root),
    }
    environment.pop("HF_HUB_OFFLINE")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 5


def test_what_is_trained_from_them_says_so(tmp_path: Path) -> None:
    model = lag_zoo.create_model(f"lag_{NAME}", pretrained="backbone", label_names=["mucosa", "polyp"])
    folder = lag_zoo.save_pretrained(model, tmp_path / "own")
    weights = lag_zoo.create_model(f"local-dir:{folder}", pretrained=True).weight_spec
    assert weights is not None
    assert weights.initialised_from == (f"the built-in {ROW.pinned}",)
    assert weights.inherited_data == ROW.training_data
    assert weights.backbone_licence == ROW.licence


def test_another_tag_and_another_backbone_are_elsewhere() -> None:
    assert builtin_backbone(f"{NAME}.another") is None
    assert builtin_backbone("tf_efficientnet_lite1") is None
    assert builtin_backbone(None) is None


def test_other_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = load_file(FOLDER / ROW.file)
    weights["conv_stem.weight"][0] += 1
    save_file(weights, tmp_path / ROW.file)
    monkeypatch.setattr(backbone_weights, "files", lambda _: tmp_path)
    with pytest.raises(WeightsIntegrityError, match=ROW.sha256):
        lag_zoo.create_model(f"lag_{NAME}", pretrained="backbone", num_classes=2)


def test_number_formats(no_network: None) -> None:
    model = lag_zoo.create_model(f"lag_{NAME}", pretrained="backbone", num_classes=2, dtype=torch.bfloat16)
    assert model.backbone.conv_stem.weight.dtype == torch.bfloat16


def test_the_tool_makes_the_same_bytes(published: Path, tmp_path: Path) -> None:
    assert tool.make(published, tmp_path / "a.safetensors") == ROW.sha256
    # The checkpoint that the publisher's package holds: other names, the order of timm's.
    order = timm.create_model(NAME).state_dict()
    weights = load_file(published)
    torch.save({f"_{i}": weights[key] for i, key in enumerate(order)}, tmp_path / "a.pth")
    assert tool.make(tmp_path / "a.pth", tmp_path / "b.safetensors") == ROW.sha256
    assert (tmp_path / "a.safetensors").read_bytes() == (FOLDER / ROW.file).read_bytes()


def test_the_tool_refuses_another_network(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pth")
    with pytest.raises(SystemExit, match="holds 1 tensors, and the network has 296"):
        tool.main([str(tmp_path / "a.pth"), "--output", str(tmp_path / "b.safetensors")])
    assert not (tmp_path / "b.safetensors").exists()


def test_what_is_vouched_for_is_what_is_taken() -> None:
    file = timm_weights(NAME, cache_dir=None, local_files_only=True)
    assert file == timm_weights(f"{NAME}.{ROW.tag}", cache_dir=None, local_files_only=False)
    assert dataclasses.asdict(ROW)["sha256"] == file.sha256
