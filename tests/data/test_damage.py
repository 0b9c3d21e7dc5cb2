"""Damaged pictures that still decode: refused where it can be told, and no whole one with them."""

import io
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.damage import KINDS, refused
from lag_zoo.data import damage
from lag_zoo.data.images import read_image, read_size
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import UnreadableImageError

pytestmark = pytest.mark.skipif(not damage.FINDS_DAMAGE, reason="needs simplejpeg, of the extra data")
ALWAYS = [kind for kind in KINDS if kind not in ("a hole of 64 zeros", "one bit flipped")]


def jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    frame = draw_frame((400, 500)).permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(frame).save(buffer, "JPEG", quality=90, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


OPTIONS = [{}, {"progressive": True}, {"optimize": True}, {"subsampling": 0}, {"restart_marker_rows": 1}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ALWAYS)
def test_a_drawn_frame(kind: str, options: dict[str, object]) -> None:
    whole = jpeg(**options)
    right = read_image(whole)
    assert refused(KINDS[kind](whole), right) in (True, None)


@pytest.mark.parametrize("kind", ALWAYS)
def test_real_frames(kind: str, shared: Path) -> None:
    files = sorted((shared / "kvasir_seg" / "images").iterdir())[::100]
    for path in files:
        assert refused(KINDS[kind](path.read_bytes()), read_image(path)) in (True, None), path


@pytest.mark.parametrize("name", ["kvasir_seg", "polypgen", "neopolyp"])
def test_whole_files_are_whole(name: str, shared: Path) -> None:
    for path in sorted((shared / name / "images").iterdir())[::15]:
        read_image(path)


@given(st.sampled_from(["L", "CMYK", "YCbCr", "RGB"]), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_any_kind_of_jpeg_is_whole(mode: str, width: int, height: int, progressive: bool) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 99).save(buffer, "JPEG", progressive=progressive)
    assert damage.damage_of(buffer.getvalue()) is None
    assert damage.damage_of(buffer.getvalue() + bytes(9)) is None, "cameras leave something behind the end"


def test_a_size_that_no_scope_delivers_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even to look for damage: a small file may claim any size."""
    buffer = io.BytesIO()
    Image.new("L", (9000, 9000)).save(buffer, "JPEG", progressive=True, quality=1)

    def decode(data: bytes) -> str | None:
        raise AssertionError("decoded")

    monkeypatch.setattr("lag_zoo.data.images.damage_of", decode)
    with pytest.raises(UnreadableImageError, match="not decoded"):
        read_image(buffer.getvalue())


def test_it_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(KINDS["a hole of 2,000 zeros"](jpeg()))
    with pytest.raises(UnreadableImageError, match=r"a\.jpg: damaged or truncated \(Corrupt JPEG data"):
        read_image(path)
    assert read_size(path) == (400, 500), "of which only the header is read"


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "FINDS_DAMAGE", False)
    whole = jpeg()
    found = read_image(KINDS["a hole of 2,000 zeros"](whole))
    assert not torch.equal(found, read_image(whole))
