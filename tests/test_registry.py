"""The registry: names, near matches, and plugins that may be broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lag_zoo.registry as registry
from lag_zoo.catalogue import CATALOGUE
from lag_zoo.errors import DuplicateModelError, InvalidConfigError, UnknownModelError
from lag_zoo.registry import is_backbone, list_models, model_info, register, resolve
from lag_zoo.specs import LAGConfig, ModelSpec, WeightSpec


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that this test may change."""
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))


def a_model(name: str = "lag_mine", **fields: object) -> ModelSpec:
    return ModelSpec(name=name, config=LAGConfig(backbone="resnet18", num_classes=2), **fields)  # type: ignore[arg-type]


def some_weights(tag: str) -> WeightSpec:
    half = (0.5, 0.5, 0.5)
    return WeightSpec(
        tag=tag, files={"a": "0" * 64}, label_names=("a", "b"), modality="wli", global_size=224,
        mean=half, std=half, training_data=(), licence="Apache-2.0",
    )  # fmt: skip


class TestListModels:
    def test_everything_sorted(self) -> None:
        names = list_models()
        assert names == sorted(spec.name for spec in CATALOGUE)

    def test_filter(self) -> None:
        lci = list_models("lag_*_lci")
        assert len(lci) == sum(spec.domain == "lci" for spec in CATALOGUE) > 0
        assert all(name.endswith("_lci") for name in lci)
        assert list_models(["lag_vgg19_*", "lag_resnet50_lci"]) == [
            "lag_resnet50_lci",
            "lag_vgg19_lci",
            "lag_vgg19_wli",
        ]
        assert list_models("LAG_*") == []

    def test_domain(self) -> None:
        assert list_models(domain="wli") == list_models("*_wli")
        assert list_models(domain="polyp") == ["lag_tf_efficientnet_lite0_polyp"]
        with pytest.raises(InvalidConfigError, match="'WLI'; domains are lci, polyp, wli"):
            list_models(domain="WLI")

    @pytest.mark.usefixtures("own")
    def test_pretrained_lists_what_has_weights_and_nothing_else(self) -> None:
        register(a_model("lag_with", weights=(some_weights("base"),)))
        register(a_model("lag_without"))
        assert "lag_with" in list_models(pretrained=True)
        assert all(model_info(name).weights for name in list_models(pretrained=True))
        assert not set(list_models(pretrained=True)) & {
            "lag_without",
            *list_models("*_wli"),
            *list_models("*_lci"),
        }


class TestModelInfo:
    def test_of_the_zoo(self) -> None:
        assert model_info("lag_resnet50_lci").domain == "lci"

    def test_of_an_architecture(self) -> None:
        spec = model_info("lag_resnet18")
        assert (spec.name, spec.config.backbone, spec.domain, spec.weights) == (
            "lag_resnet18",
            "resnet18",
            None,
            (),
        )
        assert model_info("lag_resnet18.a1_in1k").config.backbone == "resnet18.a1_in1k"
        assert model_info("lag_googlenet").config.backbone == "googlenet"

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("lag_resnet5O_lci", "lag_resnet50_lci"),
            ("lag_resnt18", "lag_resnet18"),
            ("resnet50_lci", "lag_resnet50_lci"),
            ("lag_resnet50_lc", "lag_resnet50_lci"),
        ],
    )
    def test_unknown_has_near_matches(self, name: str, near: str) -> None:
        with pytest.raises(
            UnknownModelError, match=f"unknown model '{name}'.*Did you mean .*{near}"
        ) as caught:
            model_info(name)
        assert near in caught.value.near

    @pytest.mark.parametrize("name", ["resnet18", "", "lag_", "lag_resnet18.no_such_tag", "xyz"])
    def test_unknown_without(self, name: str) -> None:
        with pytest.raises(UnknownModelError, match="list_models"):
            model_info(name)

    def test_unknown_but_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "mine").mkdir()
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UnknownModelError, match="in this folder are called local-dir:mine"):
            model_info("mine")

    @pytest.mark.usefixtures("own")
    def test_a_tag_picks_weights(self) -> None:
        register(a_model(weights=(some_weights("base"), some_weights("im"))))
        assert resolve("lag_mine")[1] is None
        assert resolve("lag_mine.im")[1] == "im"
        with pytest.raises(UnknownModelError, match=r"Did you mean lag_mine\.im .*the weights base, im"):
            model_info("lag_mine.ims")
        with pytest.raises(UnknownModelError, match="has no weights yet"):
            model_info("lag_resnet50_lci.im")


