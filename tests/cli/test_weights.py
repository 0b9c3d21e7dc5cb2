"""`lag-zoo verify`, `download`, `push` and `convert`."""

from pathlib import Path

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.errors import InvalidConfigError
from tests.hub_server import HubServer

BUILT_IN = "lag_mobilenetv3_small_100_polyp"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def test_verify_and_download(tmp_path: Path) -> None:
    assert "are the ones vouched for" in run("verify", BUILT_IN).stdout
    ran = run("download", BUILT_IN, "--to", tmp_path / "copy")
    assert "local-dir:" in ran.stdout
    assert run("verify", f"local-dir:{tmp_path / 'copy'}").exit_code == 0


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_push(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_right"
    monkeypatch.setenv("HF_TOKEN", hub.token)
    run("download", BUILT_IN, "--to", tmp_path / "copy")
    assert "can be published" in run("push", tmp_path / "copy", "me/mine", "--dry-run").stdout
    assert hub.requests == []
    ran = run("push", tmp_path / "copy", "me/mine", "--private", "--message", "First")
    assert ran.stdout.startswith(f"published: {hub.url}/me/mine/commit/")
    assert hub.repositories["me/mine"].private


def test_push_of_an_incomplete_folder(hub: HubServer, tmp_path: Path) -> None:
    lag_zoo.save_pretrained(lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=2), tmp_path / "a")
    with pytest.raises(InvalidConfigError, match="label_names, licence"):
        run("push", tmp_path / "a", "me/mine", "--dry-run")


def test_convert(tmp_path: Path) -> None:
    torch.save({"model": {"net.a": torch.ones(2)}}, tmp_path / "old.pth")
    (tmp_path / "map.json").write_text('{"net.": ""}')
    ran = run("convert", tmp_path / "old.pth", tmp_path / "new.safetensors", "--map", tmp_path / "map.json")
    assert "1 tensors, the first a" in ran.stdout
    (tmp_path / "map.json").write_text("[1]")
    with pytest.raises(InvalidConfigError, match="JSON object of strings"):
        run("convert", tmp_path / "old.pth", tmp_path / "b.safetensors", "--map", tmp_path / "map.json")
