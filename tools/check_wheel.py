"""Builds the wheel, installs it apart, and uses it from outside the tree; then uses the tree itself through torch.hub.

The environment made for it borrows the dependencies of the one that runs this script, so only lag_zoo is installed.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
BACKBONE = "lag_tf_efficientnet_lite0"
LICENCES = ("LICENSE", "NOTICE")
MOST_WEIGHTS = 20_000_000  # bytes, of all weights in the wheel

SMOKE = f"""
import sys
from pathlib import Path
import lag_zoo
home = Path(lag_zoo.__file__).resolve()
assert home.is_relative_to(Path(sys.prefix).resolve()), f"lag_zoo comes from {{home}}, not from the wheel"
assert "torch" not in sys.modules, "import lag_zoo loads torch"
assert "{BUILT_IN}" in lag_zoo.list_models(pretrained=True)
import numpy as np
frame = np.random.default_rng(0).integers(60, 200, (480, 640, 3), dtype=np.uint8)
(prediction,) = lag_zoo.Predictor("{BUILT_IN}")([frame])
probabilities = prediction.to_dict()["probabilities"]
assert abs(sum(probabilities.values()) - 1) < 1e-4, probabilities
report = lag_zoo.create_model("{BACKBONE}", pretrained="backbone", label_names=["a", "b"]).load_report
assert report.path.is_relative_to(home.parent), report
"""

HUB = f"""
import sys, warnings
import torch
from pathlib import Path
model = torch.hub.load({str(ROOT)!r}, "{BUILT_IN}", source="local", pretrained=True)
home = Path(sys.modules["lag_zoo"].__file__).resolve()
assert home.is_relative_to({str(ROOT)!r}), f"lag_zoo comes from {{home}}, not from the tree"
logits = model.eval()(torch.zeros(1, 3, 480, 640, dtype=torch.uint8) + 128)
assert logits.ndim == 2 and logits.isfinite().all(), logits
"""


def run(*command: str | Path, cwd: Path) -> str:
    """The command's standard output; a failure shows all that it said and ends the script."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"HF_HUB_OFFLINE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}failed ({done.returncode}): {' '.join(map(str, command))[:300]}")
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel, built into the folder; it must hold the package's data and licences, and weights of 20 MB at most."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    sizes = {entry.filename: entry.file_size for entry in zipfile.ZipFile(wheel).infolist()}
    held = set(sizes)
    data = [p for p in (ROOT / "lag_zoo").rglob("*") if p.suffix in (".json", ".safetensors", ".typed")]
    missing = sorted(str(p.relative_to(ROOT)) for p in data if p.relative_to(ROOT).as_posix() not in held)
    if missing:
        sys.exit(f"not in the wheel: {', '.join(missing)}")
    if absent := [name for name in LICENCES if not any(path.endswith(f"/licenses/{name}") for path in held)]:
        sys.exit(f"not among the wheel's licences: {', '.join(absent)}")
    weights = sum(size for path, size in sizes.items() if path.endswith(".safetensors"))
    if weights > MOST_WEIGHTS:
        sys.exit(f"the wheel's weights are {weights / 1e6:.1f} MB; {MOST_WEIGHTS / 1e6:g} MB are allowed")
    return wheel


def environment(folder: Path) -> Path:
    """The scripts folder of a new environment that sees this one's packages after its own."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    own = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    # .pth files of the borrowed folder are not read, so an editable install there stays out.
    (own / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return Path(sysconfig.get_path("scripts", "venv", {"base": str(folder), "platbase": str(folder)}))


def main() -> None:
    """Every check in turn."""
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name).resolve()
        wheel = build(outside)
        scripts = environment(outside / "venv")
        python = scripts / "python"
        run(python, "-c", HUB, cwd=outside)  # before lag_zoo is installed: torch.hub installs nothing
        install = ("-m", "pip", "--python", python, "install", "-qq", "--no-deps", "--force-reinstall", wheel)
        run(sys.executable, *install, cwd=outside)
        run(python, "-c", SMOKE, cwd=outside)
        if BUILT_IN not in run(scripts / "lag-zoo", "list", cwd=outside):
            sys.exit(f"`lag-zoo list` does not list {BUILT_IN}")
        print(
            f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, works from outside the tree; torch.hub works"
        )


if __name__ == "__main__":
    main()
