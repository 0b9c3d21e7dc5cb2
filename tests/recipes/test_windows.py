"""The windows that the built-in model is trained and measured on: the rule, the balance, the folds."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from lag_zoo.data import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError
from lag_zoo.likeness import frame_hashes
from lag_zoo.views import find_field_of_view
from recipes.polyp.blanking import drawn_field
from recipes.polyp.files import (
    CENTRES,
    KVASIR,
    MANIFESTS,
    SOURCES,
    mask_of,
    opened,
    parts_of,
    scored_windows,
    write_windows,
)
from recipes.polyp.grouping import (
    DEMO,
    DEMO_FRAMES,
    merged_groups,
    piles,
    require_demo_unseen,
    without_groups,
)
from recipes.polyp.windows import (
    SMALLEST,
    Frame,
    boxes_of,
    crossed_quads,
    draw_shapes,
    integral_of,
    label_of,
    load_frames,
    matched_pairs,
    mirrored_pairs,
)


def drawn(number: int, *, x: int, y: int, radius: int = 60) -> Frame:
    """A drawn frame whose mask has a disc where the caller says that a polyp is."""
    pixels = draw_frame((600, 700), seed=number, text=False)
    rows, columns = np.mgrid[:600, :700]
    mask = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return Frame(
        source="drawn",
        root=Path(),
        name=f"{number}.png",
        centre=f"C{number % 3}",
        group=str(number // 2),
        pixels=pixels,
        integral=integral_of(mask),
        field=find_field_of_view(pixels[None]),
        hashes=frame_hashes(pixels),
    )


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    rng = np.random.default_rng(0)
    return [drawn(i, x=int(rng.integers(200, 500)), y=int(rng.integers(150, 450))) for i in range(12)]


@pytest.fixture
def drawn_folder(tmp_path: Path, frames: list[Frame]) -> Path:
    """A source of drawn frames, as files: each as it is and mirrored."""
    root = tmp_path / "drawn"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    lines = ["image,group"]
    for number, frame in enumerate(frames):
        pixels, mask = frame.pixels.permute(1, 2, 0).numpy(), frame.mask()
        for name, side in ((f"{number}.png", 1), (f"{number}_mirrored.png", -1)):
            Image.fromarray(np.ascontiguousarray(pixels[:, ::side])).save(
                root / "images" / name, compress_level=1
            )
            Image.fromarray(np.ascontiguousarray(mask[:, ::side])).convert("L").save(root / "masks" / name)
            lines.append(f"images/{name},{name}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def test_the_rule() -> None:
    frame = drawn(0, x=300, y=300, radius=50)
    full = [250, 250, 450, 450]  # the whole polyp: 20% of the window
    clean = [359, 300, 559, 500]  # 9 pixels beside it
    near = [354, 300, 554, 500]  # 4 pixels beside it
    sliver = [340, 200, 560, 420]  # under 10%, and not most of the polyp
    small_but_whole = [240, 90, 690, 590]
    boxes = np.array([full, clean, near, sliver, small_but_whole])
    assert label_of(frame, boxes).tolist() == [1, 0, -1, -1, 1]


def test_polyp_pixels_are_counted(frames: list[Frame]) -> None:
    frame = frames[0]
    boxes = boxes_of(frame, draw_shapes(50, 0.3, np.random.default_rng(1)))
    mask = np.diff(np.diff(frame.integral, axis=0), axis=1)
    counted = [mask[y1:y2, x1:x2].sum() for x1, y1, x2, y2 in boxes]
    assert frame.polyp_pixels(boxes).tolist() == counted


@pytest.mark.parametrize("kind", ["mirrored", "matched"])
def test_pairs(frames: list[Frame], kind: str) -> None:
    if kind == "mirrored":
        pairs = mirrored_pairs(frames, pairs=5, seed=0)
    else:
        pairs = matched_pairs(frames, shapes=200, per_shape=2, lean=1, seed=0)
    assert len(pairs) >= 10
    for positive, negative in pairs:
        assert (positive.label, negative.label) == (1, 0)
        assert (positive.frame == negative.frame) == (kind == "mirrored")
        for window in (positive, negative):
            frame, box = frames[window.frame], np.array([window.box])
            assert label_of(frame, box)[0] == window.label
            assert frame.field.contains(torch.from_numpy(box)[None]).all()
            assert min(box[0, 2] - box[0, 0], box[0, 3] - box[0, 1]) >= SMALLEST
        one, other = (np.subtract(w.box[2:], w.box[:2]) for w in (positive, negative))
        assert np.abs(one - other).max() <= (0 if kind == "mirrored" else 12), "sizes and shapes differ"
    balance = Counter(dict.fromkeys(range(len(frames)), 0))
    for pair in pairs:
        for window in pair:
            balance[window.frame] += 2 * window.label - 1
    assert max(map(abs, balance.values())) <= 1


def test_crossed_quads_balance_frame_and_place(frames: list[Frame]) -> None:
    windows = crossed_quads(frames, shapes=400, quads=2, seed=0)
    assert len(windows) >= 8
    of_frame = Counter((w.frame, w.label) for w in windows)
    assert all(of_frame[i, 0] == of_frame[i, 1] <= 4 for i in range(len(frames)))
    for quad in zip(*[iter(windows)] * 4, strict=True):
        assert [w.label for w in quad] == [1, 0, 1, 0]
        assert quad[0].frame == quad[3].frame != quad[1].frame == quad[2].frame
        for one, other in (quad[:2], quad[2:]):
            assert np.abs(np.subtract(one.box, other.box)).max() <= 40, "two places"
    for window in windows:
        assert label_of(frames[window.frame], np.array([window.box]))[0] == window.label


def test_the_same_seed_gives_the_same_pairs(frames: list[Frame]) -> None:
    assert mirrored_pairs(frames, pairs=3, seed=4) == mirrored_pairs(frames, pairs=3, seed=4)
    assert mirrored_pairs(frames, pairs=3, seed=4) != mirrored_pairs(frames, pairs=3, seed=5)


def test_a_drawn_field_is_one_for_both_and_leaves_the_polyp_in_view(frames: list[Frame]) -> None:
    kept = 0
    for number, pair in enumerate(mirrored_pairs(frames, pairs=2, seed=0)):
        keep = drawn_field(frames, pair, np.random.default_rng(number))
        if keep is None:
            continue
        kept += 1
        frame, (x1, y1, x2, y2) = frames[pair[0].frame], pair[0].box
        polyp = np.diff(np.diff(frame.integral, axis=0), axis=1)[y1:y2, x1:x2] > 0
        rows = np.arange(y2 - y1) * len(keep) // (y2 - y1)
        columns = np.arange(x2 - x1) * len(keep) // (x2 - x1)
        assert (polyp & keep.numpy()[rows][:, columns]).sum() >= 0.6 * polyp.sum()
        assert 0.3 < keep.float().mean() < 1
    assert kept > 5


class Dealt(NamedTuple):
    """All frames of both sources, their groups, and the piles."""

    frames: list[Frame]
    groups: list[str]
    piles: list[list[int]]


@pytest.fixture(scope="module")
def real(shared: Path) -> Dealt:
    frames = load_frames({source: shared / source for source in SOURCES})
    groups = merged_groups(frames)
    return Dealt(frames, groups, piles(frames, groups))


@pytest.mark.slow
def test_piles_keep_near_copies_together_and_share_out_the_centres(real: Dealt) -> None:
    frames, groups, parts = real
    assert len(set(groups)) < len({frame.group for frame in frames}), "copies that the data do not name"
    assert sorted(i for part in parts for i in part) == list(range(966))
    of_pile = [{groups[i] for i in part} for part in parts]
    for k, members in enumerate(of_pile):
        assert {frames[i].centre for i in parts[k]} == {KVASIR, *CENTRES}
        for others in of_pile[k + 1 :]:
            assert not members & others
    windows = scored_windows(frames, sorted(parts[0] + parts[1]))
    assert {w.frame for w in windows} <= {*parts[0], *parts[1]}
    assert (
        abs(Counter(w.label for w in windows)[0] / len(windows) - 0.5) < 0.04
    )  # a window in two fours counts once
    assert len(windows) > 500


@pytest.mark.slow
def test_a_centre_is_tested_on_frames_that_nothing_was_trained_on(real: Dealt) -> None:
    frames, groups, dealt = real
    for name in MANIFESTS:
        of_part = [{groups[i] for i in numbers} for numbers in parts_of(name, frames, groups, dealt)]
        assert sum(map(len, of_part)) == len(set.union(*of_part)), "a group in two parts"
    for centre in CENTRES:
        parts = parts_of(f"centre_{centre}", frames, groups, dealt)
        assert {frames[i].centre for i in parts.test} == {centre}
        assert centre not in {frames[i].centre for i in [*parts.train, *parts.val]}
        windows = Counter(window.frame for window in scored_windows(frames, parts.test))
        assert windows.total() >= 80
        assert max(windows.values()) <= 8, "a frame dominates"


def test_a_group_that_spans_is_kept_out() -> None:
    groups = ["a", "b", "a", "c"]
    assert without_groups(range(4), groups, [0]) == [1, 3]
    assert without_groups(range(4), groups, []) == [0, 1, 2, 3]


def test_frames_of_the_demo_are_refused(frames: list[Frame]) -> None:
    require_demo_unseen(frames)
    named = frames[0]._replace(name=f"images/{DEMO_FRAMES[0]}.jpg")
    with pytest.raises(DataError, match=DEMO_FRAMES[0]):
        require_demo_unseen([*frames, named])
    copy = frames[0]._replace(hashes=frame_hashes(read_image(DEMO / "polyp.jpg")))
    with pytest.raises(DataError, match="demo"):
        require_demo_unseen([*frames, copy])


def test_windows_and_masks_as_files(drawn_folder: Path, tmp_path: Path) -> None:
    written = write_windows({KVASIR: drawn_folder}, tmp_path)
    assert list(written) == [name for name in MANIFESTS if not name.startswith("centre")]
    manifest = opened(tmp_path, "fold1")
    assert set(manifest.splits) == {"train", "val", "test"}
    for row in manifest.frames:
        mask = tmp_path / mask_of(row.image)
        assert mask.is_file() == bool(row.labels[0])
        if row.labels[0]:
            pixels, polyp = read_image(tmp_path / row.image), read_image(mask)
            assert polyp.shape == pixels.shape
            assert polyp.unique().tolist() == [0, 255]
    train = [row for row in manifest.frames if row.split == "train"]
    assert sum(row.labels[0] for row in train) * 2 == len(train), "pairs are whole"
