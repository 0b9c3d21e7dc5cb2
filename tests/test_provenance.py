"""Which frames weights have seen, by the data sets that they name."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch
import torchvision.transforms.v2.functional as F

import lag_zoo
from lag_zoo import provenance
from lag_zoo.data.images import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import StateError
from lag_zoo.likeness import frame_hashes
from lag_zoo.provenance import KnownFrames, frame_digest, frames_behind, known_frames, read_frames
from lag_zoo.specs import DatasetRef

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"


def test_a_data_set_is_the_same_however_it_is_cited() -> None:
    assert frames_behind([DatasetRef("kvasir-seg", "Jha 2020", "CC BY")]) == known_frames(BUILT_IN)
    assert frames_behind([DatasetRef("kvasir-capsule", "Kvasir-SEG (Jha et al.)")]) == KnownFrames()


def test_weights_made_from_others_have_seen_what_those_saw(tmp_path: Path) -> None:
    """Saved twice over, and whether or not anybody says what they were trained on."""
    place = BUILT_IN
    for generation in range(2):
        model = lag_zoo.create_model(place, pretrained=True)
        with torch.no_grad():
            model.head.bias += 1e-3
        place = f"local-dir:{lag_zoo.save_pretrained(model, tmp_path / str(generation))}"
    report = lag_zoo.create_model(place, pretrained=True).load_report
    assert report is not None
    assert re.fullmatch(r"0 \(SHA-256 [0-9a-f]{16}\)", report.initialised_from[0]), "and no path"
    assert report.initialised_from[1] == f"the built-in {BUILT_IN}.kvasir_polypgen"
    assert frames_behind(report.trained_on) == known_frames(BUILT_IN)


def test_weights_of_one_origin_do_not_share_what_one_of_them_saw_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model of the zoo that began from ImageNet: its frames are not those behind everything from ImageNet."""
    spec = lag_zoo.model_info(BUILT_IN)
    begun = dataclasses.replace(spec.weights[0], inherited_data=(DatasetRef("imagenet-1k"),))
    monkeypatch.setattr(provenance, "model_info", lambda _: dataclasses.replace(spec, weights=(begun,)))
    assert frames_behind([DatasetRef("imagenet-1k")]) == KnownFrames()
    assert frames_behind(begun.seen_data) == known_frames(BUILT_IN)


@pytest.mark.filterwarnings("ignore::lag_zoo.errors.FieldOfViewWarning")
@pytest.mark.parametrize("size", [(600, 800), (96, 96)])
def test_a_black_frame_is_nobody_s_copy(size: tuple[int, int]) -> None:
    black = torch.zeros(3, *size, dtype=torch.uint8)
    known = known_frames(BUILT_IN)
    assert not known.holds(black)
    dim = KnownFrames({"0" * 64: 1})  # a frame that differs from black in one bit
    assert not dim.holds(black)
    assert KnownFrames({frame_digest(black): 0}).holds(black), "the very same is still found"


@pytest.mark.parametrize("hashed", [True, False])
def test_near_copies_of_frames_that_have_a_hash(hashed: bool) -> None:
    frames = [draw_frame((120, 160), seed=seed) for seed in range(3)]
    known = KnownFrames({frame_digest(f): frame_hashes(f)[0] if hashed else None for f in frames[:2]})
    assert [known.holds(frame) for frame in frames] == [True, True, False]
    assert [known.holds(F.resize(frame, [90, 120])) for frame in frames] == [hashed, hashed, False]
    assert not KnownFrames().holds(frames[0])
    assert not known.holds(frames[0].float())


def test_a_list_in_a_file(tmp_path: Path) -> None:
    known = KnownFrames({"0f" * 8: 5, "ab" * 8: None})
    (tmp_path / "frames.txt").write_text("# of a run\n" + known.to_text(), encoding="ascii")
    assert read_frames(tmp_path / "frames.txt") == known
    assert read_frames(tmp_path / "none.txt") == KnownFrames()
    (tmp_path / "frames.txt").write_text("ab" * 8 + "\n", encoding="ascii")
    with pytest.raises(StateError, match="its last line is not its checksum"):
        read_frames(tmp_path / "frames.txt")


def test_copies_of_the_built_in_models_frames(shared: Path) -> None:
    known = known_frames(BUILT_IN)
    frame = read_image(sorted((shared / "kvasir_seg" / "images").iterdir())[5])
    half = F.resize(frame, [frame.shape[1] // 2, frame.shape[2] // 2])
    assert [known.holds(f) for f in (frame, half, half.flip(-1).contiguous())] == [True] * 3
