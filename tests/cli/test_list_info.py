"""`lag-zoo list` and `lag-zoo info`, and what holds for every command."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lag_zoo
import lag_zoo.registry as registry
from lag_zoo.catalogue import NO_GASTRIC_WEIGHTS, NOT_A_MEDICAL_DEVICE
from lag_zoo.cli import main
from lag_zoo.cli.tables import engineering
from lag_zoo.specs import DatasetRef, Measurement, ModelSpec, WeightSpec


class Ran:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.flat = " ".join(out.split())


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lag-zoo ARGUMENTS` in this process."""

    def lag_zoo_command(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["lag-zoo", *arguments])
        try:
            main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Ran(code, *capsys.readouterr())

    return lag_zoo_command


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """An entry of the zoo with weights that are made up here."""
    result = Measurement(
        metric="AUROC", value=0.8512, low=0.8, high=0.9, interval="bootstrap by group", n=1572, unit="windows",
        groups=310, data="made-up windows", date="2026-01-01", command="python made_up.py", note="One seed.",
    )  # fmt: skip
    bare = Measurement(
        metric="accuracy", value=0.7, n=9, unit="frames", data="d", date="2026-01-01", command="c"
    )
    half = (0.5, 0.5, 0.5)
    weights = WeightSpec(
        tag="base", files={"a.safetensors": "ab" * 32}, label_names=("no", "yes"), modality="wli", global_size=224,
        mean=half, std=half, training_data=(DatasetRef("made-up", "Made-up set", "CC BY 4.0"),), licence="Apache-2.0",
        results=(result, bare),
        operating_points={"yes": 0.42}, limits=("Nothing is known of [other] scopes.",), intended_use="Demonstration.",
    )  # fmt: skip
    spec = dataclasses.replace(
        lag_zoo.model_info("lag_resnet50_wli"), name="lag_trained", domain="polyp", weights=(weights,)
    )
    monkeypatch.setattr(registry, "_registry", {**registry._registry, spec.name: spec})
    return spec


class TestList:
    def test_a_line_for_each_model(self, run: Run) -> None:
        ran = run("list")
        assert ran.code == 0
        lines = [line.split() for line in ran.out.splitlines()]
        names = [line[0] for line in lines if line and line[0].startswith("lag_")]
        trained = lag_zoo.list_models(pretrained=True)
        inside = lag_zoo.list_models("lag_tf_efficientnet_lite0_*")
        first = [*trained, *(name for name in inside if name not in trained)]
        assert names == [*first, *(name for name in lag_zoo.list_models() if name not in first)]
        assert (
            f"With weights: {len(trained)} of {len(names)}. None yet: an architecture, to train" in ran.flat
        )
        row = next(line for line in lines if line and line[0] == "lag_resnet50_lci")
        assert row == [
            "lag_resnet50_lci",
            "lci",
            "normal,",
            "GA,",
            "IM",
            "24.3",
            "M",
            "4.22",
            "G",
            "none",
            "yet",
        ]

    def test_fits_80_columns(self, run: Run) -> None:
        assert max(map(len, run("list").out.splitlines())) <= 80

    def test_filters(self, run: Run, trained: ModelSpec) -> None:
        assert "lag_vgg19_wli" not in run("list", "*_lci").out
        assert json.loads(run("list", "--domain", "lci", "--json").out)[0]["domain"] == "lci"
        names = [row["name"] for row in json.loads(run("list", "--pretrained", "--json").out)]
        assert trained.name in names
        assert names == lag_zoo.list_models(pretrained=True)

    def test_json(self, run: Run, trained: ModelSpec) -> None:
        rows = {row["name"]: row for row in json.loads(run("list", "--json").out)}
        printed = [
            line.split()[0] for line in run("list").out.splitlines() if line.strip().startswith("lag_")
        ]
        assert list(rows) == printed
        assert trained.name in printed[:2]
        assert sorted(rows) == lag_zoo.list_models()
        assert rows[trained.name]["weights"] == "built in"
        assert rows["lag_resnet50_lci"] == {
            "name": "lag_resnet50_lci",
            "domain": "lci",
            "label_names": ["normal", "GA", "IM"],
            "params": 24329955,
            "macs": 4087136256 + 135720960,
            "weights": "none yet",
            "backbone_weights": "on the Hub",
        }
        assert rows["lag_tf_efficientnet_lite0_wli"]["backbone_weights"] == "built in"
        assert rows["lag_googlenet_wli"]["backbone_weights"] == "a file of yours"

    def test_a_backbone_that_is_built_in_shows(self, run: Run) -> None:
        ran = run("list", "lag_tf_efficientnet_lite0_*")
        assert [line.split()[-1] for line in ran.out.splitlines() if line.startswith("lag_")][
            -1
        ] == "backbone"
        assert "training starts from them without a network" in ran.flat

    def test_nothing_is_like_it(self, run: Run) -> None:
        ran = run("list", "nothing*")
        assert (ran.code, ran.out) == (0, "")
        assert "No model" in ran.err
        assert run("list", "nothing*", "--json").out == "[]\n"

    def test_an_unknown_domain(self, run: Run) -> None:
        ran = run("list", "--domain", "WLI")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == "lag-zoo: no model has the domain 'WLI'; domains are lci, polyp, wli\n"


