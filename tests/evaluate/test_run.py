"""A whole evaluation in one call: the command and Python give the same report, and its files are whole."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.data import Manifest
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate import Scores, evaluate_model, score
from lag_zoo.evaluate.run import Extras, Scoring
from lag_zoo.listener import Listener
from tests.networks import small
from tests.training.drawn_data import write_frames

SHORT = {"n_resamples": 10, "workers": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_frames(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a temperature and operating points."""
    about = lag_zoo.About(operating_points={"IM": 0.52}, temperature=2.0)
    return lag_zoo.save_pretrained(small(global_size=32), tmp_path_factory.mktemp("run") / "net", about=about)


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def told(folder: Path) -> dict[str, Any]:
    """What a report's folder says in numbers, but for the day."""
    report = json.loads((folder / "report.json").read_text())
    assert report["about"].pop("date")
    return report


@pytest.mark.usefixtures("no_pictures")
class TestTheSameAsTheCommand:
    @pytest.mark.parametrize(
        ("options", "arguments"),
        [
            (
                {"operating_point": "stored", "positive": "normal"},
                ("--operating-point", "stored", "--positive", "normal"),
            ),
            ({"level": "patient", "pooling": "mean"}, ("--level", "patient", "--pooling", "mean")),
            ({"without_crops": True, "prevalence": 0.1}, ("--without-crops", "--prevalence", 0.1)),
        ],
    )
    def test_numbers(
        self,
        options: dict[str, Any],
        arguments: tuple[object, ...],
        data: Manifest,
        network: Path,
        tmp_path: Path,
    ) -> None:
        table, place = data.root / "data.csv", f"local-dir:{network}"
        command(place, table, "--split", "val", "--n-resamples", 100, *arguments, "-o", tmp_path / "command")
        report = evaluate_model(place, table, split="val", n_resamples=100, **options)
        names = report.save(tmp_path / "python")
        assert told(tmp_path / "python") == told(tmp_path / "command")
        for name in ("report.md", "tables.csv", "scores.csv", "scores.csv.json"):
            one, other = ((tmp_path / made / name).read_text() for made in ("python", "command"))
            assert one == other, name
        assert {"report.json", "report.md", "scores.csv"} <= set(names)
        listed = sorted(path.name for path in (tmp_path / "command").iterdir())
        assert listed == sorted(path.name for path in (tmp_path / "python").iterdir())

    @pytest.mark.slow
    def test_with_all_its_parts(self, data: Manifest, network: Path, tmp_path: Path) -> None:
        table, place = data.root / "data.csv", f"local-dir:{network}"
        more = ("--baselines", "--compare", place, "--paper-table", "--thumbnails", "--mistakes", 1)
        command(place, table, "--split", "val", "--n-resamples", 100, *more, "-o", tmp_path / "command")
        extras = Extras(baselines=True, compare=(place,), paper_table=True, mistakes=1)
        evaluate_model(place, table, split="val", n_resamples=100, extras=extras).save(tmp_path / "python")
        one, other = (told(tmp_path / made) for made in ("python", "command"))
        assert one == other
        assert len(one["baselines"]) == 4
        assert [c["name"] for c in one["comparisons"]] == [place, f"{place}, without crops"]
        for name in ("paper_table.md", "report.html"):
            assert (tmp_path / "python" / name).read_text() == (tmp_path / "command" / name).read_text()
        assert "parts of frames" in (tmp_path / "python" / "report.html").read_text()


