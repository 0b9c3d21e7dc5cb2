"""Which frames weights have seen, by the data sets that they name."""

from pathlib import Path

import torch

import lag_zoo
from lag_zoo.provenance import frames_behind, known_frames
from lag_zoo.specs import DatasetRef

BUILT_IN = "lag_mobilenetv3_small_100_polyp"


def test_a_data_set_is_the_same_however_it_is_cited() -> None:
    assert frames_behind([DatasetRef("kvasir-seg", "Jha 2020", "CC BY")]) == known_frames(BUILT_IN)
    assert frames_behind([DatasetRef("kvasir-capsule", "Kvasir-SEG (Jha et al.)")]) == frozenset()


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
    assert report.initialised_from == (f"local-dir:{tmp_path / '0'}", f"the built-in {BUILT_IN}.kvasir_seg")
    assert frames_behind(report.trained_on) == known_frames(BUILT_IN)