class TestInfo:
    def test_without_weights(self, run: Run) -> None:
        ran = run("info", "lag_fastvit_t8_wli")
        assert ran.code == 0
        for part in ("3.75 M", "backbone 689 M, crops 136 M", "fastvit-license", "256 pixels", "none yet"):
            assert part in ran.flat
        assert NO_GASTRIC_WEIGHTS in ran.flat

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("lag_tf_efficientnet_lite0_wli", "built in: training starts from them without a network"),
            ("lag_tf_efficientnet_lite0", "their origin Google's EfficientNet-Lite release"),
            ("lag_resnet50_wli", "timm's, fetched from the Hub"),
            ("lag_googlenet_wli", "none on the Hub; a file"),
        ],
    )
    def test_where_the_backbones_weights_are(self, run: Run, name: str, said: str) -> None:
        assert said in run("info", name).flat

    def test_with_weights(self, run: Run, trained: ModelSpec) -> None:
        ran = run("info", trained.name)
        assert NOT_A_MEDICAL_DEVICE in ran.flat
        assert NO_GASTRIC_WEIGHTS not in ran.flat
        for part in (
            "built in",
            "ab" * 32,
            "made-up: Made-up set; CC BY 4.0",
            "Nothing is known of [other] scopes.",
            "yes from a probability of 0.42",
            "trained from scratch",
            "AUROC 0.851 (95% interval 0.800 to 0.900, bootstrap by group; n = 1572 windows in 310 groups)",
            "accuracy 0.700 (no interval; n = 9 frames)",
            "python made_up.py. One seed.",
        ):
            assert part in ran.flat

    def test_json_is_the_specification(self, run: Run, trained: ModelSpec) -> None:
        assert ModelSpec.from_json(run("info", trained.name, "--json").out) == trained

    def test_of_an_architecture(self, run: Run) -> None:
        ran = run("info", "lag_resnet18")
        assert "your own" in ran.flat
        assert NO_GASTRIC_WEIGHTS not in ran.flat

    def test_an_unknown_name(self, run: Run) -> None:
        ran = run("info", "lag_resnet5O_lci")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("lag-zoo: unknown model 'lag_resnet5O_lci'. Did you mean lag_resnet50_lci")


def test_version(run: Run) -> None:
    ran = run("--version")
    assert (ran.code, ran.out) == (0, f"lag_zoo {lag_zoo.__version__}\n")


def test_help_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(part in ran.flat for part in ("list", "info", "predict", "not a medical device"))


@pytest.mark.parametrize("arguments", [["nonsense"], ["list", "a", "b"], ["info"], ["list", "--nonsense"]])
def test_a_wrong_call_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (0, "0"), (999, "999"), (1000, "1.00 k"), (12_340, "12.3 k"), (141_000_000, "141 M"),
     (5_306_281_248, "5.31 G"), (9_999_999, "10.0 M"), (99_960_000, "100 M"), (999_700_000, "1.00 G")],
)  # fmt: skip
def test_three_digits_and_a_unit(count: int | None, text: str) -> None:
    assert engineering(count) == text


def in_a_fresh_process(code: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list"], ["list", "--json"], ["predict", "--help"], ["info", "lag_resnet50_lci"]],
)
def test_loads_no_torch(arguments: list[str], root: Path) -> None:
    code = f"""
import sys
sys.argv = ["lag-zoo", *{arguments!r}]
from lag_zoo.cli import main
try:
    main()
except SystemExit as exit_:
    assert not exit_.code, exit_.code
heavy = {{"torch", "timm", "torchvision", "numpy", "PIL", "huggingface_hub"}} & sys.modules.keys()
sys.exit(f"loaded {{sorted(heavy)}}" if heavy else 0)
"""
    done = in_a_fresh_process(code, root)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_says_how_to_get_the_extra(missing: str, root: Path) -> None:
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{missing}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from lag_zoo.cli import main
main()
"""
    done = in_a_fresh_process(code, root)
    assert done.returncode == 2, done.stderr
    assert 'pip install "lag_zoo[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_as_a_module(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lag_zoo.cli", "--version"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"lag_zoo {lag_zoo.__version__}\n"), done.stderr
