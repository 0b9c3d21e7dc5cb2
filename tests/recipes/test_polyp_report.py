"""The numbers of the built-in model: from scores to tables, from tables to the card, and the card's own kept scores."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lag_zoo.catalogue.polyp import Trained
from lag_zoo.data import Frame, Manifest
from lag_zoo.evaluate import Calibration, Scores
from lag_zoo.specs import DatasetRef, LAGConfig, Measurement, WeightSpec
from lag_zoo.training import Recipe, Stage
from lag_zoo.training.cross_validation import SCORES
from recipes.locks import mine
from recipes.polyp import publish, tables
from recipes.polyp.card import Cost, card
from recipes.polyp.files import CENTRE_MANIFESTS, CENTRES, FOLD_MANIFESTS, FRAMES, Listed
from recipes.polyp.measures import Occasion, measured
from recipes.polyp.runs import WHOLE, folder_of
from recipes.polyp.tables import Tables, keep, kept
from tools.builtin_backbone import in_half_precision

OCCASION = Occasion("2026-11-27", "0" * 40)
THRESHOLDS = {part: 0.4 + n / 100 for n, part in enumerate((*FOLD_MANIFESTS, *CENTRE_MANIFESTS))}
PLACES = ("1_2_301_302", "30_40_330_340", "5_6_305_306", "50_60_350_360")


def listed() -> list[Listed]:
    """Ten frames of each hospital and of Kvasir-SEG, two a fold."""
    names = ["kvasir_seg", *CENTRES]
    return [
        Listed(
            f"{'polypgen' if centre in CENTRES else centre}/{centre}_{number}",
            f"images/{centre}_{number}.jpg",
            centre,
            f"{centre}/{number}",
            FOLD_MANIFESTS[number % 5],
        )
        for centre in names
        for number in range(10)
    ]


def scores_of(
    part: str, images: list[str], truth: list[int], groups: list[str], logits: np.ndarray
) -> Scores:
    return Scores.from_arrays(
        logits,
        truth,
        label_names=("mucosa", "polyp"),
        images=images,
        groups=groups,
        grouping="exam",
        fold=[part] * len(images),
        calibration=Calibration(temperature=2.0, thresholds=np.tile([np.nan, 0.4], (len(images), 1))),
    )


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tables]:
    """Tables of made-up scores, and the folder that they are in."""
    out, rng = tmp_path_factory.mktemp("out"), np.random.default_rng(0)
    (out / FRAMES).write_text("\n".join([",".join(row) for row in (Listed._fields, *listed())]) + "\n")
    for part in (*FOLD_MANIFESTS, *CENTRE_MANIFESTS):
        frames = [one for one in listed() if part in (one.fold, f"centre_{one.centre}")]
        images = [f"windows/{one.frame}_{place}.png" for one in frames for place in PLACES]
        truth = [1, 0, 1, 0] * len(frames)
        logits = rng.normal(size=(len(images), 2)) + 2 * np.eye(2)[truth]
        groups = [one.group for one in frames for _ in PLACES]
        folder_of(part, out).mkdir(parents=True)
        scores_of(part, images, truth, groups, logits).write(folder_of(part, out) / SCORES)
        whole = scores_of(
            part,
            [one.frame for one in frames],
            [1] * len(frames),
            [one.group for one in frames],
            rng.normal(1, 1, size=(len(frames), 2)),
        )
        whole.write(folder_of(part, out) / WHOLE)
    keep(out, out / "kept")
    return out, kept(out / "kept")


@pytest.fixture(scope="module")
def results(scored: tuple[Path, Tables]) -> list[Measurement]:
    return measured(scored[1], OCCASION)


def test_the_tables_hold_what_the_runs_said(scored: tuple[Path, Tables]) -> None:
    out, found = scored
    assert [len(part) for part in vars(found).values()] == [280, 70, 240, 60]
    first = Scores.read(folder_of("fold1", out) / SCORES)
    own = found.windows.where(found.windows.parts == "fold1")
    assert own.names == tuple(
        image.removeprefix("windows/").removesuffix(".png") for image in first.frames.images
    )
    np.testing.assert_allclose(own.probabilities, first.probabilities[:, 1], atol=1e-4)
    assert own.truth.tolist() == (first.frames.targets == 1).tolist()
    assert own.groups.tolist() == first.frames.groups.tolist()
    assert own.boxes[0].tolist() == [1, 2, 301, 302]
    assert set(found.whole.thresholds) == {0.4}
    assert found.whole.truth.all()
    assert set(found.left_out_whole.centres) == set(CENTRES)


def test_what_is_measured(scored: tuple[Path, Tables], results: list[Measurement]) -> None:
    named = {result.metric: result for result in results}
    assert len(named) == len(results)
    first = results[0]
    assert (first.metric, first.n, first.unit, first.groups) == ("AUROC", 280, "windows of 70 frames", 70)
    for result in results:
        assert result.low is not None
        assert result.high is not None
        assert result.low <= result.value <= result.high
    assert named["Sensitivity"].n == named["Specificity"].n == 140
    whole = named["Sensitivity on whole frames"]
    assert (whole.n, whole.unit, whole.value) == (70, "frames", round(scored[1].whole.called.mean(), 4))
    for centre in CENTRES:
        assert named[f"AUROC, hospital {centre} left out"].n == 40
        assert named[f"AUROC, hospital {centre} left out"].groups == 10


def test_the_card(results: list[Measurement], tmp_path: Path) -> None:
    half = (0.5, 0.5, 0.5)
    weights = WeightSpec(
        tag="drawn", files={"a.safetensors": "0" * 64}, label_names=("mucosa", "polyp"), modality="wli",
        global_size=192, mean=half, std=half, training_data=(DatasetRef("drawn", "Drawn", "CC0-1.0"),),
        licence="CC0-1.0", results=tuple(results), operating_points={"polyp": 0.4}, limits=("Drawn.",),
        initialised_from=("the drawn backbone",), backbone_licence="apache-2.0",
    )  # fmt: skip
    config = LAGConfig(backbone="tf_efficientnet_lite0.in1k", num_classes=2, global_size=192, pooling="topk")
    rows = tuple(Frame(image=f"{n}.png", labels=(n % 2,), split=("train", "val")[n // 4]) for n in range(8))
    manifest = Manifest(root=tmp_path, label_names=("mucosa", "polyp"), frames=rows)
    recipe = Recipe(
        model="lag_tf_efficientnet_lite0", stages=(Stage(name="backbone", epochs=3, crops=False),)
    )
    cost = Cost(282_054_528, 12.3, (1080, 1350), "a machine")

    def page_of(weights: WeightSpec, *measured: Sequence[Measurement]) -> str:
        trained = Trained(config=config, weights=weights)
        return card(trained, *measured, THRESHOLDS, cost, recipe, manifest, 2.5, [192, 250, 900])

    page = page_of(weights, (), ())
    for result in results:
        assert f"{result.value:.3f}" in page
        assert f"{result.low:.3f} to {result.high:.3f}" in page
    assert "No frame of either source is free of polyps" in page
    assert "Where the evidence is" not in page
    evidence = (dataclasses.replace(results[0], metric="Pointing game", value=0.012, data="NeoPolyp"),)
    elsewhere = (dataclasses.replace(results[0], metric="Found", value=0.034, data="NeoPolyp"),)
    also = dataclasses.replace(weights, results=(*results, *evidence, *elsewhere))
    page = page_of(also, evidence, elsewhere)
    assert "against the polyp masks: NeoPolyp.\n" in page
    assert page.count("| Found | 0.034 |") == 1, "so has what was measured elsewhere"
    assert "0.40 to 0.44 in the\nfolds and 0.45 to 0.50 for the hospitals" in page
    assert page.count("| 0.012 |") == 1, "evidence has a table of its own"
    assert page.index("Where the evidence is") < page.index("| Pointing game | 0.012")


def test_half_precision_but_for_statistics() -> None:
    state = in_half_precision(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).state_dict())
    assert {key for key, value in state.items() if value.dtype == torch.float32} == {
        "1.running_mean",
        "1.running_var",
    }


def test_a_part_is_one_process_s(tmp_path: Path) -> None:
    with (
        mine("fold1", tmp_path) as first,
        mine("fold1", tmp_path) as second,
        mine("fold2", tmp_path) as other,
    ):
        assert (first, second, other) == (True, False, True)
    with mine("fold1", tmp_path) as again:
        assert again


@pytest.mark.skipif(not (tables.FOLDER / tables.FRAMES).is_file(), reason="no scores are kept yet")
def test_the_kept_scores_give_the_numbers_that_are_published() -> None:
    published = json.loads(publish.RESULTS.read_text(encoding="utf-8"))["results"]
    said = {result["metric"]: (result["value"], result["n"]) for result in published}
    for result in measured(kept(), OCCASION):
        assert said[result.metric] == (pytest.approx(result.value, abs=2e-4), result.n)
