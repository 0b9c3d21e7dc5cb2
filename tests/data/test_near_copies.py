"""Near-copies in a manifest: named where they cross splits, kept together where frames are dealt."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.near_copies import copies_across, near_copies, require_no_copies_across, sketch_frames
from lag_zoo.data.phantom import draw_frame
from lag_zoo.data.splits import folds, split
from lag_zoo.data.tables import read_manifest, write_manifest
from lag_zoo.errors import NearCopiesError, NearCopiesWarning


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Frames of 12 patients; patient 1's are those of patient 0, mirrored, and one cannot be read."""
    frames = []
    for n in range(24):
        pixels = draw_frame((96, 128), seed=n - 2 if n in (2, 3) else n)
        pixels = pixels.flip(-1) if n in (2, 3) else pixels
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / f"{n}.png")
        where = "train" if n < 2 or n > 15 else "test"
        frames.append(Frame(image=f"{n}.png", labels=(n % 2,), patient=f"p{n // 2}", split=where))
    (tmp_path / "23.png").write_bytes(b"no image")
    return Manifest(root=tmp_path, label_names=("normal", "IM"), frames=tuple(frames))


def test_across_splits(manifest: Manifest) -> None:
    sketches = sketch_frames(manifest)
    assert [place for place, found in enumerate(sketches) if found is None] == [23]
    copies = near_copies(sketches)
    assert copies == [(0, 2), (1, 3)]
    assert [[f.image for f in group] for group in copies_across(manifest, copies)] == [
        ["0.png", "2.png"],
        ["1.png", "3.png"],
    ]
    named = r"2 groups .*: 0\.png \(train\) = 2\.png \(test\); 1\.png"
    with pytest.raises(NearCopiesError, match=named + r".*lag-zoo data split.*--allow-near-copies"):
        require_no_copies_across(manifest, copies)
    with pytest.warns(NearCopiesWarning, match=named):
        require_no_copies_across(manifest, copies, allow=True)


def test_within_a_split_they_are_no_error(manifest: Manifest) -> None:
    together = manifest.with_column("split", ["test"] * 4 + [frame.split for frame in manifest.frames[4:]])
    require_no_copies_across(together, near_copies(sketch_frames(together)))


def test_excluded_frames_are_not_read(manifest: Manifest) -> None:
    column = ["twice" if n in (2, 3) else "" for n in range(24)]
    assert near_copies(sketch_frames(manifest.with_column("excluded", column))) == []


@pytest.mark.parametrize("seed", range(5))
def test_are_dealt_together(manifest: Manifest, seed: int) -> None:
    copies = near_copies(sketch_frames(manifest))
    for parts in (
        split(manifest, val=0.25, test=0.25, seed=seed, together=copies),
        folds(manifest, 3, seed=seed, together=copies),
    ):
        assert len({frame.split for frame in parts.frames[:4]}) == 1


def test_from_the_command_line(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest.with_column("split", [""] * 24), tmp_path / "data.csv")
    given = ["data", "split", str(tmp_path / "data.csv"), "--folds", "3", "--overwrite"]
    for seed in range(4):
        out = ["-o", str(tmp_path / "split.csv"), "--seed", str(seed)]
        done = CliRunner().invoke(app, [*given, *out])
        assert done.exit_code == 0, done.output
        assert (
            "2 groups of near-copies join patients, which stay together; the first: 0.png = 2.png"
            in done.stderr
        )
        assert "1 of 24 frames cannot be read" in done.stderr
        assert len({frame.split for frame in read_manifest(tmp_path / "split.csv").frames[:4]}) == 1
        done = CliRunner().invoke(app, [*given, *out, "--no-look"])
        assert "near-copies" not in done.stderr


def test_parts_by_centre_refuse_copies_of_two_centres(manifest: Manifest, tmp_path: Path) -> None:
    centres = ["A" if n < 2 or n > 11 else "B" for n in range(24)]
    write_manifest(
        manifest.with_column("split", [""] * 24).with_column("centre", centres), tmp_path / "data.csv"
    )
    out = tmp_path / "parts.csv"
    given = ["data", "split", str(tmp_path / "data.csv"), "-o", str(out), "--by", "centre"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code != 0
    assert not out.exists()
    assert "0.png (centre_A) = 2.png (centre_B)" in " ".join(f"{done.stderr} {done.exception}".split())
    with pytest.warns(NearCopiesWarning, match="2 groups"):
        done = CliRunner().invoke(app, [*given, "--allow-near-copies"])
    assert done.exit_code == 0
    assert out.exists()
