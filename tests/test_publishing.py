"""Saving: whole or not at all, and only what still holds is said of the weights."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import lag_zoo
from lag_zoo.errors import InvalidConfigError, LagZooError, WeightsIntegrityError, WeightsMismatchError
from tests.networks import equal, small

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
FILES = ["README.md", "config.json", "golden.safetensors", "model.safetensors"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lag_zoo.save_pretrained(small(), tmp_path_factory.mktemp("saved") / "mine")


def test_there_and_back(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES
    model = lag_zoo.create_model(f"local-dir:{folder}", pretrained=True)
    assert model.config == small().config
    assert equal(model, small())
    assert lag_zoo.verify(f"local-dir:{folder}") < 1e-5
    assert lag_zoo.create_model(f"local-dir:{folder}").load_report is None


def test_timm_reads_the_config(folder: Path) -> None:
    data = json.loads((folder / "config.json").read_text())
    assert data["architecture"] == "lag"
    assert data["pretrained_cfg"]["mean"] == [0, 0, 0]
    assert data["num_classes"] == 2


def test_timm_loads_it(folder: Path) -> None:
    lag_zoo.register_with_timm()
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert equal(model, small())


def test_what_was_measured_stays_only_with_the_very_weights(tmp_path: Path) -> None:
    model = lag_zoo.create_model(BUILT_IN, pretrained=True)
    lag_zoo.save_pretrained(model, tmp_path / "same")
    same = lag_zoo.create_model(f"local-dir:{tmp_path / 'same'}", pretrained=True).weight_spec
    assert same is not None
    assert same.results == lag_zoo.model_info(BUILT_IN).weights[0].results
    with torch.no_grad():
        model.head.bias += 1e-3
    about = lag_zoo.About(training_data=(lag_zoo.DatasetRef("ours"),), licence="MIT")
    lag_zoo.save_pretrained(model, tmp_path / "other", about=about)
    other = lag_zoo.create_model(f"local-dir:{tmp_path / 'other'}", pretrained=True).weight_spec
    assert other is not None
    assert other.results == ()
    assert [data.id for data in other.training_data] == ["ours"]
    assert other.initialised_from == (
        f"the built-in {BUILT_IN}.kvasir_polypgen",
        "the built-in tf_efficientnet_lite0.in1k",
    )
    assert [data.id for data in other.seen_data] == ["imagenet-1k", "kvasir-seg", "polypgen", "ours"]
    assert other.backbone_licence == "CC-BY-4.0, apache-2.0"
    card = (tmp_path / "other" / "README.md").read_text()
    assert "None were measured." in card
    assert f"Initialised from the built-in {BUILT_IN}.kvasir_polypgen, which was initialised from " in card
    assert "\n- kvasir-seg: Kvasir-SEG" in card
    assert "Not a medical device" in card


def test_thresholds_stay_with_the_weights_whatever_is_said_of_them(tmp_path: Path) -> None:
    about = lag_zoo.About(operating_points={"IM": 0.3}, temperature=2.0)
    lag_zoo.save_pretrained(small(), tmp_path / "trained", about=about)
    model = lag_zoo.create_model(f"local-dir:{tmp_path / 'trained'}", pretrained=True)
    lag_zoo.save_pretrained(model, tmp_path / "told", about=lag_zoo.About(licence="MIT"))
    with torch.no_grad():
        model.head.bias += 1
    lag_zoo.save_pretrained(model, tmp_path / "changed", about=lag_zoo.About(licence="MIT"))
    specs = [
        lag_zoo.create_model(f"local-dir:{tmp_path / name}", pretrained=True).weight_spec
        for name in ("told", "changed")
    ]
    assert [(s.operating_points, s.temperature) for s in specs if s] == [({"IM": 0.3}, 2.0), ({}, 1.0)]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidConfigError, match=r"holds other files \(thesis\.tex\)"):
        lag_zoo.save_pretrained(small(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_is_no_network_to_save(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="a LAG is saved, got GlobalPath"):
        lag_zoo.save_pretrained(small().without_crops(), tmp_path / "a")  # type: ignore[arg-type]
    nameless = timm.create_model("mobilenetv3_small_050")
    del nameless.pretrained_cfg, nameless.default_cfg
    with pytest.raises(InvalidConfigError, match="has no timm name"):
        lag_zoo.save_pretrained(lag_zoo.LAG(nameless, num_classes=2, global_size=64), tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_one_s_own_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = lag_zoo.save_pretrained(small(), tmp_path / "mine")
    before = (target / "config.json").read_text()
    lag_zoo.save_pretrained(lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=4), target)
    assert (target / "config.json").read_text() != before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_fails_midway_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = lag_zoo.save_pretrained(small(), tmp_path / "mine")
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    rename = os.replace

    def broken(old: Path, new: Path) -> None:
        if Path(old).name == "new":
            raise OSError(28, "No space left on device")
        rename(old, new)

    monkeypatch.setattr("lag_zoo.files._exchanged", lambda one, other: False)
    monkeypatch.setattr("lag_zoo.files.os.replace", broken)
    with pytest.raises(OSError, match="No space"):
        lag_zoo.save_pretrained(small(), target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("how", ["a file of a backbone", "a folder"])
def test_no_path_of_this_machine_is_published(tmp_path: Path, how: str) -> None:
    secret = tmp_path / "dr_mueller" / "patient_4711"
    first = lag_zoo.save_pretrained(small(), secret / "mine")
    if how == "a folder":
        model = lag_zoo.create_model(f"local-dir:{first}", pretrained=True, label_names=["a", "b"])
    else:
        model = lag_zoo.create_model(
            "lag_mobilenetv3_small_050",
            num_classes=2,
            backbone_weights=first / "model.safetensors",
            backbone_prefix="backbone.",
        )
    folder = lag_zoo.save_pretrained(model, tmp_path / "second")
    for name in ("config.json", "README.md"):
        text = (folder / name).read_text()
        assert "(SHA-256 " in text
        assert "mueller" not in text
        assert "4711" not in text


def test_what_killed_processes_have_left_is_swept(tmp_path: Path) -> None:
    old, young, others = (
        tmp_path / name for name in (".mine-old.part", ".mine-young.part", ".other-old.part")
    )
    for folder in (old, young, others):
        (folder / "new").mkdir(parents=True)
        (folder / "new" / "model.safetensors").write_bytes(b"half")
    for folder in (old, others):
        os.utime(folder, (0, 0))
    lag_zoo.save_pretrained(small(), tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine-young.part", ".other-old.part", "mine"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "mine").iterdir()}
    assert len(set(modes.values())) == 1, "one mode for all"


def test_a_module_that_no_name_rebuilds_is_refused(tmp_path: Path) -> None:
    backbone = timm.create_model("mobilenetv3_small_050", drop_path_rate=0.1)
    assert lag_zoo.save_pretrained(lag_zoo.LAG(backbone, num_classes=2), tmp_path / "same")
    backbone = timm.create_model("mobilenetv3_small_050")
    backbone.conv_stem = torch.nn.Conv2d(3, 16, 5, stride=2, padding=2, bias=False)
    with pytest.raises(InvalidConfigError, match="describes another one"):
        lag_zoo.save_pretrained(lag_zoo.LAG(backbone, num_classes=2), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_tied_weights(tmp_path: Path) -> None:
    model = small()
    model.head.weight = torch.nn.Parameter(model.hidden[0].weight[:2, :256])
    target = lag_zoo.save_pretrained(model, tmp_path / "tied")
    saved = load_file(target / "model.safetensors")
    assert torch.equal(saved["head.weight"], saved["hidden.0.weight"][:2, :256])


def test_a_saved_example_that_does_not_hold(folder: Path, tmp_path: Path) -> None:
    from lag_zoo.weights.golden import Golden

    pair = Golden.read(folder / "golden.safetensors")
    with pytest.raises(WeightsMismatchError, match=r"from the saved example's, and 0\.001 is allowed"):
        pair._replace(logits=pair.logits + 0.01).apart(small())
    (tmp_path / "golden").write_bytes(b"nothing")
    with pytest.raises(WeightsIntegrityError, match="golden is not a safetensors file"):
        Golden.read(tmp_path / "golden")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"frames": torch.zeros(3000, 3, 96, 96, dtype=torch.uint8)}, "up to 8 and 16,777,216 are taken"),
        ({"frames": torch.zeros(9, 3, 1, 1, dtype=torch.uint8)}, "it has 9 frames of 27 values; up to 8"),
        (
            {"frames": torch.zeros(1, 3, 3000, 3000, dtype=torch.uint8)},
            "it has 1 frames of 27,000,000 values",
        ),
        ({"frames": torch.zeros(1, 3, 96, 96)}, "not .* uint8"),
        ({"frames": torch.zeros(0, 3, 96, 96, dtype=torch.uint8)}, "not .* uint8"),
        ({"frames": torch.zeros(3, 96, 96, dtype=torch.uint8)}, "not .* uint8"),
        ({"logits": torch.zeros(2, 2)}, "of 1 frames"),
        ({"logits": torch.zeros(1, 2, dtype=torch.int64)}, "of 1 frames"),
        ({"more": torch.zeros(1)}, "and not frames and logits"),
        ({"tolerance": "inf"}, "allows logits that are inf away"),
        ({"tolerance": "nan"}, "allows logits that are nan away"),
        ({"tolerance": "0.5"}, r"up to 0\.01 is taken"),
        ({"tolerance": "-1"}, "allows logits"),
        ({"tolerance": "wide"}, "does not say how far"),
        ({"tolerance": None}, "does not say how far"),
    ],
)
def test_a_saved_example_out_of_proportion(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    from lag_zoo.weights.golden import Golden

    pair = {"frames": torch.zeros(1, 3, 96, 96, dtype=torch.uint8), "logits": torch.zeros(1, 2), **change}
    tolerance = pair.pop("tolerance", "0.001")
    save_file(pair, tmp_path / "golden", metadata=None if tolerance is None else {"tolerance": tolerance})
    with pytest.raises(WeightsIntegrityError, match=says):
        Golden.read(tmp_path / "golden")


# LAG_ZOO_FUZZ: how many; docs/reliability.md says of how large a run the result was noted.
@settings(max_examples=int(os.environ.get("LAG_ZOO_FUZZ", "60")))
@given(data=st.data())
def test_any_bytes_are_an_error_of_ours_or_the_right_network(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Flipped, cut or inserted bytes anywhere in a repository."""
    strange = tmp_path_factory.mktemp("strange")
    for name in FILES:
        (strange / name).write_bytes((folder / name).read_bytes())
    victim = strange / data.draw(st.sampled_from(["config.json", "model.safetensors"]))
    raw = bytearray(victim.read_bytes())
    at = data.draw(st.integers(0, min(len(raw), 4000) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        raw[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del raw[at:]
    else:
        raw[at:at] = data.draw(st.binary(min_size=1, max_size=20))
    victim.write_bytes(raw)
    try:
        model = lag_zoo.create_model(f"local-dir:{strange}", pretrained=True)
    except LagZooError:
        return
    assert equal(model, small())
