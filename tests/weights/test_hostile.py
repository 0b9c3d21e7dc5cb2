"""What a stranger's files may cost: memory that is bounded, whatever they say of themselves."""

import hashlib
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lag_zoo
from tests.networks import small

CHILD = """
import json, resource, sys
import lag_zoo
from lag_zoo.errors import LagZooError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=2)
for folder in sys.argv[1:]:
    for pretrained in (True, False):
        before, said = peak(), "built"
        try:
            lag_zoo.create_model(f"local-dir:{folder}", pretrained=pretrained)
        except LagZooError as error:
            said = f"{type(error).__name__}: {error}"
        print(json.dumps([folder, pretrained, said, peak() - before]), flush=True)
"""

CONFIGS: dict[str, dict[str, object]] = {
    "a backbone of a thousand million parameters": {"backbone": "eva_giant_patch14_560"},
    "a transformer of a million tokens": {
        "backbone": "vit_base_patch16_224",
        "backbone_args": {"img_size": 4096},
        "global_size": 224,
    },
    "positions of a million tokens to each other": {
        "backbone": "beit_base_patch16_224",
        "backbone_args": {"img_size": 4096},
        "global_size": 224,
    },
    "large crops, and many": {"crop_size": 1024, "num_crops": 4096},
    "wide crops": {"crop_widths": [4096] * 4},
    "wide layers": {"hidden_dim": 65536, "global_dim": 65536},
    "weights of its own for each of many crops": {
        "num_crops": 4096,
        "fusion": "concat",
        "shared_crops": False,
    },
}


def file_of(head: object, length: int | None = None) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


FILES: dict[str, Callable[[], bytes]] = {
    "a head longer than any disk": lambda: file_of(b"", length=1 << 62),
    "a head longer than the file": lambda: file_of(b"{" + b" " * 1000, length=90 << 20),
    "a million brackets": lambda: file_of(b"[" * (1 << 20)),
    "a hundred thousand tensors": lambda: file_of(
        {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}
    ),
    "a tensor larger than any memory": lambda: file_of(
        {"t": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}}
    ),
}


@pytest.fixture
def strange(tmp_path: Path) -> list[Path]:
    """One repository for each case, each with the digest of the file that it holds."""
    honest = lag_zoo.save_pretrained(small(), tmp_path / "honest")
    folders = []
    for name in [*CONFIGS, *FILES]:
        folder = tmp_path / name
        shutil.copytree(honest, folder)
        said: dict[str, Any] = json.loads((folder / "config.json").read_text())
        said["lag_zoo"]["config"].update(CONFIGS.get(name, {}))
        if name in FILES:
            data = FILES[name]()
            (folder / "model.safetensors").write_bytes(data)
            said["lag_zoo"]["weights"]["files"]["model.safetensors"] = hashlib.sha256(data).hexdigest()
        (folder / "config.json").write_text(json.dumps(said))
        folders.append(folder)
    return folders


def test_hostile_files_cost_little(strange: list[Path]) -> None:
    command = [sys.executable, "-c", CHILD, *map(str, strange)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 2 * len(strange)
    for folder, pretrained, said, grown in answers:
        assert grown < 300, f"{folder} took {grown} MiB: {said}"
        # The weights of a hostile file are not looked at where none are asked for.
        assert (said == "built") == (not pretrained and Path(folder).name in FILES), (folder, said)
