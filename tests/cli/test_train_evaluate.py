"""From frames to a report, by commands alone."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.errors import DataError, InvalidConfigError, LagZooWarning
from tests.networks import small
from tests.training.drawn_data import write_frames

SMALL = ["fields.global_size=32", "fields.num_crops=2", "fields.crop_size=32", "batch_size=4", "workers=0"]
STAGES = ["stages=[{name: all, epochs: 3}]", "pretrained=false"]


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_train_evaluate_predict(tmp_path: Path) -> None:
    data = write_frames(tmp_path).root / "data.csv"
    sets = [part for change in (*SMALL, *STAGES) for part in ("--set", change)]
    out = run(
        "train",
        "finetune",
        data,
        "-o",
        tmp_path / "run",
        "--model",
        "lag_mobilenetv3_small_050",
        "--device",
        "cpu",
        *sets,
    )
    assert [f"epoch {number} of 3" in out for number in (1, 2, 3, 4)] == [True, True, True, False]
    best = f"local-dir:{tmp_path / 'run' / 'best'}"
    options = ("--split", "val", "--operating-point", "stored", "--positive", "IM", "--n-resamples", 100)
    table = run("evaluate", best, data, *options)
    assert "stored with the weights" in table
    run("evaluate", best, data, *options, "-o", tmp_path / "report")
    there = {p.name for p in (tmp_path / "report").iterdir()}
    assert there >= {"report.html", "report.json", "report.md", "scores.csv", "scores.csv.json", "figures"}
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert told["analysed"] == 8
    assert [(row["label"], row["against"], row["n"], row["positives"]) for row in told["rows"]] == [
        ("IM", "normal", 8, 4)
    ]
    assert "8 of the split val" in table
    assert "Threshold: stored with the weights, apparent: chosen on such frames." in table
    assert told["rows"][0]["apparent"] is True
    with pytest.raises(InvalidConfigError, match="chosen for the network with its crops"):
        run("evaluate", best, data, *options, "--without-crops")
    without = run("evaluate", best, data, "--split", "all", "--without-crops", "--n-resamples", 100)
    assert "without crops" in without
    assert [line.split()[1] for line in without.splitlines() if line.startswith("| 24")] == ["24"]
    with pytest.raises(
        InvalidConfigError, match=r"the splits train, val, and no test.*--split val, or --split all"
    ):
        run("evaluate", best, data)
    for option, value, said in (
        ("--operating-point", "95", "from 0 to 1, got 95"),
        ("--operating-point", "yuden", "no rule 'yuden' for a threshold"),
        ("--operating-point", "youden", "needs frames to choose a threshold on"),
        ("--pooling", "top", "no way 'top' to pool frames"),
        ("--level", "exam", "needs every frame's exam: .* is grouped by patient"),
    ):
        with pytest.raises(InvalidConfigError, match=said):  # before the network is looked for
            run("evaluate", "local-dir:nowhere", data, "--split", "val", option, value)
    with pytest.raises(InvalidConfigError, match="needs frames to choose a threshold on"):
        run("evaluate", "local-dir:nowhere", data, "--split", "all", "--operating-point", "youden")
    (tmp_path / "file").touch()
    for command in (("train", "finetune", data), ("cv", "finetune", data), ("evaluate", best, data)):
        done = CliRunner().invoke(app, [*map(str, command), "-o", str(tmp_path / "file")])
        told = " ".join(
            done.output.replace("│", " ").split()
        )  # typer draws a box around it, and breaks its lines
        assert (done.exit_code, "is a file" in told) == (2, True)
    assert "backbone inside is called at 0.5" in run(
        "evaluate",
        best,
        data,
        "--split",
        "val",
        "--operating-point",
        "stored",
        "--baselines",
        "--n-resamples",
        100,
    )
    with pytest.raises(InvalidConfigError, match="both name the model"):
        run("train", "finetune", data, "-o", tmp_path / "two", "--model", "a", "--set", "model=b")
    more = ("--compare", best, "--thumbnails", "--mistakes", 1, "--paper-table", "-o", tmp_path / "more")
    out = run("evaluate", best, data, *options, *more)
    assert "paper_table.md" in out
    page = (tmp_path / "more" / "report.html").read_text()
    assert page.count(best) >= 2
    assert "parts of frames" in page
    assert "parts of frames" not in (tmp_path / "report" / "report.html").read_text()
    (other,) = json.loads((tmp_path / "more" / "report.json").read_text())["comparisons"]
    (differences,) = other["differences"]
    assert {name: (d["value"], d["p"]) for name, d in differences.items()} == dict.fromkeys(
        ("auroc", "sensitivity", "specificity"), (0, 1)
    )
    assert "reported by the paper, LCI" in (tmp_path / "more" / "paper_table.md").read_text()
    assert "IM against normal, threshold" in run("evaluate", best, data, *options, "--paper-table")
    with pytest.raises(InvalidConfigError, match="needs --output"):
        run("evaluate", best, data, "--thumbnails")
    with pytest.raises(DataError, match=r"the labels of lag_.*_polyp are mucosa, polyp, and"):
        run("evaluate", best, data, "--split", "val", "--compare", "lag_tf_efficientnet_lite0_polyp")
    (tmp_path / "no_im.csv").write_text((tmp_path / "data.csv").read_text().replace("IM", "polyp"))
    with pytest.raises(InvalidConfigError, match="the labels here are"):
        run("evaluate", best, tmp_path / "no_im.csv", "--split", "val", "--paper-table")
    assert "IM" in run("predict", tmp_path / "0_0.png", "--model", best)


def test_pictures_that_cannot_be_drawn_cost_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no font")

    data = write_frames(tmp_path).root / "data.csv"
    best = lag_zoo.save_pretrained(small(), tmp_path / "best")
    numbers = {"report.json", "report.md", "scores.csv", "scores.csv.json", "tables.csv"}
    for part, lost in (("figures", "figures are not complete"), ("html", "report.html could not be made")):
        folder = tmp_path / part
        with monkeypatch.context() as patch:
            patch.setattr(f"lag_zoo.evaluate.saving.{part}", broken)
            with pytest.warns(LagZooWarning, match=rf"{lost} .*no font"):
                said = run("evaluate", best, data, "--split", "val", "--n-resamples", 100, "-o", folder)
        written = " ".join(said.partition("written: ")[2].split())
        there = {path.name for path in folder.iterdir()}
        assert numbers <= there
        assert ("report.html" in there, "report.html" in written) == ((part == "figures",) * 2)


def test_a_rule_needs_other_frames(tmp_path: Path) -> None:
    data = write_frames(tmp_path).root / "data.csv"
    sets = [part for change in (*SMALL, *STAGES) for part in ("--set", change)]
    run(
        "train",
        "finetune",
        data,
        "-o",
        tmp_path / "run",
        "--model",
        "lag_mobilenetv3_small_050",
        "--device",
        "cpu",
        *sets,
    )
    best = f"local-dir:{tmp_path / 'run' / 'best'}"
    common = ("evaluate", best, data, "--operating-point", "youden", "--n-resamples", 100)
    assert "youden on 8 validation frames" in run(*common, "--split", "train")
    assert "Threshold: youden, apparent: on these very frames." in run(
        *common, "--split", "val", "--apparent"
    )
    with pytest.raises(InvalidConfigError, match="or --apparent"):
        run(*common, "--split", "val")


def test_a_stopped_cross_validation_says_how_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    data = write_frames(tmp_path).root / "data.csv"
    monkeypatch.setattr("lag_zoo.training.cross_validate", stopped)
    done = CliRunner().invoke(app, ["cv", "finetune", str(data), "-o", str(tmp_path / "out")])
    assert done.exit_code == 130
    assert "is whole, and the same command goes on" in " ".join(done.output.split())
