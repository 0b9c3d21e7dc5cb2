"""The guide to publishing: from frames to a repository on the Hub, by the commands that the page shows."""

import re
from pathlib import Path

import pytest

import lag_zoo
from tests.guides import run_page
from tests.hub_server import HubServer
from tests.training.drawn_data import write_frames

REPO = "our-hospital/im-lci"
SMALL = ("pretrained=false", "epochs=2", "batch_size=4", "workers=0", "fields.global_size=32", "fields.num_crops=2",
         "fields.crop_size=32")  # fmt: skip


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.slow
def test_the_way(root: Path, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lag_zoo.evaluate.pages._pictures", lambda report: {})
    monkeypatch.setattr("lag_zoo.evaluate.saving._figures", lambda *_: None)
    hub.token = "hf_right"
    monkeypatch.setenv("HF_TOKEN", hub.token)
    write_frames(tmp_path / "frames")
    table = (tmp_path / "frames" / "data.csv").read_text()
    for patient in ("p2", "p3"):
        table = re.sub(rf"(,{patient},.*)train", r"\1test", table)
    (tmp_path / "split.csv").write_text(re.sub(r"^(\d+_\d)", r"frames/\1", table, flags=re.MULTILINE))
    page = root / "docs/guides/publish.md"
    filled = re.search(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert filled

    def change(line: str) -> str:
        if "--about about.yaml --dry-run" in line:  # by now somebody has filled it in
            (tmp_path / "about.yaml").write_text(filled[1], encoding="utf-8")
            assert hub.requests == []
        if line.startswith("lag-zoo train"):
            return line + "".join(f" --set {key}" for key in SMALL)
        return line + " --n-resamples 100" * line.startswith("lag-zoo evaluate")

    said = run_page(page, namespace={"__name__": "__main__"}, change=change)
    assert [" ".join(line.split()[1:2]) for line in said] == [
        "train", "evaluate", "push", "push", "push", "push", "evaluate", "push",
    ]  # fmt: skip
    measured, written, checked, again, published, _, republished = list(said.values())[1:]
    assert "written into the card of runs/1/best: AUROC of IM" in measured
    assert "written: about.yaml" in written
    for text in (checked, again):
        assert "can be published" in text
    for text in (published, republished):
        assert f"published: {hub.url}/{REPO}/commit/" in text

    spec = lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True).weight_spec
    assert spec is not None
    assert {result.data.partition(" (")[0] for result in spec.results} == {
        "Our Hospital 2026, test",
        "split.csv, val",
    }
    assert spec.licence == "CC-BY-NC-4.0"
    repository = hub.repositories[REPO]
    card = (tmp_path / "runs/1/best/README.md").read_text(encoding="utf-8")
    assert f"# {REPO.rpartition('/')[2]}\n" in card
    assert "None were measured" not in card
    assert len(repository.commits) >= 3
