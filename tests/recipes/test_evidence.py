"""How maps are compared with masks of polyps."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import lag_zoo
from lag_zoo.data.phantom import draw_frame
from recipes.polyp.evidence import (
    agreement,
    evidence_map,
    frames_of,
    grad_cam,
    measurements,
    methods,
    run,
    table,
    windows_by_fold,
)
from recipes.polyp.measures import Occasion

SHAPE = {"label_names": ["mucosa", "polyp"], "global_size": 96, "num_crops": 2, "crop_size": 32}


@pytest.fixture(scope="module")
def network() -> lag_zoo.LAG:
    torch.manual_seed(0)
    return lag_zoo.LAG("resnet10t", pooling="topk", **SHAPE).eval().requires_grad_(False)  # type: ignore[arg-type]


class TestAgreement:
    def test_of_a_map_that_is_the_mask(self) -> None:
        mask = np.arange(100) >= 80
        assert agreement(mask.astype(float), mask) == (1, 1, 1)
        assert agreement(-mask.astype(float), mask) == (0, 0, 0)

    @settings(max_examples=50)
    @given(st.integers(10, 200), st.integers(0, 2**31 - 1))
    def test_a_map_that_says_nothing_agrees_by_chance(self, count: int, seed: int) -> None:
        mask = np.random.default_rng(seed).random(count) < 0.3
        mask[:2] = True, False
        assert agreement(np.zeros(count), mask) == pytest.approx((mask.mean(), mask.mean(), 0.5))

    def test_of_the_highest_tenth(self) -> None:
        values, mask = np.arange(100.0), np.zeros(100, bool)
        mask[95:98] = True
        found = agreement(values, mask)
        assert (found.pointing, found.top_tenth) == (0, 0.3)


class TestGradCAM:
    def test_of_a_network_that_is_linear_in_its_map(self) -> None:
        """The weights of the channels are then those of the classifier, over the number of positions."""
        torch.manual_seed(1)
        network = lag_zoo.LAG("resnet10t", **SHAPE).eval().requires_grad_(False)  # type: ignore[arg-type]
        network.hidden[1] = torch.nn.Identity()
        network.head.weight[0] = -network.head.weight[1]  # so that one label has something
        views = network.views(draw_frame((200, 300)))
        whole = network.head.weight @ network.hidden[0].weight[:, : network.config.global_dim]
        weights = whole @ network.global_fc.weight
        last = network.backbone.forward_features(network._normalised(views.global_view))[0]
        expected = torch.einsum("lc,chw->lhw", weights, last).relu() / last[0].numel()
        found = torch.stack([grad_cam(network, views, label) for label in (0, 1)])
        assert expected.max() > 0
        assert torch.allclose(found, expected, atol=1e-6)

    def test_it_leaves_the_network_as_it_was(self, network: lag_zoo.LAG) -> None:
        views = network.views(draw_frame((200, 300)))
        before = network(views)
        assert grad_cam(network, views, 1).shape == evidence_map(network, views, 1).shape == (3, 3)
        assert "forward_features" not in vars(network.backbone)
        assert torch.equal(network(views), before)


def write(folder: Path, count: int) -> None:
    """Drawn frames in which a disc is marked, with their manifest; of the last nothing is marked."""
    for below in ("images", "masks"):
        (folder / below).mkdir(parents=True)
    rows, columns = np.mgrid[:300, :400]
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "group"])
        for number in range(count):
            frame = draw_frame((300, 400), seed=number).permute(1, 2, 0).numpy()
            Image.fromarray(frame).save(folder / f"images/{number}.png")
            marked = (rows - 150) ** 2 + (columns - 150 - 20 * number) ** 2 < 40**2 * (number < count - 1)
            Image.fromarray(255 * marked.astype(np.uint8)).save(folder / f"masks/{number}.png")
            writer.writerow([f"images/{number}.png", f"day{number // 2}"])


def test_from_frames_to_a_table(network: lag_zoo.LAG, tmp_path: Path) -> None:
    write(tmp_path / "frames", 5)
    weights = f"local-dir:{lag_zoo.save_pretrained(network, tmp_path / 'net')}"
    found = list(run(frames_of(tmp_path / "frames", "Drawn", weights)))
    assert [each.case.group for each in found] == ["frames/day0", "frames/day0", "frames/day1", "frames/day1"]
    assert all(0.03 < each.taken < 0.15 for each in found)
    assert all(set(each.agreements) == set(methods(network)) for each in found)
    lines = table(found).splitlines()
    assert lines[0] == "**Drawn, frames**: 4 of 2 groups"
    assert len(lines) == 4 + len(methods(network)) + 2
    kept = measurements(found, Occasion("2026-01-01", "abc"))
    assert [each.n for each in kept] == [4, 4, 4]
    assert all(each.groups == 2 and each.unit == "frames" for each in kept)
    for each, cell in zip(kept, lines[4].split(" | ")[1:], strict=False):
        numbers = [float(part.strip("()|")) for part in cell.split() if part.strip("()|")[:1].isdigit()]
        assert numbers[:3] == pytest.approx([each.value, each.low, each.high], abs=1e-3)
        assert "chance" in each.note


def test_windows_are_those_of_the_test_fold_with_a_mask(tmp_path: Path, network: lag_zoo.LAG) -> None:
    lag_zoo.save_pretrained(network, tmp_path / "runs" / "fold1" / "best")
    (tmp_path / "fold1.csv").write_text(
        "image,label,exam,split,mask\n"
        "windows/kvasir_seg/a.png,polyp,kvasir_seg/1,train,masks/kvasir_seg/a.png\n"
        "windows/polypgen/b.png,polyp,polypgen/pg2,test,masks/polypgen/b.png\n"
        "windows/kvasir_seg/c.png,mucosa,kvasir_seg/3,test,\n"
    )
    (case,) = windows_by_fold(tmp_path)
    assert (case.data, case.group) == ("PolypGen, windows", "polypgen/pg2")
    assert case.weights == f"local-dir:{tmp_path / 'runs' / 'fold1' / 'best'}"
