"""An epoch of training views from the frame cache, against torchvision's `ImageFolder` and the same transform.

Frames of 1280 x 1024, drawn, as JPEG; both through a `DataLoader` with two workers, which stay. Files and cache have
been read before, so both lie in memory as far as it goes: what is compared is the work, not the disk.
"""

import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from benchmarks.timing import Row, interleaved, row
from lag_zoo.data import ViewDataset
from lag_zoo.data.cache import build_cache
from lag_zoo.data.cached_views import CachedViews
from lag_zoo.data.phantom import draw_frame
from lag_zoo.views import ViewSampler, ViewTransform

GOAL = "at most 0.25"
DRAWN, COPIES = (
    16,
    12,
)  # frames, and files of each: as many files as an epoch needs to be no matter of its start
BATCH, WORKERS = 32, 2


def rows(*, rounds: int = 10) -> list[Row]:
    """Seconds a frame: of an epoch from the cache, and of building it."""
    with tempfile.TemporaryDirectory() as scratch:
        images, cache = Path(scratch) / "images", Path(scratch) / "cache"
        _draw(images)
        files = ImageFolder(str(images))
        paths = [Path(path) for path, _ in files.samples]
        cached = build_cache(paths, cache, global_size=224)
        transform = ViewTransform(ViewSampler(policy="random"), training=True)
        times = interleaved(
            {
                "cache": _epochs(CachedViews(cached, files.targets, transform)),
                "files": _epochs(ViewDataset(files, transform)),
                "build": lambda: _build(paths, Path(scratch) / "again"),
            },
            rounds=rounds,
        )
    each = {case: [seconds / len(files) for seconds in measured] for case, measured in times.items()}
    return [
        row(
            f"an epoch from the cache, {WORKERS} workers, a frame / `ImageFolder`",
            each["cache"],
            each["files"],
            goal=GOAL,
        ),
        row("building the cache, a frame / an epoch of `ImageFolder`", each["build"], each["files"]),
    ]


def _draw(folder: Path) -> None:
    for seed in range(DRAWN):
        image = Image.fromarray(draw_frame(seed=seed).permute(1, 2, 0).numpy())
        for copy in range(COPIES):
            path = folder / f"label_{seed % 2}" / f"{seed}_{copy}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, quality=90)


def _build(paths: list[Path], folder: Path) -> None:
    build_cache(paths, folder, global_size=224)
    shutil.rmtree(folder)


def _epochs(dataset: ViewDataset) -> Callable[[], None]:
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    numbers = itertools.count()

    def epoch() -> None:
        dataset.set_epoch(next(numbers))
        for _ in loader:
            pass

    return epoch


if __name__ == "__main__":
    from benchmarks.timing import markdown

    print(markdown("Frame cache", rows()))