def test_backbones() -> None:
    known = ["resnet18", "resnet18.a1_in1k", "googlenet", "squeezenet1_1"]
    assert [is_backbone(name) for name in [*known, "resnet18.no", "no", "no.a1_in1k"]] == [True] * 4 + [
        False
    ] * 3


class TestRegister:
    @pytest.mark.usefixtures("own")
    def test_a_duplicate_raises(self) -> None:
        register(a_model())
        assert model_info("lag_mine") == a_model()
        with pytest.raises(DuplicateModelError, match="'lag_mine' is registered already"):
            register(a_model())
        with pytest.raises(DuplicateModelError, match="lag_resnet50_lci"):
            register(a_model("lag_resnet50_lci"))

    @pytest.mark.usefixtures("own")
    def test_a_dot_raises(self) -> None:
        with pytest.raises(InvalidConfigError, match="dot"):
            register(a_model("lag_mine.im"))


PLUGIN = """
from lag_zoo.specs import LAGConfig, ModelSpec

def model(name):
    return ModelSpec(name=name, config=LAGConfig(backbone="resnet18", num_classes=2), domain="capsule")

one = model("lag_plugin_one")
several = [model("lag_plugin_two"), model("lag_plugin_three")]
def made(): return (model("lag_plugin_made"),)
def failing(): raise OSError("no licence server")
taken = model("lag_resnet50_lci")
no_model = [3]
half = [model("lag_plugin_half"), taken]
"""

REPORT = """
import json, sys, warnings
import lag_zoo
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    names = lag_zoo.list_models()
    lag_zoo.list_models()
warned = [[w.category.__name__, str(w.message)] for w in caught]
print(json.dumps({"names": names, "warned": warned, "torch": "torch" in sys.modules}))
"""


def with_plugins(folder: Path, root: Path, **points: str) -> dict[str, list[str]]:
    """What a fresh process reports where a distribution offers these entry points."""
    (folder / "their_plugin.py").write_text(PLUGIN)
    info = folder / "Their_Models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Their-Models\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {target}" for name, target in points.items())
    (info / "entry_points.txt").write_text(f"[lag_zoo.catalogue]\n{lines}\n")
    path = os.pathsep.join([str(folder), str(root)])
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


class TestPlugins:
    def test_a_spec_several_and_a_function(self, tmp_path: Path, root: Path) -> None:
        report = with_plugins(
            tmp_path, root, one="their_plugin:one", several="their_plugin:several", made="their_plugin:made"
        )
        added = set(report["names"]) - {spec.name for spec in CATALOGUE}
        assert added == {f"lag_plugin_{name}" for name in ("one", "two", "three", "made")}
        assert report["warned"] == []
        assert report["torch"] is False

    @pytest.mark.parametrize(
        ("target", "says"),
        [
            ("no_such_module:x", "ModuleNotFoundError"),
            ("their_plugin:no_such_name", "AttributeError"),
            ("their_plugin:failing", "OSError: no licence server"),
            ("their_plugin:taken", "DuplicateModelError"),
            ("their_plugin:half", "DuplicateModelError"),
            ("their_plugin:no_model", "a ModelSpec is expected, got int"),
        ],
    )
    def test_a_broken_one_is_named_and_the_zoo_works(
        self, tmp_path: Path, root: Path, target: str, says: str
    ) -> None:
        report = with_plugins(tmp_path, root, broken=target, fine="their_plugin:one")
        assert set(report["names"]) == {spec.name for spec in CATALOGUE} | {"lag_plugin_one"}
        ((category, message),) = report["warned"]
        assert category == "PluginWarning"
        assert "'broken' of Their-Models" in message
        assert says in message
