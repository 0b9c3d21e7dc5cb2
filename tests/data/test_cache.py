"""The frame cache: the same bits as from the files, whatever happens to the build."""

import hashlib
import itertools
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from lag_zoo.data import ViewDataset, cache, cache_shards, read_image
from lag_zoo.data.cache import FrameCache, build_cache
from lag_zoo.data.cached_views import CachedViews
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError, FieldOfViewWarning, InvalidConfigError, UnreadableImageError
from lag_zoo.views import ViewSampler, ViewTransform
from tests.small_disk import remount

SIZE = 64
SHARD = 300_000  # bytes: a few of these frames
NAMED = "SMITH_JOHN_19700101"


def save(path: Path, frame: Tensor, *, exif: bool = False) -> Path:
    image, tags = Image.fromarray(frame.permute(1, 2, 0).numpy()), Image.Exif()
    if exif:
        tags[0x013B], tags[0x0132], tags[0x0112] = NAMED, "2021:03:04 05:06:07", 6  # artist, time, turned
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=tags)
    return path


def touch(path: Path) -> None:
    """Makes sure that the next state of the file is another one, however coarse the clock."""
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder by label: sizes, formats and turns of all kinds, one frame smaller than a crop, one unlit."""
    root = tmp_path_factory.mktemp("frames")
    for seed, (name, size) in enumerate(
        {
            f"a/{NAMED}.jpg": (150, 190),
            "a/1.tif": (200, 160),
            "a/2.png": (180, 240),
            "b/3.jpg": (150, 190),
            "b/4.bmp": (96, 401),
        }.items()
    ):
        save(root / name, draw_frame(size, seed=seed), exif=name.endswith("jpg"))
    save(root / "b/5.png", draw_frame((64, 80), seed=5)[:, :40])
    save(root / "b/6.png", torch.zeros(3, 100, 120, dtype=torch.uint8))
    return root


def paths_of(folder: Path) -> list[Path]:
    return [Path(path) for path, _ in ImageFolder(str(folder)).samples]


def plain(root: Path, count: int, size: tuple[int, int] = (150, 190)) -> list[Path]:
    """Frames whose files have one size in bytes."""
    return [save(root / f"{seed:03}.bmp", draw_frame(size, seed=seed)) for seed in range(count)]


def equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(one, other, strict=True))


def right(cache: FrameCache, images: Sequence[Path]) -> bool:
    pairs = zip(cache, images, strict=True)
    return len(cache) == len(images) and all(torch.equal(frame, read_image(path)) for frame, path in pairs)


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.shard"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are decoded from here on."""
    found: list[Path] = []

    def counted(path: Path) -> Tensor:
        found.append(path)
        return read_image(path)

    monkeypatch.setattr(cache, "read_image", counted)
    return found


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    with pytest.warns(FieldOfViewWarning, match="no lit area"):
        return build_cache(
            paths_of(folder), tmp_path_factory.mktemp("cache"), global_size=SIZE, shard_bytes=SHARD
        )


SAMPLERS = [
    {"policy": "random"},
    {"policy": "sobol"},
    {"policy": "grid"},
    {"policy": "random", "mask_outside": True},
    {"policy": "sobol", "field_of_view": False},
    {"policy": "random", "field_of_view": False, "mask_outside": True},
]


@pytest.mark.filterwarnings("ignore::lag_zoo.errors.FieldOfViewWarning")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", SAMPLERS)
def test_gives_the_bits_of_the_files(
    built: FrameCache, folder: Path, options: dict[str, object], training: bool
) -> None:
    sampler = ViewSampler(global_size=SIZE, num_crops=4, crop_size=48, seed=3, **options)  # type: ignore[arg-type]
    transform = ViewTransform(sampler, training=training)
    files = ImageFolder(str(folder))
    expected, found = ViewDataset(files, transform), CachedViews(built, files.targets, transform)
    assert len(shards(built.folder)) > 1
    assert len(found) == len(expected) == 7
    for epoch in (0, 3):
        expected.set_epoch(epoch)
        found.set_epoch(epoch)
        for index in range(7):
            (views, label), (ours, our_label) = expected[index], found[index]
            assert equal(ours, views)
            assert our_label == label
    assert equal(found[-1][0], found[6][0])
    assert torch.equal(found.dataset[2][0], read_image(files.samples[2][0]))
    with pytest.raises(IndexError):
        found[7]


