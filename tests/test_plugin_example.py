"""The example of a plugin, installed as a user installs one, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import lag_zoo, lag_zoo.testing
name = "lag_mobilenetv3_small_050_cleanliness"
assert name in lag_zoo.list_models(domain="colonoscopy"), lag_zoo.list_models()
assert lag_zoo.model_info(name).label_names == ("clean", "not clean")
lag_zoo.testing.check_model(name)
import timm
lag_zoo.register_with_timm()
assert timm.create_model(name).num_classes == 2
print("checked")
"""


@pytest.mark.slow
def test_it_installs_and_conforms(root: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--no-index", "--target", str(site), str(root / "examples" / "plugin")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{root}"}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "checked\n", done.stderr


def test_the_guide_shows_the_same(root: Path) -> None:
    guide = (root / "docs" / "guides" / "plugin.md").read_text(encoding="utf-8")
    code = (root / "examples" / "plugin" / "lag_zoo_example" / "__init__.py").read_text(encoding="utf-8")
    assert code.partition("\n\n")[2].strip() in guide
    entry = '[project.entry-points."lag_zoo.catalogue"]\nexample = "lag_zoo_example:MODEL"'
    assert entry in guide
    assert entry in (root / "examples" / "plugin" / "pyproject.toml").read_text(encoding="utf-8")
