"""docs/guides/walk-through.md on the real sample frames: its commands run, and what it says of the frames is so."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data import open_data

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "walk-through.md"


@pytest.mark.slow
def test_the_walk(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (shared / "samples").iterdir():
        if folder.is_dir():
            shutil.copytree(folder, tmp_path / "frames" / folder.name)
    said = {}
    for block in re.findall(
        r"^```console\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    ):
        for line in block.splitlines():
            done = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
            assert done.exit_code == 0, f"{line}\n{done.output}"
            said[" ".join(line.split()[1:3])] = done.output

    check = " ".join(said["data check"].split())
    assert "24 frames" in check
    assert "near-copies: 1: WLI_IM/2.TIF = WLI_IM/3.TIF" in check
    assert "2: WLI_IM/2.TIF: wli, looks lci; WLI_IM/3.TIF: wli, looks lci" in check
    assert "16 examinations" in said["data group"]
    # The same examinations as those written down beside the frames.
    told = {f.image: f.exam for f in open_data(shared / "samples" / "manifest.csv").frames}
    found = {f.image.removeprefix("frames/"): f.exam for f in open_data(tmp_path / "split.csv").frames}
    pairs = {(told[image], found[image]) for image in told}
    assert len(pairs) == len(set(told.values())) == len(set(found.values())) == 16
    assert said["train finetune"].count("epoch ") == 4
    report = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "intervals that wide say little" in report
    assert (tmp_path / "report" / "report.html").read_text(encoding="utf-8").count("data:image/jpeg") >= 1
    assert (tmp_path / "report" / "paper_table.md").is_file()
    assert (tmp_path / "run" / "curves.png").is_file()