@pytest.mark.parametrize(("workers", "start"), [(2, "fork"), (1, "spawn")])
@pytest.mark.slow
def test_gives_them_in_workers(built: FrameCache, workers: int, start: str) -> None:
    transform = ViewTransform(
        ViewSampler(global_size=SIZE, num_crops=3, crop_size=32, policy="random"), training=True
    )
    dataset = CachedViews(built, range(7), transform)
    loader = DataLoader(
        dataset, batch_size=3, num_workers=workers, multiprocessing_context=start, persistent_workers=True
    )
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        for views, numbers in loader:
            for place, number in enumerate(numbers.tolist()):
                assert equal([t[place] for t in views], dataset[number][0])


def test_what_it_gives_is_not_the_mapped_memory(built: FrameCache) -> None:
    dataset = CachedViews(built, range(7), ViewTransform(ViewSampler(global_size=SIZE, policy="sobol")))
    before = dataset[0][0]
    for tensor in (*dataset[0][0], built[0]):
        tensor.zero_()
    assert equal(dataset[0][0], before)
    assert built[0].any()


def test_is_small_when_pickled(built: FrameCache) -> None:
    built.mapped(0)
    data = pickle.dumps(built)
    assert len(data) < 5_000
    assert torch.equal(pickle.loads(data)[3], built[3])


def test_holds_no_names_no_dates_and_is_its_owners(built: FrameCache, folder: Path) -> None:
    files = [path for path in built.folder.iterdir() if path.is_file()]
    every = b"".join(path.name.encode() + path.read_bytes() for path in files)
    for word in (NAMED, "SMITH", "2021:03:04", "Exif", str(folder), folder.name, ".jpg", "4.bmp"):
        assert word.encode() not in every
        assert word.encode("utf-16-le") not in every
    for path in paths_of(folder):  # nor their hashes, without the salt
        assert hashlib.sha256(str(path).encode()).hexdigest()[:16].encode() not in every
        assert str(path.stat().st_mtime_ns).encode() not in every
    assert stat.S_IMODE(built.folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files if path.name != ".lock")


def test_another_build_decodes_nothing_and_keeps_the_order(tmp_path: Path, decoded: list[Path]) -> None:
    images, calls = plain(tmp_path / "frames", 6), itertools.count()
    first = build_cache(images, tmp_path / "cache", global_size=SIZE, progress=lambda: next(calls) and None)
    assert (sorted(decoded), next(calls)) == (images, 6)
    decoded.clear()
    some = [images[4], images[1], images[4]]
    again = build_cache(some, tmp_path / "cache", global_size=SIZE, progress=lambda: next(calls) and None)
    assert (decoded, next(calls)) == ([], 10)
    assert right(again, some)
    assert right(first, images)
    assert right(FrameCache(tmp_path / "cache"), some)  # the last build's
    assert right(FrameCache(tmp_path / "cache", images), images)


def test_only_what_has_changed_is_decoded_again(tmp_path: Path, decoded: list[Path]) -> None:
    images = plain(tmp_path / "frames", 9)
    build_cache(images, tmp_path / "cache", global_size=SIZE, shard_bytes=SHARD)
    before = shards(tmp_path / "cache")
    decoded.clear()
    save(images[3], draw_frame((150, 190), seed=30))
    touch(images[3])
    with pytest.raises(DataError, match=r"lacks 1 of 9 images, or they have changed.*003\.bmp.*build_cache"):
        FrameCache(tmp_path / "cache", images)
    again = build_cache(images, tmp_path / "cache", global_size=SIZE, shard_bytes=SHARD)
    assert decoded == [images[3]]
    assert right(again, images)
    other = save(tmp_path / "other.bmp", draw_frame((150, 190), seed=31))
    os.utime(other, ns=(0, images[5].stat().st_mtime_ns))
    os.replace(other, images[5])  # another inode
    assert right(build_cache(images, tmp_path / "cache", global_size=SIZE), images)
    assert decoded == [images[3], images[5]]
    assert set(before) < set(shards(tmp_path / "cache"))
    for path in images:
        touch(path)
    assert right(build_cache(images, tmp_path / "cache", global_size=SIZE), images)
    assert not set(before) & set(shards(tmp_path / "cache"))  # nothing in them is of today


