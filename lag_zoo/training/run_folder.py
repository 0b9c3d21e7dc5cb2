"""The folder of a run. Files and folders in it appear whole or not at all.

From the beginning: `recipe.yaml`, `data.json` (counts), `environment.json`, `frames.txt` (digests of the frames that it
trains on), and `skipped.txt` where some could not be read. After each epoch: `metrics.jsonl` (one line an epoch),
`last.safetensors` (the checkpoint), `curves.png`, and `best/` as `lag_zoo.save_pretrained` writes it. At the end:
`validation.json`, the best epoch on the frames that chose it.
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import lag_zoo
from lag_zoo.data.manifest import Manifest
from lag_zoo.distributed import launched
from lag_zoo.errors import InvalidConfigError, TrainingError
from lag_zoo.files import PART, write_whole
from lag_zoo.provenance import FRAMES, KnownFrames
from lag_zoo.state import read_state, write_state
from lag_zoo.training.checkpoint_file import OTHERS, read_checkpoint, write_checkpoint
from lag_zoo.training.curves import draw_curves
from lag_zoo.training.plan import StagePlan
from lag_zoo.training.recipe import Recipe, differences
from lag_zoo.training.recipe_file import load_recipe

RECIPE, DATA, ENVIRONMENT, METRICS, LAST, CURVES, VALIDATION, BEST = (
    "recipe.yaml",
    "data.json",
    "environment.json",
    "metrics.jsonl",
    "last.safetensors",
    "curves.png",
    "validation.json",
    "best",
)
_OF_A_FRAME = (
    64  # bytes for each label: the best epoch's logits on the validation frames, with crops and without
)
_PACKAGES = ("torch", "torchvision", "timm", "accelerate", "numpy", "scikit-learn")


class RunFolder:
    """The folder of one run, new or to be resumed.

    Raises:
        InvalidConfigError: a folder that holds something already, or, to resume, another recipe or other data.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def require_empty(self) -> None:
        """Refuse a folder that holds something already, but for the beginning of a run that was killed in it."""
        if self.path.is_file():
            raise InvalidConfigError(f"{self.path} is a file; a run needs a folder")
        if self.path.exists() and not all(map(_of_a_beginning, self.path.iterdir())):
            raise InvalidConfigError(
                f"{self.path} holds something already: name a new folder, or resume the run in it (--resume)"
            )

    def start(self, recipe: Recipe, manifest: Manifest, *, device: str) -> None:
        """Write data, environment and recipe into an empty folder; the recipe last, for with it there is a run."""
        self.require_empty()
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            write_state(self.path / DATA, describe_data(manifest))
            write_whole(self.path / ENVIRONMENT, json.dumps(_environment(device), indent=2) + "\n")
            write_whole(self.path / RECIPE, recipe.to_yaml())
        except OSError as error:
            for name in (DATA, ENVIRONMENT):
                (self.path / name).unlink(missing_ok=True)
            raise TrainingError(
                f"{error.filename} cannot be written: {error.strerror}. The run has not begun: make room, and begin it"
            ) from error

    def note_frames(self, known: KnownFrames, skipped: Iterable[str]) -> None:
        """List the frames behind the run's weights by digest and hash, and those that were left out.

        Raises:
            InvalidConfigError: the run to resume began on frames that showed something else.
        """
        about = (
            "# Digests and hashes of the frames that the weights were trained on or chosen by; no pictures."
        )
        text = f"{about}\n{known.to_text()}"
        if (self.path / FRAMES).is_file() and (self.path / FRAMES).read_text(encoding="ascii") != text:
            raise InvalidConfigError(
                f"the pixels of some frames are not those that {self.path / FRAMES} lists: files have changed since "
                "the run began; put them back, or name a new folder"
            )
        self._write(FRAMES, text)
        if why := list(skipped):
            self._write("skipped.txt", "\n".join(why) + "\n")

    def resume(
        self, recipe: Recipe, manifest: Manifest, network: Mapping[str, Tensor]
    ) -> dict[str, Any] | None:
        """Return the checkpoint to go on from; `None`: the run was stopped before its first.

        Args:
            recipe: of the run.
            manifest: its data.
            network: the tensors of its network, by which the checkpoint is bounded.

        Raises:
            StateError: a checkpoint that is damaged, or is not of this network.
        """
        self.require_same(recipe, manifest)
        for scratch in self.path.glob(f".{BEST}-*"):  # of a process that was killed while it saved
            shutil.rmtree(scratch, ignore_errors=True)
        for scratch in self.path.glob(f".*{PART}"):
            if not scratch.is_dir():
                scratch.unlink(missing_ok=True)
        if not (self.path / LAST).is_file():
            return None
        logits = _OF_A_FRAME * len(manifest) * len(manifest.label_names)
        return read_checkpoint(self.path / LAST, network, others=OTHERS + logits)

    def require_same(self, recipe: Recipe, manifest: Manifest) -> None:
        """Refuse a folder with a run of another recipe, or on other data."""
        if not (self.path / RECIPE).is_file():
            raise InvalidConfigError(f"{self.path} holds no run to resume: it has no {RECIPE}")
        known = self.path / RECIPE
        if differing := differences(load_recipe(known), recipe):
            said = "; ".join(
                f"{key}: {there!r} there, {here!r} here" for key, (there, here) in differing.items()
            )
            raise InvalidConfigError(
                f"{known} is another recipe than the one given ({said}): resume with the run's own, or name a new "
                "folder"
            )
        if read_state(self.path / DATA) != describe_data(manifest):
            raise InvalidConfigError(
                f"the data are not those of {self.path / DATA}: resume with the run's own, or name a new folder"
            )

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the checkpoint, in place of the one before."""
        self._written(LAST, lambda path: write_checkpoint(path, state))

    def log(self, rows: list[dict[str, Any]]) -> None:
        """Write the rows of all epochs."""
        self._write(METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def draw_curves(
        self, rows: Sequence[Mapping[str, Any]], plan: Sequence[StagePlan], *, title: str
    ) -> None:
        """Draw the learning curves."""
        self._write(CURVES, memoryview(draw_curves(rows, plan, title=title)))

    def note_validation(self, found: Mapping[str, Any]) -> None:
        """Write the summary of the best epoch on the validation frames."""
        self._written(VALIDATION, lambda path: write_state(path, found))

    def save_best(self, save: Callable[[Path], object]) -> None:
        """Save the best network into `best/`, by a function that takes the folder.

        Raises:
            TrainingError: it cannot be written; what was there is whole.
        """
        try:
            save(self.path / BEST)
        except OSError as error:
            raise self._unwritable(self.path / BEST, error) from error

    def _write(self, name: str, data: str | memoryview) -> None:
        self._written(name, lambda path: write_whole(path, data))

    def _written(self, name: str, write: Callable[[Path], object]) -> None:
        try:
            write(self.path / name)
        except OSError as error:
            raise self._unwritable(self.path / name, error) from error

    @staticmethod
    def _unwritable(target: Path, error: OSError) -> TrainingError:
        return TrainingError(
            f"{target} cannot be written: {error.strerror or error}. What the run had written before is whole: make "
            "room, and go on (lag-zoo train with --resume; lag-zoo cv by itself)"
        )


def _of_a_beginning(entry: Path) -> bool:
    """Tell whether `RunFolder.start` has written this before the recipe."""
    is_scratch = entry.name.startswith(".") and entry.name.endswith(PART)
    return entry.is_file() and (is_scratch or entry.name in (DATA, ENVIRONMENT))


def describe_data(manifest: Manifest) -> dict[str, Any]:
    """Describe a run's data by counts, and by a digest of the manifest: no names of files or patients."""
    rows = [
        (frame.image, frame.labels, frame.patient, frame.exam, frame.modality, frame.split, frame.excluded)
        + ((frame.mask,) if frame.mask else ())  # so that data without masks have the digest that they had
        for frame in manifest.frames
    ]
    return {
        "labels": list(manifest.label_names),
        "task": manifest.task,
        "grouping": manifest.grouping,
        "frames": len(manifest),
        "splits": {name: sum(f.split == name for f in manifest.frames) for name in manifest.splits},
        "sha256": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
    }


def _environment(device: str) -> dict[str, Any]:
    versions = {"lag_zoo": lag_zoo.__version__}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processes": launched(),
        "threads": torch.get_num_threads(),
        "device": device,
        "versions": versions,
    }
