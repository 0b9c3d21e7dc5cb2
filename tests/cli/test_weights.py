"""`lag-zoo verify`, `download` and `convert`."""

from pathlib import Path

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.errors import InvalidConfigError

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def test_verify_and_download(tmp_path: Path) -> None:
    assert "are the ones vouched for" in run("verify", BUILT_IN).stdout
    ran = run("download", BUILT_IN, "--to", tmp_path / "copy")
    assert "local-dir:" in ran.stdout
    assert run("verify", f"local-dir:{tmp_path / 'copy'}").exit_code == 0


def test_convert(tmp_path: Path) -> None:
    torch.save({"model": {"net.a": torch.ones(2)}}, tmp_path / "old.pth")
    (tmp_path / "map.json").write_text('{"net.": ""}')
    ran = run("convert", tmp_path / "old.pth", tmp_path / "new.safetensors", "--map", tmp_path / "map.json")
    assert "1 tensors, the first a" in ran.stdout
    (tmp_path / "map.json").write_text("[1]")
    with pytest.raises(InvalidConfigError, match="JSON object of strings"):
        run("convert", tmp_path / "old.pth", tmp_path / "b.safetensors", "--map", tmp_path / "map.json")