def test_sets_share_a_folder(tmp_path: Path, decoded: list[Path]) -> None:
    folder, images = tmp_path / "cache", plain(tmp_path / "frames", 6)
    folder.mkdir(mode=0o755)
    build_cache(images[:3], folder, global_size=SIZE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    build_cache(images[3:], folder, global_size=SIZE)
    assert len(shards(folder)) == 2
    assert right(FrameCache(folder, images), images)
    assert len(decoded) == 6


def test_another_version_decodes_again(
    tmp_path: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = plain(tmp_path / "frames", 2)
    build_cache(images, tmp_path / "cache", global_size=SIZE)
    monkeypatch.setattr("lag_zoo.data.cache_folder._MADE_BY", "1 other versions")
    build_cache(images, tmp_path / "cache", global_size=SIZE)
    assert len(decoded) == 4
    assert len(shards(tmp_path / "cache")) == 1


BUILD = """
import sys
from pathlib import Path
from lag_zoo.data import cache
read = cache.read_image
def told(path):
    print(path, flush=True)
    return read(path)
cache.read_image = told
frames, folder = map(Path, sys.argv[1:])
images = sorted(frames.iterdir())
cache.build_cache(images, folder, global_size=64, shard_bytes=300_000, workers=1)
"""


def building(frames: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(frames), str(folder)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_it_goes_on(tmp_path: Path, decoded: list[Path]) -> None:
    images, folder = plain(tmp_path / "frames", 60), tmp_path / "cache"
    process = building(tmp_path / "frames", folder)
    while not (len(shards(folder)) >= 2 and list(folder.glob("*.part"))):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = sum(len(list(cache_shards.shard_index(path))) for path in shards(folder))
    assert 2 <= kept < 60
    with pytest.raises(DataError, match="not built to its end"):
        FrameCache(folder)
    assert right(build_cache(images, folder, global_size=SIZE, shard_bytes=SHARD), images)
    assert len(decoded) == 60 - kept
    assert not list(folder.glob("*.part"))


@pytest.mark.slow
def test_two_build_at_once(tmp_path: Path) -> None:
    images = plain(tmp_path / "frames", 30)
    both = [building(tmp_path / "frames", tmp_path / "cache") for _ in range(2)]
    said = [process.communicate()[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(itertools.chain(*said)) == [str(path) for path in images]  # each frame once, by either
    assert right(FrameCache(tmp_path / "cache"), images)


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_damaged_shard_is_named(tmp_path: Path, decoded: list[Path], place: float) -> None:
    images = plain(tmp_path / "frames", 6)
    found = build_cache(images, tmp_path / "cache", global_size=SIZE, shard_bytes=SHARD)
    shard = shards(tmp_path / "cache")[0]
    held = len(list(cache_shards.shard_index(shard)))
    data, state = bytearray(shard.read_bytes()), shard.stat()
    data[int(place * (len(data) - 1))] ^= 4
    shard.write_bytes(data)
    os.utime(shard, ns=(0, state.st_mtime_ns))  # as a disk does that forgets: no date tells of it
    with pytest.raises(DataError, match=rf"{shard.name} is damaged.*Delete this file and build"):
        found.verify()
    touch(shard)
    for broken in (
        lambda: FrameCache(tmp_path / "cache"),
        lambda: build_cache(images, tmp_path / "cache", global_size=SIZE),
    ):
        with pytest.raises(DataError, match=rf"{shard.name} is damaged.*Delete this file and build"):
            broken()
    shard.unlink()
    with pytest.raises(DataError, match=f"lacks {held} of 6 frames: build it again"):
        FrameCache(tmp_path / "cache")
    decoded.clear()
    assert right(build_cache(images, tmp_path / "cache", global_size=SIZE), images)
    assert len(decoded) == held


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    build_cache(plain(tmp_path / "frames", 2), tmp_path / "cache", global_size=SIZE)
    (shard,) = shards(tmp_path / "cache")
    os.truncate(shard, 3)
    with pytest.raises(DataError, match=rf"{shard.name} is damaged"):
        FrameCache(tmp_path / "cache")


@pytest.mark.parametrize("name", ["cache.json", "order.json"])
@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda text: text.replace("6", "7")])
def test_a_damaged_index_is_named(tmp_path: Path, name: str, damage: object) -> None:
    build_cache(plain(tmp_path / "frames", 2), tmp_path / "cache", global_size=SIZE)
    path = tmp_path / "cache" / name
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match=f"{name} is damaged, .*: delete .* and build"):
        FrameCache(tmp_path / "cache")


def test_a_shard_that_goes_is_an_error(tmp_path: Path) -> None:
    found = build_cache(plain(tmp_path / "frames", 2), tmp_path / "cache", global_size=SIZE)
    shards(tmp_path / "cache")[0].unlink()
    with pytest.raises(DataError, match="is gone: build the cache again"):
        found.mapped(0)


def test_unreadable_images(tmp_path: Path, decoded: list[Path]) -> None:
    images = plain(tmp_path / "frames", 5)
    images[1].write_bytes(images[1].read_bytes()[:2000])
    images[3].unlink()
    threads = threading.active_count()
    with pytest.raises(UnreadableImageError, match=r"001\.bmp: damaged or truncated") as stopped:
        build_cache(images, tmp_path / "cache", global_size=SIZE)
    assert threading.active_count() == threads, stopped  # though the error is still held
    found = build_cache(images, tmp_path / "cache", global_size=SIZE, skip_unreadable=True)
    readable = [images[0], images[2], images[4]]
    assert found.skipped == FrameCache(tmp_path / "cache").skipped == (1, 3)
    assert right(found, readable)
    transform = ViewTransform(ViewSampler(global_size=SIZE))
    with pytest.raises(InvalidConfigError, match=r"5 labels, .* has 3 frames; 2 that could not be read"):
        CachedViews(found, range(5), transform)
    assert [label for _, label in (CachedViews(found, "ace", transform)[i] for i in range(3))] == list("ace")
    with pytest.raises(UnreadableImageError, match=r"001\.bmp"):  # nor later, unless told to
        build_cache(images, tmp_path / "cache", global_size=SIZE)
    with pytest.raises(DataError, match=r"none of 1 images can be read; the first of them is .*003\.bmp"):
        build_cache([images[3]], tmp_path / "cache", global_size=SIZE, skip_unreadable=True)


def test_refuses(tmp_path: Path, built: FrameCache) -> None:
    images = plain(tmp_path / "frames", 2)
    with pytest.raises(DataError, match="no images"):
        build_cache([], tmp_path / "cache", global_size=SIZE)
    build_cache(images, tmp_path / "cache", global_size=SIZE)
    for some in (images, images[:1]):
        with pytest.raises(
            DataError, match=r"global views of 64 pixels, and 96 are asked for: .*folder of its own"
        ):
            build_cache(some, tmp_path / "cache", global_size=96)
    with pytest.raises(InvalidConfigError, match=r"global views of 224 pixels, and .* keeps them of 64"):
        CachedViews(built, range(7), ViewTransform(ViewSampler(global_size=224)))
    with pytest.raises(DataError, match="is no frame cache: it has no"):
        FrameCache(tmp_path / "nowhere")
    (tmp_path / "frames").chmod(0o755)
    with pytest.raises(DataError, match=r"is no frame cache and not empty \(00\d.bmp\): name a new folder"):
        build_cache(images, tmp_path / "frames", global_size=SIZE)
    assert stat.S_IMODE((tmp_path / "frames").stat().st_mode) == 0o755
    assert sorted((tmp_path / "frames").iterdir()) == images


def test_a_full_disk(tmp_path: Path, disk: Path, decoded: list[Path]) -> None:
    images, folder = plain(tmp_path / "frames", 20), disk / "cache"
    with pytest.raises(OSError, match=r"No space left on device; the shards written so far are kept"):
        build_cache(images, folder, global_size=SIZE, shard_bytes=SHARD)
    assert not list(folder.glob("*.part"))
    kept = sum(len(list(cache_shards.shard_index(path))) for path in shards(folder))
    assert kept >= 3
    remount(disk, "size=20m")
    decoded.clear()
    assert right(build_cache(images, folder, global_size=SIZE, shard_bytes=SHARD), images)
    assert len(decoded) == 20 - kept


def test_a_read_only_disk(tmp_path: Path, disk: Path) -> None:
    images, folder = plain(tmp_path / "frames", 4), disk / "cache"
    build_cache(images, folder, global_size=SIZE)
    remount(disk, "ro")
    assert right(FrameCache(folder), images)
    assert right(FrameCache(folder, images[2:]), images[2:])
    assert right(build_cache(images, folder, global_size=SIZE), images)  # nothing to build
    with pytest.raises(OSError, match="Read-only file system"):
        build_cache(images[2:], folder, global_size=SIZE)
