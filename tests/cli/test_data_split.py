"""`lag-zoo data split`: a split that somebody may have trained on is not replaced by another."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lag_zoo.cli.app import app
from lag_zoo.errors import InvalidConfigError
from tests.training.drawn_data import write_frames


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_frames(tmp_path).root / "data.csv"


def split(data: Path, *options: object) -> Result:
    output = data.with_name("split.csv")
    return CliRunner().invoke(app, ["data", "split", str(data), "-o", str(output), *map(str, options)])


def test_it_is_shown_and_written(data: Path) -> None:
    done = split(data)
    assert done.exit_code == 0, done.output
    for part in ("12 patients", "train", "val", "test", "written: "):
        assert part in done.output
    assert split(data).exit_code == 0, "the same once more is no other"


@pytest.mark.parametrize("wanted", [("--seed", 1), ("--folds", 3)])
def test_another_is_refused_unless_asked_for(data: Path, wanted: tuple[object, ...]) -> None:
    split(data)
    before = data.with_name("split.csv").read_bytes()
    refused = split(data, *wanted)
    assert isinstance(refused.exception, InvalidConfigError)
    assert "--overwrite" in str(refused.exception)
    assert data.with_name("split.csv").read_bytes() == before
    assert split(data, *wanted, "--overwrite").exit_code == 0
    assert data.with_name("split.csv").read_bytes() != before


def test_a_manifest_that_is_not_split_yet_may_be_its_own_output(data: Path) -> None:
    lines = data.read_text().splitlines()
    place = lines[0].split(",").index("split")
    without = [",".join(cell for n, cell in enumerate(line.split(",")) if n != place) for line in lines]
    data.with_name("split.csv").write_text("\n".join(without) + "\n")
    own = data.with_name("split.csv")
    assert split(own).exit_code == 0
    assert isinstance(split(own, "--seed", 1).exception, InvalidConfigError)


def test_a_file_that_is_no_split(data: Path) -> None:
    data.with_name("split.csv").write_text("my notes")
    assert isinstance(split(data).exception, InvalidConfigError)
    assert data.with_name("split.csv").read_text() == "my notes"