class TestFromPython:
    def test_a_network_without_crops_is_not_compared_with_itself(self, data: Manifest) -> None:
        plain = small(global_size=32, num_crops=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(plain), "without_crops", lambda self: pytest.fail("it has none"))
            found = evaluate_model(plain, data, split="val", **SHORT, baselines=True, mistakes=1)
        assert found.mistakes
        assert not found.comparisons

    def test_a_network_a_name_and_a_folder_are_the_same(self, data: Manifest, network: Path) -> None:
        places = (
            f"local-dir:{network}",
            network,
            lag_zoo.create_model(f"local-dir:{network}", pretrained=True),
        )
        reports = [evaluate_model(place, data, split="val", **SHORT) for place in places]
        assert len({report.rows[0].measures["auroc"].value for report in reports}) == 1
        for report in reports:
            assert report.rows[0].threshold == 0.52
            assert report.temperature == 2.0
            assert report.about["weights_sha256"] == reports[0].about["weights_sha256"]

    def test_how_the_network_is_run(self, data: Manifest, network: Path) -> None:
        """As predictions are: fused, in half precision, on a device."""
        plain, fused, half = (
            evaluate_model(
                network, data, split="val", scoring=Scoring(split="val", workers=0, **how), n_resamples=10
            )
            for how in ({"fuse": False}, {"fuse": True}, {"precision": "bf16", "device": "cpu"})
        )
        logits = [report.scores.logits for report in (plain, fused, half) if report.scores is not None]
        assert len(logits) == 3
        assert 0 < np.abs(logits[0] - logits[1]).max() < 1e-4
        assert 1e-5 < np.abs(logits[0] - logits[2]).max() < 0.1
        assert (plain.about["precision"], half.about["precision"]) == ("fp32", "bf16")
        with pytest.raises(InvalidConfigError, match="fp16 is for GPUs"):
            evaluate_model(network, data, split="val", precision="fp16", **SHORT)

    def test_its_scores_are_those_of_score(self, data: Manifest) -> None:
        model = small(global_size=32)
        report = evaluate_model(model, data, split="val", fuse=False, **SHORT)
        assert report.scores is not None
        alone = score(model, data, split="val", workers=0)
        assert np.array_equal(report.scores.logits, alone.logits)
        assert report.scores.frames.images == alone.frames.images

    @pytest.mark.usefixtures("no_pictures")
    def test_the_scores_that_are_saved_give_the_report_again(
        self, data: Manifest, network: Path, tmp_path: Path
    ) -> None:
        report = evaluate_model(network, data, split="val", **SHORT)
        report.save(tmp_path)
        again = lag_zoo.evaluate.evaluate(Scores.read(tmp_path / "scores.csv"), n_resamples=10)
        one, other = (json.dumps(made.to_dict()["rows"]) for made in (report, again))
        assert one == other

    def test_a_rule_is_applied_to_the_split_val(self, data: Manifest, network: Path) -> None:
        report = evaluate_model(network, data, split="train", operating_point="youden", **SHORT)
        assert report.rows[0].rule == "youden on 8 validation frames"

    def test_progress_is_told(self, data: Manifest, network: Path) -> None:
        tasks: dict[str, list[int]] = {}

        class Told(Listener):
            def task(self, what: str, total: int | None = None, *, done: int = 0) -> Any:
                tasks[what] = [total or 0, 0]

                def advance(count: int) -> None:
                    tasks[what][1] += count

                return _Task(advance)

        evaluate_model(network, data, split="val", listener=Told(), **SHORT)
        assert tasks["frames of val"] == [8, 8]
        assert tasks["statistics"] == [1, 1]

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"colour": 1}, "no option 'colour'; there are apparent, baselines"),
            ({"split": None}, "the splits train, val, and no test"),
            ({"split": "tset"}, "has no split 'tset'"),
            ({"split": "val", "level": "exam"}, "needs every frame's exam"),
            ({"split": "val", "operating_point": "youden"}, "needs frames to choose a threshold on"),
            (
                {"split": "val", "operating_point": "stored", "without_crops": True},
                "chosen for the network with",
            ),
            (
                {"split": "val", "mistakes": 1, "level": "patient"},
                "mistakes are frames: they need level frame",
            ),
        ],
    )
    def test_what_cannot_be(self, options: dict[str, Any], said: str, data: Manifest, network: Path) -> None:
        with pytest.raises((InvalidConfigError, DataError), match=said):
            evaluate_model(network, data, **options)

    def test_baselines_need_training_frames(self, data: Manifest, network: Path) -> None:
        only = data.with_column("split", ["test"] * len(data))
        with pytest.raises(InvalidConfigError, match=r"fitted on a split train, and .* has none"):
            evaluate_model(network, only, baselines=True)

    def test_two_networks_of_other_labels(self, data: Manifest, network: Path) -> None:
        with pytest.raises(
            DataError, match=r"the labels of lag_tf_efficientnet_lite0_polyp are mucosa, polyp, and"
        ):
            evaluate_model(network, data, split="val", compare=["lag_tf_efficientnet_lite0_polyp"], **SHORT)


@dataclasses.dataclass
class _Task:
    advance: Any

    def __enter__(self) -> Any:
        return self.advance

    def __exit__(self, *_: object) -> None:
        pass
